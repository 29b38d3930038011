//! What stat(2) shows, and changes of it.

use std::os::fd::{AsFd, BorrowedFd};

use crate::share::Share;
use crate::wire::{Attr, Reply, SetAttr, Stamp};
use crate::{Errno, owner, sys};

pub(super) fn get(share: &Share, node: u64, handle: Option<u64>) -> Result<Reply, Errno> {
    let handle = handle.map(|handle| share.handles().get(handle)).transpose()?;
    let attr = match handle {
        Some(handle) => share.attr(handle.fd.as_fd())?.1,
        None => share.attr(share.place(node)?.as_fd())?.1,
    };
    Ok(Reply::Attr { attr, valid: share.attr_valid(node, &attr) })
}

pub(super) fn set(share: &Share, node: u64, set: &SetAttr) -> Result<Reply, Errno> {
    let handle = set.handle.map(|handle| share.handles().get(handle)).transpose()?;
    let place = share.place(node)?;
    if set.uid.is_some() || set.gid.is_some() {
        give_away(share, place.as_fd(), set.uid, set.gid)?;
    }
    // After the owner: changing that takes set-ID bits away.
    if let Some(mode) = set.mode {
        sys::set_mode(place.as_fd(), mode)?;
    }
    if let Some(size) = set.size {
        match &handle {
            Some(handle) => sys::set_size(handle.fd.as_fd(), size)?,
            None => sys::set_size(sys::open(place.as_fd(), WRITE_ONLY)?.as_fd(), size)?,
        }
    }
    if (set.accessed, set.modified) != (Stamp::Keep, Stamp::Keep) {
        sys::set_times(place.as_fd(), set.accessed, set.modified)?;
    }
    let (_, attr) = share.attr(place.as_fd())?;
    Ok(Reply::Attr { attr, valid: share.attr_valid(node, &attr) })
}

const WRITE_ONLY: u32 = 1;

/// Changes the owner as containers see it.
fn give_away(share: &Share, file: BorrowedFd<'_>, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
    if share.is_root() {
        return sys::set_owner(file, uid, gid);
    }
    let (_, on_host) = sys::attr(file)?;
    let (_, shown) = share.attr(file)?;
    let wanted = (uid.unwrap_or(shown.uid), gid.unwrap_or(shown.gid));
    if (shown.uid, shown.gid) == wanted {
        return Ok(());
    }
    owner::write(file, wanted, (on_host.uid, on_host.gid))
}

/// Whoever makes something owns it; in a directory that hands its group on, that group does.
pub(super) fn owned(share: &Share, file: BorrowedFd<'_>, parent: &Attr, by: (u32, u32)) -> Result<(), Errno> {
    const SET_GROUP: u32 = 0o2000;
    let gid = if parent.mode & SET_GROUP != 0 { parent.gid } else { by.1 };
    if share.is_root() {
        return sys::set_owner(file, Some(by.0), Some(gid));
    }
    let (_, on_host) = sys::attr(file)?;
    match owner::write(file, (by.0, gid), (on_host.uid, on_host.gid)) {
        // A link or a pipe, or a file system without attributes: it is the user's then.
        Err(Errno::PERM) => Ok(()),
        other => other,
    }
}

pub(super) fn file_system(share: &Share) -> Result<Reply, Errno> {
    let stat = sys::stat_fs(share.top())?;
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Reply::StatFs {
        blocks: stat.f_blocks,
        free: stat.f_bfree,
        available: stat.f_bavail,
        files: stat.f_files,
        files_free: stat.f_ffree,
        block: small(stat.f_bsize),
        name: small(stat.f_namemax),
        fragment: small(stat.f_frsize),
    })
}
