//! The database's file, made durable anew when its disk may lack what reads of it return.
//!
//! Linux tells of a failed `fsync` once, and from then on takes the pages that did not reach the disk for written: they are read as
//! before, no later `fsync` writes them, and a power cut takes them (`fsync(2)`, EIO; <https://lwn.net/Articles/752063/>). `redb` would go
//! on from a transaction whose pages are lost, and after its next commit or repair not even know the one before it.
//!
//! So the file is trusted until an `fsync` of it fails. A file without trust is written again as it reads, and synced, before `redb`
//! repairs it. That is early enough: `redb` writes nothing after a failed `fsync`, and a file that was left behind so it repairs, having
//! written no more than its first block as it was. (It repairs none whose last commit had two steps: of that one all pages
//! were synced before a header named them.) And a power cut in the middle leaves no more than one in the middle of the `fsync` that failed:
//! some pages of one transaction, behind which `redb` finds the one before.

use std::cell::RefCell;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{BackendError, Database, DatabaseError, StorageBackend, StorageError};

#[cfg(test)]
use crate::faults::open as medium;

/// Pages kept in memory. The whole file is a few megabytes and the kernel caches it as well.
const CACHE_BYTES: usize = 2 * 1024 * 1024;

/// What is written again at once: a page of `redb` and of the kernel.
const BLOCK: usize = 4096;

/// Whether all that reads of the file return is on the disk, or will be with its next `fsync`.
///
/// It is a file beside the database, so that the next process knows too. Losing trust removes it: that needs no room. What a power
/// cut leaves of it does not matter, for the kernel's pages are gone then and every read is from the disk.
#[derive(Debug)]
pub(crate) struct Trust {
    mark: PathBuf,
    held: AtomicBool,
}

impl Trust {
    pub(crate) fn of(path: &Path) -> Trust {
        let mark = path.with_extension("synced");
        let held = AtomicBool::new(mark.exists());
        Trust { mark, held }
    }

    fn lose(&self) {
        self.held.store(false, Ordering::SeqCst);
        if let Err(error) = std::fs::remove_file(&self.mark)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(%error, "only this process knows that the metadata store is not safe on its disk");
        }
    }

    fn regain(&self) {
        if !self.held.swap(true, Ordering::SeqCst) {
            // Without its mark the next process writes the file again for nothing.
            let _ = std::fs::File::create(&self.mark);
        }
    }
}

/// Opens or makes the database; what is read of it is on its disk then.
pub(crate) fn open(path: &Path, trust: &Arc<Trust>) -> Result<Database, DatabaseError> {
    let file = Arc::new(medium(path)?);
    let refusal = Rc::new(RefCell::new(None));
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    // Called before each of several steps of a repair, with the file locked.
    builder.set_repair_callback({
        let (file, trust, refusal) = (Arc::clone(&file), Arc::clone(trust), Rc::clone(&refusal));
        move |repair| {
            if trust.held.load(Ordering::SeqCst) {
                return;
            }
            match renew(&*file) {
                Ok(()) => trust.regain(),
                Err(error) => {
                    refusal.replace(Some(error));
                    repair.abort();
                }
            }
        }
    });
    let opened = builder.create_with_backend(Disk { file, trust: Arc::clone(trust) });
    if let Some(error) = refusal.take() {
        let cause = format!("a sync of it failed before, and so did writing it again: {error}");
        return Err(StorageError::Io(io::Error::new(error.kind(), cause)).into());
    }
    if opened.is_ok() {
        trust.regain();
    }
    opened
}

#[cfg(not(test))]
fn medium(path: &Path) -> Result<redb::backends::FileBackend, DatabaseError> {
    let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    redb::backends::FileBackend::new(file)
}

/// Writes every block as it reads, and makes them durable.
///
/// Blocks of zeroes stay: in a hole they would need room, which a full disk does not have, and no page of `redb` is one. (It begins with
/// its kind, and neither keys nor JSON have zeroes.)
fn renew(file: &impl StorageBackend) -> io::Result<()> {
    let length = file.len()?;
    let mut block = [0; BLOCK];
    for offset in (0..length).step_by(BLOCK) {
        let rest = usize::try_from(length - offset).unwrap_or(BLOCK);
        let block = &mut block[..rest.min(BLOCK)];
        file.read(offset, block)?;
        if block.iter().any(|byte| *byte != 0) {
            file.write(offset, block)?;
        }
    }
    file.sync_data()
}

/// The file as `redb` has it: the first failed sync costs it the trust.
#[derive(Debug)]
struct Disk<F> {
    file: Arc<F>,
    trust: Arc<Trust>,
}

impl<F: StorageBackend> StorageBackend for Disk<F> {
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data().inspect_err(|_| self.trust.lose())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

#[cfg(test)]
mod tests;
