//! The guest repeats a change of the host's in its own mount, so that its kernel tells of it: what it asks for then was done already.

use super::{attrs, find};
use crate::share::Share;
use crate::watch::{Before, Notice};
use crate::wire::{Attr, Entry, Operation, Reply, Request, entry_of};
use crate::{Errno, ops, sys};
use std::os::fd::AsFd;
use std::time::Duration;

/// The number of a handle that is none: opened and closed for the event.
pub(super) const NOTHING: u64 = 0;

/// How long attributes are good that are told of meanwhile: who makes a file most often goes on writing to it, and whoever hears of it asks anew.
const UNDER_WAY: Duration = Duration::ZERO;

/// Answers a request that carries the number of a notice. Nothing of the host is changed.
pub(crate) fn run(share: &Share, request: &Request<'_>) -> Result<Reply, Errno> {
    let node = request.node;
    match &request.operation {
        Operation::Lookup { name } => {
            let notice = share.under_way(request.mark);
            match notice.as_deref().and_then(|notice| before(notice, node, name)) {
                Some(Before::Nothing) => Err(Errno::NOENT),
                Some(Before::Now(parent, name)) => there(share, *parent, name).map(Reply::Entry),
                Some(gone @ Before::Gone { .. }) => Ok(Reply::Entry(ghost(share, gone))),
                None => ops::run(share, request),
            }
        }
        Operation::MakeNode { name, .. } | Operation::MakeDirectory { name, .. } | Operation::Symlink { name, .. } => {
            there(share, node, name).map(Reply::Entry)
        }
        Operation::Unlink { .. } | Operation::RemoveDirectory { .. } | Operation::Rename { .. } => Ok(Reply::Done),
        Operation::SetAttr(set) => attributes(share, node, set.handle),
        Operation::Open { .. } => Ok(Reply::Opened { handle: NOTHING, keep_cache: true }),
        Operation::GetAttr { handle } => attributes(share, node, *handle),
        Operation::Flush
        | Operation::Release { .. }
        | Operation::ReleaseDirectory { .. }
        | Operation::Forget { .. }
        | Operation::OpenDirectory
        | Operation::StatFs
        | Operation::GetAttribute { .. }
        | Operation::Acknowledged { .. } => ops::run(share, request),
        // Nothing else comes of what is repeated.
        _ => Err(Errno::PERM),
    }
}

fn before<'a>(notice: &'a Notice, parent: u64, name: &[u8]) -> Option<&'a Before> {
    notice.before.iter().find(|((of, known), _)| *of == parent && known == name).map(|(_, before)| before)
}

fn there(share: &Share, parent: u64, name: &[u8]) -> Result<Entry, Errno> {
    let entry = find::entry(share, parent, share.directory(parent)?.as_fd(), name)?;
    Ok(Entry { attr_valid: UNDER_WAY, ..entry })
}

fn attributes(share: &Share, node: u64, handle: Option<u64>) -> Result<Reply, Errno> {
    let reply = attrs::get(share, node, handle.filter(|handle| *handle != NOTHING))?;
    Ok(match reply {
        Reply::Attr { attr, .. } => Reply::Attr { attr, valid: UNDER_WAY },
        reply => reply,
    })
}

/// What was by a name: only its number and its kind count, and only for as long as it takes to lose the name.
fn ghost(share: &Share, gone: &Before) -> Entry {
    let Before::Gone { node, identity, is_directory } = gone else { return entry_of(Duration::ZERO) };
    share.nodes().told(*node);
    // Who has it open reads on: its size is as it was.
    let open = share.handles().of(*node);
    let open = open.and_then(|handle| share.attr(handle.fd.as_fd()).ok()).map(|(_, attr)| attr);
    let attr = open.unwrap_or_else(|| {
        let kind = match (identity, is_directory) {
            (Some(identity), _) => identity.2,
            (None, true) => sys::DIRECTORY,
            (None, false) => sys::REGULAR,
        };
        let links = if kind == sys::DIRECTORY { 2 } else { 1 };
        Attr { inode: *node, mode: kind | 0o600, links, block_size: 4096, ..Attr::default() }
    });
    Entry { node: *node, attr, valid: Duration::ZERO, attr_valid: Duration::ZERO }
}
