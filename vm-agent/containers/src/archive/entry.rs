//! One entry of an archive, put into a folder.

use super::folder::Folder;
use super::{attributes, unreadable};
use crate::requests::ArchivePut;
use crate::{Error, Invalid, Result};
use layers::archive::{Kind, Member, Members, Segment};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, StatxAttributes, StatxFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Files are copied in pieces of this size.
const PIECE: usize = 64 * 1024;

/// Puts what the archive has under `name`; with `owner` instead of its own.
pub(super) fn put_entry(
    folder: &Folder,
    name: &Path,
    member: &Member,
    data: &mut Members<impl Read>,
    owner: Option<(u32, u32)>,
    options: ArchivePut,
) -> Result<()> {
    let parent = folder.parent(name)?;
    let target = folder.shown(name);
    let last = name.file_name().unwrap_or_default();
    let kind = member.kind;
    let fail = || Error::path("unpack", &target);
    make_room(folder, &parent, name, kind == Kind::Directory, options)?;
    let mode = Mode::from_raw_mode(member.mode);
    let device = rustix::fs::makedev(member.device.0, member.device.1);
    let node = |type_: FileType, device| -> io::Result<OwnedFd> {
        rustix::fs::mknodat(&parent, last, type_, mode, device)?;
        find(&parent, last, type_)
    };
    // What was made is held by a descriptor from here on: a process of the container may put something else at its name.
    let made = match kind {
        Kind::Directory => match rustix::fs::mkdirat(&parent, last, mode) {
            Ok(()) | Err(Errno::EXIST) => find(&parent, last, FileType::Directory),
            Err(error) => Err(error.into()),
        },
        Kind::File => Ok(write_file(&parent, last, &target, member, data)?),
        Kind::Symlink => {
            let made = rustix::fs::symlinkat(OsStr::from_bytes(&member.link), &parent, last);
            made.map_err(Into::into).and_then(|()| find(&parent, last, FileType::Symlink))
        }
        Kind::Hardlink => {
            let found = folder.link_target(&member.link)?;
            rustix::fs::linkat(&found, "", &parent, last, AtFlags::EMPTY_PATH).map(|()| found).map_err(Into::into)
        }
        Kind::CharDevice => node(FileType::CharacterDevice, device),
        Kind::BlockDevice => node(FileType::BlockDevice, device),
        Kind::Fifo => node(FileType::Fifo, 0),
    };
    let made = made.map_err(fail())?;
    describe(&made, member, owner).map_err(fail())
}

/// Removes what a new entry replaces: a directory only stays for another.
fn make_room(folder: &Folder, parent: &OwnedFd, name: &Path, is_directory: bool, options: ArchivePut) -> Result<()> {
    let last = name.file_name().unwrap_or_default();
    let fail = || Error::path("unpack", folder.shown(name));
    let stat = match rustix::fs::statx(parent, last, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(fail()(error.into())),
    };
    let was_directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
    if is_directory != was_directory && options.no_overwrite_dir_non_dir {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (name, folder) = (text(name), text(folder.path()));
        return Err(Invalid::Overwrite { name, folder, directory: was_directory }.into());
    }
    if is_directory && was_directory {
        return Ok(());
    }
    // The kernel keeps places of mounts only within their own mount namespace; elsewhere it takes the mount away with them.
    if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(fail()(Errno::BUSY.into()));
    }
    if was_directory {
        return layers::remove_tree(&by_descriptor(parent).join(last)).map_err(fail());
    }
    rustix::fs::unlinkat(parent, last, AtFlags::empty()).map_err(|error| fail()(error.into()))
}

/// Owner, mode, attributes and times, each of which may be changed by those before it.
fn describe(made: &OwnedFd, member: &Member, owner: Option<(u32, u32)>) -> io::Result<()> {
    let (uid, gid) = match owner {
        Some((uid, gid)) => (Some(uid), Some(gid)),
        None => (member.uid, member.gid),
    };
    rustix::fs::chownat(made, "", uid.map(Uid::from_raw), gid.map(Gid::from_raw), AtFlags::EMPTY_PATH)?;
    let path = by_descriptor(made);
    // A hard link may be to a link.
    if FileType::from_raw_mode(rustix::fs::fstat(made)?.st_mode) != FileType::Symlink {
        // chown clears set-user-id bits, so the mode comes after it.
        rustix::fs::chmod(&path, Mode::from_raw_mode(member.mode))?;
    }
    // After the owner, too: a change of owner removes file capabilities.
    attributes::write(&path, &member.xattrs)?;
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

/// A file system without times is no reason to fail.
pub(super) fn set_time(fd: BorrowedFd<'_>, (tv_sec, tv_nsec): (i64, i64)) {
    let time = Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: time, last_modification: time };
    let _ = rustix::fs::utimensat(fd, "", &times, AtFlags::EMPTY_PATH);
}

#[cfg(test)]
mod tests {
    use super::super::folder::entry_name;
    use super::*;
    use std::io::Cursor;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder(root: &tempfile::TempDir, path: &str) -> Folder {
        Folder::find(File::open(root.path()).unwrap().as_fd(), path).unwrap()
    }

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
        let mut members = Members::new(body);
        let member = members.next().unwrap().unwrap();
        let (folder, name) = (folder(&inside, "/"), Path::new("big"));
        put_entry(&folder, name, &member, &mut members, Some((1, 1)), ArchivePut::default()).unwrap();
        let metadata = secret.metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
        assert!(inside.path().join("big").is_symlink(), "the container swapped it");
    }

    #[test]
    fn names_that_are_no_text_stay_what_they_are() {
        let inside = tempfile::tempdir().unwrap();
        std::fs::create_dir(inside.path().join("to")).unwrap();
        let to = folder(&inside, "/to");
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
            let name = entry_name(&member.name).unwrap();
            put_entry(&to, &name, &member, &mut members, None, ArchivePut::default()).unwrap();
        }
        let folder = inside.path().join("to/folder");
        let read = |name: &[u8]| std::fs::read(folder.join(OsStr::from_bytes(name))).unwrap();
        assert_eq!([read(latin[0]), read(latin[1]), read(b"linked")], [b"1", b"2", b"2"]);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
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
