//! A commit's files as files. Nothing is written but beneath the directory that is given: every name is checked as git checks it, every
//! directory is made here, and none is entered through a link.

use crate::error::{Error, Result, disk};
use crate::pack::Pack;
use gix_hash::{Kind, ObjectId};
use gix_object::tree::EntryKind;
use gix_object::{Kind as ObjectKind, TreeRefIter};
use gix_validate::path::component;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Files and directories of a commit with its submodules.
const MOST_ENTRIES: u64 = 1_000_000;

/// Bytes of all its files.
const MOST_BYTES: u64 = 16 << 30;

/// Bytes of the paths of all of them together, which are had in memory.
const MOST_NAMES: usize = 256 << 20;

/// Bytes of where a link leads.
const LONGEST_LINK: usize = 4095;

/// What may still be written, by a commit and its submodules together. A tree can name one file as often as it likes.
#[derive(Debug)]
pub(crate) struct Budget {
    entries: u64,
    names: usize,
    bytes: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { entries: MOST_ENTRIES, names: MOST_NAMES, bytes: MOST_BYTES }
    }
}

impl Budget {
    /// For what is at a path of so many bytes.
    pub(crate) fn take(&mut self, path: usize, bytes: usize) -> Result<()> {
        let entries = self.entries.checked_sub(1);
        self.entries = entries.ok_or_else(|| Error::TooLarge(format!("it has more than {MOST_ENTRIES} files")))?;
        let names = self.names.checked_sub(path);
        self.names =
            names.ok_or_else(|| Error::TooLarge(format!("its files' paths have more than {MOST_NAMES} bytes")))?;
        let left = self.bytes.checked_sub(bytes as u64);
        self.bytes = left.ok_or_else(|| Error::TooLarge(format!("its files have more than {MOST_BYTES} bytes")))?;
        Ok(())
    }
}

/// Something that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// As trees have it: `0o100644` and its like; `0o160000` for a submodule.
    pub(crate) mode: u32,
    pub(crate) id: ObjectId,
    pub(crate) size: usize,
}

/// A tree that is being written.
#[derive(Debug)]
pub(crate) struct Checkout<'a> {
    pub(crate) pack: &'a Pack,
    /// Where it comes to.
    pub(crate) to: &'a Path,
    /// What everything has, in seconds since 1970; otherwise that of its making.
    pub(crate) time: Option<i64>,
    pub(crate) stop: &'a AtomicBool,
}

