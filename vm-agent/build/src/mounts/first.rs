//! What a cache begins with: a copy of a part of a tree.

use crate::files::{Tree, kind};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat, Timespec, Timestamps, XattrFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

/// What of a cache's directory is mounted when it began with something, which may be a file.
pub(super) const CONTENT: &str = "content";

/// Bytes of an extended attribute's value, which the kernel has no more of.
const LARGEST: usize = 64 << 10;

/// Attributes by which the engine stacks layers.
const OVERLAY: &[u8] = b"trusted.overlay.";

/// Copies what is at `from` in a tree, with owners, modes, times and attributes, to `to`, which is not there; blocking.
pub(super) fn copy(tree: &Tree, from: &Path, to: &Path) -> io::Result<()> {
    // Directories get their times when all is in them.
    let mut directories = Vec::new();
    let mut waiting = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = waiting.pop() {
        let stat = tree.lstat(&from)?.ok_or(io::ErrorKind::NotFound)?;
        match kind(&stat) {
            FileType::Directory => {
                std::fs::create_dir(&to)?;
                for name in tree.names(&from)? {
                    let name = OsStr::from_bytes(&name);
                    waiting.push((from.join(name), to.join(name)));
                }
                directories.push((to.clone(), stat));
            }
            FileType::RegularFile => {
                let mut file = tree.file(&from)?;
                io::copy(&mut file, &mut File::create_new(&to)?)?;
            }
            FileType::Symlink => symlink(tree.link(&from)?, &to)?,
            // Whoever listened on it does not here.
            FileType::Socket => continue,
            other => rustix::fs::mknodat(CWD, &to, other, Mode::empty(), stat.st_rdev)?,
        }
        describe(tree, &from, &to, &stat)?;
    }
    for (path, stat) in directories.iter().rev() {
        date(path, stat)?;
    }
    Ok(())
}

fn describe(tree: &Tree, from: &Path, to: &Path, stat: &Stat) -> io::Result<()> {
    std::os::unix::fs::lchown(to, Some(stat.st_uid), Some(stat.st_gid))?;
    let kind = kind(stat);
    if kind != FileType::Symlink {
        rustix::fs::chmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    }
    if matches!(kind, FileType::Directory | FileType::RegularFile) {
        let source = tree.file(from)?;
        for name in names(&source)? {
            let mut value = vec![0; LARGEST];
            let length = rustix::fs::fgetxattr(&source, OsStr::from_bytes(&name), &mut value[..])?;
            rustix::fs::lsetxattr(to, OsStr::from_bytes(&name), &value[..length], XattrFlags::empty())?;
        }
    }
    date(to, stat)
}

/// Of a file's attributes those that it has for itself.
fn names(file: &File) -> io::Result<Vec<Vec<u8>>> {
    let mut names = vec![0; LARGEST];
    let length = match rustix::fs::flistxattr(file, &mut names[..]) {
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let all = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty() && !name.starts_with(OVERLAY));
    Ok(all.map(<[u8]>::to_vec).collect())
}

fn date(path: &Path, stat: &Stat) -> io::Result<()> {
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or_default() };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Makes a directory that looks like another one, but for what is in it; blocking.
pub(super) fn alike(path: &Path, other: &Path) -> io::Result<()> {
    std::fs::create_dir(path)?;
    let found = std::fs::metadata(other)?;
    std::os::unix::fs::chown(path, Some(found.uid()), Some(found.gid()))?;
    std::fs::set_permissions(path, found.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_part_of_a_tree_is_copied_as_it_is() {
        let root = tempfile::tempdir().expect("a directory");
        let from = root.path().join("from");
        std::fs::create_dir_all(from.join("d/e")).expect("made");
        std::fs::write(from.join("d/e/f"), "abc").expect("written");
        std::fs::set_permissions(from.join("d/e"), std::fs::Permissions::from_mode(0o1750)).expect("set");
        symlink("/gone", from.join("d/l")).expect("linked");
        rustix::fs::mknodat(CWD, from.join("d/p"), FileType::Fifo, Mode::RUSR, 0).expect("made");
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(7);
        for path in ["d/e/f", "d/e"] {
            File::open(from.join(path)).and_then(|file| file.set_modified(old)).expect("dated");
        }
        let tree = Tree::open(&from).expect("opened");
        let to = root.path().join("to");
        copy(&tree, Path::new("d"), &to).expect("copied");
        let found = |path: &str| std::fs::symlink_metadata(to.join(path)).expect("there");
        assert_eq!(std::fs::read_to_string(to.join("e/f")).expect("read"), "abc");
        assert_eq!(std::fs::read_link(to.join("l")).expect("a link"), Path::new("/gone"));
        assert_eq!((found("e").mode() & 0o7777, found("e").mtime(), found("e/f").mtime()), (0o1750, 7, 7));
        assert!(!found("p").is_file());
        copy(&tree, Path::new("d/e/f"), &root.path().join("file")).expect("copied");
        assert_eq!(std::fs::read_to_string(root.path().join("file")).expect("read"), "abc");
        assert!(copy(&tree, Path::new("none"), &root.path().join("none")).is_err());
    }
}
