//! Open files and what is in them.

use std::os::fd::AsFd;

use crate::share::Share;
use crate::wire::{DATA_MAX, Reply};
use crate::{Errno, sys};

pub(super) fn open(share: &Share, node: u64, flags: u32) -> Result<Reply, Errno> {
    let place = share.place(node)?;
    // The kernel itself opens pipes, sockets and devices: here they would be this computer's.
    if sys::attr(place.as_fd())?.0.2 != sys::REGULAR {
        return Err(Errno::NXIO);
    }
    let fd = sys::open(place.as_fd(), flags)?;
    let handle = share.handles().add(node, fd, sys::writes(flags))?;
    share.nodes().opened(node);
    // What the kernel has of the content stays good: it compares time and size when it asks for the attributes (AUTO_INVAL_DATA).
    Ok(Reply::Opened { handle, keep_cache: true })
}

pub(super) fn close(share: &Share, handle: u64) -> Result<Reply, Errno> {
    if handle == super::echo::NOTHING {
        return Ok(Reply::Done);
    }
    let closed = share.handles().remove(handle).ok_or(Errno::BADF)?;
    share.nodes().closed(closed.node);
    Ok(Reply::Done)
}

pub(super) fn read(share: &Share, handle: u64, offset: u64, size: u32) -> Result<Reply, Errno> {
    let handle = share.handles().get(handle)?;
    sys::read(handle.fd.as_fd(), offset, size.min(DATA_MAX)).map(Reply::Data)
}

pub(super) fn write(share: &Share, handle: u64, offset: u64, data: &[u8]) -> Result<Reply, Errno> {
    let handle = share.handles().get(handle)?;
    sys::write(handle.fd.as_fd(), offset, data).map(Reply::Written)
}

pub(super) fn sync(share: &Share, handle: u64, data_only: bool) -> Result<Reply, Errno> {
    let handle = share.handles().get(handle)?;
    sys::sync(handle.fd.as_fd(), data_only).map(|()| Reply::Done)
}

pub(super) fn allocate(share: &Share, handle: u64, offset: u64, length: u64, mode: u32) -> Result<Reply, Errno> {
    let handle = share.handles().get(handle)?;
    sys::allocate(handle.fd.as_fd(), offset, length, mode).map(|()| Reply::Done)
}

pub(super) fn seek(share: &Share, handle: u64, offset: u64, whence: u32) -> Result<Reply, Errno> {
    let handle = share.handles().get(handle)?;
    sys::seek(handle.fd.as_fd(), offset, whence).map(Reply::Offset)
}

pub(super) fn copy(share: &Share, from: (u64, u64), to: (u64, u64), length: u64) -> Result<Reply, Errno> {
    // Each by itself: in one statement the first would still hold the lock that the second waits for.
    let source = share.handles().get(from.0)?;
    let target = share.handles().get(to.0)?;
    sys::copy(source.fd.as_fd(), from.1, target.fd.as_fd(), to.1, length).map(Reply::Written)
}
