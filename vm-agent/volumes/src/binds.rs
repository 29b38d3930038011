//! Where a folder is that a volume stands for (`o=bind`).

use std::fmt::Debug;
use std::path::PathBuf;

/// The way to such folders. All of it may block: it is called from threads of an async runtime that may.
pub trait Binds: Debug + Send + Sync {
    /// Takes `folder`, the volume's `device`, into use for `volume`, and answers where it is in this machine. `folder` is a path
    /// of the user's computer, which may be another one.
    ///
    /// # Errors
    /// Why it cannot be had, to be told behind what was tried.
    fn open(&self, folder: &str, read_only: bool, volume: &str) -> Result<PathBuf, String>;

    /// Goes on with a use that an earlier engine began.
    fn adopt(&self, folder: &str, read_only: bool, volume: &str);

    /// Ends the use; nothing happens where there is none.
    fn close(&self, folder: &str, read_only: bool, volume: &str);
}

/// Folders of this machine, which is the user's own.
#[derive(Debug, Clone, Copy)]
pub struct Here;

impl Binds for Here {
    fn open(&self, folder: &str, _: bool, _: &str) -> Result<PathBuf, String> {
        Ok(folder.into())
    }

    fn adopt(&self, _: &str, _: bool, _: &str) {}

    fn close(&self, _: &str, _: bool, _: &str) {}
}
