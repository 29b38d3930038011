//! Folders of machines removed while daemons are kept away: the lock's file is open all the while, and where the system keeps the name of
//! an open file that was removed, it keeps the folders that it lies in, too. So that file goes last.

use std::fs;
use std::io;
use std::path::Path;

use super::gone;
use crate::{Error, Result, daemon};

/// Removes `folders`, in this order, in one of which the file `lock` lies that `held` has open, if anybody.
///
/// # Errors
/// When something cannot be removed; the folders before it are.
pub(crate) fn erase(folders: &[&Path], lock: &Path, held: Option<daemon::Lock>) -> Result<()> {
    for folder in folders {
        all_but(folder, lock).map_err(Error::file("remove", *folder))?;
    }
    drop(held);
    gone(fs::remove_file(lock)).map_err(Error::file("remove", lock))?;
    for folder in lock.ancestors().skip(1).take_while(|above| folders.iter().any(|folder| above.starts_with(folder))) {
        match empty(folder) {
            // A daemon that began just now has made something in it, which is its own.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => break,
            removed => gone(removed).map_err(Error::file("remove", folder))?,
        }
    }
    Ok(())
}

/// Removes an empty folder, and the link that leads to it.
fn empty(folder: &Path) -> io::Result<()> {
    if !folder.is_symlink() {
        return fs::remove_dir(folder);
    }
    gone(fs::remove_dir(folder.canonicalize()?))?;
    fs::remove_file(folder)
}

/// Removes `folder` with all that is in it, but the file `kept` and the folders that it lies in.
fn all_but(folder: &Path, kept: &Path) -> io::Result<()> {
    if !kept.starts_with(folder) && !folder.is_symlink() {
        return gone(fs::remove_dir_all(folder));
    }
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        match entry.file_type()?.is_dir() {
            // Links within are not followed.
            true => all_but(&path, kept)?,
            false if path == kept => {}
            false => gone(fs::remove_file(&path))?,
        }
    }
    // What a user put on another disk is what is to go, not the way to it alone.
    if kept.starts_with(folder) { Ok(()) } else { empty(folder) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Paths;

    #[test]
    fn the_lock_goes_last_with_its_folders() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::below(home.path()).unwrap();
        paths.create().unwrap();
        fs::write(paths.data_disk(), "data").unwrap();
        fs::create_dir_all(paths.snapshots_dir().join("deep")).unwrap();
        let folders = [paths.config_dir(), paths.data_dir()];
        erase(&folders, &paths.daemon_lock(), Some(daemon::Lock::take(&paths).unwrap())).unwrap();
        assert!(folders.iter().all(|folder| !folder.exists()));
        paths.create().unwrap();
        let held = daemon::Lock::take(&paths).unwrap();
        let others = home.path().join("others");
        fs::create_dir(&others).unwrap();
        // Not one of those that go: it has the lock's folder in it.
        erase(&[&others], &paths.daemon_lock(), Some(held)).unwrap();
        assert!(!others.exists() && paths.machine_dir().is_dir());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_goes_with_it() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        for name in ["data", "config"] {
            fs::create_dir(elsewhere.path().join(name)).unwrap();
            std::os::unix::fs::symlink(elsewhere.path().join(name), home.path().join(name)).unwrap();
        }
        let paths = Paths::below(home.path()).unwrap();
        paths.create().unwrap();
        fs::write(paths.data_disk(), "data").unwrap();
        fs::write(paths.settings(), "").unwrap();
        // A link within leads to somebody's.
        let others = elsewhere.path().join("others");
        fs::write(&others, "kept").unwrap();
        std::os::unix::fs::symlink(&others, paths.machine_dir().join("link")).unwrap();
        let held = daemon::Lock::take(&paths).unwrap();
        erase(&[paths.data_dir(), paths.config_dir()], &paths.daemon_lock(), Some(held)).unwrap();
        for folder in [home.path(), elsewhere.path()] {
            let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert!(left.iter().all(|name| ["cache", "run", "others"].iter().any(|other| name == other)), "{left:?}");
        }
        assert_eq!(fs::read_to_string(others).unwrap(), "kept");
    }
}
