//! From a name to a node.

use std::os::fd::{AsFd, BorrowedFd};

use crate::Errno;
use crate::share::{Share, VALID};
use crate::sys;
use crate::wire::{Entry, Reply, entry_of};

pub(super) fn look_up(share: &Share, parent: u64, name: &[u8]) -> Result<Reply, Errno> {
    let directory = share.directory(parent)?;
    match entry(share, parent, directory.as_fd(), name) {
        // So that the kernel need not ask at once again.
        Err(Errno::NOENT) => Ok(Reply::Entry(entry_of(VALID))),
        other => other.map(Reply::Entry),
    }
}

/// What has a name in a directory now; the kernel knows it from now on.
pub(super) fn entry(share: &Share, parent: u64, directory: BorrowedFd<'_>, name: &[u8]) -> Result<Entry, Errno> {
    let found = sys::open_name(directory, name);
    let found = found.inspect_err(|error| {
        if *error == Errno::NOENT {
            share.nodes().removed(parent, name);
        }
    })?;
    let (identity, attr) = share.attr(found.as_fd())?;
    let node = share.nodes().found(parent, name, identity);
    Ok(Entry { node, attr, valid: VALID })
}
