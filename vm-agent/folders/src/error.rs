//! Why a folder of the host's is not mounted.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host's words.
    #[error("{0}")]
    NotShared(String),
    /// The host has nothing at this path.
    #[error("bind source path does not exist: {0}")]
    Missing(String),
    #[error("{0}")]
    Failed(String),
    #[error("mount a folder of the host's at {path}: {source}", path = path.display())]
    Mount { path: PathBuf, source: io::Error },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
