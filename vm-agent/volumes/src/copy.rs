//! Copies of directory trees, with everything that a file system knows of a file.

use rustix::fs::{AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Copies what is in the directory `from` into the empty directory `to`, then the directory's own owner, mode and times.
/// Links are never followed below `from`. Blocking; a list instead of recursion, since a tree may be deeper than a stack.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let mut directories = vec![(from.to_owned(), to.to_owned())];
    let mut links = Links::new();
    let mut at = 0;
    while let Some((from, to)) = directories.get(at).cloned() {
        at += 1;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            if fs::symlink_metadata(&source)?.is_dir() {
                fs::create_dir(&target)?;
                directories.push((source, target));
            } else {
                copy_file(&source, &target, &mut links)?;
            }
        }
    }
    // The innermost first, and after its content: what is made in a directory changes its times.
    for (from, to) in directories.iter().rev() {
        copy_metadata(from, to, &fs::metadata(from)?)?;
    }
    Ok(())
}

/// (device, inode) of files with several names, and where the first one was copied to.
type Links = HashMap<(u64, u64), PathBuf>;

/// Copies what is no directory.
fn copy_file(source: &Path, target: &Path, links: &mut Links) -> io::Result<()> {
    let metadata = fs::symlink_metadata(source)?;
    if metadata.nlink() > 1 {
        let key = (metadata.dev(), metadata.ino());
        if let Some(first) = links.get(&key) {
            return fs::hard_link(first, target);
        }
        links.insert(key, target.to_owned());
    }
    let kind = metadata.file_type();
    if kind.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(source)?, target)?;
    } else if kind.is_file() {
        fs::copy(source, target)?;
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
        rustix::fs::mknodat(rustix::fs::CWD, target, node, mode, metadata.rdev())?;
    }
    copy_metadata(source, target, &metadata)
}

/// Owner, mode, extended attributes, times: in the order in which they do not undo each other.
pub(crate) fn copy_metadata(from: &Path, to: &Path, metadata: &Metadata) -> io::Result<()> {
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
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_tree_is_copied_as_it_is() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub")).expect("tree");
        fs::create_dir(&to).expect("target");
        fs::write(from.join("sub/file"), "text").expect("file");
        fs::hard_link(from.join("sub/file"), from.join("again")).expect("hard link");
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).expect("link");
        fs::set_permissions(&from, fs::Permissions::from_mode(0o1777)).expect("mode");
        copy_tree(&from, &to).expect("copy");
        assert_eq!(fs::read_to_string(to.join("sub/file")).expect("copied"), "text");
        assert_eq!(
            fs::metadata(to.join("sub/file")).expect("file").ino(),
            fs::metadata(to.join("again")).expect("second name").ino()
        );
        assert_eq!(fs::read_link(to.join("link")).expect("link"), Path::new("/etc/passwd"));
        assert_eq!(fs::metadata(&to).expect("target").mode() & 0o7777, 0o1777);
    }
}
