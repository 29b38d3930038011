//! The first content of a volume, all of it or none.
//!
//! ```text
//!   _data (empty) ---copy---> .filling ---flush, rename---> .filled ---move each entry---> _data, .filled removed
//!       crash here: .filling is thrown away, _data is empty     crash here: the moves are finished at the next start
//! ```
//!
//! The entries are moved, not the directory: a container that has the empty volume mounted holds that very directory.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::copy::{copy_metadata, copy_tree};

/// Beside `_data`.
const FILLING: &str = ".filling";
const FILLED: &str = ".filled";

/// Copies the content of `from` into the volume, unless that has content already. Blocking; under the volume's lock.
pub(crate) fn fill(volume: &Path, from: &Path) -> io::Result<()> {
    finish(volume)?;
    let data = volume.join("_data");
    if fs::read_dir(&data)?.next().is_some() {
        return Ok(());
    }
    let filling = volume.join(FILLING);
    fs::create_dir(&filling)?;
    let filled = copy_tree(from, &filling).and_then(|()| {
        if fs::read_dir(&filling)?.next().is_none() {
            // An empty directory, whose owner and mode count all the same.
            copy_metadata(&filling, &data, &fs::metadata(&filling)?)?;
            return fs::remove_dir(&filling);
        }
        // Nothing of the copy may be missing once it is called complete.
        rustix::fs::syncfs(File::open(&filling)?)?;
        fs::rename(&filling, volume.join(FILLED))?;
        File::open(volume)?.sync_all()?;
        finish(volume)
    });
    if filled.is_err() {
        // What cannot be removed now is removed before the next attempt.
        let _ = layers::remove_tree(&filling);
    }
    filled
}

/// The same for what is mounted on `data`, whose file system is not ours to keep notes beside: a copy that fails leaves what it
/// copied. Blocking; under the volume's lock.
pub(crate) fn fill_foreign(data: &Path, from: &Path) -> io::Result<()> {
    if fs::read_dir(data)?.next().is_some() {
        return Ok(());
    }
    copy_tree(from, data)
}

/// Completes or undoes what was interrupted.
pub(crate) fn finish(volume: &Path) -> io::Result<()> {
    let filling = volume.join(FILLING);
    match layers::remove_tree(&filling) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (filled, data) = (volume.join(FILLED), volume.join("_data"));
    let entries = match fs::read_dir(&filled) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        fs::rename(entry.path(), data.join(entry.file_name()))?;
    }
    copy_metadata(&filled, &data, &fs::metadata(&filled)?)?;
    // The moves reach the disk before the directory that tells of them goes.
    File::open(&data)?.sync_all()?;
    fs::remove_dir(&filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    /// (the temporary directory, the volume's directory, the source)
    fn volume() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (volume, source) = (dir.path().join("v"), dir.path().join("source"));
        fs::create_dir_all(volume.join("_data")).unwrap();
        fs::create_dir(&source).unwrap();
        (dir, volume, source)
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_volume_is_filled_once_and_stays_the_same_directory() {
        let (_dir, volume, source) = volume();
        fs::write(source.join("file"), "text").unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o1777)).unwrap();
        let inode = fs::metadata(volume.join("_data")).unwrap().ino();
        fill(&volume, &source).unwrap();
        let data = fs::metadata(volume.join("_data")).unwrap();
        assert_eq!((data.ino(), data.mode() & 0o7777), (inode, 0o1777));
        fs::write(source.join("later"), "").unwrap();
        fill(&volume, &source).unwrap();
        assert_eq!((names(&volume), names(&volume.join("_data"))), (vec!["_data".into()], vec!["file".into()]));
    }

    #[test]
    fn a_failed_copy_leaves_an_empty_volume() {
        let (_dir, volume, source) = volume();
        fs::write(source.join("file"), "text").unwrap();
        // What is no directory cannot be read as one.
        fill(&volume, &source.join("file")).unwrap_err();
        assert_eq!((names(&volume), names(&volume.join("_data"))), (vec!["_data".to_owned()], vec![]));
        fill(&volume, &source).unwrap();
        assert_eq!(names(&volume.join("_data")), ["file"]);
    }

    #[test]
    fn an_interrupted_copy_is_thrown_away_and_an_interrupted_move_finished() {
        let (_dir, volume, _source) = volume();
        fs::create_dir(volume.join(FILLING)).unwrap();
        fs::write(volume.join(FILLING).join("half"), "").unwrap();
        finish(&volume).unwrap();
        assert_eq!((names(&volume), names(&volume.join("_data"))), (vec!["_data".to_owned()], vec![]));
        fs::create_dir(volume.join(FILLED)).unwrap();
        fs::set_permissions(volume.join(FILLED), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(volume.join("_data/first"), "").unwrap();
        fs::write(volume.join(FILLED).join("second"), "").unwrap();
        finish(&volume).unwrap();
        assert_eq!(
            (names(&volume), names(&volume.join("_data"))),
            (vec!["_data".into()], vec!["first".into(), "second".into()])
        );
        assert_eq!(fs::metadata(volume.join("_data")).unwrap().mode() & 0o7777, 0o700);
    }
}
