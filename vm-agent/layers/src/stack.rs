//! Looking through a stack of layers as the overlay file system would, without mounting it.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::names::path;
use crate::tree::{directory_flags, is_opaque, stat_is_whiteout};
use crate::{Error, Result};

/// One directory of the merged view: the same directory in each layer that has it, topmost first.
#[derive(Debug)]
pub(crate) struct Merged {
    layers: Vec<(usize, OwnedFd)>,
}

/// What the merged view has under a name.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    /// Anything but a directory.
    Leaf,
    Directory(Merged),
}

impl Merged {
    /// The root of a stack, topmost first.
    pub(crate) fn root(layers: &[PathBuf]) -> Result<Merged> {
        let open = |(index, layer): (usize, &PathBuf)| {
            rustix::fs::open(layer, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map(|fd| (index, fd))
                .map_err(|e| Error::io("cannot open", layer)(e.into()))
        };
        Ok(Merged { layers: layers.iter().enumerate().map(open).collect::<Result<_>>()? })
    }

    /// The topmost directory, whose metadata the merged one has, and its layer counted from the top.
    pub(crate) fn top(&self) -> Option<(usize, &OwnedFd)> {
        self.layers.first().map(|(index, fd)| (*index, fd))
    }

    /// The layers, counted from the top, that have this directory.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (usize, &OwnedFd)> {
        self.layers.iter().map(|(index, fd)| (*index, fd))
    }

    pub(crate) fn stat(&self) -> Result<Option<Stat>, Errno> {
        self.top().map(|(_, fd)| rustix::fs::fstat(fd)).transpose()
    }

    /// What the merged directory has under `name`, which is one part of a path.
    pub(crate) fn child(&self, name: &[u8]) -> Result<Found, Errno> {
        let mut found = Vec::new();
        for (index, directory) in &self.layers {
            let stat = match rustix::fs::statat(directory, path(name), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(e) => return Err(e),
            };
            if stat_is_whiteout(&stat) {
                break;
            }
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                if found.is_empty() {
                    return Ok(Found::Leaf);
                }
                break;
            }
            let fd = rustix::fs::openat(directory, path(name), directory_flags(), Mode::empty())?;
            let opaque = is_opaque(&fd);
            found.push((*index, fd));
            if opaque {
                break;
            }
        }
        Ok(if found.is_empty() { Found::Nothing } else { Found::Directory(Merged { layers: found }) })
    }

    /// The directory of a clean name; `None` when the merged view has no directory there.
    pub(crate) fn directory(layers: &[PathBuf], name: &[u8]) -> Result<Option<Merged>> {
        let mut merged = Merged::root(layers)?;
        for part in name.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            match merged.child(part).map_err(|e| Error::io("cannot look up", path(name))(e.into()))? {
                Found::Directory(next) => merged = next,
                Found::Nothing | Found::Leaf => return Ok(None),
            }
        }
        Ok(Some(merged))
    }

    /// The names in the merged directory.
    pub(crate) fn names(&self) -> Result<BTreeSet<Vec<u8>>, Errno> {
        let mut seen = BTreeSet::new();
        let mut names = BTreeSet::new();
        for (_, directory) in &self.layers {
            for (name, is_whiteout) in entries(directory)? {
                if seen.insert(name.clone()) && !is_whiteout {
                    names.insert(name);
                }
            }
        }
        Ok(names)
    }
}

/// The names in one directory of one layer, and whether each is a whiteout.
pub(crate) fn entries(directory: impl AsFd) -> Result<Vec<(Vec<u8>, bool)>, Errno> {
    let mut all = Vec::new();
    for entry in rustix::fs::Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let is_whiteout = entry.file_type() == FileType::CharacterDevice
            && rustix::fs::statat(&directory, path(name), AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| stat_is_whiteout(&stat));
        all.push((name.to_vec(), is_whiteout));
    }
    Ok(all)
}

/// An absolute path for messages.
pub(crate) fn shown(name: &[u8]) -> PathBuf {
    Path::new("/").join(path(name))
}
