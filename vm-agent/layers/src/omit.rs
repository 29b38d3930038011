//! What an upper directory holds although its container did not put it there: files that every container gets.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::names::{clean, join, path, split};
use crate::stack::{Found, Merged, entries, shown};
use crate::tree::{directory_flags, is_opaque, stat_is_whiteout};
use crate::{Error, Result, metadata};

/// The clean names that are not the container's own: `foreign` (absolute paths) where the layers have nothing, and directories
/// that exist or changed only for their sake.
pub(crate) fn omitted(upper: &Path, layers: &[PathBuf], foreign: &[&str]) -> Result<HashSet<Vec<u8>>> {
    let root = rustix::fs::open(upper, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io("cannot open", upper)(e.into()))?;
    let lower = Merged::root(layers)?;
    let foreign: HashSet<Vec<u8>> = foreign.iter().filter_map(|name| clean(name.as_bytes())).collect();
    let mut looking = Look { foreign, omitted: HashSet::new() };
    looking.directory(b"", &root, Some(&lower))?;
    Ok(looking.omitted)
}

struct Look {
    foreign: HashSet<Vec<u8>>,
    omitted: HashSet<Vec<u8>>,
}

impl Look {
    /// Looks at those children of a directory on whose way foreign names lie.
    fn directory(&mut self, name: &[u8], upper: &OwnedFd, lower: Option<&Merged>) -> Result<()> {
        let failed = |e: Errno| Error::io("cannot compare", shown(name))(e.into());
        for (child, _) in entries(upper).map_err(failed)? {
            let inner = join(name, &child);
            let is_foreign = self.foreign.contains(&inner);
            let leads_to_one = self.foreign.iter().any(|name| is_above(&inner, name));
            if !is_foreign && !leads_to_one {
                continue;
            }
            let below = match lower {
                Some(lower) => lower.child(&child).map_err(failed)?,
                None => Found::Nothing,
            };
            if self.entry(&inner, upper, below, is_foreign)? {
                self.omitted.insert(inner);
            }
        }
        Ok(())
    }

    /// True when the container has no part in the entry.
    fn entry(&mut self, name: &[u8], parent: &OwnedFd, below: Found, is_foreign: bool) -> Result<bool> {
        let failed = |e: Errno| Error::io("cannot compare", shown(name))(e.into());
        let (_, last) = split(name);
        let stat = match rustix::fs::statat(parent, path(last), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(false),
            Err(e) => return Err(failed(e)),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Ok(is_foreign && matches!(below, Found::Nothing) && !stat_is_whiteout(&stat));
        }
        let fd = rustix::fs::openat(parent, path(last), directory_flags(), Mode::empty()).map_err(failed)?;
        let before = match &below {
            Found::Directory(lower) => Some(lower),
            Found::Nothing => None,
            Found::Leaf => return Ok(false),
        };
        self.directory(name, &fd, before)?;
        let held = entries(&fd).map_err(failed)?;
        if held.iter().any(|(child, _)| !self.omitted.contains(&join(name, child))) {
            return Ok(false);
        }
        // Nothing of the container's is in it. It is the container's own if its attributes are.
        let Some(before) = before else { return Ok(is_foreign || !held.is_empty()) };
        let Some((_, old)) = before.top() else { return Ok(false) };
        let was = rustix::fs::fstat(old).map_err(failed)?;
        let same = (stat.st_mode, stat.st_uid, stat.st_gid) == (was.st_mode, was.st_uid, was.st_gid);
        let own = |fd: &OwnedFd| -> Result<metadata::Xattrs> {
            let mut xattrs = metadata::xattrs(fd).map_err(failed)?;
            xattrs.retain(|(name, _)| !metadata::is_overlay(name));
            Ok(xattrs)
        };
        Ok(!held.is_empty() && same && !is_opaque(&fd) && own(&fd)? == own(old)?)
    }
}

/// True when `name` is a directory on the way to `other`.
fn is_above(name: &[u8], other: &[u8]) -> bool {
    other.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b'/'))
}
