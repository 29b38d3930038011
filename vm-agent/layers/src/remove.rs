//! Removing directory trees of any depth.
//!
//! `std::fs::remove_dir_all` recurses once per level, and a container can nest directories deeper than any stack.
//! Here the stack is a list of at most [`LEVELS`] open directories. What lies deeper is moved up into the tree's own
//! top, where it is a tree of less depth, and removed from there.
//!
//! ```text
//! top/a/b/.../y/z     z lies LEVELS down:    top/.remove-0 (was z), top/a/b/.../y
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, ResolveFlags};
use rustix::io::Errno;

use crate::names::path;
use crate::tree::directory_flags;

/// Directories that are open at the same time; ordinary trees are not deeper and are removed without moves.
const LEVELS: usize = 48;

/// Removes a directory and everything in it, however deep, without following links; blocking.
///
/// A path that is no directory is removed as well. It takes a bounded number of descriptors and no recursion.
///
/// # Errors
///
/// The first one that the kernel gives; what was removed until then is gone.
pub fn remove_tree(target: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    Ok(remove_tree_at(CWD, target.as_os_str().as_bytes())?)
}

/// [`remove_tree`] of a name in an open directory.
pub(crate) fn remove_tree_at(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let top = match rustix::fs::openat(parent, path(name), directory_flags(), Mode::empty()) {
        Ok(top) => top,
        Err(Errno::NOTDIR | Errno::LOOP) => return rustix::fs::unlinkat(parent, path(name), AtFlags::empty()),
        Err(e) => return Err(e),
    };
    let mut moved = 0;
    loop {
        let before = moved;
        clear(&top, &mut moved)?;
        match rustix::fs::unlinkat(parent, path(name), AtFlags::REMOVEDIR) {
            // What was moved up meanwhile need not have been listed.
            Err(Errno::NOTEMPTY | Errno::EXIST) if moved > before => {}
            other => return other,
        }
    }
}

/// A directory that is being emptied.
struct Level {
    fd: OwnedFd,
    entries: Dir,
    /// In the directory above it.
    name: Vec<u8>,
}

impl Level {
    fn new(fd: OwnedFd, name: &[u8]) -> Result<Level, Errno> {
        Ok(Level { entries: Dir::read_from(&fd)?, fd, name: name.to_vec() })
    }
}

/// Removes what `top` lists, except what lies too deep: that is moved into `top`, and `moved` counts it.
fn clear(top: &OwnedFd, moved: &mut u64) -> Result<(), Errno> {
    let mut levels = vec![Level::new(top.try_clone().map_err(|e| errno(&e))?, b"")?];
    loop {
        let depth = levels.len();
        let Some(level) = levels.last_mut() else { return Ok(()) };
        let Some(entry) = level.entries.read() else {
            let done = levels.pop().expect("just seen");
            // Not the top itself: that has its name elsewhere.
            if let Some(above) = levels.last() {
                remove_directory(above.fd.as_fd(), &done.name)?;
            }
            continue;
        };
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        if !is_directory(level.fd.as_fd(), name, entry.file_type()) {
            match rustix::fs::unlinkat(&level.fd, path(name), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(e),
            }
            continue;
        }
        // Never into what somebody mounted there.
        match rustix::fs::openat2(&level.fd, path(name), directory_flags(), Mode::empty(), ResolveFlags::NO_XDEV) {
            Ok(fd) if depth < LEVELS => levels.push(Level::new(fd, name)?),
            Ok(_) => move_up(level.fd.as_fd(), name, top.as_fd(), moved)?,
            Err(Errno::NOENT) => {}
            Err(e) => return Err(e),
        }
    }
}

fn remove_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, path(name), AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Moves a directory that lies too deep to the top, under a name that nothing has there.
fn move_up(from: BorrowedFd<'_>, name: &[u8], top: BorrowedFd<'_>, moved: &mut u64) -> Result<(), Errno> {
    loop {
        let target = format!(".remove-{moved}");
        *moved += 1;
        match rustix::fs::renameat(from, path(name), top, &target) {
            // Taken, by the tree's own content.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            other => return other,
        }
    }
}

fn is_directory(directory: BorrowedFd<'_>, name: &[u8], known: FileType) -> bool {
    match known {
        FileType::Unknown => rustix::fs::statat(directory, path(name), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        known => known == FileType::Directory,
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a/a/a/…`, and a file at the bottom.
    fn nest(root: &Path, depth: usize) {
        std::fs::create_dir(root).unwrap();
        let mut fd: OwnedFd = std::fs::File::open(root).unwrap().into();
        for _ in 0..depth {
            rustix::fs::mkdirat(&fd, c"a", Mode::RWXU).unwrap();
            fd = rustix::fs::openat(&fd, c"a", directory_flags(), Mode::empty()).unwrap();
        }
        rustix::fs::symlinkat(c"..", &fd, c"file").unwrap();
    }

    #[test]
    fn a_tree_deeper_than_any_stack_goes() {
        // In memory where there is such a place: a disk would take minutes for the sake of nothing.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let tree = dir.path().join("tree");
        nest(&tree, 100_000);
        // Names that the tree itself has taken from us.
        std::fs::create_dir_all(tree.join(".remove-0/full")).unwrap();
        std::fs::write(tree.join(".remove-1"), "x").unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn wide_trees_and_links_go_and_what_links_mean_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, kept) = (dir.path().join("tree"), dir.path().join("kept"));
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        for n in 0..50 {
            let inner = tree.join(format!("{n}/b/c"));
            std::fs::create_dir_all(&inner).unwrap();
            for m in 0..20 {
                std::fs::write(inner.join(m.to_string()), "x").unwrap();
            }
            std::os::unix::fs::symlink(&kept, inner.join("link")).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert!(kept.join("file").exists());
        std::os::unix::fs::symlink(&kept, &tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(kept.join("file").exists() && tree.symlink_metadata().is_err());
        assert_eq!(remove_tree(&tree).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
