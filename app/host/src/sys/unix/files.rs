//! Files and folders of Linux and macOS.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::{Error, Result};

pub(in crate::sys) fn create_private_dir(dir: &Path) -> Result<()> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).map_err(Error::file("create the folder", parent))?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other.map_err(Error::file("create the folder", dir)),
    }
    // Not followed: a symbolic link in a shared folder may be somebody else's.
    let metadata = std::fs::symlink_metadata(dir).map_err(Error::file("read", dir))?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::getuid().as_raw() {
        return Err(Error::ForeignDirectory { path: dir.to_path_buf() });
    }
    if metadata.mode() & 0o777 != 0o700 {
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(dir, mode).map_err(Error::file("change the mode of", dir))?;
    }
    Ok(())
}

pub(in crate::sys) fn create_private_file(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes what will take the place of `old`.
pub(in crate::sys) fn write_private(path: &Path, bytes: &[u8], old: &Path) -> io::Result<()> {
    let mut file = create_private_file(path)?;
    keep_owner(&file, old);
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives `file` to the owner and the group of `old`, if that is somebody else's file, or of its folder where there is none. Root's
/// `sudo -E` would take it from them.
fn keep_owner(file: &File, old: &Path) {
    // Not followed: the link is what gets replaced.
    let known = std::fs::symlink_metadata(old).or_else(|error| match (error.kind(), old.parent()) {
        (io::ErrorKind::NotFound, Some(folder)) => std::fs::metadata(folder),
        _ => Err(error),
    });
    let Ok(old) = known else { return };
    if (old.is_file() || old.is_dir()) && file.metadata().is_ok_and(|new| new.uid() != old.uid()) {
        // Only root may, and nobody can where the owner has no number in our user namespace: then it is ours, as any new file.
        let _ = std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()));
    }
}

pub(in crate::sys) fn open_folder(dir: &Path) -> io::Result<File> {
    File::open(dir)
}

/// As `/proc/locks` has it (proc_locks(5)), which tells file systems by other numbers than stat(2) does for some of them: an inode that
/// is locked on two of them is nobody's.
#[cfg(target_os = "linux")]
pub(in crate::sys) fn lock_holder(path: &Path) -> Option<u32> {
    let inode = std::fs::metadata(path).ok()?.ino();
    holder(&std::fs::read_to_string("/proc/locks").ok()?, inode)
}

#[cfg(target_os = "linux")]
fn holder(locks: &str, inode: u64) -> Option<u32> {
    let mut holders = locks.lines().filter_map(|line| {
        // A number, the kind, how it is enforced, the mode, the process, the file, a range. One who waits has an arrow before the kind.
        let [_, "FLOCK", _, _, pid, file, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        // No process of ours has the number 0, which stands for those of other namespaces.
        let here = file.rsplit(':').next()?.parse() == Ok(inode);
        pid.parse().ok().filter(|pid| here && *pid > 0)
    });
    let first = holders.next()?;
    holders.next().is_none().then_some(first)
}

#[cfg(not(target_os = "linux"))]
pub(in crate::sys) fn lock_holder(_path: &Path) -> Option<u32> {
    None
}

pub(in crate::sys) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

pub(in crate::sys) fn is_private(path: &Path) -> io::Result<bool> {
    let metadata = std::fs::metadata(path)?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw() || metadata.uid() == 0;
    Ok(ours && metadata.mode() & 0o077 == 0)
}

pub(in crate::sys) fn make_executable(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

pub(in crate::sys) fn may_be_executed(metadata: &Metadata) -> bool {
    metadata.mode() & 0o111 != 0
}

pub(in crate::sys) fn free_space(path: &Path) -> io::Result<u64> {
    let fs = rustix::fs::statvfs(path)?;
    Ok(fs.f_bavail.saturating_mul(fs.f_frsize))
}

pub(in crate::sys) fn allocated(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}

pub(in crate::sys) fn link_to(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

pub(in crate::sys) fn inode(metadata: &Metadata) -> u64 {
    metadata.ino()
}

/// lseek(2) finds what is not a hole; copy_file_range(2) lets file systems share it.
#[cfg(target_os = "linux")]
pub(crate) fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{SeekFrom, copy_file_range, seek};
    let source = File::open(from)?;
    let target = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut at = 0;
    while at < length {
        at = match seek(&source, SeekFrom::Data(at)) {
            Ok(data) => data,
            // Nothing but a hole from here on.
            Err(rustix::io::Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let end = seek(&source, SeekFrom::Hole(at))?;
        let (mut read, mut write) = (at, at);
        while read < end {
            let wanted = usize::try_from(end - read).unwrap_or(usize::MAX);
            match copy_file_range(&source, Some(&mut read), &target, Some(&mut write), wanted) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                // Of another file system, or one that knows no such thing.
                Err(rustix::io::Errno::XDEV | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
                    copy_bytes(&source, &target, read, end)?;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        at = end;
    }
    target.sync_all()
}

#[cfg(target_os = "linux")]
fn copy_bytes(source: &File, target: &File, mut at: u64, end: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; 1 << 20];
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        source.read_exact_at(&mut buffer[..wanted], at)?;
        target.write_all_at(&buffer[..wanted], at)?;
        at += wanted as u64;
    }
    Ok(())
}

/// The standard library clones where APFS can.
#[cfg(not(target_os = "linux"))]
pub(crate) fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::copy(from, to).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_folder_is_private_and_ours() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        create_private_dir(&inner).unwrap();
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o755)).unwrap();
        create_private_dir(&inner).unwrap();
        assert_eq!(std::fs::metadata(&inner).unwrap().mode() & 0o777, 0o700);

        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&inner, &link).unwrap();
        assert!(matches!(create_private_dir(&link), Err(Error::ForeignDirectory { .. })));
    }

    #[test]
    fn a_file_stays_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o664)).unwrap();
        if let Err(error) = std::os::unix::fs::chown(&file, Some(12345), Some(54321)) {
            println!("SKIPPED: a_file_stays_with_its_owner: only root can give a file away ({error})");
            return;
        }
        crate::sys::write_private(&file, b"new").unwrap();
        let metadata = std::fs::metadata(&file).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (12345, 54321, 0o600));
        assert_eq!(std::fs::read(&file).unwrap(), b"new");

        // One that is there for the first time is ours.
        let fresh = dir.path().join("fresh");
        crate::sys::write_private(&fresh, b"new").unwrap();
        assert_eq!(std::fs::metadata(&fresh).unwrap().uid(), rustix::process::geteuid().as_raw());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_holds_a_lock_is_not_who_waits_for_it() {
        let locks = "1: FLOCK  ADVISORY  WRITE 500 fe:00:77 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 501 fe:00:77 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 502 fe:00:77 0 EOF\n3: FLOCK  ADVISORY  WRITE 0 fe:00:78 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 503 fe:00:79 0 EOF\n5: FLOCK  ADVISORY  WRITE 504 fe:01:79 0 EOF\n";
        assert_eq!(holder(locks, 77), Some(500));
        assert_eq!([78, 79, 7].map(|inode| holder(locks, inode)), [None; 3]);
    }
}
