//! What files have, remembered: what has not changed since it was hashed is not read again.
//!
//! A file of a directory that is kept from build to build goes by its number, its size and its times. Nobody can set the time of its last
//! change, but the kernel tells it no finer than its clock ticks: a file that is changed just behind its hashing may look like the one
//! that was hashed. So nothing is remembered of files that were changed just before. Images never change: all that is copied of one is
//! remembered as a whole.

mod read;

use crate::files::Tree;
use crate::recent::Recent;
use layers::Digest;
use read::{Helpers, One, read_all};
use rustix::fs::Stat;
use std::io;
use std::path::Path;
#[cfg(test)]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use read::of_content;

/// Files that are remembered at least, and twice as many at most, each by some 100 bytes: as many as a table of 2^17 places holds before
/// it doubles. The two tables take 27 MB, which do not come back before the engine ends.
const FILES: usize = 7 << 14;
/// What is copied of images, likewise.
const COPIES: usize = 1 << 12;
/// Nanoseconds: more than between two ticks of any kernel, which are 10 ms apart at most.
const TICK: i128 = 100_000_000;
/// Nanoseconds: more than some file systems round times to, which are two seconds.
const ROUNDED: i128 = 3_000_000_000;
const MILLISECOND: i128 = 1_000_000;

/// Whose files these are, which tells for how long they stay as they are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Lasts {
    /// They go with the build: there is no later one to remember them for.
    #[default]
    Build,
    /// Of a directory that is kept, and made anew for each build as far as its files changed.
    Directory,
    /// Of an image, which never changes, by the chain of its layers.
    Image(Digest),
}

/// What a file has that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) digest: Digest,
    /// Its attribute [`CAPABILITY`](crate::sources::CAPABILITY); empty where it has none.
    pub(crate) capability: Box<[u8]>,
}

/// All that is remembered. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Digests {
    all: Arc<Shared>,
    /// Nobody waits any more for what is read by this one.
    is_given_up: Arc<AtomicBool>,
}

/// Held by who waits for what is read, as long as that is wanted.
#[derive(Debug)]
pub(crate) struct Waits(Arc<AtomicBool>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Shared {
    /// By device and number.
    files: Mutex<Recent<(u64, u64), Known>>,
    copies: Mutex<Recent<Digest, Digest>>,
    helpers: Helpers,
    /// Bytes, of all files so far.
    #[cfg(test)]
    read: AtomicU64,
}

#[derive(Debug, Clone)]
struct Known {
    state: State,
    content: Fingerprint,
}

/// What of a file is another when it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    size: u64,
    modified: Time,
    changed: Time,
}

/// Seconds and nanoseconds.
type Time = (i64, u32);

/// A file's number among those that were asked for, and why it cannot be read.
pub(crate) type Failed = (usize, io::Error);

impl State {
    fn of(stat: &Stat) -> State {
        let time = |seconds: i64, rest: u64| (seconds, u32::try_from(rest).unwrap_or_default());
        State {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Whether whoever changes the file from `now` on, in nanoseconds since 1970, gives it another time.
    fn is_settled(&self, now: i128) -> bool {
        let (seconds, rest) = self.changed;
        let changed = i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        // One that is not rounded tells that the file system does not.
        let doubt = if changed % MILLISECOND == 0 { ROUNDED } else { TICK };
        changed + doubt < now
    }
}

/// Now, in nanoseconds since 1970.
pub(crate) fn now() -> i128 {
    // A clock that stands before 1970 has nothing remembered.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| i128::try_from(passed.as_nanos()).unwrap_or(0))
}

impl Default for Digests {
    fn default() -> Digests {
        let all = Shared {
            files: Mutex::new(Recent::new(FILES)),
            copies: Mutex::new(Recent::new(COPIES)),
            helpers: Helpers::default(),
            #[cfg(test)]
            read: AtomicU64::new(0),
        };
        Digests { all: Arc::new(all), is_given_up: Arc::default() }
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Digests {
    /// The same, for one who may go away: nothing is read on when the other one is dropped.
    pub(crate) fn waited_for(&self) -> (Digests, Waits) {
        let is_given_up = Arc::<AtomicBool>::default();
        let waits = Waits(Arc::clone(&is_given_up));
        (Digests { all: Arc::clone(&self.all), is_given_up }, waits)
    }

    /// What these regular files have, in their order; blocking. They were looked at since `since` ([`now`] by then). A failure comes with
    /// the number of its file.
    pub(crate) fn of_files(
        &self,
        tree: &Tree,
        files: &[(&Path, &Stat)],
        since: i128,
    ) -> Result<Vec<Fingerprint>, Failed> {
        let keeps = matches!(tree.lasts(), Lasts::Directory);
        let mut found: Vec<Option<Fingerprint>> = vec![None; files.len()];
        if keeps {
            let mut known = locked(&self.all.files);
            for (found, (_, stat)) in found.iter_mut().zip(files) {
                let same = known.get(&(stat.st_dev, stat.st_ino)).filter(|known| known.state == State::of(stat));
                *found = same.map(|known| known.content);
            }
        }
        let missing: Vec<usize> = (0..files.len()).filter(|at| found[*at].is_none()).collect();
        let read = read_all(tree, files, &missing, &self.all.helpers, &self.is_given_up)?;
        let bytes: u64 = read.iter().map(|(_, one)| one.bytes).sum();
        #[cfg(test)]
        self.all.read.fetch_add(bytes, Ordering::Relaxed);
        tracing::debug!(files = files.len(), hashed = missing.len(), bytes, "told files apart");
        let mut known = keeps.then(|| locked(&self.all.files));
        for (at, One { stat, content, .. }) in read {
            let state = State::of(&stat);
            if let Some(known) = known.as_mut()
                && state.is_settled(since)
            {
                known.put((stat.st_dev, stat.st_ino), Known { state, content: content.clone() });
            }
            found[at] = Some(content);
        }
        Ok(found.into_iter().map(|found| found.expect("each was known or is read")).collect())
    }

    /// What is known of a copy from an image, which `key` tells apart, or else is made out, and known from then on.
    pub(crate) fn of_copy<E>(&self, key: Digest, make: impl FnOnce() -> Result<Digest, E>) -> Result<Digest, E> {
        if let Some(known) = locked(&self.all.copies).get(&key) {
            return Ok(known);
        }
        let made = make()?;
        locked(&self.all.copies).put(key, made);
        Ok(made)
    }

    /// Bytes of files that were read so far.
    #[cfg(test)]
    pub(crate) fn read(&self) -> u64 {
        self.all.read.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
