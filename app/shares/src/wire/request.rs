//! What the kernel asks.

use super::init::InitIn;
use super::read::Reader;
use super::{IN_HEADER, REQUEST_MAX};
use crate::{Error, Result};

/// One request: who asks for what of which node.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Its number: the answer repeats it.
    pub unique: u64,
    pub node: u64,
    /// Of the process that asks, in the namespaces of the share's mount; they own what is made.
    pub uid: u32,
    pub gid: u32,
    pub operation: Operation<'a>,
}

/// What is to be done, with the opcode's number (`enum fuse_opcode`).
#[derive(Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    Init(InitIn),
    Lookup {
        name: &'a [u8],
    },
    Forget {
        nodes: Vec<(u64, u64)>,
    },
    GetAttr {
        handle: Option<u64>,
    },
    SetAttr(SetAttr),
    ReadLink,
    Symlink {
        name: &'a [u8],
        target: &'a [u8],
    },
    MakeNode {
        name: &'a [u8],
        mode: u32,
        device: u32,
    },
    MakeDirectory {
        name: &'a [u8],
        mode: u32,
    },
    Unlink {
        name: &'a [u8],
    },
    RemoveDirectory {
        name: &'a [u8],
    },
    Rename {
        name: &'a [u8],
        to: u64,
        to_name: &'a [u8],
        flags: u32,
    },
    Link {
        from: u64,
        name: &'a [u8],
    },
    Open {
        flags: u32,
    },
    Create {
        name: &'a [u8],
        flags: u32,
        mode: u32,
    },
    Read {
        handle: u64,
        offset: u64,
        size: u32,
    },
    Write {
        handle: u64,
        offset: u64,
        data: &'a [u8],
    },
    Release {
        handle: u64,
    },
    Flush,
    Sync {
        handle: u64,
        data_only: bool,
    },
    OpenDirectory,
    ReadDirectory {
        handle: u64,
        offset: u64,
        size: u32,
        plus: bool,
    },
    ReleaseDirectory {
        handle: u64,
    },
    SyncDirectory {
        handle: u64,
    },
    StatFs,
    SetAttribute {
        name: &'a [u8],
        value: &'a [u8],
        flags: u32,
    },
    GetAttribute {
        name: &'a [u8],
        size: u32,
    },
    ListAttributes {
        size: u32,
    },
    RemoveAttribute {
        name: &'a [u8],
    },
    Allocate {
        handle: u64,
        offset: u64,
        length: u64,
        mode: u32,
    },
    Seek {
        handle: u64,
        offset: u64,
        whence: u32,
    },
    Copy {
        handle: u64,
        offset: u64,
        to: u64,
        to_offset: u64,
        length: u64,
    },
    Destroy,
    /// One that this server has no answer for: the kernel does without it.
    Other(u32),
}

/// A time to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    Keep,
    Now,
    /// Seconds since 1970, which may be negative, and nanoseconds.
    At(i64, u32),
}

/// What of a node is to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetAttr {
    pub handle: Option<u64>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub accessed: Stamp,
    pub modified: Stamp,
}

impl<'a> Request<'a> {
    /// How long the request is that begins with these four bytes.
    ///
    /// # Errors
    /// A length that no request has.
    pub fn length(first: [u8; 4]) -> Result<usize> {
        let length = u32::from_le_bytes(first) as usize;
        match (IN_HEADER..=REQUEST_MAX).contains(&length) {
            true => Ok(length),
            false => Err(Error::Malformed("its length is that of no request")),
        }
    }

    /// Reads one whole request.
    ///
    /// # Errors
    /// It ends within something, or has a name that is none.
    pub fn parse(bytes: &'a [u8]) -> Result<Request<'a>> {
        let mut reader = Reader(bytes);
        if reader.u32()? as usize != bytes.len() {
            return Err(Error::Malformed("its length is another's"));
        }
        let opcode = reader.u32()?;
        let (unique, node) = (reader.u64()?, reader.u64()?);
        let (uid, gid) = (reader.u32()?, reader.u32()?);
        reader.skip(4)?;
        // What newer kernels may append counts eight bytes each, behind the arguments.
        let extensions = usize::from(reader.u16()?) * 8;
        reader.skip(2)?;
        let arguments = reader.0.len().checked_sub(extensions).ok_or(Error::Malformed("its extensions are longer"))?;
        let operation = operation(opcode, &mut Reader(&reader.0[..arguments]))?;
        // A forgotten node is in the header.
        let operation = match operation {
            Operation::Forget { nodes } if opcode == 2 => {
                Operation::Forget { nodes: nodes.into_iter().map(|(_, count)| (node, count)).collect() }
            }
            operation => operation,
        };
        Ok(Request { unique, node, uid, gid, operation })
    }

    /// Whether the kernel waits for an answer.
    pub fn is_answered(&self) -> bool {
        !matches!(self.operation, Operation::Forget { .. })
    }
}

fn operation<'a>(opcode: u32, of: &mut Reader<'a>) -> Result<Operation<'a>> {
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
