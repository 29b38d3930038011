//! Files that are data disks, in the form that a hypervisor takes.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

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
