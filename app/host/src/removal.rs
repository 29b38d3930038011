//! What Berth left on this computer for a user, apart from its programs, taken away again: entries in others' folders, and its own
//! folders. Whoever removes the programs removes these before, since nobody else knows where they are.

use std::fs;
use std::path::{Path, PathBuf};

use crate::paths::Paths;
use crate::{Error, Result, context, machines, paths};

/// The window's program: an entry that names it is ours.
const WINDOW: &str = "berth-desktop";

/// Removes the docker contexts of all machines and what starts the window at login, as far as they are ours; returns what there was.
///
/// # Errors
/// When one of them cannot be removed; the ones before it are.
pub fn entries(paths: &Paths) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for machine in machines::all(paths)? {
        removed.extend(context::take_back(&machine)?);
    }
    if !paths.is_elsewhere()
        && let Some(entry) = paths::login_entry()
        && names_the_window(&entry)
    {
        fs::remove_file(&entry).map_err(Error::file("remove", &entry))?;
        removed.push(entry);
    }
    Ok(removed)
}

fn names_the_window(entry: &Path) -> bool {
    fs::read_to_string(entry).is_ok_and(|text| text.contains(WINDOW))
}

/// Removes all machines with all that is in them, settings, logs and what is kept to be faster; returns the folders that there were.
///
/// # Errors
/// When a machine runs or has a daemon: then the ones before it are gone. Else what cannot be removed is left.
pub fn data(paths: &Paths) -> Result<Vec<PathBuf>> {
    let default = paths.of_machine(None);
    let named = machines::all(paths)?.into_iter().filter(|machine| machine.machine().is_some());
    named.map(|machine| machines::remove(&machine)).collect::<Result<Vec<_>>>()?;
    // Before anything is made, to hold daemons off.
    let folders = [default.runtime_dir(), default.data_dir(), default.cache_dir(), default.config_dir()];
    let there: Vec<PathBuf> = folders.into_iter().filter(|folder| folder.is_dir()).map(Path::to_path_buf).collect();
    default.create()?;
    let held = machines::at_rest(&default)?;
    machines::erase(&folders, &default.daemon_lock(), Some(held))?;
    // Windows has them in a folder of Berth's; with something of somebody else's in it, it stays.
    for above in folders.iter().filter_map(|folder| folder.parent()).filter(|above| above.ends_with("berth")) {
        let _ = fs::remove_dir(above);
    }
    Ok(there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::Name;

    #[test]
    fn all_folders_of_all_machines_go() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::below(home.path()).unwrap();
        paths.create().unwrap();
        let work = Name::of("work").unwrap().unwrap();
        let work = machines::create(&paths, &work, &[]).unwrap();
        fs::write(work.settings(), "").unwrap();
        fs::write(paths.data_disk(), "data").unwrap();
        let removed = data(&work).unwrap();
        assert!(removed.contains(&paths.data_dir().to_path_buf()), "{removed:?}");
        for folder in [paths.config_dir(), paths.data_dir(), paths.cache_dir(), paths.runtime_dir(), work.data_dir()] {
            assert!(!folder.exists(), "{}", folder.display());
        }
        assert_eq!(data(&paths).unwrap(), Vec::<PathBuf>::new(), "nothing is left to remove");
    }

    #[test]
    fn nothing_goes_under_a_daemon() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::below(home.path()).unwrap();
        paths.create().unwrap();
        fs::write(paths.data_disk(), "data").unwrap();
        let daemon = crate::daemon::Lock::take(&paths).unwrap();
        assert!(data(&paths).is_err());
        assert!(paths.data_disk().exists());
        drop(daemon);
        data(&paths).unwrap();
        assert!(!paths.data_disk().exists());
    }
}
