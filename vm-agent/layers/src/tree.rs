//! A directory tree under construction: every name is resolved beneath its root, whatever links it holds.

use std::collections::{BTreeSet, HashSet};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;

use crate::names::{join, path, split};
use crate::remove::remove_tree_at;
use crate::{Error, Result};

/// Marks a directory of an overlay that hides what is beneath it (kernel `Documentation/filesystems/overlayfs.rst`).
pub(crate) const OPAQUE_XATTR: &str = "trusted.overlay.opaque";

/// The mode of directories that nothing describes.
const IMPLIED_MODE: Mode = Mode::from_raw_mode(0o755);

/// The tree that an archive is unpacked into.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    /// The directory that was used last, with its clean name: neighbours in an archive share it.
    last: Option<(Vec<u8>, OwnedFd)>,
    /// Directories that were made because something lies in them and that no entry described.
    implied: BTreeSet<Vec<u8>>,
    /// Names that this archive deleted; a directory that takes such a name must hide the layers beneath.
    deleted: HashSet<Vec<u8>>,
}

impl Tree {
    /// The tree in the empty directory `root`, which counts as implied until an entry describes it.
    pub(crate) fn new(root: &Path) -> Result<Tree> {
        let fd = rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| Error::io("cannot open", root)(e.into()))?;
        Ok(Tree { root: fd, last: None, implied: BTreeSet::from([Vec::new()]), deleted: HashSet::new() })
    }

    /// Directories without a description, by clean name; the root is the empty name.
    pub(crate) fn into_implied(self) -> BTreeSet<Vec<u8>> {
        self.implied
    }

    pub(crate) fn implied(&self) -> &BTreeSet<Vec<u8>> {
        &self.implied
    }

    /// Notes that an entry describes this directory.
    pub(crate) fn described(&mut self, name: &[u8]) {
        self.implied.remove(name);
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens a directory by clean name, following links within the tree.
    pub(crate) fn open_directory(&self, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        if name.is_empty() {
            return rustix::fs::openat(&self.root, c".", flags | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        }
        rustix::fs::openat2(
            &self.root,
            path(name),
            flags | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            // As in a chroot: absolute links and `..` stop at the root.
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// The directory of that clean name; it is made, parents and all, when it does not exist.
    pub(crate) fn directory(&mut self, name: &[u8]) -> Result<BorrowedFd<'_>> {
        if self.last.as_ref().is_none_or(|(last, _)| last != name) {
            let fd = match self.open_directory(name, OFlags::PATH) {
                Ok(fd) => fd,
                Err(Errno::NOENT | Errno::NOTDIR) => self.make_implied(name)?,
                Err(e) => return Err(refused(name, e)),
            };
            self.last = Some((name.to_vec(), fd));
        }
        Ok(self.last.as_ref().expect("set above").1.as_fd())
    }

    fn make_implied(&mut self, name: &[u8]) -> Result<OwnedFd> {
        let (parent, last) = split(name);
        let above = match self.open_directory(parent, OFlags::PATH) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) if !parent.is_empty() => self.make_implied(parent)?,
            Err(e) => return Err(refused(parent, e)),
        };
        let mut hides = false;
        if is_whiteout(&above, last) {
            rustix::fs::unlinkat(&above, path(last), AtFlags::empty()).map_err(|e| refused(name, e))?;
            hides = true;
        }
        match rustix::fs::mkdirat(&above, path(last), IMPLIED_MODE) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                return Err(Error::Entry {
                    entry: String::from_utf8_lossy(name).into_owned(),
                    reason: "is used as a directory, but the layer has something else there".to_owned(),
                });
            }
            Err(e) => return Err(refused(name, e)),
        }
        let fd =
            rustix::fs::openat(&above, path(last), directory_flags(), Mode::empty()).map_err(|e| refused(name, e))?;
        // The process's umask must not show in images.
        rustix::fs::fchmod(&fd, IMPLIED_MODE).map_err(|e| refused(name, e))?;
        if hides {
            set_opaque(&fd).map_err(|e| refused(name, e))?;
        }
        self.implied.insert(self.real_name(&above, last).unwrap_or_else(|| name.to_vec()));
        Ok(fd)
    }

    /// The name that the kernel has for `name` in `directory`, relative to the root: without links.
    fn real_name(&self, directory: &OwnedFd, name: &[u8]) -> Option<Vec<u8>> {
        let shown = |fd: i32| rustix::fs::readlink(format!("/proc/self/fd/{fd}"), Vec::new()).ok();
        let root = shown(self.root.as_raw_fd())?.into_bytes();
        let directory = shown(directory.as_raw_fd())?.into_bytes();
        let beneath = directory.strip_prefix(root.as_slice())?;
        Some(join(beneath.strip_prefix(b"/").unwrap_or(beneath), name))
    }

    /// Makes way for a new entry: what has the name goes, whatever it is. Returns true when the layers beneath have to
    /// stay hidden there, because this archive deleted the name before.
    pub(crate) fn clear(&mut self, name: &[u8]) -> Result<bool> {
        let (parent, last) = split(name);
        let parent = self.directory(parent)?;
        if is_directory(parent, last) {
            let result = remove_tree_at(parent, last);
            self.last = None;
            result.map_err(|e| refused(name, e))?;
            let inside = join(name, b"");
            self.implied.retain(|implied| implied != name && !implied.starts_with(&inside));
        } else {
            match rustix::fs::unlinkat(parent, path(last), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(refused(name, e)),
            }
            self.last = None;
        }
        Ok(self.deleted.contains(name))
    }

    /// Records a whiteout of `name`: a character device 0:0, unless the archive itself has put something there.
    pub(crate) fn white_out(&mut self, name: &[u8]) -> Result<()> {
        let (parent, last) = split(name);
        let parent = self.directory(parent)?;
        match rustix::fs::mknodat(parent, path(last), FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => {}
            // The layers beneath are what a whiteout hides, never its own (OCI image specification, "Whiteouts").
            Err(Errno::EXIST) if is_directory(parent, last) => {
                let fd = rustix::fs::openat(parent, path(last), directory_flags(), Mode::empty())
                    .map_err(|e| refused(name, e))?;
                set_opaque(&fd).map_err(|e| refused(name, e))?;
            }
            Err(Errno::EXIST) => {}
            Err(e) => return Err(refused(name, e)),
        }
        self.deleted.insert(name.to_vec());
        Ok(())
    }

    /// Makes the directory `name` hide what the layers beneath have in it.
    pub(crate) fn hide_below(&mut self, name: &[u8]) -> Result<()> {
        self.directory(name)?;
        let fd = self.open_directory(name, OFlags::RDONLY).map_err(|e| refused(name, e))?;
        set_opaque(&fd).map_err(|e| refused(name, e))
    }
}

