//! Whose a file is in containers.
//!
//! A daemon without privileges cannot give files away, and what containers make would all be the user's. So what a container says
//! of a file's owner is written beside the file, in an extended attribute, and shown to containers from then on. As root the owner is
//! simply changed.

use std::os::fd::BorrowedFd;

use crate::{Errno, sys};

/// Holds `uid:gid` in decimal. Containers neither see nor set it.
pub(crate) const ATTRIBUTE: &[u8] = b"user.berth.owner";

/// (user, group) that were written down for a file, if any were.
pub(crate) fn written(file: BorrowedFd<'_>) -> Option<(u32, u32)> {
    let value = sys::attribute(file, ATTRIBUTE).ok()?;
    let (uid, gid) = std::str::from_utf8(&value).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// Writes it down; where it is what the host says anyway, nothing is to be there.
///
/// # Errors
/// EPERM where the file system, or the kind of file, has no such attributes: as for whoever may not give files away.
pub(crate) fn write(file: BorrowedFd<'_>, owner: (u32, u32), on_host: (u32, u32)) -> Result<(), Errno> {
    let done = match owner == on_host {
        true => match sys::remove_attribute(file, ATTRIBUTE) {
            Err(Errno::NODATA) => Ok(()),
            other => other,
        },
        false => sys::set_attribute(file, ATTRIBUTE, format!("{}:{}", owner.0, owner.1).as_bytes(), 0),
    };
    done.map_err(|error| if error == Errno::OPNOTSUPP { Errno::PERM } else { error })
}
