//! The metadata store: JSON values by string key in named tables, in one `redb` file.
//!
//! This crate is the only writer of metadata in the guest. It owns the file, its schema version and the writer
//! thread; it knows nothing of what the values mean.
//!
//! # Durability
//!
//! One thread owns every write transaction. It takes all requests that have arrived, applies them in order in one
//! transaction and commits: callers that ask at the same time share one `fsync` ([`Durability::Durable`]).
//! [`Durability::Eventual`] writes are visible to readers as soon as their future resolves, outlive this process from then on
//! (in the journal), and reach the disk with the next durable commit or [`FLUSH_WITHIN`] later, whichever is first. A
//! batch is atomic. After a killed process every resolved write is there; after a power cut the files hold a prefix of the
//! committed transactions.
//!
//! After an I/O error the file is opened anew and the writes that met it are tried once more; only then their callers are told. While
//! it does not open, readers and writers are refused, and it is tried again every two seconds. A flush that fails is tried again too, at
//! first after [`FLUSH_WITHIN`], in the end every eight seconds. When the error was a failed `fsync`, the kernel may have pages that no later
//! `fsync` writes: then opening begins with writing and syncing the whole file, by the next process if this one ends before it could.
//! So no answer is built on what a power cut may take.

mod commit;
mod database;
mod disk;
mod error;
#[cfg(test)]
mod faults;
mod journal;
mod pace;
mod schema;
mod table;
mod writer;

use std::path::Path;
use std::sync::Arc;

pub use error::Error;
pub use pace::FLUSH_WITHIN;
pub use schema::SCHEMA_VERSION;
pub use table::{Batch, Table};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// When a write's future may resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk.
    Durable,
    /// When every reader sees it and the death of this process cannot lose it; on disk at most [`FLUSH_WITHIN`] later.
    Eventual,
}

/// A handle to the open store. Clones share one file and one writer thread, which ends when the last handle goes.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Arc<database::Shared>,
    writer: writer::Writer,
}

impl Store {
    /// Opens the file, making it when it does not exist; an older schema is migrated, a newer one refused.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when another process holds the file or it cannot be read, [`Error::Newer`],
    /// [`Error::Migrate`].
    pub fn open(path: &Path) -> Result<Store> {
        let (database, journal) = database::Shared::open(path)?;
        let database = Arc::new(database);
        let committer = commit::Committer::new(Arc::clone(&database), journal);
        let writer = writer::Writer::start(committer)
            .map_err(|e| Error::Open { path: path.to_owned(), cause: e.to_string() })?;
        Ok(Store { inner: Arc::new(Inner { database, writer }) })
    }

    /// The table of that name; it comes into being with its first value.
    pub fn table<T>(&self, name: &'static str) -> Table<T> {
        Table::new(self.clone(), name)
    }

    /// Applies a batch atomically.
    ///
    /// Dropping the future does not take the batch back: it may still be written.
    pub async fn write(&self, batch: Batch, durability: Durability) -> Result<()> {
        self.inner.writer.submit(batch.into_operations()?, durability)?.await.map_err(|_| Error::Closed)?
    }

    /// How many transactions were flushed to disk since the store was opened: for diagnostics and tests.
    pub fn flushes(&self) -> u64 {
        self.inner.writer.flushes()
    }

    /// [`Store::write`] for threads outside of the async runtime.
    ///
    /// # Panics
    ///
    /// When called on a thread that drives async tasks.
    pub fn write_blocking(&self, batch: Batch, durability: Durability) -> Result<()> {
        self.inner.writer.submit(batch.into_operations()?, durability)?.blocking_recv().map_err(|_| Error::Closed)?
    }
}
