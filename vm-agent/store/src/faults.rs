//! A disk that fails when a test wants it to, behind a page cache, under the database file.
//!
//! The real file is what the page cache has: reads see every write. What is on the disk is kept apart, as the kernel does it: a sync
//! brings it what was written since the last one, and a sync that fails brings it a part, and forgets the rest.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::backends::FileBackend;
use redb::{DatabaseError, StorageBackend};

/// A page of the cache.
const BLOCK: u64 = 4096;

/// What a test wants of the disk, and what is on it.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// How many of the next reads fail.
    pub(crate) reads: AtomicUsize,
    /// How many of the next writes fail.
    pub(crate) writes: AtomicUsize,
    /// How many of the next syncs panic.
    pub(crate) panics: AtomicUsize,
    syncs: Mutex<Syncs>,
}

#[derive(Debug, Default)]
struct Syncs {
    count: usize,
    failing: BTreeSet<usize>,
    arrives: Arrives,
    unwritten: BTreeSet<u64>,
    disk: Vec<u8>,
    cuts: Option<Vec<Vec<u8>>>,
}

/// Which blocks a sync that fails brings to the disk.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) enum Arrives {
    #[default]
    Everything,
    Nothing,
    /// The first block, which says what the last transaction is.
    Header,
    AllButHeader,
}

impl Faults {
    /// Has syncs fail, by their numbers from now on, and what was written arrive meanwhile as said.
    pub(crate) fn fail_syncs(&self, which: impl IntoIterator<Item = usize>, arrives: Arrives) {
        let mut syncs = self.syncs();
        let count = syncs.count;
        syncs.failing = which.into_iter().map(|number| count + number).collect();
        syncs.arrives = arrives;
    }

    /// How many syncs there were.
    pub(crate) fn synced(&self) -> usize {
        self.syncs().count
    }

    /// Keeps what power cuts would leave on the disk, of a file that is not made yet.
    pub(crate) fn keep_cuts(&self) {
        self.syncs().cuts.get_or_insert_default();
    }

    /// Takes what power cuts would have left: two for each sync so far, one just before it, when the kernel had written no more than
    /// the header, and one just after it.
    pub(crate) fn take_cuts(&self) -> Vec<Vec<u8>> {
        self.syncs().cuts.take().unwrap_or_default()
    }

    fn syncs(&self) -> MutexGuard<'_, Syncs> {
        self.syncs.lock().unwrap()
    }
}

impl Syncs {
    fn bring(disk: &mut Vec<u8>, file: &FileBackend, blocks: impl Iterator<Item = u64>) -> io::Result<()> {
        for block in blocks {
            let (from, to) = (block * BLOCK, ((block + 1) * BLOCK).min(file.len()?));
            if from < to {
                let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
                disk.resize(disk.len().max(to), 0);
                file.read(from as u64, &mut disk[from..to])?;
            }
        }
        Ok(())
    }

    fn sync(&mut self, file: &FileBackend) -> io::Result<()> {
        let fails = self.failing.remove(&self.count);
        self.count += 1;
        if let Some(cuts) = &mut self.cuts {
            let mut cut = self.disk.clone();
            Syncs::bring(&mut cut, file, self.unwritten.iter().copied().filter(|block| *block == 0))?;
            let arrives = if fails { self.arrives } else { Arrives::Everything };
            let arriving = std::mem::take(&mut self.unwritten).into_iter().filter(|block| match arrives {
                Arrives::Nothing => false,
                Arrives::Header => *block == 0,
                Arrives::AllButHeader => *block != 0,
                Arrives::Everything => true,
            });
            Syncs::bring(&mut self.disk, file, arriving)?;
            if !fails {
                self.disk.resize(usize::try_from(file.len()?).unwrap(), 0);
            }
            cuts.extend([cut, self.disk.clone()]);
        }
        if fails { Err(io::Error::other("the disk did not sync, as the test wanted")) } else { Ok(()) }
    }
}

static DISKS: Mutex<Option<HashMap<PathBuf, Arc<Faults>>>> = Mutex::new(None);

/// The faults of the file at `path`, whenever it is opened.
pub(crate) fn of(path: &Path) -> Arc<Faults> {
    let mut disks = DISKS.lock().unwrap();
    disks.get_or_insert_default().entry(path.to_owned()).or_default().clone()
}

/// Opens or makes the file on such a disk. Nothing locks it.
pub(crate) fn open(path: &Path) -> Result<Disk, DatabaseError> {
    let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    Ok(Disk { file: FileBackend::new(file)?, faults: of(path) })
}

#[derive(Debug)]
pub(crate) struct Disk {
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
        self.faults.syncs().sync(&self.file)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        check(&self.faults.writes)?;
        self.file.write(offset, data)?;
        self.faults.syncs().unwritten.extend(offset / BLOCK..(offset + data.len() as u64).div_ceil(BLOCK));
        Ok(())
    }
}
