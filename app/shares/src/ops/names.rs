//! Names that come, go and move.

use std::os::fd::AsFd;

use super::find;
use crate::share::Share;
use crate::wire::Reply;
use crate::{Errno, sys};

pub(super) fn remove(share: &Share, parent: u64, name: &[u8], is_directory: bool) -> Result<Reply, Errno> {
    let directory = share.directory(parent)?;
    sys::unlink(directory.as_fd(), name, is_directory)?;
    share.nodes().removed(parent, name);
    Ok(Reply::Done)
}

pub(super) fn rename(share: &Share, from: (u64, &[u8]), to: (u64, &[u8]), flags: u32) -> Result<Reply, Errno> {
    let [old, new] = [share.directory(from.0)?, share.directory(to.0)?];
    // What an overlay leaves behind is a device of the machine's, not of this computer.
    if flags & !(sys::EXCHANGE | sys::NO_REPLACE) != 0 {
        return Err(Errno::INVAL);
    }
    sys::rename((old.as_fd(), from.1), (new.as_fd(), to.1), flags)?;
    match flags & sys::EXCHANGE {
        0 => share.nodes().renamed(from, to),
        _ => share.nodes().exchanged(from, to),
    }
    Ok(Reply::Done)
}

pub(super) fn link(share: &Share, from: u64, to: (u64, &[u8])) -> Result<Reply, Errno> {
    let place = share.place(from)?;
    let directory = share.directory(to.0)?;
    sys::link(place.as_fd(), directory.as_fd(), to.1)?;
    find::entry(share, to.0, directory.as_fd(), to.1).map(Reply::Entry)
}
