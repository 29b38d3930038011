//! The file system of a Linux host, asked so that no symbolic link is ever followed.
//!
//! What has a place is opened as that place only (`O_PATH`), beneath the root (openat2(2)); where a call wants a path, it gets
//! the open file's own in `/proc/self/fd`.

mod attributes;
mod content;
mod local;

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Timespec, Timestamps, Uid};
use rustix::fs::{StatxFlags, StatxTimestamp, UTIME_NOW, UTIME_OMIT};

pub(crate) use self::attributes::{attribute, attributes, is_attribute, remove_attribute, set_attribute};
pub(crate) use self::content::{allocate, copy, read, seek, sync, write};
pub(crate) use self::local::is_local;
use crate::Errno;
use crate::handles::Listed;
use crate::nodes::Identity;
use crate::wire::{Attr, Stamp};

pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// What a place is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Its attributes, or that of a link itself.
    Attributes,
    /// To do something with a name in it.
    Directory,
}

/// The root, as a place. No part of the path may be a link: what was allowed was what the path led to without any.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(fs::openat2(fs::CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)?)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How many descriptors this process may have: as many as it can be given.
pub(crate) fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "there are no more descriptors for shared folders");
    }
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}

/// Makes the folders that are missing below `there`, a path without a link in it. What somebody else makes meanwhile is taken, unless
/// it is a link.
pub(crate) fn make_folders(there: &Path, missing: &[&OsStr]) -> io::Result<()> {
    let mut at = open_root(there)?;
    for name in missing {
        match fs::mkdirat(&at, *name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
        at = fs::openat(&at, *name, flags, Mode::empty())?;
    }
    Ok(())
}

pub(crate) fn io_error(error: Errno) -> io::Error {
    io::Error::from_raw_os_error(error.0)
}

/// The place of a path beneath the root; the empty path is the root.
pub(crate) fn open_beneath(root: BorrowedFd<'_>, path: &[u8], want: Want) -> Result<OwnedFd> {
    let kind = match want {
        Want::Attributes => OFlags::NOFOLLOW,
        Want::Directory => OFlags::DIRECTORY,
    };
    if path.is_empty() {
        return root.try_clone_to_owned().map_err(|error| from_io(&error));
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(fs::openat2(root, OsStr::from_bytes(path), OFlags::PATH | OFlags::CLOEXEC | kind, Mode::empty(), resolve)?)
}

/// A name in a directory, as a place.
pub(crate) fn open_name(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    Ok(fs::openat(
        directory,
        OsStr::from_bytes(name),
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

pub(crate) fn attr(file: BorrowedFd<'_>) -> Result<(Identity, Attr)> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let stat = fs::statx(file, "", AtFlags::EMPTY_PATH, wanted)?;
    let time = |of: StatxTimestamp| (of.tv_sec, of.tv_nsec);
    let attr = Attr {
        inode: stat.stx_ino,
        size: stat.stx_size,
        blocks: stat.stx_blocks,
        accessed: time(stat.stx_atime),
        modified: time(stat.stx_mtime),
        changed: time(stat.stx_ctime),
        mode: stat.stx_mode.into(),
        links: stat.stx_nlink,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        device: pack(stat.stx_rdev_major, stat.stx_rdev_minor),
        block_size: stat.stx_blksize,
    };
    let made = match stat.stx_mask & StatxFlags::BTIME.bits() {
        0 => 0,
        _ => stat
            .stx_btime
            .tv_sec
            .cast_unsigned()
            .wrapping_mul(1_000_000_000)
            .wrapping_add(stat.stx_btime.tv_nsec.into()),
    };
    let device = fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    Ok(((device, attr.inode, attr.mode & KIND, made), attr))
}

/// The file type's bits of a mode.
pub(crate) const KIND: u32 = 0o170_000;
pub(crate) const DIRECTORY: u32 = 0o040_000;
pub(crate) const REGULAR: u32 = 0o100_000;
pub(crate) const LINK: u32 = 0o120_000;

/// Whether a mode is of a file, a pipe or a socket, not of a device.
pub(crate) fn is_harmless(mode: u32) -> bool {
    matches!(FileType::from_raw_mode(mode), FileType::RegularFile | FileType::Fifo | FileType::Socket)
}

/// A device number as FUSE has it: the kernel's `new_encode_dev`.
fn pack(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

fn unpack(device: u32) -> u64 {
    fs::makedev((device & 0x000f_ff00) >> 8, (device & 0xff) | ((device >> 12) & 0x000f_ff00))
}

/// `/proc/self/fd/N`: the file of a place, for calls that want a path. It leads to the open file, wherever its name leads now.
fn itself(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Flags of open(2) that a guest may ask for; what only concerns its own kernel stays there.
const OPEN: u32 = 0o3 | APPEND | TRUNCATE | SYNC;
const APPEND: u32 = 0o2000;
const TRUNCATE: u32 = 0o1000;
const SYNC: u32 = 0o4010000;

/// Whether these flags may change a file.
pub(crate) fn writes(flags: u32) -> bool {
    flags & 0o3 != 0 || flags & TRUNCATE != 0
}

/// Whether opening with these flags changes a file by itself.
pub(crate) fn truncates(flags: u32) -> bool {
    flags & TRUNCATE != 0
}

/// Opens a place for its content.
pub(crate) fn open(place: BorrowedFd<'_>, flags: u32) -> Result<OwnedFd> {
    let flags = OFlags::from_bits_truncate(flags & OPEN) | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    Ok(fs::open(itself(place), flags, Mode::empty())?)
}

/// Makes a file and opens it, unless something has that name.
pub(crate) fn create(directory: BorrowedFd<'_>, name: &[u8], flags: u32, mode: u32) -> Result<OwnedFd> {
    let flags = OFlags::from_bits_truncate(flags & OPEN);
    let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(fs::openat(directory, OsStr::from_bytes(name), flags, Mode::from_raw_mode(mode & 0o7777))?)
}

pub(crate) fn make_node(directory: BorrowedFd<'_>, name: &[u8], mode: u32, device: u32) -> Result<()> {
    let kind = FileType::from_raw_mode(mode);
    let mode = Mode::from_raw_mode(mode & 0o7777);
    Ok(fs::mknodat(directory, OsStr::from_bytes(name), kind, mode, unpack(device))?)
}

pub(crate) fn make_directory(directory: BorrowedFd<'_>, name: &[u8], mode: u32) -> Result<()> {
    Ok(fs::mkdirat(directory, OsStr::from_bytes(name), Mode::from_raw_mode(mode & 0o7777))?)
}

pub(crate) fn make_symlink(directory: BorrowedFd<'_>, name: &[u8], target: &[u8]) -> Result<()> {
    Ok(fs::symlinkat(OsStr::from_bytes(target), directory, OsStr::from_bytes(name))?)
}

pub(crate) fn read_symlink(link: BorrowedFd<'_>) -> Result<Vec<u8>> {
    Ok(fs::readlinkat(link, "", Vec::new())?.into_bytes())
}

/// Gives a file another name. The file is named by its place, so that it is the one meant.
pub(crate) fn link(file: BorrowedFd<'_>, directory: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    Ok(fs::linkat(fs::CWD, itself(file), directory, OsStr::from_bytes(name), AtFlags::SYMLINK_FOLLOW)?)
}

pub(crate) fn unlink(directory: BorrowedFd<'_>, name: &[u8], is_directory: bool) -> Result<()> {
    let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    Ok(fs::unlinkat(directory, OsStr::from_bytes(name), flags)?)
}

/// `flags` are those of renameat2(2).
pub(crate) fn rename(from: (BorrowedFd<'_>, &[u8]), to: (BorrowedFd<'_>, &[u8]), flags: u32) -> Result<()> {
    let flags = RenameFlags::from_bits(flags).ok_or(Errno::INVAL)?;
    Ok(fs::renameat_with(from.0, OsStr::from_bytes(from.1), to.0, OsStr::from_bytes(to.1), flags)?)
}

pub(crate) const EXCHANGE: u32 = RenameFlags::EXCHANGE.bits();
pub(crate) const NO_REPLACE: u32 = RenameFlags::NOREPLACE.bits();

/// Not of a symbolic link, which has no permissions of its own.
pub(crate) fn set_mode(file: BorrowedFd<'_>, mode: u32) -> Result<()> {
    Ok(fs::chmod(itself(file), Mode::from_raw_mode(mode & 0o7777))?)
}

pub(crate) fn set_owner(file: BorrowedFd<'_>, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    Ok(fs::chownat(file, "", uid, gid, AtFlags::EMPTY_PATH)?)
}

pub(crate) fn set_size(file: BorrowedFd<'_>, size: u64) -> Result<()> {
    Ok(fs::ftruncate(file, size)?)
}

/// In its directory, because a link's own times can be set by its name only.
pub(crate) fn set_times(file: BorrowedFd<'_>, accessed: Stamp, modified: Stamp) -> Result<()> {
    let time = |stamp| match stamp {
        Stamp::Keep => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Stamp::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Stamp::At(tv_sec, nanoseconds) => Timespec { tv_sec, tv_nsec: nanoseconds.into() },
    };
    let times = Timestamps { last_access: time(accessed), last_modification: time(modified) };
    Ok(fs::utimensat(file, "", &times, AtFlags::EMPTY_PATH)?)
}

/// All names of a directory, itself and its parent among them.
pub(crate) fn list(directory: BorrowedFd<'_>) -> Result<Vec<Listed>> {
    // A description of its own: the place where one is read is the description's.
    let own = fs::openat(directory, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut listed = Vec::new();
    let mut buffer = vec![std::mem::MaybeUninit::uninit(); 64 << 10];
    let mut entries = fs::RawDir::new(own, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let kind = match entry.file_type() {
            FileType::Unknown => 0,
            known => known.as_raw_mode(),
        };
        listed.push(Listed { name: entry.file_name().to_bytes().to_vec(), inode: entry.ino(), kind });
    }
    Ok(listed)
}

pub(crate) fn stat_fs(root: BorrowedFd<'_>) -> Result<fs::StatVfs> {
    Ok(fs::fstatvfs(root)?)
}

fn from_io(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::IO, |number| rustix::io::Errno::from_raw_os_error(number).into())
}
