//! What nobody is shown of a share, wherever it is asked for.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::share::Share;
use crate::wire::{Operation, Request};
use crate::{Errno, sys};

/// Folders, and files, of a share that nobody is to find.
#[derive(Debug)]
pub(crate) struct Hidden {
    /// From the root of the share.
    paths: Vec<Vec<u8>>,
    /// The folders themselves, and those that they lie in, by device and inode: they may have other names, where a file system takes
    /// letters for the same or a folder is mounted twice.
    folders: HashSet<(u64, u64)>,
    above: HashSet<(u64, u64)>,
}

/// How a name is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Shown,
    /// Something hidden lies in it: it stays where it is.
    Kept,
    Hidden,
}

impl Hidden {
    pub(crate) fn new(root: &Path, hidden: &[PathBuf]) -> Hidden {
        let below = hidden.iter().filter_map(|path| path.strip_prefix(root).ok());
        let identity = |path: &Path| {
            let there = path.metadata().ok().filter(std::fs::Metadata::is_dir)?;
            Some((there.dev(), there.ino()))
        };
        Hidden {
            paths: below.map(|path| path.as_os_str().as_bytes().to_vec()).filter(|path| !path.is_empty()).collect(),
            folders: hidden.iter().filter_map(|path| identity(path)).collect(),
            above: hidden.iter().flat_map(|path| path.ancestors().skip(1)).filter_map(identity).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.folders.is_empty()
    }

    /// Whatever its name: a folder by device and inode.
    pub(crate) fn how_is(&self, folder: (u64, u64)) -> How {
        match folder {
            folder if self.folders.contains(&folder) => How::Hidden,
            folder if self.above.contains(&folder) => How::Kept,
            _ => How::Shown,
        }
    }

    /// `folder` is a path from the root, without links.
    pub(crate) fn how(&self, folder: &[u8], name: &[u8]) -> How {
        let mut path = folder.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(name);
        let within = |path: &[u8], of: &[u8]| path.strip_prefix(of).is_some_and(|rest| rest.first() == Some(&b'/'));
        if self.paths.iter().any(|hidden| *hidden == path || within(&path, hidden)) {
            return How::Hidden;
        }
        if self.paths.iter().any(|hidden| within(hidden, &path)) { How::Kept } else { How::Shown }
    }
}

/// Refuses what would make, take or move something hidden. That it is not found is `ops`' to say.
///
/// # Errors
/// EACCES, EBUSY.
pub(crate) fn check(share: &Share, request: &Request<'_>) -> Result<(), Errno> {
    let node = request.node;
    let moved = |folder, name: &[u8]| {
        let itself = share.directory(folder).and_then(|folder| sys::open_name(folder.as_fd(), name));
        let itself =
            itself.and_then(|found| sys::attr(found.as_fd())).map_or(How::Shown, |(of, _)| share.how_is((of.0, of.1)));
        match (share.how(folder, name), itself) {
            (How::Hidden, _) | (_, How::Hidden) => Err(Errno::ACCESS),
            (How::Kept, _) | (_, How::Kept) => Err(Errno::BUSY),
            (How::Shown, How::Shown) => Ok(()),
        }
    };
    match &request.operation {
        _ if share.hides_nothing() => Ok(()),
        Operation::Unlink { name } | Operation::RemoveDirectory { name } => moved(node, name),
        Operation::Rename { name, to, to_name, .. } => moved(node, name).and_then(|()| moved(*to, to_name)),
        // Of what is to lie in it only a folder can be made where it is missing: a link would lead elsewhere.
        Operation::MakeDirectory { name, .. } if share.how(node, name) == How::Hidden => Err(Errno::ACCESS),
        Operation::Symlink { name, .. }
        | Operation::MakeNode { name, .. }
        | Operation::Create { name, .. }
        | Operation::Link { name, .. }
            if share.how(node, name) != How::Shown =>
        {
            Err(Errno::ACCESS)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_hidden_with_all_below_it_and_what_it_lies_in_is_kept() {
        let hidden =
            Hidden::new(Path::new("/home/me"), &["/home/me/.config/berth".into(), "/else".into(), "/home/me".into()]);
        for (folder, name, how) in [
            ("", ".config", How::Kept),
            (".config", "berth", How::Hidden),
            (".config/berth", "settings.toml", How::Hidden),
            (".config", "berthold", How::Shown),
            (".config", "other", How::Shown),
            ("", "berth", How::Shown),
            ("a/.config", "berth", How::Shown),
        ] {
            assert_eq!(hidden.how(folder.as_bytes(), name.as_bytes()), how, "{folder}/{name}");
        }
        assert!(Hidden::new(Path::new("/home/me/app"), &["/home/me/.config/berth".into()]).is_empty());
    }
}
