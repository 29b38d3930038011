//! A tree as a tar.

use super::Chunks;
use super::place::Place;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// Names of files with several links, by device and inode.
type Links = HashMap<(u64, u64), PathBuf>;

/// Writes what is at `place`; names begin with its last component.
pub(super) fn write_tar(place: &Place, out: &mut Chunks) -> io::Result<()> {
    let found = place.open().map_err(io::Error::other)?;
    let mut tar = Builder::new(out);
    let name = if place.name == "/" { Path::new(".") } else { Path::new(&place.name) };
    let stat = rustix::fs::statat(&found, "", AtFlags::EMPTY_PATH)?;
    let mut links = Links::new();
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let directory = reopen(found.as_fd(), OFlags::DIRECTORY)?;
        write_directory(&mut tar, directory, name, &stat, &mut links)?;
    } else {
        write_entry(&mut tar, found.as_fd(), name, &stat, &mut links)?;
    }
    tar.finish()
}

/// From an `O_PATH` descriptor to one that can be read, without a path that could change.
fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::open(path, flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?)
}

fn write_directory(
    tar: &mut Builder<&mut Chunks>,
    directory: OwnedFd,
    name: &Path,
    stat: &Stat,
    links: &mut Links,
) -> io::Result<()> {
    let mut entry = header(stat, EntryType::Directory);
    let mut slashed = name.as_os_str().to_owned();
    slashed.push("/");
    tar.append_data(&mut entry, Path::new(&slashed), io::empty())?;
    let mut names: Vec<Vec<u8>> = Vec::new();
    for item in Dir::read_from(&directory)? {
        let item = item?;
        let bytes = item.file_name().to_bytes();
        if bytes != b"." && bytes != b".." {
            names.push(bytes.to_vec());
        }
    }
    // Directory order is arbitrary; a sorted archive is the same twice.
    names.sort();
    for bytes in names {
        let child = OsStr::from_bytes(&bytes);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match rustix::fs::openat(&directory, child, flags, Mode::empty()) {
            Ok(found) => found,
            // Gone since we looked.
            Err(rustix::io::Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::statat(&found, "", AtFlags::EMPTY_PATH)?;
        let path = name.join(child);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            write_directory(tar, reopen(found.as_fd(), OFlags::DIRECTORY)?, &path, &stat, links)?;
        } else {
            write_entry(tar, found.as_fd(), &path, &stat, links)?;
        }
    }
    Ok(())
}

fn write_entry(
    tar: &mut Builder<&mut Chunks>,
    found: BorrowedFd<'_>,
    name: &Path,
    stat: &Stat,
    links: &mut Links,
) -> io::Result<()> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    if stat.st_nlink > 1 {
        let key = (stat.st_dev, stat.st_ino);
        if let Some(first) = links.get(&key) {
            let mut entry = header(stat, EntryType::Link);
            entry.set_size(0);
            return tar.append_link(&mut entry, name, first);
        }
        links.insert(key, name.to_owned());
    }
    match kind {
        FileType::RegularFile => {
            let mut entry = header(stat, EntryType::Regular);
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            entry.set_size(size);
            let file = File::from(reopen(found, OFlags::empty())?);
            // The header promised so many bytes; a file that shrinks meanwhile is filled up with zeroes.
            tar.append_data(&mut entry, name, file.chain(io::repeat(0)).take(size))
        }
        FileType::Symlink => {
            let target: std::ffi::CString = rustix::fs::readlinkat(found, "", Vec::new())?;
            let target: &CStr = &target;
            let mut entry = header(stat, EntryType::Symlink);
            tar.append_link(&mut entry, name, Path::new(OsStr::from_bytes(target.to_bytes())))
        }
        FileType::CharacterDevice | FileType::BlockDevice => {
            let kind = if kind == FileType::BlockDevice { EntryType::Block } else { EntryType::Char };
            let mut entry = header(stat, kind);
            entry.set_device_major(rustix::fs::major(stat.st_rdev))?;
            entry.set_device_minor(rustix::fs::minor(stat.st_rdev))?;
            tar.append_data(&mut entry, name, io::empty())
        }
        FileType::Fifo => tar.append_data(&mut header(stat, EntryType::Fifo), name, io::empty()),
        // Sockets have no place in a tar; GNU tar and dockerd leave them out too.
        FileType::Socket | FileType::Directory | FileType::Unknown => Ok(()),
    }
}

fn header(stat: &Stat, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(u64::from(stat.st_uid));
    header.set_gid(u64::from(stat.st_gid));
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(0);
    header
}
