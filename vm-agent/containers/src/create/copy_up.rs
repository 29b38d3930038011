//! What the image has at a volume's destination goes into a new volume.

use crate::{Error, Result};
use rustix::fs::{AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Copies the directory at `destination` within `root` into the empty directory `volume`; blocking.
///
/// Nothing happens when the image has no such directory or the volume has content already. The directory's own owner
/// and mode are taken over too, as dockerd does. Afterwards the destination exists in the root.
pub(crate) fn copy_up(root: BorrowedFd<'_>, destination: &str, volume: &Path) -> Result<()> {
    let fail = || Error::path("copy the image's content to", volume);
    if fs::read_dir(volume).map_err(fail())?.next().is_some() {
        return Ok(());
    }
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let source = match runtime::sys::open_in_root(root, Path::new(destination), flags, 0) {
        Ok(source) => source,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(fail()(error)),
    };
    // The tree is nobody else's yet, so its paths stay what they are while we walk; links are never followed.
    let source = PathBuf::from(format!("/proc/self/fd/{}", source.as_fd().as_raw_fd())).join(".");
    copy_tree(&source, volume, &mut HashMap::new()).map_err(fail())
}

/// (device, inode) of files with several names, and where the first one was copied to.
type Links = HashMap<(u64, u64), PathBuf>;

fn copy_tree(from: &Path, to: &Path, links: &mut Links) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let metadata = fs::symlink_metadata(&source)?;
        if metadata.nlink() > 1 && !metadata.is_dir() {
            let key = (metadata.dev(), metadata.ino());
            if let Some(first) = links.get(&key) {
                fs::hard_link(first, &target)?;
                continue;
            }
            links.insert(key, target.clone());
        }
        let kind = metadata.file_type();
        if kind.is_dir() {
            fs::create_dir(&target)?;
            copy_tree(&source, &target, links)?;
            continue;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
        } else {
            let node = if kind.is_fifo() {
                FileType::Fifo
            } else if kind.is_char_device() {
                FileType::CharacterDevice
            } else if kind.is_block_device() {
                FileType::BlockDevice
            } else {
                FileType::Socket
            };
            let mode = Mode::from_raw_mode(metadata.mode() & 0o7777);
            rustix::fs::mknodat(rustix::fs::CWD, &target, node, mode, metadata.rdev())?;
        }
        copy_metadata(&source, &target, &metadata)?;
    }
    copy_metadata(from, to, &fs::metadata(from)?)
}

/// Owner, mode, extended attributes, times: in the order in which they do not undo each other.
fn copy_metadata(from: &Path, to: &Path, metadata: &Metadata) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
    rustix::fs::chownat(rustix::fs::CWD, to, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if !metadata.file_type().is_symlink() {
        let mode = Mode::from_raw_mode(metadata.mode() & 0o7777);
        rustix::fs::chmodat(rustix::fs::CWD, to, mode, AtFlags::empty())?;
    }
    copy_xattrs(from, to)?;
    let time = |seconds, nanos| Timespec { tv_sec: seconds, tv_nsec: nanos };
    let times = Timestamps {
        last_access: time(metadata.atime(), metadata.atime_nsec()),
        last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
    };
    rustix::fs::utimensat(rustix::fs::CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn copy_xattrs(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let mut names = vec![0; 64 * 1024];
    let length = match rustix::fs::llistxattr(from, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        // The overlay's own marks mean nothing elsewhere.
        if name.as_bytes().starts_with(b"trusted.overlay.") {
            continue;
        }
        let mut value = vec![0; 64 * 1024];
        let length = rustix::fs::lgetxattr(from, name, &mut value[..])?;
        match rustix::fs::lsetxattr(to, name, &value[..length], XattrFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_tree_is_copied_once() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (root, volume) = (dir.path().join("root"), dir.path().join("volume"));
        fs::create_dir_all(root.join("data/sub")).expect("tree");
        fs::create_dir(&volume).expect("volume");
        fs::write(root.join("data/sub/file"), "text").expect("file");
        fs::hard_link(root.join("data/sub/file"), root.join("data/again")).expect("hard link");
        std::os::unix::fs::symlink("/etc/passwd", root.join("data/link")).expect("link");
        fs::set_permissions(root.join("data"), fs::Permissions::from_mode(0o1777)).expect("mode");
        let handle = fs::File::open(&root).expect("root");
        copy_up(handle.as_fd(), "/data", &volume).expect("copy");
        assert_eq!(fs::read_to_string(volume.join("sub/file")).expect("copied"), "text");
        assert_eq!(
            fs::metadata(volume.join("sub/file")).expect("file").ino(),
            fs::metadata(volume.join("again")).expect("second name").ino()
        );
        assert_eq!(fs::read_link(volume.join("link")).expect("link"), Path::new("/etc/passwd"));
        assert_eq!(fs::metadata(&volume).expect("volume").mode() & 0o7777, 0o1777);
        fs::write(root.join("data/later"), "x").expect("file");
        copy_up(handle.as_fd(), "/data", &volume).expect("nothing to do");
        assert!(!volume.join("later").exists());
        copy_up(handle.as_fd(), "/none", dir.path()).expect("no such directory in the image");
    }
}
