//! What is in a tree of files, told as clients take it: parents first, each directory in the order of its names.

use crate::go_mode;
use crate::tree::open_beneath;
use bollard_buildkit_proto::fsutil::types::Stat;
use rustix::fs::{AtFlags, Dir, FileType, OFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// Bytes of an extended attribute, which the kernel has no more of.
const LARGEST_ATTRIBUTE: usize = 64 << 10;

/// Tells of everything beneath `root`, without the root itself; blocking. Of a file with several names all but the first are links to it.
pub(crate) fn walk(root: &OwnedFd, mut tell: impl FnMut(Stat) -> io::Result<()>) -> io::Result<()> {
    let mut first = HashMap::new();
    let mut waiting = vec![children(root, "")?];
    while let Some(level) = waiting.last_mut() {
        let Some(name) = level.names.pop() else {
            waiting.pop();
            continue;
        };
        let Some(stat) = level.describe(&name, &mut first)? else { continue };
        let inner = (stat.mode & go_mode::DIRECTORY != 0).then(|| stat.path.clone());
        tell(stat)?;
        if let Some(inner) = inner {
            waiting.push(children(root, &inner)?);
        }
    }
    Ok(())
}

/// A directory whose names are still to be told of, the next one last.
struct Level {
    path: String,
    directory: OwnedFd,
    names: Vec<CString>,
}

fn children(root: &OwnedFd, path: &str) -> io::Result<Level> {
    let failed = |error: Errno| named(path, error.into());
    let directory = open_beneath(root, path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort_by(|a, b| b.cmp(a));
    Ok(Level { path: path.to_owned(), directory, names })
}

fn named(path: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("/{path}: {error}"))
}

impl Level {
    /// Nothing for a socket, which has no form outside its process.
    fn describe(&self, name: &CString, first: &mut HashMap<(u64, u64), String>) -> io::Result<Option<Stat>> {
        let shown = name.to_string_lossy();
        let path = if self.path.is_empty() { shown.into_owned() } else { format!("{}/{shown}", self.path) };
        let failed = |error: Errno| named(&path, error.into());
        if name.to_str().is_err() {
            return Err(named(&path, io::Error::new(io::ErrorKind::InvalidData, "its name is not UTF-8")));
        }
        let raw = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let Some(mode) = go_mode::of(raw.st_mode) else { return Ok(None) };
        let seconds = raw.st_mtime.saturating_mul(1_000_000_000);
        let mut stat = Stat {
            mode,
            uid: raw.st_uid,
            gid: raw.st_gid,
            mod_time: seconds.saturating_add_unsigned(raw.st_mtime_nsec),
            xattrs: self.attributes(name).map_err(failed)?,
            ..Stat::default()
        };
        let kind = FileType::from_raw_mode(raw.st_mode);
        if kind != FileType::Directory {
            stat.size = raw.st_size;
        }
        match kind {
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&self.directory, name, Vec::new()).map_err(failed)?;
                let not_text = |_| named(&path, io::Error::new(io::ErrorKind::InvalidData, "its target is not UTF-8"));
                stat.linkname = target.into_string().map_err(not_text)?;
            }
            FileType::BlockDevice | FileType::CharacterDevice => {
                stat.devmajor = rustix::fs::major(raw.st_rdev).into();
                stat.devminor = rustix::fs::minor(raw.st_rdev).into();
            }
            _ => {}
        }
        if kind == FileType::RegularFile && raw.st_nlink > 1 {
            match first.get(&(raw.st_dev, raw.st_ino)) {
                Some(first) => (stat.linkname, stat.size) = (first.clone(), 0),
                None => {
                    first.insert((raw.st_dev, raw.st_ino), path.clone());
                }
            }
        }
        stat.path = path;
        Ok(Some(stat))
    }

    /// Extended attributes, without those by which the engine stacks layers.
    fn attributes(&self, name: &CString) -> Result<HashMap<String, Vec<u8>>, Errno> {
        let mut path = format!("/proc/self/fd/{}/", self.directory.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.to_bytes());
        let mut names = vec![0; LARGEST_ATTRIBUTE];
        let length = match rustix::fs::llistxattr(path.as_slice(), &mut names[..]) {
            Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(HashMap::new()),
            other => other?,
        };
        let mut all = HashMap::new();
        for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let Ok(key) = std::str::from_utf8(name) else { continue };
            if key.starts_with("trusted.overlay.") || key.starts_with("user.overlay.") {
                continue;
            }
            let mut value = vec![0; LARGEST_ATTRIBUTE];
            let length = rustix::fs::lgetxattr(path.as_slice(), name, &mut value[..])?;
            value.truncate(length);
            all.insert(key.to_owned(), value);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, XattrFlags};
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    fn told(root: &std::path::Path) -> io::Result<Vec<Stat>> {
        let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let mut all = Vec::new();
        walk(&root, |stat| {
            all.push(stat);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn all_of_a_tree_is_told_in_order() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        std::fs::create_dir_all(root.join("a/b")).expect("made");
        for (name, text) in [("a/b/f", "12345"), ("a.txt", ""), ("z", "1")] {
            std::fs::write(root.join(name), text).expect("written");
        }
        std::fs::hard_link(root.join("a/b/f"), root.join("y")).expect("linked");
        symlink("../nowhere", root.join("a/link")).expect("linked");
        rustix::fs::mknodat(rustix::fs::CWD, root.join("p"), FileType::Fifo, Mode::RUSR, 0).expect("made");
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).expect("bound");
        std::fs::File::open(root.join("z"))
            .and_then(|file| file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1_500_000_000)))
            .expect("set");
        rustix::fs::setxattr(root.join("z"), "user.mark", b"m", XattrFlags::empty()).expect("set");
        rustix::fs::setxattr(root.join("z"), "user.overlay.mark", b"m", XattrFlags::empty()).expect("set");
        let all = told(root).expect("told");
        let paths: Vec<&str> = all.iter().map(|stat| stat.path.as_str()).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/f", "a/link", "a.txt", "p", "y", "z"]);
        let of = |path: &str| all.iter().find(|stat| stat.path == path).expect("told");
        assert_eq!((of("a/b/f").size, of("a/b/f").linkname.as_str()), (5, ""));
        assert_eq!((of("y").size, of("y").linkname.as_str()), (0, "a/b/f"));
        assert_eq!(
            (of("a/link").mode & go_mode::TYPES, of("a/link").linkname.as_str()),
            (go_mode::SYMLINK, "../nowhere")
        );
        assert_eq!((of("z").mod_time, of("z").xattrs.len()), (1_500_000_000, 1));
        assert_eq!(of("z").xattrs["user.mark"], b"m");
        assert_eq!(of("p").mode & go_mode::TYPES, go_mode::PIPE);
    }

    #[test]
    fn a_name_that_is_no_text_is_told_of() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "").expect("written");
        let error = told(directory.path()).expect_err("not sent");
        assert_eq!(error.to_string(), "/\u{fffd}: its name is not UTF-8");
    }
}
