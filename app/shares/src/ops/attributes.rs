//! Extended attributes: those of users, and no other.

use std::os::fd::AsFd;

use crate::share::Share;
use crate::wire::Reply;
use crate::{Errno, sys};

pub(super) fn get(share: &Share, node: u64, name: &[u8], room: u32) -> Result<Reply, Errno> {
    if !sys::is_attribute(name) {
        return Err(Errno::OPNOTSUPP);
    }
    sized(sys::attribute(share.place(node)?.as_fd(), name)?, room)
}

pub(super) fn list(share: &Share, node: u64, room: u32) -> Result<Reply, Errno> {
    sized(sys::attributes(share.place(node)?.as_fd())?, room)
}

pub(super) fn set(share: &Share, node: u64, name: &[u8], value: &[u8], flags: u32) -> Result<Reply, Errno> {
    if !sys::is_attribute(name) {
        return Err(Errno::OPNOTSUPP);
    }
    sys::set_attribute(share.place(node)?.as_fd(), name, value, flags).map(|()| Reply::Done)
}

pub(super) fn remove(share: &Share, node: u64, name: &[u8]) -> Result<Reply, Errno> {
    if !sys::is_attribute(name) {
        return Err(Errno::OPNOTSUPP);
    }
    sys::remove_attribute(share.place(node)?.as_fd(), name).map(|()| Reply::Done)
}

/// Who has no room asks how much is needed (getxattr(2)).
fn sized(value: Vec<u8>, room: u32) -> Result<Reply, Errno> {
    let length = u32::try_from(value.len()).expect("64 KiB at most");
    match room {
        0 => Ok(Reply::Size(length)),
        room if room < length => Err(Errno::RANGE),
        _ => Ok(Reply::Data(value)),
    }
}
