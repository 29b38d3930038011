//! What the kernel asks.

use super::init::InitIn;
use super::read::Reader;
use super::{IN_HEADER, REQUEST_MAX, decode};
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
    /// Not 0: it comes of the notice of this number, and is about a change that the host has seen already.
    pub mark: u16,
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
    /// The relay has dealt with a notice; not the kernel's.
    Acknowledged {
        number: u16,
    },
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
        let mark = reader.u16()?;
        let arguments = reader.0.len().checked_sub(extensions).ok_or(Error::Malformed("its extensions are longer"))?;
        let operation = decode::operation(opcode, &mut Reader(&reader.0[..arguments]))?;
        // A forgotten node is in the header.
        let operation = match operation {
            Operation::Forget { nodes } if opcode == 2 => {
                Operation::Forget { nodes: nodes.into_iter().map(|(_, count)| (node, count)).collect() }
            }
            Operation::Acknowledged { .. } => Operation::Acknowledged { number: node as u16 },
            operation => operation,
        };
        Ok(Request { unique, node, uid, gid, mark, operation })
    }

    /// Whether the kernel waits for an answer.
    pub fn is_answered(&self) -> bool {
        !matches!(self.operation, Operation::Forget { .. } | Operation::Acknowledged { .. })
    }
}
