//! Unpacking one layer: every member of the archive becomes a file in the [`Tree`].

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::archive::{Kind, Member, Members, Segment};
use crate::names::{self, AUFS, OPAQUE, WHITEOUT, clean, climbs, path, split};
use crate::tree::{Tree, directory_flags, refused, set_opaque};
use crate::{Error, Result};

/// Data is copied in pieces of this size; a piece of nothing but zeros becomes a hole.
const PIECE: usize = 64 * 1024;
/// Large files start on their way to the disk after so many bytes, so that the flush at the end finds little left to do.
const STRETCH: u64 = 4 * 1024 * 1024;

/// What unpacking found.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    /// Bytes in regular files, holes included.
    pub(crate) size: u64,
    /// Clean names of directories that no entry described; the root is the empty one.
    pub(crate) implied: Vec<Vec<u8>>,
}

/// Unpacks `source` into the empty directory `root`, and reads it to its end.
///
/// Files are not flushed: the caller flushes the file system once for all layers.
pub(crate) fn unpack(source: impl Read, root: &Path) -> Result<Unpacked> {
    let mut unpack = Unpack { tree: Tree::new(root)?, size: 0, directories: Vec::new(), buffer: vec![0; PIECE] };
    let mut members = Members::new(source);
    while let Some(member) = members.next()? {
        unpack.member(&member, &mut members)?;
    }
    members.drain()?;
    unpack.finish()
}

struct Unpack {
    tree: Tree,
    size: u64,
    /// Directories and their times, set last, since every file that is put into a directory changes them.
    directories: Vec<(Vec<u8>, Timestamps)>,
    buffer: Vec<u8>,
}

impl Unpack {
    fn member<R: Read>(&mut self, member: &Member, data: &mut Members<R>) -> Result<()> {
        let name = clean(&member.name).ok_or_else(|| Error::Escapes { entry: member.shown() })?;
        let (parent, last) = split(&name);
        if last == OPAQUE {
            return self.tree.hide_below(parent);
        }
        if last.starts_with(AUFS) || parent.split(|byte| *byte == b'/').any(|part| part.starts_with(AUFS)) {
            return Ok(());
        }
        if let Some(deleted) = last.strip_prefix(WHITEOUT) {
            if deleted.is_empty() || deleted == b"." || deleted == b".." {
                return Err(Error::Escapes { entry: member.shown() });
            }
            return self.tree.white_out(&names::join(parent, deleted));
        }
        if member.kind == Kind::Directory {
            return self.directory(&name, member);
        }
        if name.is_empty() {
            return Err(Error::Entry { entry: member.shown(), reason: "the root can only be a directory".to_owned() });
        }
        match member.kind {
            Kind::File => self.file(&name, member, data),
            Kind::Hardlink => self.hardlink(&name, member),
            Kind::Symlink => self.symlink(&name, member),
            Kind::CharDevice => self.node(&name, member, FileType::CharacterDevice),
            Kind::BlockDevice => self.node(&name, member, FileType::BlockDevice),
            Kind::Fifo => self.node(&name, member, FileType::Fifo),
            Kind::Directory => unreachable!("handled above"),
        }
    }

    fn directory(&mut self, name: &[u8], member: &Member) -> Result<()> {
        let fd = if name.is_empty() {
            self.tree.root().try_clone_to_owned().map_err(Error::io("cannot open", path(name)))?
        } else {
            self.make_directory(name)?
        };
        describe(&fd, member).map_err(|e| refused(name, e))?;
        xattrs(member, |key, value| rustix::fs::fsetxattr(&fd, path(key), value, XattrFlags::empty()))
            .map_err(|e| refused(name, e))?;
        self.tree.described(name);
        self.directories.push((name.to_vec(), times(member)));
        Ok(())
    }

