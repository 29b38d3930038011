//! Directories, as lists.

use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError};

use super::find;
use crate::handles::{Handle, Listed};
use crate::hidden::How;
use crate::share::Share;
use crate::wire::{Listing, Reply};
use crate::{Errno, sys};

pub(super) fn open(share: &Share, node: u64) -> Result<Reply, Errno> {
    const DIRECTORY_ONLY: u32 = 0;
    let place = share.place(node)?;
    if sys::attr(place.as_fd())?.0.2 != sys::DIRECTORY {
        return Err(Errno::NOTDIR);
    }
    let fd = sys::open(place.as_fd(), DIRECTORY_ONLY)?;
    let handle = share.handles().add(node, fd, false)?;
    share.nodes().opened(node);
    Ok(Reply::Opened { handle, keep_cache: false })
}

/// As many entries from `offset` on as fit. With `plus` the kernel knows each from now on.
pub(super) fn read(share: &Share, handle: u64, offset: u64, size: u32, plus: bool) -> Result<Reply, Errno> {
    let handle = share.handles().get(handle)?;
    share.watch(handle.node, handle.fd.as_fd());
    let listed = list(share, &handle, offset == 0)?;
    let mut listing = Listing::new(size);
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(listed.len());
    for (at, Listed { name, inode, kind }) in listed.iter().enumerate().skip(start) {
        let next = at as u64 + 1;
        if !listing.fits(name, plus) {
            break;
        }
        if !plus {
            listing.add(name, *inode, *kind, next, None);
            continue;
        }
        let entry = match &name[..] {
            // The kernel knows these two.
            b"." | b".." => crate::wire::entry_of(std::time::Duration::ZERO),
            name => match find::entry(share, handle.node, handle.fd.as_fd(), name) {
                Ok(entry) => entry,
                // Gone since the list was begun.
                Err(Errno::NOENT) => continue,
                // There, and not to be looked at: its name is shown nevertheless.
                Err(_) => crate::wire::entry_of(std::time::Duration::ZERO),
            },
        };
        let kind = if entry.node == 0 { *kind } else { entry.attr.mode & sys::KIND };
        let inode = if entry.node == 0 { *inode } else { entry.attr.inode };
        listing.add(name, inode, kind, next, Some(entry));
    }
    Ok(listing.finish())
}

/// The names of a directory when its reading began: it begins anew at offset 0.
fn list(share: &Share, handle: &Handle, anew: bool) -> Result<Arc<Vec<Listed>>, Errno> {
    let mut kept = handle.list.lock().unwrap_or_else(PoisonError::into_inner);
    match &*kept {
        Some(listed) if !anew => Ok(Arc::clone(listed)),
        _ => {
            let mut listed = sys::list(handle.fd.as_fd())?;
            if !share.hides_nothing() {
                let ((device, ..), _) = sys::attr(handle.fd.as_fd())?;
                let is_hidden = |of: &Listed| {
                    share.how(handle.node, &of.name) == How::Hidden || share.how_is((device, of.inode)) == How::Hidden
                };
                listed.retain(|listed| !is_hidden(listed));
            }
            let listed = Arc::new(listed);
            *kept = Some(Arc::clone(&listed));
            Ok(listed)
        }
    }
}
