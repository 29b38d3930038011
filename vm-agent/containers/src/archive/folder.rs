//! The directory that an archive is unpacked into. Nothing in the archive leads out of it, whatever links are in it.

use super::walk::{Reached, Rules, walk};
use crate::{Error, Invalid, Result};
use runtime::sys;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Folder {
    directory: OwnedFd,
    /// In the container, absolute, without links.
    path: PathBuf,
}

impl Folder {
    /// Follows links as the container would.
    pub(super) fn find(root: BorrowedFd<'_>, path: &str) -> Result<Folder> {
        let Reached { directory, path } =
            walk(root, Path::new(path), Rules::default()).map_err(Error::path("look up", path))?;
        Ok(Folder { directory, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path in the container, for messages.
    pub(super) fn shown(&self, name: &Path) -> PathBuf {
        self.path.join(name)
    }

    /// The directory an entry goes into, made when the archive left it out.
    pub(super) fn parent(&self, name: &Path) -> Result<OwnedFd> {
        self.walk(parent_of(name), true)
    }

    /// What a hard link's name in the archive stands for: from here, wherever the link itself is.
    pub(super) fn link_target(&self, link: &[u8]) -> Result<OwnedFd> {
        let target = below(link).filter(|target| !target.as_os_str().is_empty());
        let target = target.ok_or_else(|| Invalid::HardLinkTarget(String::from_utf8_lossy(link).into_owned()))?;
        let directory = self.walk(parent_of(&target), false)?;
        let name = Path::new(target.file_name().unwrap_or_default());
        sys::open_in_root(directory.as_fd(), name, libc::O_PATH | libc::O_NOFOLLOW, 0)
            .map_err(Error::path("link to", self.shown(&target)))
    }

    /// A directory that was unpacked, and nothing that was put there instead.
    pub(super) fn directory(&self, name: &Path) -> io::Result<OwnedFd> {
        sys::open_in_root(self.directory.as_fd(), name, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW, 0)
    }

    fn walk(&self, path: &Path, make: bool) -> Result<OwnedFd> {
        match walk(self.directory.as_fd(), path, Rules { make, within: true }) {
            Ok(reached) => Ok(reached.directory),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => {
                Err(Invalid::LeadsOut(path.to_string_lossy().into_owned()).into())
            }
            Err(error) => Err(Error::path("unpack into", self.shown(path))(error)),
        }
    }
}

fn parent_of(name: &Path) -> &Path {
    name.parent().unwrap_or(Path::new(""))
}

/// The name of an entry, which need not be text, without detours; empty for the folder itself.
pub(super) fn entry_name(name: &[u8]) -> Result<PathBuf> {
    below(name).ok_or_else(|| Invalid::EntryName(String::from_utf8_lossy(name).into_owned()).into())
}

/// A name of an archive, relative even where it is written as absolute; `None` when it leads out, be it only to come back.
fn below(name: &[u8]) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if !path.pop() {
                    return None;
                }
            }
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_name_never_leads_out() {
        let clean = |name: &str| entry_name(name.as_bytes()).map(|name| name.to_str().unwrap().to_owned()).ok();
        for (name, cleaned) in [
            ("a//b/./c/", "a/b/c"),
            ("/absolute", "absolute"),
            ("./", ""),
            ("", ""),
            ("a/..", ""),
            ("a/../b", "b"),
            ("..name", "..name"),
        ] {
            assert_eq!(clean(name).as_deref(), Some(cleaned), "{name:?}");
        }
        for name in ["..", "../x", "/../x", "a/../../x", "../folder/x"] {
            let error = entry_name(name.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("invalid entry name {name:?}"));
        }
    }

    #[test]
    fn a_hard_link_is_to_what_is_in_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        std::fs::create_dir_all(at("folder/in")).unwrap();
        for name in ["outside", "folder/in/side"] {
            std::fs::write(at(name), "").unwrap();
        }
        symlink("..", at("folder/up")).unwrap();
        let folder = Folder::find(File::open(root.path()).unwrap().as_fd(), "/folder").unwrap();
        let said = |link: &str| folder.link_target(link.as_bytes()).map(drop).map_err(|error| error.to_string());
        for link in ["in/side", "/in/side", "in/../in/side", "up"] {
            assert_eq!(said(link), Ok(()), "{link:?}");
        }
        for link in ["", ".", "in/..", "../outside", "../folder/in/side"] {
            assert_eq!(said(link), Err(format!("invalid hardlink target {link:?}")));
        }
        assert_eq!(said("up/outside"), Err("statat up: path escapes from parent".to_owned()));
        // Absolute in the container, not in the archive.
        assert!(said("/folder/in/side").unwrap_err().contains("No such file"));
    }
}
