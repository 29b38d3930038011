//! Making things. What was made and cannot be told of is taken away again.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{attrs, find};
use crate::share::Share;
use crate::wire::{Entry, Reply};
use crate::{Errno, sys};

/// Where: the directory's node and the name in it.
type Where<'a> = (u64, &'a [u8]);
/// Who: user and group.
type By = (u32, u32);

/// What its maker needs until its owner is written down; its own mode comes last.
const OWN: u32 = 0o700;

pub(super) fn directory(share: &Share, at: Where<'_>, mode: u32, by: By) -> Result<Reply, Errno> {
    let directory = share.directory(at.0)?;
    sys::make_directory(directory.as_fd(), at.1, mode | OWN)?;
    made(share, &directory, at, Some(mode), by).map(Reply::Entry).inspect_err(|_| undo(&directory, at.1, true))
}

pub(super) fn node(share: &Share, at: Where<'_>, mode: u32, device: u32, by: By) -> Result<Reply, Errno> {
    // A device would be one of this computer's, and no container has a use for it here.
    if !sys::is_harmless(mode) {
        return Err(Errno::PERM);
    }
    let directory = share.directory(at.0)?;
    sys::make_node(directory.as_fd(), at.1, mode | OWN & 0o600, device)?;
    made(share, &directory, at, Some(mode), by).map(Reply::Entry).inspect_err(|_| undo(&directory, at.1, false))
}

pub(super) fn symlink(share: &Share, at: Where<'_>, target: &[u8], by: By) -> Result<Reply, Errno> {
    let directory = share.directory(at.0)?;
    sys::make_symlink(directory.as_fd(), at.1, target)?;
    made(share, &directory, at, None, by).map(Reply::Entry).inspect_err(|_| undo(&directory, at.1, false))
}

/// Makes a file and opens it. The kernel asks for this only where it knows of none with that name.
pub(super) fn file(share: &Share, at: Where<'_>, flags: u32, mode: u32, by: By) -> Result<Reply, Errno> {
    const EXCLUSIVE: u32 = 0o200;
    let directory = share.directory(at.0)?;
    let fd = match sys::create(directory.as_fd(), at.1, flags, mode | OWN & 0o600) {
        // The host was faster: then it is opened, unless it must be new.
        Err(Errno::EXIST) if flags & EXCLUSIVE == 0 => {
            let found = sys::open_name(directory.as_fd(), at.1)?;
            let (identity, _) = sys::attr(found.as_fd())?;
            if identity.2 != sys::REGULAR {
                return Err(Errno::STALE);
            }
            let entry = find::entry(share, at.0, directory.as_fd(), at.1)?;
            return opened(share, entry, sys::open(found.as_fd(), flags)?, flags);
        }
        other => other?,
    };
    let made = made(share, &directory, at, Some(mode), by);
    made.and_then(|entry| opened(share, entry, fd, flags)).inspect_err(|_| undo(&directory, at.1, false))
}

fn opened(share: &Share, entry: Entry, fd: OwnedFd, flags: u32) -> Result<Reply, Errno> {
    let handle = share.handles().add(entry.node, fd, sys::writes(flags))?;
    share.nodes().opened(entry.node);
    Ok(Reply::Created { entry, handle })
}

/// What has just been made: its owner, its mode (of which this process's umask took some), its node.
fn made(share: &Share, directory: &OwnedFd, at: Where<'_>, mode: Option<u32>, by: By) -> Result<Entry, Errno> {
    let (_, parent) = share.attr(directory.as_fd())?;
    let new = sys::open_name(directory.as_fd(), at.1)?;
    let (identity, _) = sys::attr(new.as_fd())?;
    share.nodes().made(identity);
    attrs::owned(share, new.as_fd(), &parent, by)?;
    if let Some(mode) = mode {
        set_mode(new.as_fd(), mode)?;
    }
    find::entry(share, at.0, directory.as_fd(), at.1)
}

fn set_mode(new: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    let (_, attr) = sys::attr(new)?;
    // A directory that hands its group on hands that on, too.
    let wanted = mode & 0o7777 | attr.mode & 0o2000;
    if attr.mode & 0o7777 == wanted { Ok(()) } else { sys::set_mode(new, wanted) }
}

fn undo(directory: &OwnedFd, name: &[u8], is_directory: bool) {
    if let Err(error) = sys::unlink(directory.as_fd(), name, is_directory) {
        tracing::warn!(?error, name = %String::from_utf8_lossy(name), "what was made in a shared folder stays");
    }
}