    fn make_directory(&mut self, name: &[u8]) -> Result<OwnedFd> {
        let (parent, last) = split(name);
        for _ in 0..2 {
            let above = self.tree.directory(parent)?;
            let made = match rustix::fs::mkdirat(above, path(last), Mode::RWXU) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(e) => return Err(refused(name, e)),
            };
            match rustix::fs::openat(above, path(last), directory_flags(), Mode::empty()) {
                Ok(fd) => return Ok(fd),
                // Something else has the name: the later entry wins, as in `tar`.
                Err(Errno::NOTDIR | Errno::LOOP) if !made => {
                    if self.tree.clear(name)? {
                        let above = self.tree.directory(parent)?;
                        rustix::fs::mkdirat(above, path(last), Mode::RWXU).map_err(|e| refused(name, e))?;
                        let fd = rustix::fs::openat(above, path(last), directory_flags(), Mode::empty())
                            .map_err(|e| refused(name, e))?;
                        set_opaque(&fd).map_err(|e| refused(name, e))?;
                        return Ok(fd);
                    }
                }
                Err(e) => return Err(refused(name, e)),
            }
        }
        Err(refused(name, Errno::EXIST))
    }

    fn file<R: Read>(&mut self, name: &[u8], member: &Member, data: &mut Members<R>) -> Result<()> {
        let (parent, last) = split(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = match rustix::fs::openat(self.tree.directory(parent)?, path(last), flags, mode) {
            Err(Errno::EXIST) => {
                self.tree.clear(name)?;
                rustix::fs::openat(self.tree.directory(parent)?, path(last), flags, mode)
            }
            other => other,
        }
        .map_err(|e| refused(name, e))?;
        let whole = [Segment { offset: 0, length: member.size }];
        let mut end = 0;
        for segment in member.sparse.as_deref().unwrap_or(&whole) {
            end = self.copy(&fd, segment, name, data)?;
        }
        if end < member.size {
            rustix::fs::ftruncate(&fd, member.size).map_err(|e| refused(name, e))?;
        }
        describe(&fd, member).map_err(|e| refused(name, e))?;
        xattrs(member, |key, value| rustix::fs::fsetxattr(&fd, path(key), value, XattrFlags::empty()))
            .map_err(|e| refused(name, e))?;
        rustix::fs::futimens(&fd, &times(member)).map_err(|e| refused(name, e))?;
        self.size = self.size.saturating_add(member.size);
        Ok(())
    }

    /// Copies one run of data and returns where the last byte that was written ends.
    fn copy<R: Read>(&mut self, fd: &OwnedFd, segment: &Segment, name: &[u8], data: &mut Members<R>) -> Result<u64> {
        let mut offset = segment.offset;
        let end = segment.offset + segment.length;
        let mut written = 0;
        let mut started = offset;
        while offset < end {
            let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(PIECE);
            let count = data.read_full(&mut self.buffer[..wanted])?;
            let piece = &self.buffer[..count];
            if count < PIECE || piece.iter().any(|byte| *byte != 0) {
                write_at(fd, piece, offset).map_err(|e| refused(name, e))?;
                written = offset + count as u64;
            }
            offset += count as u64;
            if offset - started >= STRETCH {
                start_writing(fd, started, offset - started);
                started = offset;
            }
            if count == 0 {
                break;
            }
        }
        Ok(written)
    }

    fn hardlink(&mut self, name: &[u8], member: &Member) -> Result<()> {
        let shown = || String::from_utf8_lossy(&member.link).into_owned();
        let target = clean(&member.link).ok_or_else(|| Error::Escapes { entry: shown() })?;
        let dangling = || Error::DanglingLink { entry: member.shown(), target: shown() };
        if target == name {
            return Err(dangling());
        }
        let (target_parent, target_name) = split(&target);
        let source = match self.tree.open_directory(target_parent, OFlags::PATH) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(dangling()),
            Err(e) => return Err(refused(&target, e)),
        };
        let (parent, last) = split(name);
        for attempt in 0..2 {
            let result = rustix::fs::linkat(
                &source,
                path(target_name),
                self.tree.directory(parent)?,
                path(last),
                AtFlags::empty(),
            );
            match result {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) if attempt == 0 => {
                    self.tree.clear(name)?;
                }
                Err(Errno::NOENT) => return Err(dangling()),
                Err(e) => return Err(refused(name, e)),
            }
        }
        Err(refused(name, Errno::EXIST))
    }

    fn symlink(&mut self, name: &[u8], member: &Member) -> Result<()> {
        let (parent, last) = split(name);
        if climbs(parent, &member.link) {
            let entry = format!("{} -> {}", member.shown(), String::from_utf8_lossy(&member.link));
            return Err(Error::Escapes { entry });
        }
        let target = path(&member.link);
        match rustix::fs::symlinkat(target, self.tree.directory(parent)?, path(last)) {
            Err(Errno::EXIST) => {
                self.tree.clear(name)?;
                rustix::fs::symlinkat(target, self.tree.directory(parent)?, path(last))
            }
            other => other,
        }
        .map_err(|e| refused(name, e))?;
        self.describe_path(name, member, false)
    }

    fn node(&mut self, name: &[u8], member: &Member, kind: FileType) -> Result<()> {
        let (parent, last) = split(name);
        let device = match kind {
            FileType::Fifo => 0,
            _ => rustix::fs::makedev(member.device.0, member.device.1),
        };
        let mode = Mode::RUSR | Mode::WUSR;
        match rustix::fs::mknodat(self.tree.directory(parent)?, path(last), kind, mode, device) {
            Err(Errno::EXIST) => {
                self.tree.clear(name)?;
                rustix::fs::mknodat(self.tree.directory(parent)?, path(last), kind, mode, device)
            }
            other => other,
        }
        .map_err(|e| refused(name, e))?;
        self.describe_path(name, member, true)
    }

    /// Metadata of what cannot be opened without side effects: links, devices, fifos.
    fn describe_path(&mut self, name: &[u8], member: &Member, has_mode: bool) -> Result<()> {
        let (parent, last) = split(name);
        let directory = self.tree.directory(parent)?;
        let apply = || -> Result<(), Errno> {
            let (uid, gid) = owner(member);
            rustix::fs::chownat(directory, path(last), uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            if has_mode {
                rustix::fs::chmodat(directory, path(last), Mode::from_raw_mode(member.mode), AtFlags::empty())?;
            }
            if !member.xattrs.is_empty() {
                let mut full = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
                full.extend_from_slice(last);
                xattrs(member, |key, value| rustix::fs::lsetxattr(path(&full), path(key), value, XattrFlags::empty()))?;
            }
            rustix::fs::utimensat(directory, path(last), &times(member), AtFlags::SYMLINK_NOFOLLOW)
        };
        apply().map_err(|e| refused(name, e))
    }

    fn finish(self) -> Result<Unpacked> {
        // A fixed time for what nothing describes, so that equal layers unpack equally.
        let epoch = Timespec { tv_sec: 0, tv_nsec: 0 };
        let implied = Timestamps { last_access: epoch, last_modification: epoch };
        let implied = self.tree.implied().iter().map(|name| (name.as_slice(), &implied));
        let described = self.directories.iter().map(|(name, times)| (name.as_slice(), times));
        for (name, times) in implied.chain(described) {
            match self.tree.open_directory(name, OFlags::RDONLY) {
                Ok(fd) => rustix::fs::futimens(&fd, times).map_err(|e| refused(name, e))?,
                // A later entry replaced the directory.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(e) => return Err(refused(name, e)),
            }
        }
        Ok(Unpacked { size: self.size, implied: self.tree.into_implied().into_iter().collect() })
    }
}

