//! The data disk: a raw, sparse file that holds everything the user would miss. It is only ever made or grown here, never
//! shortened, never rewritten; the guest formats it.

use std::fs::OpenOptions;
use std::path::Path;

use crate::sys;
use crate::{Error, Result};

/// What must stay free on the host's disk for a machine to start: room for the guest's first writes.
const LEAST_FREE: u64 = 512 << 20;

/// Removes the disk with all that is in it; the next start makes an empty one.
pub fn erase(path: &Path) -> Result<()> {
    for path in [path.to_path_buf(), path.with_extension("part")] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .map_err(Error::file("remove", path))?;
    }
    Ok(())
}

/// What the disk's file takes of this computer's; `None` when there is none.
pub fn held(path: &Path) -> Result<Option<u64>> {
    Ok(measure(path)?.map(|(_, held)| held))
}

/// How long the disk is, and what its file takes of this computer's; `None` when there is none.
pub fn measure(path: &Path) -> Result<Option<(u64, u64)>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.len(), sys::allocated(&metadata)))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { action: "read", path: path.to_path_buf(), source }),
    }
}

/// Makes the disk in `path` if there is none, grows it if `disk_gib` asks for more.
pub fn prepare(path: &Path, disk_gib: u64) -> Result<()> {
    prepare_with(path, disk_gib, sys::free_space)
}

/// As [`prepare`]; `free_space` measures the file system of a folder.
fn prepare_with(path: &Path, disk_gib: u64, free_space: impl Fn(&Path) -> Result<u64>) -> Result<()> {
    let wanted = disk_gib << 30;
    // `Paths::partial_disk`.
    if path.with_extension("part").exists() {
        let reason =
            "the machine was not copied to its end: remove it with `berth machine rm`, and copy it again".to_owned();
        return Err(Error::BadDisk { path: path.to_path_buf(), reason });
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let existing = match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(Error::BadDisk { path: path.to_path_buf(), reason: "it is not a regular file".to_owned() });
        }
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(Error::File { action: "read", path: path.to_path_buf(), source }),
    };
    if let Some(metadata) = &existing
        && metadata.len() > wanted
    {
        return Err(Error::DiskShrink { current_gib: metadata.len().div_ceil(1 << 30), wanted_gib: disk_gib });
    }
    let free = free_space(folder)?;
    if free < LEAST_FREE {
        return Err(Error::NoRoom {
            path: folder.to_path_buf(),
            needed_mib: LEAST_FREE >> 20,
            available_mib: free >> 20,
        });
    }
    match existing {
        Some(metadata) if metadata.len() == wanted => Ok(()),
        Some(_) => {
            let file = OpenOptions::new().write(true).open(path).map_err(Error::file("open", path))?;
            file.set_len(wanted).and_then(|()| file.sync_all()).map_err(Error::file("grow", path))
        }
        None => {
            let file = sys::create_private_file(path).map_err(Error::file("make", path))?;
            file.set_len(wanted).and_then(|()| file.sync_all()).map_err(Error::file("make", path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_made_sparse_grown_and_never_shortened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        prepare(&path, 2).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 2 << 30);
        assert!(sys::allocated(&metadata) < 1 << 20);

        std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        prepare(&path, 3).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 << 30);
        let error = prepare(&path, 1).unwrap_err();
        assert!(error.to_string().starts_with("the data disk has 3 GiB and cannot shrink to 1 GiB"), "{error}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 << 30);
    }

    #[test]
    fn something_else_in_its_place_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(prepare(dir.path(), 1), Err(Error::BadDisk { .. })));
    }

    #[test]
    fn without_room_nothing_is_made_or_grown_and_the_way_out_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        let little = |_: &Path| Ok(LEAST_FREE - 1);
        let error = prepare_with(&path, 2, little).unwrap_err().to_string();
        assert!(error.contains("511 MiB are free, 512 MiB are needed; free some room"), "{error}");
        assert!(!path.exists());
        prepare_with(&path, 2, |_| Ok(LEAST_FREE)).unwrap();
        assert!(matches!(prepare_with(&path, 3, little), Err(Error::NoRoom { .. })));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 << 30);
        assert!(matches!(prepare_with(&path, 2, little), Err(Error::NoRoom { .. })), "also for a disk that is there");
    }
}
