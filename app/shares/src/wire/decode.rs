//! From an opcode and its argument to what is to be done.

use super::init::InitIn;
use super::read::Reader;
use super::request::{Operation, SetAttr, Stamp};
use crate::Result;

pub(super) fn operation<'a>(opcode: u32, of: &mut Reader<'a>) -> Result<Operation<'a>> {
    Ok(match opcode {
        1 => Operation::Lookup { name: of.name()? },
        2 => Operation::Forget { nodes: vec![(0, of.u64()?)] },
        3 => {
            let by_handle = of.u32()? & 1 != 0;
            of.skip(4)?;
            let handle = of.u64()?;
            Operation::GetAttr { handle: by_handle.then_some(handle) }
        }
        4 => Operation::SetAttr(set_attr(of)?),
        5 => Operation::ReadLink,
        6 => Operation::Symlink { name: of.name()?, target: of.text()? },
        8 => {
            let (mode, device, umask) = (of.u32()?, of.u32()?, of.u32()?);
            of.skip(4)?;
            Operation::MakeNode { name: of.name()?, mode: mode & !umask, device }
        }
        9 => {
            let (mode, umask) = (of.u32()?, of.u32()?);
            Operation::MakeDirectory { name: of.name()?, mode: mode & !umask }
        }
        10 => Operation::Unlink { name: of.name()? },
        11 => Operation::RemoveDirectory { name: of.name()? },
        12 => {
            let to = of.u64()?;
            Operation::Rename { name: of.name()?, to, to_name: of.name()?, flags: 0 }
        }
        13 => Operation::Link { from: of.u64()?, name: of.name()? },
        14 => Operation::Open { flags: of.u32()? },
        15 => {
            let (handle, offset, size) = (of.u64()?, of.u64()?, of.u32()?);
            Operation::Read { handle, offset, size }
        }
        16 => {
            let (handle, offset, size) = (of.u64()?, of.u64()?, of.u32()?);
            of.skip(20)?;
            Operation::Write { handle, offset, data: of.bytes(size as usize)? }
        }
        17 => Operation::StatFs,
        18 => Operation::Release { handle: of.u64()? },
        20 => Operation::Sync { handle: of.u64()?, data_only: of.u32()? & 1 != 0 },
        21 => {
            let (size, flags) = (of.u32()?, of.u32()?);
            let name = of.text()?;
            Operation::SetAttribute { name, value: of.bytes(size as usize)?, flags }
        }
        22 => {
            let size = of.u32()?;
            of.skip(4)?;
            Operation::GetAttribute { size, name: of.text()? }
        }
        23 => Operation::ListAttributes { size: of.u32()? },
        24 => Operation::RemoveAttribute { name: of.text()? },
        25 => Operation::Flush,
        26 => Operation::Init(InitIn::read(of)?),
        27 => Operation::OpenDirectory,
        28 | 44 => {
            let (handle, offset, size) = (of.u64()?, of.u64()?, of.u32()?);
            Operation::ReadDirectory { handle, offset, size, plus: opcode == 44 }
        }
        29 => Operation::ReleaseDirectory { handle: of.u64()? },
        30 => Operation::SyncDirectory { handle: of.u64()? },
        35 => {
            let (flags, mode, umask) = (of.u32()?, of.u32()?, of.u32()?);
            of.skip(4)?;
            Operation::Create { name: of.name()?, flags, mode: mode & !umask }
        }
        38 => Operation::Destroy,
        42 => {
            let count = of.u32()? as usize;
            of.skip(4)?;
            let mut nodes = Vec::new();
            for _ in 0..count {
                nodes.push((of.u64()?, of.u64()?));
            }
            Operation::Forget { nodes }
        }
        43 => {
            let (handle, offset, length, mode) = (of.u64()?, of.u64()?, of.u64()?, of.u32()?);
            Operation::Allocate { handle, offset, length, mode }
        }
        45 => {
            let (to, flags) = (of.u64()?, of.u32()?);
            of.skip(4)?;
            Operation::Rename { name: of.name()?, to, to_name: of.name()?, flags }
        }
        46 => Operation::Seek { handle: of.u64()?, offset: of.u64()?, whence: of.u32()? },
        47 => {
            let (handle, offset) = (of.u64()?, of.u64()?);
            of.skip(8)?;
            let (to, to_offset, length) = (of.u64()?, of.u64()?, of.u64()?);
            Operation::Copy { handle, offset, to, to_offset, length }
        }
        control::notice::ACKNOWLEDGED => Operation::Acknowledged { number: 0 },
        other => Operation::Other(other),
    })
}

/// Bits of `valid` (`FATTR_*`).
fn set_attr(of: &mut Reader<'_>) -> Result<SetAttr> {
    let valid = of.u32()?;
    let has = |bit: u32| valid & (1 << bit) != 0;
    of.skip(4)?;
    let (handle, size) = (of.u64()?, of.u64()?);
    of.skip(8)?;
    let (accessed, modified, _changed) = (of.u64()?, of.u64()?, of.u64()?);
    let (accessed_ns, modified_ns, _changed_ns) = (of.u32()?, of.u32()?, of.u32()?);
    let mode = of.u32()?;
    of.skip(4)?;
    let (uid, gid) = (of.u32()?, of.u32()?);
    let stamp = |given: bool, now: bool, seconds: u64, nanoseconds| match (given, now) {
        (_, true) => Stamp::Now,
        (true, false) => Stamp::At(seconds.cast_signed(), nanoseconds),
        (false, false) => Stamp::Keep,
    };
    Ok(SetAttr {
        handle: has(6).then_some(handle),
        mode: has(0).then_some(mode),
        uid: has(1).then_some(uid),
        gid: has(2).then_some(gid),
        size: has(3).then_some(size),
        accessed: stamp(has(4), has(7), accessed, accessed_ns),
        modified: stamp(has(5), has(8), modified, modified_ns),
    })
}
