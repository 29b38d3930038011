//! What is done about each request.

mod attributes;
mod attrs;
mod data;
mod directory;
mod echo;
mod find;
mod make;
mod names;

use std::os::fd::AsFd;

use crate::Errno;
use crate::share::Share;
use crate::sys;
use crate::wire::{InitOut, Operation, Reply, Request};

pub(crate) use echo::run as run_echo;

pub(crate) fn run(share: &Share, request: &Request<'_>) -> Result<Reply, Errno> {
    let node = request.node;
    let by = (request.uid, request.gid);
    match request.operation {
        Operation::Init(ref kernel) if kernel.major == 7 => Ok(Reply::Init(InitOut::new(kernel))),
        Operation::Init(_) => Err(Errno::OPNOTSUPP),
        Operation::Lookup { name } => find::look_up(share, node, name),
        Operation::Forget { ref nodes } => {
            nodes.iter().for_each(|(node, count)| share.nodes().forget(*node, *count));
            Ok(Reply::Done)
        }
        Operation::GetAttr { handle } => attrs::get(share, node, handle),
        Operation::SetAttr(ref set) => attrs::set(share, node, set),
        Operation::ReadLink => Ok(Reply::Data(sys::read_symlink(share.place(node)?.as_fd())?)),
        Operation::Symlink { name, target } => make::symlink(share, (node, name), target, by),
        Operation::MakeNode { name, mode, device } => make::node(share, (node, name), mode, device, by),
        Operation::MakeDirectory { name, mode } => make::directory(share, (node, name), mode, by),
        Operation::Create { name, flags, mode } => make::file(share, (node, name), flags, mode, by),
        Operation::Unlink { name } => names::remove(share, node, name, false),
        Operation::RemoveDirectory { name } => names::remove(share, node, name, true),
        Operation::Rename { name, to, to_name, flags } => names::rename(share, (node, name), (to, to_name), flags),
        Operation::Link { from, name } => names::link(share, from, (node, name)),
        Operation::Open { flags } => data::open(share, node, flags),
        Operation::Read { handle, offset, size } => data::read(share, handle, offset, size),
        Operation::Write { handle, offset, data } => data::write(share, handle, offset, data),
        // What was written is the host's already, and what was mapped the kernel writes before it asks. So it need not ask at each end of a
        // file's use, and does so never again.
        Operation::Flush => Err(Errno::NOSYS),
        Operation::Release { handle } | Operation::ReleaseDirectory { handle } => data::close(share, handle),
        Operation::Sync { handle, data_only } => data::sync(share, handle, data_only),
        Operation::SyncDirectory { handle } => data::sync(share, handle, false),
        Operation::Allocate { handle, offset, length, mode } => data::allocate(share, handle, offset, length, mode),
        Operation::Seek { handle, offset, whence } => data::seek(share, handle, offset, whence),
        Operation::Copy { handle, offset, to, to_offset, length } => {
            data::copy(share, (handle, offset), (to, to_offset), length)
        }
        Operation::OpenDirectory => directory::open(share, node),
        Operation::ReadDirectory { handle, offset, size, plus } => directory::read(share, handle, offset, size, plus),
        Operation::StatFs => attrs::file_system(share),
        Operation::GetAttribute { name, size } => attributes::get(share, node, name, size),
        Operation::ListAttributes { size } => attributes::list(share, node, size),
        Operation::SetAttribute { name, value, flags } => attributes::set(share, node, name, value, flags),
        Operation::RemoveAttribute { name } => attributes::remove(share, node, name),
        Operation::Destroy => Ok(Reply::Done),
        Operation::Acknowledged { number } => {
            share.acknowledged(number);
            Ok(Reply::Done)
        }
        Operation::Other(opcode) => {
            tracing::trace!(opcode, "a request that the kernel does without");
            Err(Errno::NOSYS)
        }
    }
}

/// Whether a request leaves something behind, here or on the host, each time that it is done.
pub(crate) fn leaves_something(operation: &Operation<'_>) -> bool {
    changes(operation) || matches!(operation, Operation::Open { .. } | Operation::OpenDirectory)
}

/// Whether a request would change anything on the host.
pub(crate) fn changes(operation: &Operation<'_>) -> bool {
    match operation {
        Operation::SetAttr(_)
        | Operation::Symlink { .. }
        | Operation::MakeNode { .. }
        | Operation::MakeDirectory { .. }
        | Operation::Unlink { .. }
        | Operation::RemoveDirectory { .. }
        | Operation::Rename { .. }
        | Operation::Link { .. }
        | Operation::Create { .. }
        | Operation::Write { .. }
        | Operation::SetAttribute { .. }
        | Operation::RemoveAttribute { .. }
        | Operation::Allocate { .. }
        | Operation::Copy { .. } => true,
        Operation::Open { flags } => sys::writes(*flags),
        Operation::Init(_)
        | Operation::Lookup { .. }
        | Operation::Forget { .. }
        | Operation::GetAttr { .. }
        | Operation::ReadLink
        | Operation::Read { .. }
        | Operation::Release { .. }
        | Operation::Flush
        | Operation::Sync { .. }
        | Operation::OpenDirectory
        | Operation::ReadDirectory { .. }
        | Operation::ReleaseDirectory { .. }
        | Operation::SyncDirectory { .. }
        | Operation::StatFs
        | Operation::GetAttribute { .. }
        | Operation::ListAttributes { .. }
        | Operation::Seek { .. }
        | Operation::Destroy
        | Operation::Acknowledged { .. }
        | Operation::Other(_) => false,
    }
}
