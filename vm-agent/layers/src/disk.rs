//! The directories beneath `ROOT/layers`: their names, and how they come and go.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{DiffId, Digest, Error, Result, remove_tree};

const INGEST: &str = "ingest";
const REMOVED: &str = "removed";
const IMPLIED: &str = "implied";
const EMPTY: &str = "empty";
const TREE: &str = "fs";

/// The layer directories. Numbers are unique within a run; leftovers of earlier runs go at [`Disk::open`].
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    next: AtomicU64,
    flushes: AtomicU64,
}

/// A directory that is being filled; removed when dropped before it was published.
#[derive(Debug)]
pub(crate) struct Ingest<'a> {
    disk: &'a Disk,
    path: PathBuf,
}

impl Disk {
    /// Makes what is missing, and removes leftovers and layers that are not `recorded`.
    pub(crate) fn open(root: &Path, recorded: impl Fn(&DiffId) -> bool) -> Result<Disk> {
        for leftover in [INGEST, REMOVED] {
            clean(&root.join(leftover));
        }
        for directory in [INGEST, REMOVED, IMPLIED, EMPTY] {
            let path = root.join(directory);
            std::fs::create_dir_all(&path).map_err(Error::io("cannot make", &path))?;
        }
        // Container processes of any user reach files through the overlay, not through this path.
        set_mode(root, 0o700)?;
        set_mode(&root.join(EMPTY), 0o755)?;
        spread(&root.join(INGEST));
        // Behind the numbers of what could not be removed.
        let mut next = 0;
        for leftover in [INGEST, REMOVED] {
            next = list(&root.join(leftover))?
                .iter()
                .filter_map(|name| name.parse().ok())
                .fold(next, |next, number: u64| next.max(number.saturating_add(1)));
        }
        let disk = Disk { root: root.to_owned(), next: AtomicU64::new(next), flushes: AtomicU64::new(0) };
        for entry in list(root)? {
            if Digest::from_hex(&entry).is_some_and(|id| !recorded(&id)) {
                tracing::info!("removing the unfinished layer sha256:{entry}");
                clean(&root.join(entry));
            }
        }
        Ok(disk)
    }

    /// The tree of a layer.
    pub(crate) fn layer(&self, id: &DiffId) -> PathBuf {
        self.root.join(id.hex()).join(TREE)
    }

    /// The tree of a chain's implied directories.
    pub(crate) fn chain(&self, id: &Digest) -> PathBuf {
        self.root.join(IMPLIED).join(id.hex()).join(TREE)
    }

    /// An empty directory.
    pub(crate) fn empty(&self) -> PathBuf {
        self.root.join(EMPTY)
    }

    /// The chains whose implied directories are there.
    pub(crate) fn chains(&self) -> Result<HashSet<Digest>> {
        Ok(list(&self.root.join(IMPLIED))?.iter().filter_map(|name| Digest::from_hex(name)).collect())
    }

    /// A new directory to fill, with an empty tree in it.
    pub(crate) fn ingest(&self) -> Result<Ingest<'_>> {
        let ingest = Ingest { disk: self, path: self.fresh(INGEST) };
        let tree = ingest.tree();
        std::fs::create_dir_all(&tree).map_err(Error::io("cannot make", &tree))?;
        set_mode(&tree, 0o755)?;
        Ok(ingest)
    }

    /// Flushes the whole file system: once for all files of all layers instead of once for each.
    pub(crate) fn sync(&self) -> Result<()> {
        let sync = || rustix::fs::syncfs(std::fs::File::open(&self.root)?).map_err(io::Error::from);
        self.flushes.fetch_add(1, Ordering::Relaxed);
        sync().map_err(Error::io("cannot flush", &self.root))
    }

    pub(crate) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// Moves a tree's directory out of sight; returns where it is now.
    pub(crate) fn take_away(&self, tree: &Path) -> Option<PathBuf> {
        let target = self.fresh(REMOVED);
        match std::fs::rename(tree.parent()?, &target) {
            Ok(()) => Some(target),
            Err(e) => {
                tracing::warn!("cannot remove {}: {e}", tree.display());
                None
            }
        }
    }

    /// Deletes what was taken away.
    pub(crate) fn delete(&self, taken: &[PathBuf]) {
        for path in taken {
            if let Err(e) = remove_tree(path) {
                tracing::warn!("cannot remove {}, trying again at the next start: {e}", path.display());
            }
        }
    }

    fn fresh(&self, kind: &str) -> PathBuf {
        self.root.join(kind).join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Ingest<'_> {
    /// The tree to fill.
    pub(crate) fn tree(&self) -> PathBuf {
        self.path.join(TREE)
    }

    /// Puts the directory in place as a layer.
    pub(crate) fn publish(self, id: &DiffId) -> Result<()> {
        self.rename(self.disk.root.join(id.hex()))
    }

    /// Puts the directory in place as a chain's implied directories.
    pub(crate) fn publish_chain(self, id: &Digest) -> Result<()> {
        self.rename(self.disk.root.join(IMPLIED).join(id.hex()))
    }

    fn rename(&self, to: PathBuf) -> Result<()> {
        std::fs::rename(&self.path, &to).map_err(Error::io("cannot make", to))
    }
}

impl Drop for Ingest<'_> {
    fn drop(&mut self) {
        // Gone when it was published.
        match remove_tree(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}, trying again at the next start: {e}", self.path.display());
            }
            _ => {}
        }
    }
}

/// Removes what an earlier run left. What cannot go costs room and nothing else: an engine that did not start would cost
/// everything.
fn clean(path: &Path) {
    match remove_tree(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("cannot remove {}, trying again at the next start: {e}", path.display());
        }
        _ => {}
    }
}

fn list(directory: &Path) -> Result<Vec<String>> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    };
    read().map_err(Error::io("cannot list", directory))
}

/// Asks ext4 to put each of the directory's children elsewhere on the disk, as it does for those of the root.
///
/// Otherwise all layers crowd into one block group, and those that unpack at the same time search it for free inodes
/// against each other; worse after a removal, since ext4 avoids inodes that were freed in the last minutes. Other file
/// systems have no such flag and need none.
fn spread(directory: &Path) {
    let set = || -> io::Result<()> {
        let fd = std::fs::File::open(directory)?;
        let flags = rustix::fs::ioctl_getflags(&fd)?;
        Ok(rustix::fs::ioctl_setflags(&fd, flags | rustix::fs::IFlags::TOPDIR)?)
    };
    if let Err(e) = set() {
        tracing::debug!("{}: layers are not spread: {e}", directory.display());
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(Error::io("cannot describe", path))
}
