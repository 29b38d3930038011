//! What can go wrong with the metadata store.

use std::path::PathBuf;

/// A failure of the metadata store. A batch that failed is kept as a whole or not at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process has the file open, or it is damaged or unreadable, or its disk does not take it anew after a failed `fsync`.
    #[error("cannot open the metadata store {path}: {cause}")]
    Open { path: PathBuf, cause: String },
    /// The file was written by a newer agent. It is left as it is.
    #[error(
        "the metadata store {path} has schema version {found}, this agent knows up to version {known}: update the agent, or reset the data disk"
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// The file is older than every version that can be migrated, or its version cannot be read.
    #[error("the metadata store {path} cannot be migrated from schema version {found}: {cause}")]
    Migrate { path: PathBuf, found: u32, cause: String },
    /// A read failed.
    #[error("cannot read the metadata table {table}: {cause}")]
    Read { table: &'static str, cause: String },
    /// A write or its commit failed. Readers may see the batch when only its way to the disk failed.
    #[error("cannot write metadata: {cause}")]
    Write { cause: String },
    /// A value could not be turned into JSON, or what is stored does not fit the type that is read.
    #[error("metadata {table}/{key} has an unexpected shape: {cause}")]
    Shape { table: &'static str, key: String, cause: String },
    /// The writer thread ended; the process is shutting down.
    #[error("the metadata store is closed")]
    Closed,
}
