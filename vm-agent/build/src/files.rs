//! Looking into a tree of files that somebody else made: a context or an image. No link in it leads out of it.

use crate::digests::Lasts;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Links that one look-up may follow, as in the kernel.
pub(crate) const LINKS: usize = 40;

/// The root of a tree.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    lasts: Lasts,
}

/// A directory in a tree, opened: what is in it is looked at without a way from the root for each.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

/// What is at the end of a path.
#[derive(Debug)]
pub(crate) struct Found {
    /// Relative to the root, without links.
    pub(crate) path: PathBuf,
    /// `None`: nothing is there, but its directory is, or could be made.
    pub(crate) stat: Option<Stat>,
}

impl Tree {
    pub(crate) fn new(root: OwnedFd) -> Tree {
        Tree { root, lasts: Lasts::default() }
    }

    /// With files that stay so long.
    pub(crate) fn lasting(self, lasts: Lasts) -> Tree {
        Tree { lasts, ..self }
    }

    pub(crate) fn lasts(&self) -> Lasts {
        self.lasts
    }

    pub(crate) fn open(root: &Path) -> io::Result<Tree> {
        Ok(Tree::new(rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    fn open_at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // Somebody renamed a directory meanwhile.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
    }

    /// Of the path itself, be it a link; `None` when there is nothing.
    pub(crate) fn lstat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(fd) => Ok(Some(rustix::fs::statat(&fd, c"", AtFlags::EMPTY_PATH)?)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Where a link leads.
    pub(crate) fn link(&self, path: &Path) -> io::Result<PathBuf> {
        let fd = self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let target = rustix::fs::readlinkat(&fd, c"", Vec::new())?;
        Ok(PathBuf::from(OsStr::from_bytes(target.to_bytes())))
    }

    pub(crate) fn file(&self, path: &Path) -> io::Result<File> {
        // A pipe that is opened here must not wait for its other end.
        Ok(self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK)?.into())
    }

    /// The same for what is no link.
    pub(crate) fn plain_file(&self, path: &Path) -> io::Result<File> {
        Ok(self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW)?.into())
    }

    pub(crate) fn directory(&self, path: &Path) -> io::Result<Directory> {
        Ok(Directory(self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)?))
    }

    /// The names in a directory, sorted.
    pub(crate) fn names(&self, path: &Path) -> io::Result<Vec<Vec<u8>>> {
        self.directory(path)?.names()
    }

    /// An extended attribute of what is no link.
    pub(crate) fn attribute(&self, path: &Path, name: &str) -> Option<Vec<u8>> {
        let fd = self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW).ok()?;
        let mut value = vec![0; 1024];
        let length = rustix::fs::fgetxattr(fd.as_fd(), name, &mut value[..]).ok()?;
        value.truncate(length);
        Some(value)
    }

    /// Sets an extended attribute of what is no link.
    pub(crate) fn set_attribute(&self, path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
        let fd = self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW)?;
        Ok(rustix::fs::fsetxattr(fd.as_fd(), name, value, rustix::fs::XattrFlags::empty())?)
    }

    /// Follows a path, which is relative to the root, with every link in it, to where something is or could be.
    pub(crate) fn follow(&self, path: &Path) -> io::Result<Found> {
        let mut rest: VecDeque<Vec<u8>> = parts(path).collect();
        let mut at = PathBuf::new();
        let mut stat = self.lstat(&at)?;
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == b".." {
                at.pop();
                stat = self.lstat(&at)?;
                continue;
            }
            let next = at.join(OsStr::from_bytes(&part));
            stat = match &stat {
                Some(_) => self.lstat(&next)?,
                None => None,
            };
            if stat.as_ref().is_some_and(|stat| kind(stat) == FileType::Symlink) {
                links += 1;
                if links > LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = self.link(&next)?;
                if target.is_absolute() {
                    at = PathBuf::new();
                }
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(part);
                }
                stat = self.lstat(&at)?;
                continue;
            }
            if !rest.is_empty() && stat.as_ref().is_some_and(|stat| kind(stat) != FileType::Directory) {
                return Err(Errno::NOTDIR.into());
            }
            at = next;
        }
        Ok(Found { path: at, stat })
    }
}

impl Directory {
    /// The names in it, sorted.
    pub(crate) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Of what has that name, be it a link; `None` when there is nothing (any more).
    pub(crate) fn lstat(&self, name: &[u8]) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.0, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Where a link leads.
    pub(crate) fn link(&self, name: &[u8]) -> io::Result<PathBuf> {
        let target = rustix::fs::readlinkat(&self.0, OsStr::from_bytes(name), Vec::new())?;
        Ok(PathBuf::from(OsStr::from_bytes(target.to_bytes())))
    }
}

impl Found {
    pub(crate) fn is_directory(&self) -> bool {
        self.stat.as_ref().is_some_and(|stat| kind(stat) == FileType::Directory)
    }
}

pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The names in a path; `..` among them.
pub(crate) fn parts(path: &Path) -> impl Iterator<Item = Vec<u8>> + '_ {
    let parts = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
    parts.filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_leads_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        std::fs::create_dir_all(root.join("d/e")).expect("made");
        std::fs::write(directory.path().join("secret"), "no").expect("written");
        std::fs::write(root.join("d/f"), "yes").expect("written");
        for (target, name) in
            [("../../secret", "out"), ("/d", "abs"), ("e/../f", "d/in"), ("loop", "loop"), ("d/none", "new")]
        {
            symlink(target, root.join(name)).expect("linked");
        }
        let tree = Tree::open(&root).expect("opened");
        let follow = |path: &str| {
            tree.follow(Path::new(path)).map(|found| (found.path.display().to_string(), found.stat.is_some()))
        };
        let there = |path: &str| (path.to_owned(), true);
        assert_eq!(follow("abs/in").expect("found"), there("d/f"));
        assert_eq!(follow("/abs/../d/./e/").expect("found"), there("d/e"));
        assert_eq!(follow("").expect("found"), there(""));
        assert_eq!(follow("../../..").expect("found"), there(""));
        // Outside there is nothing to be seen.
        assert_eq!(follow("out").expect("found"), ("secret".to_owned(), false));
        assert!(tree.file(Path::new("out")).is_err());
        assert_eq!(follow("new").expect("found"), ("d/none".to_owned(), false));
        assert_eq!(follow("x/y").expect("found"), ("x/y".to_owned(), false));
        assert!(follow("loop").is_err() && follow("d/f/x").is_err());
        assert_eq!(tree.names(Path::new("d")).expect("names"), [b"e".to_vec(), b"f".to_vec(), b"in".to_vec()]);
    }
}
