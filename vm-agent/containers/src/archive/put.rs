//! A tar into a directory of a container.

use super::attributes;
use super::place::Place;
use crate::actor::look_up;
use crate::create::mounts::{clean, clean_bytes};
use crate::handle::View;
use crate::requests::ArchivePut;
use crate::service::Inner;
use crate::{Error, Invalid, Result};
use bytes::{Buf, Bytes};
use layers::archive::{Kind, Member, Members, Segment};
use runtime::sys;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

const READ: &str = "read the archive";
/// Files are copied in pieces of this size.
const PIECE: usize = 64 * 1024;

/// What is wrong with an archive; the same reader's own words are about a layer of an image.
fn unreadable(error: layers::Error) -> Error {
    let source = match error {
        layers::Error::Read(source) => source,
        layers::Error::Damaged { entry, source } if entry.is_empty() => source,
        layers::Error::Damaged { entry, source } => {
            io::Error::new(source.kind(), format!("it is damaged at {entry:?}: {source}"))
        }
        layers::Error::Entry { entry, reason } => io::Error::other(format!("entry {entry:?}: {reason}")),
        other => io::Error::other(other),
    };
    Error::io(READ)(source)
}

/// Unpacks `body` into the directory at `path`; blocking.
pub(super) fn unpack(
    inner: &Inner,
    view: &View,
    path: &str,
    body: mpsc::Receiver<io::Result<Bytes>>,
    options: ArchivePut,
) -> Result<()> {
    // The end makes it follow a link to the folder; what is told is the client's own path.
    let own_path = |error| match error {
        Error::NoSuchPath { container, .. } => Error::NoSuchPath { path: path.to_owned(), container },
        other => other,
    };
    let place = Place::find(inner, view, &format!("{}/.", path.trim_end_matches('/'))).map_err(own_path)?;
    let stat = place.stat().map_err(own_path)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Error::NotADirectory);
    }
    let below_mount = view.record.mounts.iter().any(|mount| {
        clean(path).strip_prefix(&mount.destination).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if place.read_only {
        return Err(Error::ReadOnlyVolume);
    }
    if view.record.host.readonly_rootfs && !below_mount {
        return Err(Error::ReadOnlyRoot);
    }
    // As with dockerd: without a user of the container's, the archive's owners stay.
    let owner = if options.copy_uid_gid && !view.record.config.user.is_empty() {
        let user = look_up(place.root(), &view.record.config.user, &[])?;
        Some((user.uid, user.gid))
    } else {
        None
    };
    let plain = images::decompress(Body { receiver: body, rest: Bytes::new() }).map_err(Error::io(READ))?;
    let mut members = Members::new(plain);
    // Times of directories last: what is put into them later would change them.
    let mut directories: Vec<(PathBuf, (i64, i64))> = Vec::new();
    while let Some(member) = members.next().map_err(unreadable)? {
        let target = within(Path::new(place.path()), &member.name);
        if target == Path::new(&clean(place.path())) {
            continue;
        }
        if member.kind == Kind::Directory {
            directories.push((target.clone(), member.mtime));
        }
        put_member(place.root(), &target, &member, &mut members, owner, options)?;
    }
    // An archive is padded behind its end. A client that could not send that would take its connection for broken.
    members.drain().map_err(unreadable)?;
    for (path, mtime) in directories {
        if let Ok(directory) = sys::open_in_root(place.root(), &path, libc::O_RDONLY | libc::O_DIRECTORY, 0) {
            set_time(directory.as_fd(), mtime);
        }
    }
    Ok(())
}

/// A name of an archive, which need not be text, below `base`; it may lead up to the root, never out of it.
fn within(base: &Path, name: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(clean_bytes(&[base.as_os_str().as_bytes(), b"/", name].concat())))
}

