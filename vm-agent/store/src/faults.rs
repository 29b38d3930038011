//! A disk that fails when a test wants it to, under the database file.

use std::collections::HashMap;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use redb::backends::FileBackend;
use redb::{BackendError, Builder, Database, DatabaseError, StorageBackend};

/// How many of the next calls fail.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    /// How many of the next syncs panic.
    pub(crate) panics: AtomicUsize,
}

static DISKS: Mutex<Option<HashMap<PathBuf, Arc<Faults>>>> = Mutex::new(None);

/// The faults of the file at `path`, whenever it is opened.
pub(crate) fn of(path: &Path) -> Arc<Faults> {
    let mut disks = DISKS.lock().unwrap();
    disks.get_or_insert_default().entry(path.to_owned()).or_default().clone()
}

/// As [`Builder::create`], on such a disk.
pub(crate) fn create(builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
    let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    builder.create_with_backend(Disk { file: FileBackend::new(file)?, faults: of(path) })
}

#[derive(Debug)]
struct Disk {
    file: FileBackend,
    faults: Arc<Faults>,
}

fn check(left: &AtomicUsize) -> io::Result<()> {
    match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
        Ok(_) => Err(io::Error::other("the disk failed, as the test wanted")),
        Err(_) => Ok(()),
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        check(&self.faults.reads)?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        check(&self.faults.panics).expect("no fault");
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        check(&self.faults.writes)?;
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
