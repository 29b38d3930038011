//! A tree as a tar.

use super::place::Place;
use super::{Chunks, attributes};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// Directories within each other: each has a descriptor and a part of the stack while it is written. As in layers.
const MAX_DEPTH: usize = 256;

/// Names of files with several links, by device and inode.
type Links = HashMap<(u64, u64), Vec<u8>>;

/// Writes what is at `place`; names begin with its last component.
pub(super) fn write_tar(place: &Place, out: &mut Chunks) -> io::Result<()> {
    let found = place.open().map_err(io::Error::other)?;
    let mut tar = Builder::new(out);
    // `docker cp container:/ folder` puts its folder's name in the place of the slash.
    let name: &[u8] = if place.name == "/" { b"" } else { place.name.as_bytes() };
    let stat = rustix::fs::statat(&found, "", AtFlags::EMPTY_PATH)?;
    let mut links = Links::new();
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let directory = reopen(found.as_fd(), OFlags::DIRECTORY)?;
        write_directory(&mut tar, directory, name, &stat, &mut links, 0)?;
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
    name: &[u8],
    stat: &Stat,
    links: &mut Links,
    depth: usize,
) -> io::Result<()> {
    if depth == MAX_DEPTH {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    write_attributes(tar, directory.as_fd())?;
    append(tar, header(stat, EntryType::Directory), &[name, b"/"].concat(), b"", io::empty())?;
    let device = stat.st_dev;
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
        let path = [name, b"/", &bytes].concat();
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let inner = reopen(found.as_fd(), OFlags::DIRECTORY)?;
            if stat.st_dev != device && is_the_kernels(inner.as_fd())? {
                append(tar, header(&stat, EntryType::Directory), &[&path, &b"/"[..]].concat(), b"", io::empty())?;
            } else {
                write_directory(tar, inner, &path, &stat, links, depth + 1)?;
            }
        } else {
            write_entry(tar, found.as_fd(), &path, &stat, links)?;
        }
    }
    Ok(())
}

/// Whether what is mounted here holds no files but views of the kernel (`statfs(2)`): reading all of it has no end, and means nothing
/// elsewhere. In the archive of a folder above it is an empty folder, as what the runtime mounts is in dockerd's;
/// who asks for it by name gets it.
fn is_the_kernels(directory: BorrowedFd<'_>) -> io::Result<bool> {
    const CGROUP: i64 = 0x27_e0eb;
    const CGROUP2: i64 = 0x6367_7270;
    const DEVPTS: i64 = 0x1cd1;
    const MQUEUE: i64 = 0x1980_0202;
    const PROC: i64 = 0x9fa0;
    const SYSFS: i64 = 0x6265_6572;
    let kind = rustix::fs::fstatfs(directory)?.f_type;
    Ok([CGROUP, CGROUP2, DEVPTS, MQUEUE, PROC, SYSFS].contains(&kind))
}

fn write_entry(
    tar: &mut Builder<&mut Chunks>,
    found: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
    links: &mut Links,
) -> io::Result<()> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    if stat.st_nlink > 1 {
        let key = (stat.st_dev, stat.st_ino);
        if let Some(first) = links.get(&key) {
            return append(tar, header(stat, EntryType::Link), name, first, io::empty());
        }
        links.insert(key, name.to_owned());
    }
    match kind {
        FileType::RegularFile => {
            let mut entry = header(stat, EntryType::Regular);
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            entry.set_size(size);
            let file = File::from(reopen(found, OFlags::empty())?);
            write_attributes(tar, found)?;
            // The header promised so many bytes; a file that shrinks meanwhile is filled up with zeroes.
            append(tar, entry, name, b"", file.chain(io::repeat(0)).take(size))
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(found, "", Vec::new())?;
            append(tar, header(stat, EntryType::Symlink), name, target.as_bytes(), io::empty())
        }
        FileType::CharacterDevice | FileType::BlockDevice => {
            let kind = if kind == FileType::BlockDevice { EntryType::Block } else { EntryType::Char };
            let mut entry = header(stat, kind);
            entry.set_device_major(rustix::fs::major(stat.st_rdev))?;
            entry.set_device_minor(rustix::fs::minor(stat.st_rdev))?;
            append(tar, entry, name, b"", io::empty())
        }
        FileType::Fifo => append(tar, header(stat, EntryType::Fifo), name, b"", io::empty()),
        // Sockets have no place in a tar; GNU tar and dockerd leave them out too.
        FileType::Socket | FileType::Directory | FileType::Unknown => Ok(()),
    }
}

/// An extended header for what is open, if it needs one. Times have whole seconds, as dockerd writes them.
fn write_attributes(tar: &mut Builder<&mut Chunks>, found: BorrowedFd<'_>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let xattrs = attributes::read(Path::new(&format!("/proc/self/fd/{}", found.as_raw_fd())))?;
    if xattrs.is_empty() {
        return Ok(());
    }
    let records: Vec<(String, &[u8])> =
        xattrs.iter().map(|(name, value)| (format!("{}{name}", attributes::XATTR), value.as_slice())).collect();
    tar.append_pax_extensions(records.iter().map(|(key, value)| (key.as_str(), *value)))
}

/// Appends an entry with its name as it is: the crate's own way drops a leading `./`, which clients look for.
fn append(
    tar: &mut Builder<&mut Chunks>,
    mut entry: Header,
    name: &[u8],
    link: &[u8],
    data: impl Read,
) -> io::Result<()> {
    for (bytes, kind) in [(link, EntryType::GNULongLink), (name, EntryType::GNULongName)] {
        // A name of the field's full length has no terminating zero, which some readers want.
        if bytes.len() >= NAME_FIELD {
            let mut long = Header::new_gnu();
            long.set_entry_type(kind);
            long.set_size(bytes.len() as u64 + 1);
            put_name(&mut long, b"././@LongLink", b"");
            tar.append(&long, bytes.chain(&[0][..]))?;
        }
    }
    put_name(&mut entry, name, link);
    tar.append(&entry, data)
}

/// Bytes for a name or link target in a GNU header.
const NAME_FIELD: usize = 100;

fn put_name(header: &mut Header, name: &[u8], link: &[u8]) {
    let gnu = header.as_gnu_mut().expect("made as GNU headers");
    for (field, bytes) in [(&mut gnu.name, name), (&mut gnu.linkname, link)] {
        let length = bytes.len().min(NAME_FIELD);
        field[..length].copy_from_slice(&bytes[..length]);
    }
    header.set_cksum();
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