fn put_member(
    root: BorrowedFd<'_>,
    target: &Path,
    member: &Member,
    data: &mut Members<impl Read>,
    owner: Option<(u32, u32)>,
    options: ArchivePut,
) -> Result<()> {
    let parent = open_parent(root, target.parent().unwrap_or(target))?;
    let name = target.file_name().unwrap_or_default();
    let kind = member.kind;
    let fail = || Error::path("unpack", target);
    let existing = match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
        Err(Errno::NOENT) => None,
        Err(error) => return Err(fail()(error.into())),
    };
    let (is_directory, was_directory) = (kind == Kind::Directory, existing == Some(FileType::Directory));
    if existing.is_some() && is_directory != was_directory {
        if options.no_overwrite_dir_non_dir {
            return Err(
                Invalid::Overwrite { path: target.to_string_lossy().into_owned(), directory: was_directory }.into()
            );
        }
        if was_directory {
            layers::remove_tree(&by_descriptor(&parent).join(name)).map_err(fail())?;
        }
    }
    if existing.is_some() && !was_directory {
        rustix::fs::unlinkat(&parent, name, AtFlags::empty()).map_err(|error| fail()(error.into()))?;
    }
    let mode = Mode::from_raw_mode(member.mode);
    let (uid, gid) = owner.unwrap_or((member.uid, member.gid));
    let device = rustix::fs::makedev(member.device.0, member.device.1);
    let node = |type_: FileType, device| -> io::Result<OwnedFd> {
        rustix::fs::mknodat(&parent, name, type_, mode, device)?;
        find(&parent, name, type_)
    };
    // What was made is held by a descriptor from here on: a process of the container may put something else at its name.
    let made = match kind {
        Kind::Directory => match rustix::fs::mkdirat(&parent, name, mode) {
            Ok(()) | Err(Errno::EXIST) => find(&parent, name, FileType::Directory),
            Err(error) => Err(error.into()),
        },
        Kind::File => Ok(write_file(&parent, name, target, member, data)?),
        Kind::Symlink => {
            let made = rustix::fs::symlinkat(OsStr::from_bytes(&member.link), &parent, name);
            made.map_err(Into::into).and_then(|()| find(&parent, name, FileType::Symlink))
        }
        Kind::Hardlink => return hard_link(root, target, &member.link, parent.as_fd(), name),
        Kind::CharDevice => node(FileType::CharacterDevice, device),
        Kind::BlockDevice => node(FileType::BlockDevice, device),
        Kind::Fifo => node(FileType::Fifo, 0),
    };
    let made = made.map_err(fail())?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chownat(&made, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH).map_err(|error| fail()(error.into()))?;
    let path = by_descriptor(&made);
    if kind != Kind::Symlink {
        // chown clears set-user-id bits, so the mode comes after it.
        rustix::fs::chmod(&path, mode).map_err(|error| fail()(error.into()))?;
    }
    // After the owner, too: a change of owner removes file capabilities.
    attributes::write(&path, &member.xattrs).map_err(fail())?;
    set_time(made.as_fd(), member.mtime);
    Ok(())
}

/// What was just made at `name`, and nothing that was put there instead.
fn find(parent: &OwnedFd, name: &OsStr, kind: FileType) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) != kind {
        return Err(io::Error::other("something else was put there while it was unpacked"));
    }
    Ok(found)
}

/// A path that leads to what is open, whatever becomes of its name (proc_pid_fd(5)).
fn by_descriptor(fd: &OwnedFd) -> PathBuf {
    Path::new("/proc/self/fd").join(fd.as_raw_fd().to_string())
}

/// Makes the file and fills it; its holes stay holes.
fn write_file(
    parent: &OwnedFd,
    name: &OsStr,
    target: &Path,
    member: &Member,
    data: &mut Members<impl Read>,
) -> Result<OwnedFd> {
    let fail = || Error::path("unpack", target);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(member.mode);
    let file = File::from(rustix::fs::openat(parent, name, flags, mode).map_err(|error| fail()(error.into()))?);
    let whole = [Segment { offset: 0, length: member.size }];
    let mut buffer = vec![0; usize::try_from(member.size).unwrap_or(PIECE).min(PIECE)];
    for segment in member.sparse.as_deref().unwrap_or(&whole) {
        let (mut offset, end) = (segment.offset, segment.offset + segment.length);
        while offset < end {
            let wanted = usize::try_from(end - offset).unwrap_or(PIECE).min(buffer.len());
            match data.read(&mut buffer[..wanted]).map_err(unreadable)? {
                0 => break,
                count => {
                    file.write_all_at(&buffer[..count], offset).map_err(fail())?;
                    offset += count as u64;
                }
            }
        }
    }
    if member.sparse.is_some() {
        file.set_len(member.size).map_err(fail())?;
    }
    Ok(file.into())
}

