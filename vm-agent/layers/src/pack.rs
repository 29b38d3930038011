//! Writing a directory tree as a tar: a container's file system, or the changes in its upper directory.
//!
//! The output depends on the tree alone: names are sorted, times have whole seconds as `dockerd` writes them, and what
//! does not fit a ustar header goes into PAX records.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tar::{EntryType, Header};

use crate::names::{OPAQUE, WHITEOUT, join, path, too_deep};
use crate::stack::shown;
use crate::tree::{directory_flags, is_opaque, stat_is_whiteout};
use crate::{Error, Result, metadata};

const BLOCK: usize = 512;
/// The largest numbers of the octal fields for owners and sizes.
const MAX_ID: u64 = 0o7_777_777;
const MAX_SIZE: u64 = 0o77_777_777_777;

/// How overlay marks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marks {
    /// The tree is a merged view, which shows none.
    None,
    /// As OCI whiteouts: the tree is an upper directory.
    Whiteouts,
}

/// Writes the tree beneath `root`, without an entry for the root itself and without what is in `omitted` (clean names, each
/// with all that is beneath it), and the end of the archive. With a `time`, all entries have that one.
pub(crate) fn pack(
    root: BorrowedFd<'_>,
    marks: Marks,
    omitted: &HashSet<Vec<u8>>,
    time: Option<i64>,
    out: &mut impl Write,
) -> Result<()> {
    // A mount's own descriptor may be O_PATH, which cannot be listed.
    let root = rustix::fs::openat(root, c".", directory_flags(), Mode::empty()).map_err(|e| failed(b"", e))?;
    let mut pack = Pack { out, marks, omitted, time, links: HashMap::new() };
    pack.directory(b"", &root)?;
    pack.write(&[0; 2 * BLOCK])?;
    pack.out.flush().map_err(Error::io("cannot write the archive to", ""))
}

struct Pack<'a, W> {
    out: &'a mut W,
    marks: Marks,
    omitted: &'a HashSet<Vec<u8>>,
    time: Option<i64>,
    /// The first name of every file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
}

