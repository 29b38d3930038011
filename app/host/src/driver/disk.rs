//! Files that are data disks, in the form that a hypervisor takes.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::sys;

/// One form. All calls block.
pub trait DataDisks: Send + Sync + std::fmt::Debug {
    /// How long the disk is, in bytes.
    fn size(&self, path: &Path) -> io::Result<u64>;

    /// Makes an empty disk of `bytes`, of which hardly any are on the host's disk.
    fn make(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// Makes the disk of a machine that is off longer.
    fn grow(&self, path: &Path, bytes: u64) -> io::Result<()>;
}

/// A disk that is worked on though its machine is off: whoever wants it waits for that ([`at_rest`]).
#[derive(Debug)]
pub struct AtWork(PathBuf);

/// Such disks, and how many wait for each.
static WORK: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());
static DONE: Condvar = Condvar::new();

impl AtWork {
    pub fn on(path: &Path) -> AtWork {
        WORK.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_path_buf(), 0);
        AtWork(path.to_path_buf())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        WORK.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        DONE.notify_all();
    }
}

/// Blocks until nobody of this process works on the disk in `path`.
pub fn at_rest(path: &Path) {
    let mut work = WORK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(waiting) = work.get_mut(path) {
        *waiting += 1;
    }
    let _rested = DONE.wait_while(work, |work| work.contains_key(path)).unwrap_or_else(PoisonError::into_inner);
}

/// Whether somebody waits for the disk in `path`.
#[cfg(test)]
pub(super) fn is_waited_for(path: &Path) -> bool {
    WORK.lock().unwrap_or_else(PoisonError::into_inner).get(path).is_some_and(|waiting| *waiting > 0)
}

/// The disk's bytes and nothing else, in a file with holes.
#[derive(Debug, Clone, Copy)]
pub struct Raw;

impl DataDisks for Raw {
    fn size(&self, path: &Path) -> io::Result<u64> {
        std::fs::metadata(path).map(|metadata| metadata.len())
    }

    fn make(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let file = sys::create_private_file(path)?;
        file.set_len(bytes)?;
        file.sync_all()
    }

    fn grow(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(bytes)?;
        file.sync_all()
    }
}