impl Checkout<'_> {
    /// Writes a tree into an empty directory: all that is in it but directories, in no order.
    pub(crate) fn write(&self, tree: ObjectId, budget: &mut Budget) -> Result<Vec<Entry>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(self.to, flags, Mode::empty()).map_err(|error| disk(self.to)(error.into()))?;
        let (mut entries, mut directories) = (Vec::new(), Vec::new());
        // A list instead of recursion: trees can be deeper than any stack.
        let mut waiting = vec![(tree, PathBuf::new())];
        let (mut list, mut content) = (Vec::new(), Vec::new());
        while let Some((id, at)) = waiting.pop() {
            let failed = |path: &Path| disk(self.to.join(path));
            let directory = beneath(&root, &at).map_err(|error| failed(&at)(error.into()))?;
            self.pack.read(&id, ObjectKind::Tree, &mut list)?;
            for entry in TreeRefIter::from_bytes(&list, Kind::Sha1) {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                let entry = entry.map_err(|error| Error::Damaged(format!("{id}: {error}")))?;
                let kind = entry.mode.kind();
                let name = name(entry.filename, kind == EntryKind::Link)?;
                let path = at.join(OsStr::from_bytes(name));
                content.clear();
                if matches!(kind, EntryKind::Blob | EntryKind::BlobExecutable | EntryKind::Link) {
                    self.pack.read(entry.oid, ObjectKind::Blob, &mut content)?;
                }
                budget.take(path.as_os_str().len(), content.len())?;
                let written = match kind {
                    EntryKind::Blob => self.file(&directory, name, 0o644, &content),
                    EntryKind::BlobExecutable => self.file(&directory, name, 0o755, &content),
                    EntryKind::Link => self.link(&directory, name, &content),
                    EntryKind::Tree | EntryKind::Commit => make(&directory, name),
                };
                written.map_err(failed(&path))?;
                if matches!(kind, EntryKind::Tree | EntryKind::Commit) {
                    directories.push(path.clone());
                }
                match kind {
                    EntryKind::Tree => waiting.push((entry.oid.to_owned(), path)),
                    kind => {
                        let (mode, id) = (kind as u16, entry.oid.to_owned());
                        entries.push(Entry { path, mode: mode.into(), id, size: content.len() });
                    }
                }
            }
        }
        if self.time.is_some() {
            directories.push(PathBuf::new());
            // From the inside out: what happens in a directory changes its time.
            directories.sort();
            for path in directories.iter().rev() {
                let at = beneath(&root, path).map_err(|error| disk(self.to.join(path))(error.into()))?;
                self.date(&at, b".").map_err(disk(self.to.join(path)))?;
            }
        }
        Ok(entries)
    }

    fn file(&self, directory: &OwnedFd, name: &[u8], mode: u32, content: &[u8]) -> std::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(content)?;
        rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(mode))?;
        self.date(directory, name)
    }

    fn link(&self, directory: &OwnedFd, name: &[u8], target: &[u8]) -> std::io::Result<()> {
        if target.is_empty() || target.len() > LONGEST_LINK || target.contains(&0) {
            return Err(std::io::Error::other("a link that leads nowhere"));
        }
        rustix::fs::symlinkat(target, directory, name)?;
        self.date(directory, name)
    }

    fn date(&self, directory: &OwnedFd, name: &[u8]) -> std::io::Result<()> {
        let Some(seconds) = self.time else { return Ok(()) };
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        Ok(rustix::fs::utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

fn make(directory: &OwnedFd, name: &[u8]) -> std::io::Result<()> {
    rustix::fs::mkdirat(directory, name, Mode::RWXU)?;
    // Whatever the mask is of who runs this.
    let mode = Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
    Ok(rustix::fs::chmodat(directory, name, mode, AtFlags::empty())?)
}

/// A directory that was made here.
fn beneath(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(root, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// A name that may be in a tree: no way out of it, and nothing that is `.git` on some file system.
fn name(name: &gix_object::bstr::BStr, is_link: bool) -> Result<&[u8]> {
    let mode = is_link.then_some(component::Mode::Symlink);
    // Names that only Windows has no room for are good here.
    let options = component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    match gix_validate::path::component(name, mode, options) {
        Ok(name) if !name.contains(&0) => Ok(name),
        Ok(_) => Err(Error::Damaged(format!("invalid path {:?}", name.to_string()))),
        Err(error) => Err(Error::Damaged(format!("invalid path {:?}: {error}", name.to_string()))),
    }
}

/// The tree of a folder within another one.
pub(crate) fn folder(pack: &Pack, tree: ObjectId, folder: &str) -> Result<ObjectId> {
    let (mut tree, mut path) = (tree, String::new());
    for part in folder.split('/').filter(|part| !part.is_empty()) {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
        let reason = match find(pack, tree, part)? {
            Some((EntryKind::Tree, id)) => {
                tree = id;
                continue;
            }
            Some(_) => format!("git subpath {folder:?} contains non-directory {path:?}"),
            None => format!("failed to lstat {path:?}: statat {path}: no such file or directory"),
        };
        return Err(Error::Folder { folder: folder.to_owned(), reason });
    }
    Ok(tree)
}

/// What has that name in a tree.
pub(crate) fn find(pack: &Pack, tree: ObjectId, name: &str) -> Result<Option<(EntryKind, ObjectId)>> {
    let mut list = Vec::new();
    pack.read(&tree, ObjectKind::Tree, &mut list)?;
    for entry in TreeRefIter::from_bytes(&list, Kind::Sha1) {
        let entry = entry.map_err(|error| Error::Damaged(format!("{tree}: {error}")))?;
        if entry.filename == name.as_bytes() {
            return Ok(Some((entry.mode.kind(), entry.oid.to_owned())));
        }
    }
    Ok(None)
}
