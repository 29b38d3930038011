//! A client's directory on this side's disk: made of what the client says is in it, and of the contents that it sends.
//!
//! Nothing that a client says leads out of the directory: each name is resolved from its root without following a link.

use crate::go_mode::{self as go, permissions};
use bollard_buildkit_proto::fsutil::types::Stat;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// The only extended attribute that builds carry on.
const CAPABILITY: &str = "security.capability";

/// A directory with what is known to be in it; removed when it and whoever else holds it are dropped.
#[derive(Debug)]
pub(crate) struct Tree {
    /// `None` when it is given on, or dropped.
    directory: Option<Arc<TempDir>>,
    entries: BTreeMap<String, Stat>,
    /// Bytes of files that came from elsewhere, and are in no list.
    foreign: u64,
}

impl Drop for Tree {
    fn drop(&mut self) {
        // It may have many files, and this may be a thread that must not block.
        if let (Some(directory), Ok(runtime)) = (self.directory.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(directory));
        }
    }
}

impl Tree {
    /// An empty one beneath `root`; blocking.
    pub(crate) fn new(root: &Path) -> io::Result<Tree> {
        Ok(Tree { directory: Some(Arc::new(tempfile::tempdir_in(root)?)), entries: BTreeMap::new(), foreign: 0 })
    }

    /// Counts what somebody else put into it; blocking.
    pub(crate) fn weigh(&mut self) -> io::Result<()> {
        let (mut waiting, mut bytes) = (vec![self.path().to_owned()], 0);
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(directory)? {
                let (path, stat) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
                match stat.is_dir() {
                    true => waiting.push(path),
                    false => bytes += stat.len(),
                }
            }
        }
        self.foreign = bytes;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        self.held().path()
    }

    /// For who may write there longer than this lasts: the last one who has it removes it.
    pub(crate) fn hold(&self) -> Arc<TempDir> {
        Arc::clone(self.held())
    }

    fn held(&self) -> &Arc<TempDir> {
        self.directory.as_ref().expect("taken at its end only")
    }

    /// Bytes of the files in it, links counted each.
    pub(crate) fn size(&self) -> i64 {
        let told: i64 = self.entries.values().map(|stat| stat.size.max(0)).sum();
        told.saturating_add_unsigned(self.foreign)
    }

    /// Begins to make it what the client has now; blocking, as is all of what follows.
    pub(crate) fn renew(mut self) -> io::Result<Renewal> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(self.path(), flags, Mode::empty())?;
        let directory = self.directory.take().expect("taken at its end only");
        let before = std::mem::take(&mut self.entries);
        let (entries, made, waiting) = (BTreeMap::new(), HashSet::new(), HashMap::new());
        Ok(Renewal { directory, root, before, entries, made, waiting, count: 0 })
    }
}

/// A directory that is being made anew. What was there already and has not changed stays.
#[derive(Debug)]
pub(crate) struct Renewal {
    directory: Arc<TempDir>,
    root: OwnedFd,
    before: BTreeMap<String, Stat>,
    entries: BTreeMap<String, Stat>,
    /// Those of `entries` that are files and were not there before: a link to one leads to another file now.
    made: HashSet<String>,
    /// Files whose contents were asked for, by their numbers.
    waiting: HashMap<u32, Waiting>,
    /// Of all that the client told of so far.
    count: u32,
}

#[derive(Debug)]
struct Waiting {
    path: String,
    /// Opened when its first bytes come.
    file: Option<File>,
    length: i64,
}