impl<W: Write> Pack<'_, W> {
    fn directory(&mut self, name: &[u8], fd: &OwnedFd) -> Result<()> {
        if too_deep(name) {
            return Err(failed(name, Errno::NAMETOOLONG));
        }
        let mut children = Vec::new();
        for entry in rustix::fs::Dir::read_from(fd).map_err(|e| failed(name, e))? {
            let entry = entry.map_err(|e| failed(name, e))?;
            let child = entry.file_name().to_bytes();
            if child != b"." && child != b".." {
                children.push(child.to_vec());
            }
        }
        children.sort();
        for child in children {
            let inner = join(name, &child);
            if self.omitted.contains(&inner) {
                continue;
            }
            let stat = match rustix::fs::statat(fd, path(&child), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // A running container may remove files meanwhile.
                Err(Errno::NOENT) => continue,
                Err(e) => return Err(failed(name, e)),
            };
            self.entry(&inner, &child, fd, &stat)?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &[u8], child: &[u8], parent: &OwnedFd, stat: &Stat) -> Result<()> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if self.marks == Marks::Whiteouts && stat_is_whiteout(stat) {
            let parent_name = &name[..name.len() - child.len()];
            return self.empty_file(&[parent_name, WHITEOUT, child].concat());
        }
        if kind != FileType::Directory && stat.st_nlink > 1 {
            let key = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&key) {
                let first = first.clone();
                return self.header(name, EntryType::Link, &first, stat, 0, &[]);
            }
            self.links.insert(key, name.to_vec());
        }
        match kind {
            FileType::Directory => self.subdirectory(name, child, parent, stat),
            FileType::RegularFile => self.file(name, child, parent, stat),
            FileType::Symlink => {
                let target =
                    rustix::fs::readlinkat(parent, path(child), Vec::new()).map_err(|e| failed(name, e))?.into_bytes();
                let xattrs = self.special_xattrs(name, child, parent)?;
                self.header(name, EntryType::Symlink, &target, stat, 0, &xattrs)
            }
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo => {
                let entry_type = match kind {
                    FileType::CharacterDevice => EntryType::Char,
                    FileType::BlockDevice => EntryType::Block,
                    _ => EntryType::Fifo,
                };
                let xattrs = self.special_xattrs(name, child, parent)?;
                self.header(name, entry_type, b"", stat, 0, &xattrs)
            }
            // Sockets have no form in an archive and mean nothing without their process.
            FileType::Socket | FileType::Unknown => Ok(()),
        }
    }

    fn subdirectory(&mut self, name: &[u8], child: &[u8], parent: &OwnedFd, stat: &Stat) -> Result<()> {
        let fd = match rustix::fs::openat(parent, path(child), directory_flags(), Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            Err(e) => return Err(failed(name, e)),
        };
        let xattrs = metadata::xattrs(&fd).map_err(|e| failed(name, e))?;
        let slashed = [name, b"/"].concat();
        self.header(&slashed, EntryType::Directory, b"", stat, 0, &xattrs)?;
        if self.marks == Marks::Whiteouts && is_opaque(&fd) {
            self.empty_file(&join(name, OPAQUE))?;
        }
        self.directory(name, &fd)
    }

    fn file(&mut self, name: &[u8], child: &[u8], parent: &OwnedFd, stat: &Stat) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(parent, path(child), flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::LOOP) => return Ok(()),
            Err(e) => return Err(failed(name, e)),
        };
        let xattrs = metadata::xattrs(&fd).map_err(|e| failed(name, e))?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        self.header(name, EntryType::Regular, b"", stat, size, &xattrs)?;
        let file = std::fs::File::from(fd);
        // The header's size is a promise: a file that shrinks is filled up with zeros, one that grows is cut.
        let mut data = file.take(size).chain(io::repeat(0)).take(size);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match data.read(&mut buffer).map_err(Error::io("cannot read", shown(name)))? {
                0 => break,
                count => self.write(&buffer[..count])?,
            }
        }
        self.pad(size)
    }

    fn special_xattrs(&self, name: &[u8], child: &[u8], parent: &OwnedFd) -> Result<metadata::Xattrs> {
        let mut full = format!("/proc/self/fd/{}/", parent.as_fd().as_raw_fd()).into_bytes();
        full.extend_from_slice(child);
        match metadata::xattrs_of_path(path(&full)) {
            Ok(xattrs) => Ok(xattrs),
            Err(Errno::NOENT) => Ok(Vec::new()),
            Err(e) => Err(failed(name, e)),
        }
    }

    /// A whiteout: an empty file without an owner's or a time's meaning.
    fn empty_file(&mut self, name: &[u8]) -> Result<()> {
        let mut records = Vec::new();
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(0);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        put_name(&mut header, name, &mut records);
        self.finish(header, &records)
    }

    fn header(
        &mut self,
        name: &[u8],
        kind: EntryType,
        link: &[u8],
        stat: &Stat,
        size: u64,
        xattrs: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<()> {
        let mut records = Vec::new();
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        let mut number = |key: &str, value: u64, max: u64| {
            if value > max {
                record(&mut records, key.as_bytes(), value.to_string().as_bytes());
                return 0;
            }
            value
        };
        let uid = number("uid", stat.st_uid.into(), MAX_ID);
        let gid = number("gid", stat.st_gid.into(), MAX_ID);
        let size = number("size", size, MAX_SIZE);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_size(size);
        let time = self.time.unwrap_or(stat.st_mtime);
        match u64::try_from(time) {
            Ok(seconds) if seconds <= MAX_SIZE => header.set_mtime(seconds),
            _ => {
                header.set_mtime(0);
                record(&mut records, b"mtime", time.to_string().as_bytes());
            }
        }
        if matches!(kind, EntryType::Char | EntryType::Block) {
            let device = |e| Error::io("cannot describe", shown(name))(e);
            header.set_device_major(rustix::fs::major(stat.st_rdev)).map_err(device)?;
            header.set_device_minor(rustix::fs::minor(stat.st_rdev)).map_err(device)?;
        }
        put_name(&mut header, name, &mut records);
        let field = &mut header.as_ustar_mut().expect("made as ustar").linkname;
        if link.len() <= field.len() && link.is_ascii() {
            field[..link.len()].copy_from_slice(link);
        } else {
            record(&mut records, b"linkpath", link);
        }
        for (key, value) in xattrs.iter().filter(|(key, _)| !metadata::is_overlay(key)) {
            record(&mut records, &[b"SCHILY.xattr.", key.as_slice()].concat(), value);
        }
        self.finish(header, &records)
    }

    fn finish(&mut self, mut header: Header, records: &[u8]) -> Result<()> {
        if !records.is_empty() {
            let mut extended = Header::new_ustar();
            extended.set_entry_type(EntryType::XHeader);
            extended.as_ustar_mut().expect("made as ustar").name[..10].copy_from_slice(b"PaxHeaders");
            extended.set_mode(0o644);
            extended.set_uid(0);
            extended.set_gid(0);
            extended.set_mtime(0);
            extended.set_size(records.len() as u64);
            extended.set_cksum();
            self.write(extended.as_bytes())?;
            self.write(records)?;
            self.pad(records.len() as u64)?;
        }
        header.set_cksum();
        self.write(header.as_bytes())
    }

    fn pad(&mut self, size: u64) -> Result<()> {
        let padding = size.wrapping_neg() % BLOCK as u64;
        self.write(&[0; BLOCK][..usize::try_from(padding).expect("less than a block")])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::io("cannot write the archive to", ""))
    }
}

fn put_name(header: &mut Header, name: &[u8], records: &mut Vec<u8>) {
    let field = &mut header.as_ustar_mut().expect("made as ustar").name;
    if name.len() <= field.len() && name.is_ascii() {
        field[..name.len()].copy_from_slice(name);
    } else {
        record(records, b"path", name);
    }
}

/// A PAX record; its length counts itself.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    if length.to_string().len() != rest.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn failed(name: &[u8], errno: Errno) -> Error {
    Error::io("cannot read", shown(name))(errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_length_counts_its_own_digits() {
        for value in [0, 1, 2, 3, 4, 90, 91, 92, 93, 94, 980, 990, 995] {
            let mut records = Vec::new();
            record(&mut records, b"k", &vec![b'v'; value]);
            let text = String::from_utf8(records.clone()).unwrap();
            let (length, _) = text.split_once(' ').unwrap();
            assert_eq!(length.parse::<usize>().unwrap(), records.len(), "{value}");
        }
    }
}
