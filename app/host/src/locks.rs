//! Locks that another program may hold: waited for, with a word about whom, and not for ever.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::{Error, Result, sys};

/// Somebody else's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The file or folder.
    pub path: PathBuf,
    /// The process that locked it, where the system tells.
    pub pid: Option<u32>,
}

impl Held {
    fn of(path: &Path) -> Held {
        Held { path: path.to_path_buf(), pid: sys::lock_holder(path) }
    }
}

/// How long a lock is waited for, and who gets to know.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until `tell` is called, once.
    notice: Duration,
    /// From then on until it is given up.
    limit: Duration,
    tell: fn(&Held),
}

impl Default for Patience {
    /// Told to the log.
    fn default() -> Self {
        Patience::telling(|held| tracing::info!(path = %held.path.display(), pid = held.pid, "waiting for a lock"))
    }
}

impl Patience {
    /// Whoever holds a lock of ours rightly needs less than this: it makes a few keys and writes a few small files.
    const LIMIT: Duration = Duration::from_secs(10);
    /// Longer than this is told.
    pub const NOTICE: Duration = Duration::from_secs(1);

    /// Calls `tell` when a lock is not free within a second.
    pub fn telling(tell: fn(&Held)) -> Patience {
        Patience { notice: Patience::NOTICE, limit: Patience::LIMIT, tell }
    }

    /// The lock of `file`, which is the file or folder `path`, until what is returned is dropped. Blocks.
    ///
    /// # Errors
    /// [`Error::Locked`] when whoever has it keeps it; when it cannot be locked at all.
    pub fn lock(self, file: File, path: &Path) -> Result<File> {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(Error::file("lock", path)(source)),
        }
        let (to, locked) = channel();
        // It is left to itself when it is given up: nothing ends a wait for a lock. What it gets then is dropped, and so free again.
        std::thread::spawn(move || to.send(file.lock().map(|()| file)));
        let mut got = locked.recv_timeout(self.notice);
        if got.is_err() {
            (self.tell)(&Held::of(path));
            got = locked.recv_timeout(self.limit);
        }
        match got {
            Ok(locked) => locked.map_err(Error::file("lock", path)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let Held { path, pid } = Held::of(path);
                Err(Error::Locked { path, pid, seconds: (self.notice + self.limit).as_secs() })
            }
        }
    }
}

/// Who holds the lock of `file`, which is `path`; `None` when it is free.
pub(crate) fn holder(file: &File, path: &Path) -> Option<Held> {
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| Held::of(path))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_lock_that_is_kept_is_told_and_given_up() {
        static TOLD: Mutex<Vec<Held>> = Mutex::new(Vec::new());
        let tell = |held: &Held| TOLD.lock().unwrap().push(held.clone());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let open = || sys::open_lock(&path).unwrap();
        let impatient = Patience { notice: Duration::ZERO, limit: Duration::ZERO, tell };
        let first = impatient.lock(open(), &path).unwrap();
        assert_eq!(*TOLD.lock().unwrap(), [], "it was free");
        let pid = cfg!(target_os = "linux").then(std::process::id);
        let held = Held { path: path.clone(), pid };
        assert_eq!(holder(&open(), &path), Some(held.clone()));
        let error = impatient.lock(open(), &path).unwrap_err();
        assert!(matches!(&error, Error::Locked { pid: known, .. } if *known == pid), "{error}");
        assert!(error.to_string().contains("lock is locked by "), "{error}");
        assert_eq!(*TOLD.lock().unwrap(), [held]);
        drop(first);
        // Who was given up may get it first, and lets go at once.
        Patience { limit: Duration::from_secs(60), ..impatient }.lock(open(), &path).unwrap();
    }
}
