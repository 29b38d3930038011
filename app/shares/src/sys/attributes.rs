//! Extended attributes.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{self, XattrFlags};

use super::{Result, itself};
use crate::{Errno, owner};

pub(crate) fn attribute(file: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<u8>> {
    let (path, name) = (itself(file), OsStr::from_bytes(name));
    Ok(read_whole(|buffer| fs::getxattr(path.as_str(), name, buffer))?)
}

/// The names, each ended by a zero byte; without our own.
pub(crate) fn attributes(file: BorrowedFd<'_>) -> Result<Vec<u8>> {
    let path = itself(file);
    let all = read_whole(|buffer| fs::listxattr(path.as_str(), buffer))?;
    let names = all.split_inclusive(|byte| *byte == 0);
    Ok(names.filter(|name| is_attribute(&name[..name.len() - 1])).flatten().copied().collect())
}

/// Whether containers may know of it: of all that a file system keeps in attributes only what is its users'.
pub(crate) fn is_attribute(name: &[u8]) -> bool {
    name.starts_with(b"user.") && name != owner::ATTRIBUTE
}

/// `flags` are those of setxattr(2).
pub(crate) fn set_attribute(file: BorrowedFd<'_>, name: &[u8], value: &[u8], flags: u32) -> Result<()> {
    let flags = XattrFlags::from_bits(flags).ok_or(Errno::INVAL)?;
    Ok(fs::setxattr(itself(file), OsStr::from_bytes(name), value, flags)?)
}

pub(crate) fn remove_attribute(file: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    Ok(fs::removexattr(itself(file), OsStr::from_bytes(name))?)
}

/// Attributes are 64 KiB at most (xattr(7)).
fn read_whole(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match read(&mut buffer) {
            Err(rustix::io::Errno::RANGE) if buffer.len() < 1 << 16 => buffer.resize(1 << 16, 0),
            result => {
                buffer.truncate(result?);
                return Ok(buffer);
            }
        }
    }
}