/// Open flags for a directory that must not be a link.
pub(crate) fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

pub(crate) fn set_opaque(directory: impl AsFd) -> Result<(), Errno> {
    rustix::fs::fsetxattr(directory, OPAQUE_XATTR, b"y", XattrFlags::empty())
}

pub(crate) fn is_opaque(directory: impl AsFd) -> bool {
    let mut value = [0u8; 1];
    matches!(rustix::fs::fgetxattr(directory, OPAQUE_XATTR, &mut value), Ok(1)) && value == *b"y"
}

/// True for a character device 0:0, the overlay file system's mark of a deleted name.
pub(crate) fn stat_is_whiteout(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn is_whiteout(directory: impl AsFd, name: &[u8]) -> bool {
    rustix::fs::statat(directory, path(name), AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| stat_is_whiteout(&stat))
}

fn is_directory(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    rustix::fs::statat(directory, path(name), AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// The kernel's answer to an operation on an entry, in words.
pub(crate) fn refused(name: &[u8], errno: Errno) -> Error {
    let entry = String::from_utf8_lossy(name).into_owned();
    match errno {
        Errno::NOSPC | Errno::DQUOT => Error::NoSpace { path: path(name).to_owned() },
        Errno::NOTDIR => Error::Entry { entry, reason: "a part of the name is not a directory".to_owned() },
        Errno::LOOP => Error::Entry { entry, reason: "too many symbolic links in the name".to_owned() },
        errno => Error::Entry { entry, reason: std::io::Error::from(errno).to_string() },
    }
}
