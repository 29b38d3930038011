//! From a name to a node.

use std::os::fd::{AsFd, BorrowedFd};

use crate::Errno;
use crate::hidden::How;
use crate::share::Share;
use crate::sys;
use crate::watch::{LONG, SHORT};
use crate::wire::{Entry, Reply, entry_of};

pub(super) fn look_up(share: &Share, parent: u64, name: &[u8]) -> Result<Reply, Errno> {
    let directory = share.directory(parent)?;
    share.watch(parent, directory.as_fd());
    match entry(share, parent, directory.as_fd(), name) {
        // So that the kernel need not ask at once again. Looked once more, because it may have come before it was said that it is not there.
        Err(Errno::NOENT) if share.is_absent(parent, name) => match entry(share, parent, directory.as_fd(), name) {
            Err(Errno::NOENT) => Ok(Reply::Entry(entry_of(LONG))),
            other => other.map(Reply::Entry),
        },
        Err(Errno::NOENT) => Ok(Reply::Entry(entry_of(SHORT))),
        other => other.map(Reply::Entry),
    }
}

/// What has a name in a directory now; the kernel knows it from now on.
pub(super) fn entry(share: &Share, parent: u64, directory: BorrowedFd<'_>, name: &[u8]) -> Result<Entry, Errno> {
    if share.how(parent, name) == How::Hidden {
        return Err(Errno::NOENT);
    }
    let found = sys::open_name(directory, name);
    let found = found.inspect_err(|error| {
        if *error == Errno::NOENT {
            share.nodes().removed(parent, name);
        }
    })?;
    let (identity, mut attr) = share.attr(found.as_fd())?;
    if share.how_is((identity.0, identity.1)) == How::Hidden {
        return Err(Errno::NOENT);
    }
    let node = share.nodes().found(parent, name, identity);
    if identity.2 == sys::DIRECTORY && share.watch(node, found.as_fd()) {
        attr = share.attr(found.as_fd())?.1;
    }
    Ok(Entry { node, attr, valid: share.name_valid(parent), attr_valid: share.attr_valid(node, &attr) })
}
