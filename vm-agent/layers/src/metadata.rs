//! Copying a directory's metadata: owner, mode, extended attributes, times.

use std::os::fd::AsFd;

use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// Extended attributes: names and values.
pub(crate) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Everything but the overlay file system's own attributes goes from one open directory to the other.
pub(crate) fn copy(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    let stat = rustix::fs::fstat(&from)?;
    rustix::fs::fchown(&to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    rustix::fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode))?;
    for (name, value) in xattrs(&from)? {
        if !is_overlay(&name) {
            rustix::fs::fsetxattr(&to, name.as_slice(), &value, XattrFlags::empty())?;
        }
    }
    let times = Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec.cast_signed() },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec.cast_signed() },
    };
    rustix::fs::futimens(&to, &times)
}

/// True for attributes that steer the overlay file system.
pub(crate) fn is_overlay(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// The extended attributes of an open file, sorted by name; none where the file system has none.
pub(crate) fn xattrs(fd: impl AsFd) -> Result<Xattrs, Errno> {
    collect(
        || rustix::fs::flistxattr_query(&fd),
        |buffer| rustix::fs::flistxattr(&fd, buffer),
        |name| rustix::fs::fgetxattr_query(&fd, name),
        |name, buffer| rustix::fs::fgetxattr(&fd, name, buffer),
    )
}

/// [`xattrs`] of what cannot be opened, a link or a device, by path.
pub(crate) fn xattrs_of_path(path: &std::path::Path) -> Result<Xattrs, Errno> {
    collect(
        || rustix::fs::llistxattr_query(path),
        |buffer| rustix::fs::llistxattr(path, buffer),
        |name| rustix::fs::lgetxattr_query(path, name),
        |name, buffer| rustix::fs::lgetxattr(path, name, buffer),
    )
}

fn collect(
    list_size: impl Fn() -> Result<usize, Errno>,
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    value_size: impl Fn(&[u8]) -> Result<usize, Errno>,
    value: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> Result<Xattrs, Errno> {
    let size = match list_size() {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Ok(size) => size,
        Err(e) => return Err(e),
    };
    let mut names = vec![0; size];
    let length = list(&mut names)?;
    names.truncate(length);
    let mut all = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut content = vec![0; value_size(name)?];
        let length = value(name, &mut content)?;
        content.truncate(length);
        all.push((name.to_vec(), content));
    }
    all.sort();
    Ok(all)
}
