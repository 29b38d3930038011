//! What files have, remembered: what has not changed since it was hashed is not read again.
//!
//! A file of a directory that is kept from build to build goes by its number, its size and its times. Nobody can set the time of its last
//! change, but the kernel tells it no finer than its clock ticks: a file that is changed just behind its hashing may look like the one
//! that was hashed. So nothing is remembered of files that were changed just before. Images never change: all that is copied of one is
//! remembered as a whole.

use crate::files::Tree;
use crate::recent::Recent;
use crate::sources::CAPABILITY;
use layers::Digest;
use rustix::fs::{Stat, fgetxattr, fstat};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Files that are remembered at least, and twice as many at most, each by some 100 bytes.
const FILES: usize = 7 << 14;
/// What is copied of images, likewise.
const COPIES: usize = 1 << 12;
/// Nanoseconds: more than between two ticks of any kernel, which are 10 ms apart at most.
const TICK: i128 = 100_000_000;
/// Nanoseconds: more than some file systems round times to, which are two seconds.
const ROUNDED: i128 = 3_000_000_000;
const MILLISECOND: i128 = 1_000_000;
/// Bytes that are read at a time.
const PIECE: usize = 128 * 1024;
/// Bytes that are worth several threads.
const MANY: u64 = 1 << 20;

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
pub(crate) struct Content {
    pub(crate) digest: Digest,
    /// Its attribute [`CAPABILITY`]; empty where it has none.
    pub(crate) capability: Box<[u8]>,
}

/// All that is remembered. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Digests(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// By device and number.
    files: Mutex<Recent<(u64, u64), Known>>,
    copies: Mutex<Recent<Digest, Digest>>,
    /// Bytes, of all files so far.
    read: AtomicU64,
}

#[derive(Debug, Clone)]
struct Known {
    state: State,
    content: Content,
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
        let (files, copies) = (Mutex::new(Recent::new(FILES)), Mutex::new(Recent::new(COPIES)));
        Digests(Arc::new(Shared { files, copies, read: AtomicU64::new(0) }))
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Digests {
    /// What these regular files have, in their order; blocking. They were looked at since `since` ([`now`] by then). A failure comes with
    /// the number of its file.
    pub(crate) fn of_files(&self, tree: &Tree, files: &[(&Path, &Stat)], since: i128) -> Result<Vec<Content>, Failed> {
        let keeps = matches!(tree.lasts(), Lasts::Directory);
        let mut found: Vec<Option<Content>> = vec![None; files.len()];
        if keeps {
            let mut known = locked(&self.0.files);
            for (found, (_, stat)) in found.iter_mut().zip(files) {
                let same = known.get(&(stat.st_dev, stat.st_ino)).filter(|known| known.state == State::of(stat));
                *found = same.map(|known| known.content);
            }
        }
        let missing: Vec<usize> = (0..files.len()).filter(|at| found[*at].is_none()).collect();
        let read = read_all(tree, files, &missing)?;
        let bytes = read.iter().map(|(_, one)| one.bytes).sum();
        self.0.read.fetch_add(bytes, Ordering::Relaxed);
        tracing::debug!(files = files.len(), hashed = missing.len(), bytes, "told files apart");
        let mut known = keeps.then(|| locked(&self.0.files));
        for (at, One { stat, content, .. }) in read {
            let state = State::of(&stat);
            if let Some(known) = known.as_mut()
                && state.is_settled(since)
            {
                known.put((stat.st_dev, stat.st_ino), Known { state, content: content.clone() });
            }
            found[at] = Some(content);
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// What is known of a copy from an image, which `key` tells apart, or else is made out, and known from then on.
    pub(crate) fn of_copy<E>(&self, key: Digest, make: impl FnOnce() -> Result<Digest, E>) -> Result<Digest, E> {
        if let Some(known) = locked(&self.0.copies).get(&key) {
            return Ok(known);
        }
        let made = make()?;
        locked(&self.0.copies).put(key, made);
        Ok(made)
    }

    /// Bytes of files that were read so far.
    #[cfg(test)]
    pub(crate) fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }
}

/// A file that was read.
struct One {
    /// As it was before that.
    stat: Stat,
    content: Content,
    bytes: u64,
}

/// Reads those of these numbers, by as many threads as there are processors where they are large.
fn read_all(tree: &Tree, files: &[(&Path, &Stat)], wanted: &[usize]) -> Result<Vec<(usize, One)>, Failed> {
    let sizes = wanted.iter().map(|at| u64::try_from(files[*at].1.st_size).unwrap_or_default());
    let threads = match sizes.fold(0, u64::saturating_add) {
        MANY.. => std::thread::available_parallelism().map_or(1, usize::from).min(wanted.len()),
        _ => 1,
    };
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, One)>, Failed> {
        let (mut buffer, mut read) = (vec![0; PIECE], Vec::new());
        while let Some(at) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one = read_one(tree, files[*at].0, &mut buffer).map_err(|error| (*at, error))?;
            read.push((*at, one));
        }
        Ok(read)
    };
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for other in others {
            let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all = match (all, other) {
                (Ok(mut all), Ok(other)) => {
                    all.extend(other);
                    Ok(all)
                }
                // Of several failures the first one in the files' order is told, whoever met it.
                (Err(one), Err(other)) => Err(if one.0 < other.0 { one } else { other }),
                (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            };
        }
        all
    })
}

