//! Which events a request will raise.

use super::own::{Expected, Kind};
use crate::share::Share;
use crate::wire::{Operation, Request};

pub(super) fn events(share: &Share, request: &Request<'_>) -> Vec<Expected> {
    let node = request.node;
    let one = |folder, name: &[u8], kind| Expected { folder, name: name.to_vec(), kind };
    match &request.operation {
        Operation::Symlink { name, .. }
        | Operation::MakeNode { name, .. }
        | Operation::MakeDirectory { name, .. }
        | Operation::Create { name, .. }
        | Operation::Link { name, .. } => vec![one(node, name, Kind::Made), one(node, name, Kind::Changed)],
        Operation::Unlink { name } | Operation::RemoveDirectory { name } => vec![one(node, name, Kind::Gone)],
        Operation::Rename { name, to, to_name, flags } => {
            let mut events = vec![one(node, name, Kind::Left), one(*to, to_name, Kind::Came)];
            if flags & crate::sys::EXCHANGE != 0 {
                events.extend([one(*to, to_name, Kind::Left), one(node, name, Kind::Came)]);
            }
            events
        }
        Operation::SetAttr(_) | Operation::SetAttribute { .. } | Operation::RemoveAttribute { .. } => {
            changed(share, node)
        }
        Operation::Open { flags } if crate::sys::truncates(*flags) => changed(share, node),
        Operation::Write { handle, .. } | Operation::Allocate { handle, .. } | Operation::Copy { to: handle, .. } => {
            of_handle(share, *handle)
        }
        Operation::Release { handle } => of_handle(share, *handle),
        _ => Vec::new(),
    }
}

/// Who could only read raises nothing by closing: then what comes meanwhile is the host's.
fn of_handle(share: &Share, handle: u64) -> Vec<Expected> {
    let handle = share.handles().get(handle).ok().filter(|handle| handle.writes);
    handle.map_or_else(Vec::new, |handle| changed(share, handle.node))
}

/// By each of its names, and of a folder by none.
fn changed(share: &Share, node: u64) -> Vec<Expected> {
    let itself = (node, share.file().unwrap_or_default().into());
    let names = share.nodes().names_of(node).into_iter().chain([itself]);
    names.map(|(folder, name)| Expected { folder, name: name.into_vec(), kind: Kind::Changed }).collect()
}
