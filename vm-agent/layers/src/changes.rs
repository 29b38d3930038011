//! What a container changed in its upper directory, compared with the layers beneath.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::names::{join, path, too_deep};
use crate::stack::{Found, Merged, entries, shown};
use crate::tree::{directory_flags, is_opaque};
use crate::{Change, ChangeKind, Error, Result};

/// The changes, sorted by path. A directory in which something changed counts as modified, as in `docker diff`.
pub(crate) fn changes(upper: &Path, layers: &[PathBuf]) -> Result<Vec<Change>> {
    let fd = rustix::fs::open(upper, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io("cannot open", upper)(e.into()))?;
    let lower = Merged::root(layers)?;
    let mut walk = Walk { changes: Vec::new() };
    walk.directory(b"", &fd, Some(&lower), false)?;
    walk.changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.changes)
}

/// Bytes in the regular files of a tree, each file counted once however many names it has.
pub(crate) fn size(root: &Path) -> Result<u64> {
    let fd = rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io("cannot open", root)(e.into()))?;
    size_of(fd).map_err(|e| Error::io("cannot measure", root)(e.into()))
}

/// A list of open directories instead of recursion: containers can nest directories deeper than any stack.
fn size_of(root: OwnedFd) -> Result<u64, Errno> {
    let mut seen = HashSet::new();
    let mut total: u64 = 0;
    let listed = entries(&root)?.into_iter();
    let mut levels = vec![(root, listed)];
    loop {
        let Some((directory, listed)) = levels.last_mut() else { return Ok(total) };
        let Some((name, _)) = listed.next() else {
            levels.pop();
            continue;
        };
        let stat = match rustix::fs::statat(&*directory, path(&name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // A running container may remove files meanwhile.
            Err(Errno::NOENT) => continue,
            Err(e) => return Err(e),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_nlink == 1 || seen.insert((stat.st_dev, stat.st_ino)) => {
                total = total.saturating_add(u64::try_from(stat.st_size).unwrap_or_default());
            }
            FileType::Directory => {
                match rustix::fs::openat(&*directory, path(&name), directory_flags(), Mode::empty()) {
                    Ok(inner) => {
                        let listed = entries(&inner)?.into_iter();
                        levels.push((inner, listed));
                    }
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                    Err(e) => return Err(e),
                }
            }
            _ => {}
        }
    }
}

struct Walk {
    changes: Vec<Change>,
}

impl Walk {
    /// One directory of the upper tree beside the same one of the layers; true when something in it changed.
    fn directory(&mut self, name: &[u8], upper: &OwnedFd, lower: Option<&Merged>, opaque: bool) -> Result<bool> {
        let failed = |e: Errno| Error::io("cannot compare", shown(name))(e.into());
        if too_deep(name) {
            return Err(failed(Errno::NAMETOOLONG));
        }
        let mut changed = false;
        let mut here = HashSet::new();
        for (child, is_whiteout) in entries(upper).map_err(failed)? {
            let inner = join(name, &child);
            let below = match lower {
                Some(lower) => lower.child(&child).map_err(failed)?,
                None => Found::Nothing,
            };
            if is_whiteout {
                if !matches!(below, Found::Nothing) {
                    changed |= self.note(&inner, ChangeKind::Deleted);
                }
                here.insert(child);
                continue;
            }
            changed |= self.entry(&inner, &child, upper, below)?;
            here.insert(child);
        }
        if opaque && let Some(lower) = lower {
            for child in lower.names().map_err(failed)? {
                if !here.contains(&child) {
                    changed |= self.note(&join(name, &child), ChangeKind::Deleted);
                }
            }
        }
        Ok(changed)
    }

    fn entry(&mut self, name: &[u8], child: &[u8], upper: &OwnedFd, below: Found) -> Result<bool> {
        let failed = |e: Errno| Error::io("cannot compare", shown(name))(e.into());
        let stat = match rustix::fs::statat(upper, path(child), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(false),
            Err(e) => return Err(failed(e)),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let kind = if matches!(below, Found::Nothing) { ChangeKind::Added } else { ChangeKind::Modified };
            return Ok(self.note(name, kind));
        }
        let fd = rustix::fs::openat(upper, path(child), directory_flags(), Mode::empty()).map_err(failed)?;
        match below {
            Found::Nothing | Found::Leaf => {
                let kind = if matches!(below, Found::Nothing) { ChangeKind::Added } else { ChangeKind::Modified };
                self.directory(name, &fd, None, false)?;
                Ok(self.note(name, kind))
            }
            Found::Directory(lower) => {
                let opaque = is_opaque(&fd);
                let inside = self.directory(name, &fd, Some(&lower), opaque)?;
                let before = lower.stat().map_err(failed)?;
                if inside || opaque || before.is_none_or(|before| differs(&stat, &before)) {
                    return Ok(self.note(name, ChangeKind::Modified));
                }
                Ok(false)
            }
        }
    }

    fn note(&mut self, name: &[u8], kind: ChangeKind) -> bool {
        self.changes.push(Change { path: shown(name), kind });
        true
    }
}

fn differs(a: &Stat, b: &Stat) -> bool {
    (a.st_mode, a.st_uid, a.st_gid, a.st_mtime, a.st_mtime_nsec)
        != (b.st_mode, b.st_uid, b.st_gid, b.st_mtime, b.st_mtime_nsec)
}