fn read_one(tree: &Tree, path: &Path, buffer: &mut [u8]) -> io::Result<One> {
    let mut file = tree.plain_file(path)?;
    let stat = fstat(&file)?;
    let mut value = [0; 1024];
    let length = fgetxattr(&file, CAPABILITY, &mut value[..]).unwrap_or_default();
    let (digest, bytes) = digest(&mut file, buffer)?;
    let content = Content { digest, capability: value[..length].into() };
    Ok(One { stat, content, bytes })
}

/// The digest of what a file has.
pub(crate) fn of_content(file: &mut impl Read) -> io::Result<Digest> {
    Ok(digest(file, &mut vec![0; PIECE])?.0)
}

fn digest(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<(Digest, u64)> {
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    loop {
        match file.read(buffer)? {
            0 => return Ok((Digest::from(hasher), bytes)),
            count => {
                hasher.update(&buffer[..count]);
                bytes += count as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// Of whoever looks much later.
    const LATER: i128 = 3_600_000_000_000;

    struct Stage {
        directory: tempfile::TempDir,
        digests: Digests,
    }

    impl Stage {
        fn new() -> Stage {
            Stage { directory: tempfile::tempdir().expect("a directory"), digests: Digests::default() }
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.directory.path().join(name), text).expect("written");
        }

        fn tree(&self, lasts: Lasts) -> Tree {
            Tree::open(self.directory.path()).expect("opened").lasting(lasts)
        }

        /// What the file has, and how many bytes were read for that.
        fn look(&self, name: &str, lasts: Lasts, since: i128) -> (Digest, u64) {
            let (tree, before) = (self.tree(lasts), self.digests.read());
            let stat = tree.lstat(Path::new(name)).expect("looked").expect("there");
            let found = self.digests.of_files(&tree, &[(Path::new(name), &stat)], since).expect("read");
            (found[0].digest, self.digests.read() - before)
        }

        fn later(&self, name: &str) -> (Digest, u64) {
            self.look(name, Lasts::Directory, now() + LATER)
        }
    }

    #[test]
    fn what_has_not_changed_is_not_read_again() {
        let stage = Stage::new();
        stage.write("f", "four");
        let four = Digest::of(b"four");
        assert_eq!(stage.later("f"), (four, 4));
        assert_eq!(stage.later("f"), (four, 0));
        // Another name of the same file.
        std::fs::hard_link(stage.directory.path().join("f"), stage.directory.path().join("g")).expect("linked");
        assert_eq!(stage.later("g").0, four);
        assert_eq!(stage.later("f"), (four, 0));
        assert_eq!(
            stage.look("f", Lasts::Build, now() + LATER),
            (four, 4),
            "nothing is known of what goes with a build"
        );
    }

    #[test]
    fn a_change_that_hides_is_seen() {
        let stage = Stage::new();
        stage.write("f", "four");
        let path = stage.directory.path().join("f");
        let state = || {
            let stat = stage.tree(Lasts::Directory).lstat(Path::new("f")).expect("looked").expect("there");
            State::of(&stat)
        };
        let modified = std::fs::metadata(&path).and_then(|data| data.modified()).expect("a time");
        assert_eq!(stage.later("f"), (Digest::of(b"four"), 4));
        // In its place and by another file, of the same size and with the same time.
        for (text, replaces) in [("five", false), ("nine", true)] {
            let before = state();
            // Until the clock ticks.
            while state().changed == before.changed {
                if replaces {
                    std::fs::remove_file(&path).expect("removed");
                }
                stage.write("f", text);
                File::options().write(true).open(&path).and_then(|file| file.set_modified(modified)).expect("dated");
            }
            assert_eq!((state().size, state().modified), (before.size, before.modified));
            assert_eq!(stage.later("f"), (Digest::of(text.as_bytes()), 4));
        }
    }

    #[test]
    fn what_was_just_changed_is_read_again() {
        let stage = Stage::new();
        stage.write("f", "four");
        for _ in 0..2 {
            assert_eq!(stage.look("f", Lasts::Directory, now()), (Digest::of(b"four"), 4));
        }
        let state = |changed| State { size: 0, modified: (0, 0), changed };
        let at = |seconds: i128, rest: i128| seconds * 1_000_000_000 + rest;
        assert!(!state((7, 1)).is_settled(at(7, 50_000_000)) && state((7, 1)).is_settled(at(7, 200_000_000)));
        // It may be rounded.
        assert!(!state((7, 0)).is_settled(at(9, 0)) && state((7, 0)).is_settled(at(11, 0)));
        // The clock was set back.
        assert!(!state((7, 1)).is_settled(at(6, 0)));
    }

    #[test]
    fn several_threads_tell_the_same() {
        let stage = Stage::new();
        let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        for name in &names {
            stage.write(name, &name.repeat(100_000));
        }
        let tree = stage.tree(Lasts::Directory);
        let stats: Vec<Stat> =
            names.iter().map(|name| tree.lstat(Path::new(name)).expect("looked").expect("there")).collect();
        let files: Vec<(&Path, &Stat)> = names.iter().map(Path::new).zip(&stats).collect();
        let found = stage.digests.of_files(&tree, &files, now()).expect("read");
        for (name, content) in names.iter().zip(found) {
            assert_eq!(content.digest, Digest::of(name.repeat(100_000).as_bytes()), "{name}");
        }
        assert_eq!(stage.digests.read(), stats.iter().map(|stat| stat.st_size.unsigned_abs()).sum::<u64>());
        for name in ["7", "30"] {
            std::fs::remove_file(stage.directory.path().join(name)).expect("removed");
        }
        let (at, error) = stage.digests.of_files(&tree, &files, now()).expect_err("two are gone");
        assert!([7, 30].contains(&at) && error.kind() == io::ErrorKind::NotFound, "{at} {error}");
    }
}
