//! The lock that makes a daemon the only one of its data folder.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::Duration;

use crate::paths::Paths;
use crate::whereabouts::Whereabouts;
use crate::{Error, Result};

/// Held by the one daemon of this user; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// A client that looks whether there is a daemon has the lock for a moment: that is no daemon.
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(10);

/// Whether some daemon has the lock, be it one that does not listen yet.
pub(crate) fn lives(paths: &Paths) -> bool {
    let Ok(file) = File::open(paths.daemon_lock()) else { return false };
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

impl Lock {
    pub(crate) fn take(paths: &Paths) -> Result<Lock> {
        let path = paths.daemon_lock();
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(Error::file("open", &path))?;
        let mut locked = file.try_lock();
        for _ in 0..LOOKS {
            if !matches!(locked, Err(std::fs::TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(LOOK);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only for the message.
                let _ = file.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
                let place = Whereabouts::of_living(paths).map_or(paths.runtime_dir().to_path_buf(), |it| it.runtime);
                return Err(Error::SecondDaemon { pid, place });
            }
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(Error::File { action: "lock", path, source });
            }
        }
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(Error::file("write", path))?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_holder_and_the_first_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path()).unwrap();
        paths.create().unwrap();
        let first = Lock::take(&paths).unwrap();
        let error = Lock::take(&paths).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        assert!(lives(&paths));
        drop(first);
        assert!(!lives(&paths));
        Lock::take(&paths).unwrap();
    }
}
