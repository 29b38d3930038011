//! The data disk: a file that holds everything the user would miss. It is only ever made or grown here, never
//! shortened, never rewritten; the guest formats it.

use std::path::Path;

use crate::driver::hyperv::vhdx;
use crate::driver::{self, DataDisks};
use crate::sys;
use crate::{Error, Result};

/// Another program has a file open for itself alone (winerror.h).
const ERROR_SHARING_VIOLATION: i32 = 32;

/// What must stay free on the host's disk for a machine to start: room for the guest's first writes.
const LEAST_FREE: u64 = 512 << 20;

/// Removes the disk with all that is in it; the next start makes an empty one.
pub fn erase(path: &Path) -> Result<()> {
    driver::disk::at_rest(path);
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
    Ok(measure(path)?.map(|measured| measured.held))
}

/// A disk's sizes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// How long it is; `None` while a machine of Hyper-V keeps everybody else from its file.
    pub size: Option<u64>,
    /// What its file takes of this computer's disk.
    pub held: u64,
}

/// The sizes of the disk in `path`; `None` when there is none.
pub fn measure(path: &Path) -> Result<Option<Measured>> {
    let is_virtual = path.extension().is_some_and(|extension| extension == "vhdx");
    match std::fs::metadata(path) {
        Ok(metadata) => {
            let size = if is_virtual { virtual_size(path)? } else { Some(metadata.len()) };
            Ok(Some(Measured { size, held: sys::allocated(&metadata) }))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { action: "read", path: path.to_path_buf(), source }),
    }
}

/// Makes the disk in `path` if there is none, grows it if `disk_gib` asks for more.
pub fn prepare(disks: &dyn DataDisks, path: &Path, disk_gib: u64) -> Result<()> {
    prepare_with(disks, path, disk_gib, sys::free_space)
}

/// As [`prepare`]; `free_space` measures the file system of a folder.
fn prepare_with(
    disks: &dyn DataDisks,
    path: &Path,
    disk_gib: u64,
    free_space: impl Fn(&Path) -> Result<u64>,
) -> Result<()> {
    let wanted = disk_gib << 30;
    driver::disk::at_rest(path);
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
        Ok(_) => Some(disks.size(path).map_err(unreadable(path))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(Error::File { action: "read", path: path.to_path_buf(), source }),
    };
    if let Some(size) = existing
        && size > wanted
    {
        return Err(Error::DiskShrink { current_gib: size.div_ceil(1 << 30), wanted_gib: disk_gib });
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
        Some(size) if size == wanted => Ok(()),
        Some(_) => disks.grow(path, wanted).map_err(Error::file("grow", path)),
        None => disks.make(path, wanted).map_err(Error::file("make", path)),
    }
}

fn virtual_size(path: &Path) -> Result<Option<u64>> {
    match vhdx::virtual_size(path) {
        Ok(size) => Ok(Some(size)),
        Err(error) if cfg!(windows) && error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(None),
        Err(error) => Err(unreadable(path)(error)),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    |source| match source.kind() {
        std::io::ErrorKind::InvalidData => Error::BadDisk { path: path.to_path_buf(), reason: source.to_string() },
        _ => Error::File { action: "read", path: path.to_path_buf(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Raw;

    #[test]
    fn a_disk_is_made_sparse_grown_and_never_shortened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        prepare(&Raw, &path, 2).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 2 << 30);
        // Windows makes holes only where it is told to, and its machines have other disks.
        assert!(cfg!(windows) || sys::allocated(&metadata) < 1 << 20);

        std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        prepare(&Raw, &path, 3).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 << 30);
        let error = prepare(&Raw, &path, 1).unwrap_err();
        assert!(error.to_string().starts_with("the data disk has 3 GiB and cannot shrink to 1 GiB"), "{error}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 << 30);
    }

    #[test]
    fn something_else_in_its_place_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(prepare(&Raw, dir.path(), 1), Err(Error::BadDisk { .. })));
    }

    #[test]
    fn without_room_nothing_is_made_or_grown_and_the_way_out_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        let little = |_: &Path| Ok(LEAST_FREE - 1);
        let error = prepare_with(&Raw, &path, 2, little).unwrap_err().to_string();
        assert!(error.contains("511 MiB are free, 512 MiB are needed; free some room"), "{error}");
        assert!(!path.exists());
        prepare_with(&Raw, &path, 2, |_| Ok(LEAST_FREE)).unwrap();
        assert!(matches!(prepare_with(&Raw, &path, 3, little), Err(Error::NoRoom { .. })));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 << 30);
        assert!(
            matches!(prepare_with(&Raw, &path, 2, little), Err(Error::NoRoom { .. })),
            "also for a disk that is there"
        );
    }
}