fn invalid(what: &str, path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {path:?}"))
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether it is a further name of a file that was told of before.
fn is_link(stat: &Stat) -> bool {
    stat.mode & go::TYPES == 0 && !stat.linkname.is_empty()
}

fn times(stat: &Stat) -> Timestamps {
    let time =
        Timespec { tv_sec: stat.mod_time.div_euclid(1_000_000_000), tv_nsec: stat.mod_time.rem_euclid(1_000_000_000) };
    Timestamps { last_access: time, last_modification: time }
}

impl Renewal {
    /// The client tells of something that is there: after the directory that it is in. Answers the number under which its content is
    /// to be asked for, if that is needed.
    pub(crate) fn add(&mut self, stat: Stat) -> io::Result<Option<u32>> {
        let number = self.count;
        self.count += 1;
        let path = stat.path.clone();
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains('\0') {
            return Err(invalid("not a clean relative path", &path));
        }
        let (parent, name) = split(&path);
        let is_directory = |path: &str| self.entries.get(path).is_some_and(|stat| stat.mode & go::DIRECTORY != 0);
        if !parent.is_empty() && !is_directory(parent) {
            return Err(invalid("in no directory that was told of", &path));
        }
        if self.entries.contains_key(&path) {
            return Err(invalid("told of twice", &path));
        }
        let is_link = is_link(&stat);
        // A link is made again where what it leads to is another file now. Making it is a change of the file, by whatever name.
        let leads_elsewhere =
            is_link && (self.made.contains(&stat.linkname) || !self.entries.contains_key(&stat.linkname));
        match self.before.remove(&path) {
            Some(before) if before == stat && !leads_elsewhere => {
                self.entries.insert(path, stat);
                return Ok(None);
            }
            Some(before) if before.mode & stat.mode & go::DIRECTORY != 0 => {
                let directory = self.open(parent, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
                rustix::fs::fchmod(&directory, permissions(stat.mode))?;
                self.entries.insert(path, stat);
                return Ok(None);
            }
            Some(before) => self.remove(&path, &before)?,
            None => {}
        }
        let needs_content = self.make(parent, name, &stat, is_link)?;
        if stat.mode & go::TYPES == 0 {
            self.made.insert(path.clone());
        }
        self.entries.insert(path.clone(), stat);
        if needs_content {
            self.waiting.insert(number, Waiting { path, file: None, length: 0 });
        }
        Ok(needs_content.then_some(number))
    }

    fn make(&self, parent: &str, name: &str, stat: &Stat, is_link: bool) -> io::Result<bool> {
        let at = self.parent(parent)?;
        let kind = stat.mode & go::TYPES;
        let device = || -> io::Result<u64> {
            let part = |number: i64| u32::try_from(number).map_err(|_| invalid("not a device", &stat.path));
            Ok(rustix::fs::makedev(part(stat.devmajor)?, part(stat.devminor)?))
        };
        match kind {
            go::DIRECTORY => {
                rustix::fs::mkdirat(&at, name, Mode::RWXU)?;
                // Its time is set when everything is in it.
                rustix::fs::chmodat(&at, name, permissions(stat.mode), AtFlags::empty())?;
                return Ok(false);
            }
            go::SYMLINK => {
                rustix::fs::symlinkat(stat.linkname.as_str(), &at, name)?;
                rustix::fs::utimensat(&at, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
                return Ok(false);
            }
            go::PIPE => rustix::fs::mknodat(&at, name, FileType::Fifo, Mode::RUSR, 0)?,
            go::DEVICE => rustix::fs::mknodat(&at, name, FileType::BlockDevice, Mode::RUSR, device()?)?,
            _ if kind == go::DEVICE | go::CHARACTER => {
                rustix::fs::mknodat(&at, name, FileType::CharacterDevice, Mode::RUSR, device()?)?;
            }
            0 if is_link => {
                let target = self.entries.get(&stat.linkname).filter(|target| target.mode & go::TYPES == 0);
                if target.is_none() {
                    return Err(invalid("a link to no file that was told of", &stat.path));
                }
                let (directory, file) = split(&stat.linkname);
                rustix::fs::linkat(self.parent(directory)?, file, &at, name, AtFlags::empty())?;
                return Ok(false);
            }
            0 => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&at, name, flags, Mode::RUSR | Mode::WUSR)?;
                rustix::fs::fchmod(&file, permissions(stat.mode))?;
                if let Some(value) = stat.xattrs.get(CAPABILITY) {
                    rustix::fs::fsetxattr(&file, CAPABILITY, value, XattrFlags::empty())?;
                }
                return Ok(true);
            }
            _ => return Err(invalid("of no known kind", &stat.path)),
        }
        rustix::fs::chmodat(&at, name, permissions(stat.mode), AtFlags::empty())?;
        rustix::fs::utimensat(&at, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(false)
    }

    /// Some of a file's content; nothing is its end.
    pub(crate) fn data(&mut self, number: u32, bytes: &[u8]) -> io::Result<()> {
        let unknown = || invalid("content of what was not asked for", &number.to_string());
        let waiting = self.waiting.get_mut(&number).ok_or_else(unknown)?;
        if waiting.file.is_none() {
            let (parent, name) = split(&waiting.path);
            let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let at = open_beneath(&self.root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
            waiting.file = Some(File::from(rustix::fs::openat(&at, name, flags, Mode::empty())?));
        }
        let file = waiting.file.as_mut().ok_or_else(unknown)?;
        if !bytes.is_empty() {
            waiting.length += i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            return file.write_all(bytes);
        }
        if let Some(stat) = self.entries.get_mut(&waiting.path) {
            rustix::fs::futimens(file.as_fd(), &times(stat))?;
            if waiting.length != stat.size {
                // It changed while it was read: whatever it is the next time, it is another one.
                stat.size = -1;
            }
        }
        self.waiting.remove(&number);
        Ok(())
    }

    /// Whether contents that were asked for are still to come.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What is here when the rest does not come: what came whole, and what nobody told of yet as it was before.
    pub(crate) fn give_up(mut self) -> Tree {
        for waiting in self.waiting.values() {
            if let Some(stat) = self.entries.get_mut(&waiting.path) {
                // It is there, and whatever it is the next time, it is another one.
                stat.size = -1;
            }
        }
        let mut entries = self.before;
        // What these lead to may be another file by now.
        for link in entries.values_mut().filter(|stat| is_link(stat)) {
            link.size = -1;
        }
        entries.append(&mut self.entries);
        Tree { directory: Some(self.directory), entries, foreign: 0 }
    }

    /// Removes what the client has no more.
    pub(crate) fn finish(mut self) -> io::Result<Tree> {
        while let Some((path, stat)) = self.before.pop_last() {
            self.remove_one(&path, &stat)?;
        }
        // From the inside out: what happens in a directory changes its time.
        for (path, stat) in self.entries.iter().rev().filter(|(_, stat)| stat.mode & go::DIRECTORY != 0) {
            let (parent, name) = split(path);
            rustix::fs::utimensat(self.parent(parent)?, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(Tree { directory: Some(self.directory), entries: self.entries, foreign: 0 })
    }

    /// Removes something that was there before, with all that was in it.
    fn remove(&mut self, path: &str, stat: &Stat) -> io::Result<()> {
        if stat.mode & go::DIRECTORY != 0 {
            let inside = format!("{path}/");
            let inner = self.before.range(inside.clone()..).take_while(|(path, _)| path.starts_with(&inside));
            let inner: Vec<(String, Stat)> = inner.map(|(path, stat)| (path.clone(), stat.clone())).collect();
            for (path, stat) in inner.into_iter().rev() {
                self.before.remove(&path);
                self.remove_one(&path, &stat)?;
            }
        }
        self.remove_one(path, stat)
    }

    fn remove_one(&self, path: &str, stat: &Stat) -> io::Result<()> {
        let (parent, name) = split(path);
        let flags = if stat.mode & go::DIRECTORY != 0 { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        Ok(rustix::fs::unlinkat(self.parent(parent)?, name, flags)?)
    }

    fn parent(&self, path: &str) -> Result<OwnedFd, Errno> {
        open_beneath(&self.root, path, OFlags::PATH | OFlags::DIRECTORY)
    }

    fn open(&self, parent: &str, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(self.parent(parent)?, name, flags, Mode::empty())?)
    }
}

/// Opens what is beneath a directory, following no link.
pub(crate) fn open_beneath(root: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { "." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests;