/// The target's name is relative to the archive's own root; it is looked for beside the entry's directory first.
fn hard_link(root: BorrowedFd<'_>, entry: &Path, to: &[u8], parent: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
    let fail = || Error::path("unpack", entry);
    // From the archive's root what leads up stays there; then it is looked for, deepest folder first.
    let to = clean_bytes(to);
    for base in entry.ancestors().skip(1) {
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let Ok(found) = sys::open_in_root(root, &within(base, &to), flags, 0) else { continue };
        return rustix::fs::linkat(&found, "", parent, name, AtFlags::EMPTY_PATH).map_err(|error| fail()(error.into()));
    }
    Err(fail()(io::ErrorKind::NotFound.into()))
}

/// The directory an entry goes into, made when the archive left it out.
fn open_parent(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    crate::actor::make_directory(root, path)?;
    sys::open_in_root(root, path, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC, 0)
        .map_err(Error::path("unpack into", path))
}

/// A file system without times is no reason to fail.
fn set_time(fd: BorrowedFd<'_>, (tv_sec, tv_nsec): (i64, i64)) {
    let time = Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: time, last_modification: time };
    let _ = rustix::fs::utimensat(fd, "", &times, AtFlags::EMPTY_PATH);
}

/// The request's body as a reader for a blocking thread.
struct Body {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// An archive whose file is taken away, and a link out of the container put at its name, while its content arrives.
    struct Swapped {
        archive: Cursor<Vec<u8>>,
        file: PathBuf,
        outside: PathBuf,
        done: bool,
    }

    impl Read for Swapped {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if !self.done && self.archive.position() > 512 {
                std::fs::remove_file(&self.file)?;
                symlink(&self.outside, &self.file)?;
                self.done = true;
            }
            let limit = buffer.len().min(512);
            self.archive.read(&mut buffer[..limit])
        }
    }

    #[test]
    fn a_name_that_a_container_swaps_leads_nowhere() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, secret) = (inside.path().join("big"), outside.path().join("secret"));
        std::fs::write(&secret, "secret").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o4777);
        header.set_size(4096);
        tar.append_data(&mut header, "big", &[7; 4096][..]).unwrap();
        let archive = Cursor::new(tar.into_inner().unwrap());
        let body: Box<dyn Read> = Box::new(Swapped { archive, file, outside: secret.clone(), done: false });
        let root = OwnedFd::from(File::open(inside.path()).unwrap());
        let mut members = Members::new(body);
        let member = members.next().unwrap().unwrap();
        put_member(root.as_fd(), Path::new("/big"), &member, &mut members, Some((1, 1)), ArchivePut::default())
            .unwrap();
        let metadata = secret.metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
        assert!(inside.path().join("big").is_symlink(), "the container swapped it");
    }

    #[test]
    fn names_that_are_no_text_stay_what_they_are() {
        let inside = tempfile::tempdir().unwrap();
        let root = OwnedFd::from(File::open(inside.path()).unwrap());
        let mut tar = tar::Builder::new(Vec::new());
        let latin: [&[u8]; 2] = [b"stra\xdfe", b"stra\xdee"];
        for (content, name) in [b"1", b"2"].into_iter().zip(latin) {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            header.set_mode(0o644);
            tar.append_data(&mut header, Path::new("folder").join(OsStr::from_bytes(name)), &content[..]).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Link);
        header.set_size(0);
        tar.append_link(&mut header, "folder/linked", Path::new("folder").join(OsStr::from_bytes(latin[1]))).unwrap();
        let archive = tar.into_inner().unwrap();
        let mut members = Members::new(&archive[..]);
        while let Some(member) = members.next().unwrap() {
            let target = within(Path::new("/to"), &member.name);
            put_member(root.as_fd(), &target, &member, &mut members, None, ArchivePut::default()).unwrap();
        }
        let folder = inside.path().join("to/folder");
        let read = |name: &[u8]| std::fs::read(folder.join(OsStr::from_bytes(name))).unwrap();
        assert_eq!([read(latin[0]), read(latin[1]), read(b"linked")], [b"1", b"2", b"2"]);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
    }

    #[test]
    fn a_name_leads_no_further_up_than_the_root() {
        assert_eq!(within(Path::new("/a/b"), b"../../../c/./d"), Path::new("/c/d"));
        assert_eq!(within(Path::new("/"), b"x"), Path::new("/x"));
    }

    #[test]
    fn what_was_swapped_is_not_found() {
        let inside = tempfile::tempdir().unwrap();
        symlink("/etc", inside.path().join("folder")).unwrap();
        let parent = OwnedFd::from(File::open(inside.path()).unwrap());
        assert!(find(&parent, OsStr::new("folder"), FileType::Directory).is_err());
        assert!(find(&parent, OsStr::new("folder"), FileType::Symlink).is_ok());
    }
}