/// Owner, then mode: a change of owner clears the set-ID bits.
fn describe(fd: impl AsFd, member: &Member) -> Result<(), Errno> {
    let (uid, gid) = owner(member);
    if (uid, gid) != (Some(Uid::ROOT), Some(Gid::ROOT)) {
        rustix::fs::fchown(&fd, uid, gid)?;
    }
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(member.mode))
}

/// After the owner: a change of owner removes `security.capability`.
fn xattrs(member: &Member, set: impl Fn(&[u8], &[u8]) -> Result<(), Errno>) -> Result<(), Errno> {
    for (key, value) in &member.xattrs {
        // An image must not steer the overlay file system (redirects, opaque marks, metadata-only files).
        if key.starts_with(b"trusted.overlay.") || key.starts_with(b"user.overlay.") {
            continue;
        }
        match set(key, value) {
            Ok(()) => {}
            // File systems differ in what they keep; dockerd ignores this as well.
            Err(Errno::OPNOTSUPP) => {}
            Err(Errno::PERM) if key.starts_with(b"user.") && !matches!(member.kind, Kind::File | Kind::Directory) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn owner(member: &Member) -> (Option<Uid>, Option<Gid>) {
    (member.uid.map(Uid::from_raw), member.gid.map(Gid::from_raw))
}

fn times(member: &Member) -> Timestamps {
    let time = Timespec { tv_sec: member.mtime.0, tv_nsec: member.mtime.1 };
    Timestamps { last_access: time, last_modification: time }
}

/// Starts to write a stretch back without waiting. Pages that are dirty stay cached (posix_fadvise(2), DONTNEED).
fn start_writing(fd: &OwnedFd, offset: u64, length: u64) {
    // Advice only: a file system may not take it.
    let _ = rustix::fs::fadvise(fd, offset, std::num::NonZeroU64::new(length), rustix::fs::Advice::DontNeed);
}

fn write_at(fd: &OwnedFd, mut piece: &[u8], mut offset: u64) -> Result<(), Errno> {
    while !piece.is_empty() {
        let count = rustix::io::pwrite(fd, piece, offset)?;
        piece = &piece[count..];
        offset += count as u64;
    }
    Ok(())
}
