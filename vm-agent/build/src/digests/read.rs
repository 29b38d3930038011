//! Files that are read and hashed, several side by side.

use super::{Failed, Fingerprint};
use crate::files::Tree;
use crate::sources::CAPABILITY;
use layers::Digest;
use rustix::fs::{Stat, fgetxattr, fstat};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, available_parallelism};

/// Bytes that are read at a time.
const PIECE: usize = 128 * 1024;
/// Bytes that are worth several threads.
const MANY: u64 = 1 << 20;

/// How many threads help those that read, over all builds: there is one for each processor, however many read at a time.
#[derive(Debug, Default)]
pub(super) struct Helpers(AtomicUsize);

/// One of them, until it is dropped.
struct Help<'a>(&'a Helpers);

impl Helpers {
    /// None where there are `most` at work.
    fn one(&self, most: usize) -> Option<Help<'_>> {
        let more = |busy| (busy < most).then_some(busy + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Help(self))
    }
}

impl Drop for Help<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A file that was read.
pub(super) struct One {
    /// As it was before that.
    pub(super) stat: Stat,
    pub(super) content: Fingerprint,
    pub(super) bytes: u64,
}

/// Reads those of these numbers, by as many threads as there are processors where they are large.
pub(super) fn read_all(
    tree: &Tree,
    files: &[(&Path, &Stat)],
    wanted: &[usize],
    helpers: &Helpers,
    is_given_up: &AtomicBool,
) -> Result<Vec<(usize, One)>, Failed> {
    let sizes = wanted.iter().map(|at| u64::try_from(files[*at].1.st_size).unwrap_or_default());
    let processors = match sizes.fold(0, u64::saturating_add) {
        MANY.. => available_parallelism().map_or(1, usize::from),
        _ => 1,
    };
    let read = |at: usize, buffer: &mut Vec<u8>, is_over: &AtomicBool| {
        buffer.resize(PIECE, 0);
        read_one(tree, files[at].0, buffer, is_over, is_given_up)
    };
    side_by_side(wanted, processors, helpers, read)
}

/// What `read` makes of these numbers, which rise, in any order. It may give up with nothing when it is over: one could not be read. The
/// first of those that could not is told.
fn side_by_side<T: Send>(
    wanted: &[usize],
    processors: usize,
    helpers: &Helpers,
    read: impl Fn(usize, &mut Vec<u8>, &AtomicBool) -> io::Result<Option<T>> + Sync,
) -> Result<Vec<(usize, T)>, Failed> {
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || -> Result<Vec<(usize, T)>, Failed> {
        let (mut buffer, mut all) = (Vec::new(), Vec::new());
        // Whatever is before one that fails was begun already.
        while !is_over.load(Ordering::Relaxed)
            && let Some(at) = wanted.get(next.fetch_add(1, Ordering::Relaxed))
        {
            match read(*at, &mut buffer, &is_over) {
                Ok(Some(one)) => all.push((*at, one)),
                Ok(None) => break,
                Err(error) => {
                    is_over.store(true, Ordering::Relaxed);
                    return Err((*at, error));
                }
            }
        }
        Ok(all)
    };
    let work = &work;
    std::thread::scope(|scope| {
        let mut others = Vec::new();
        while others.len() + 1 < processors.min(wanted.len()) {
            let Some(help) = helpers.one(processors) else { break };
            let helping = move || {
                let _help = help;
                work()
            };
            match Builder::new().spawn_scoped(scope, helping) {
                Ok(other) => others.push(other),
                // It takes longer without.
                Err(error) => {
                    tracing::debug!(%error, "no thread helps reading");
                    break;
                }
            }
        }
        let mut all = work();
        for other in others {
            let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all = match (all, other) {
                (Ok(mut all), Ok(other)) => {
                    all.extend(other);
                    Ok(all)
                }
                (Err(one), Err(other)) => Err(if one.0 < other.0 { one } else { other }),
                (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            };
        }
        all
    })
}

/// A file that is read as long as somebody wants what it has.
struct Wanted<'a, R> {
    file: R,
    is_given_up: &'a AtomicBool,
}

impl<R: Read> Read for Wanted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.is_given_up.load(Ordering::Relaxed) {
            true => Err(io::Error::other("nobody waits for it any more")),
            false => self.file.read(buffer),
        }
    }
}

fn read_one(
    tree: &Tree,
    path: &Path,
    buffer: &mut [u8],
    is_over: &AtomicBool,
    is_given_up: &AtomicBool,
) -> io::Result<Option<One>> {
    let file = tree.plain_file(path)?;
    let stat = fstat(&file)?;
    let mut value = [0; 1024];
    let length = fgetxattr(&file, CAPABILITY, &mut value[..]).unwrap_or_default();
    let Some((digest, bytes)) = digest(&mut Wanted { file, is_given_up }, buffer, is_over)? else { return Ok(None) };
    let content = Fingerprint { digest, capability: value[..length].into() };
    Ok(Some(One { stat, content, bytes }))
}

/// The digest of what a file has.
pub(crate) fn of_content(file: &mut impl Read) -> io::Result<Digest> {
    let read = digest(file, &mut vec![0; PIECE], &AtomicBool::new(false))?;
    Ok(read.expect("nobody says that it is over").0)
}

/// With the bytes that were read; nothing when it was over before.
fn digest(file: &mut impl Read, buffer: &mut [u8], is_over: &AtomicBool) -> io::Result<Option<(Digest, u64)>> {
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    while !is_over.load(Ordering::Relaxed) {
        match file.read(buffer)? {
            0 => return Ok(Some((Digest::from(hasher), bytes))),
            count => {
                hasher.update(&buffer[..count]);
                bytes += count as u64;
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_first_failure_ends_all() {
        let wanted: Vec<usize> = (0..1000).collect();
        let begun = AtomicUsize::new(0);
        let found = side_by_side(&wanted, 4, &Helpers::default(), |at, _, is_over| {
            begun.fetch_add(1, Ordering::Relaxed);
            if at == 0 {
                return Err(io::ErrorKind::NotFound.into());
            }
            let late = Instant::now() + Duration::from_secs(60);
            while !is_over.load(Ordering::Relaxed) {
                assert!(Instant::now() < late, "nobody says that it is over");
                std::thread::yield_now();
            }
            Ok(Some(()))
        });
        assert_eq!(found.expect_err("one is missing").0, 0);
        assert!(begun.into_inner() <= 4, "others were begun behind the failure");
        // What was begun is not gone on with.
        let read = digest(&mut &b"four"[..], &mut [0; 2], &AtomicBool::new(true)).expect("read");
        assert_eq!(read, None);
    }

    #[test]
    fn all_builds_share_the_helpers() {
        let (helpers, wanted) = (Helpers::default(), [3, 5, 8]);
        let own = std::thread::current().id();
        let by = || {
            let by = side_by_side(&wanted, 2, &helpers, |_, _, _| Ok(Some(std::thread::current().id())));
            by.expect("read")
        };
        let busy: Vec<Help<'_>> = std::iter::from_fn(|| helpers.one(2)).collect();
        assert_eq!(busy.len(), 2);
        assert_eq!(by(), wanted.map(|at| (at, own)), "by whoever asked alone, when all of them help others");
        drop(busy);
        let mut all: Vec<usize> = by().into_iter().map(|(at, _)| at).collect();
        all.sort_unstable();
        assert_eq!(all, wanted);
        assert_eq!(helpers.0.into_inner(), 0);
    }
}
