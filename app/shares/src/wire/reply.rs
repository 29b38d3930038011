//! What the kernel is answered.

use std::time::Duration;

use super::OUT_HEADER;
use super::init::InitOut;
use crate::Errno;

/// What a node is, as `stat` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attr {
    pub inode: u64,
    /// In bytes, and in blocks of 512 bytes.
    pub size: u64,
    pub blocks: u64,
    /// Seconds since 1970 and nanoseconds.
    pub accessed: (i64, u32),
    pub modified: (i64, u32),
    pub changed: (i64, u32),
    /// Kind and permissions, with the numbers of Linux.
    pub mode: u32,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    /// As Linux packs it in 32 bits.
    pub device: u32,
    pub block_size: u32,
}

/// A node that the kernel may know from now on; each time it is told, it counts one more to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub node: u64,
    pub attr: Attr,
    /// How long the name need not be asked for again.
    pub valid: Duration,
    pub attr_valid: Duration,
}

/// An answer. Those without data are `Done`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Done,
    Init(InitOut),
    Entry(Entry),
    Attr {
        attr: Attr,
        valid: Duration,
    },
    Opened {
        handle: u64,
        keep_cache: bool,
    },
    Created {
        entry: Entry,
        handle: u64,
    },
    Data(Vec<u8>),
    Written(u32),
    /// How long an extended attribute, or their list, is.
    Size(u32),
    Offset(u64),
    StatFs {
        blocks: u64,
        free: u64,
        available: u64,
        files: u64,
        files_free: u64,
        block: u32,
        name: u32,
        fragment: u32,
    },
}

impl Reply {
    const KEEP_CACHE: u32 = 1 << 1;

    /// The whole message.
    pub fn encode(answer: &Result<Reply, Errno>, unique: u64) -> Vec<u8> {
        let mut out = vec![0; OUT_HEADER];
        match answer {
            Ok(reply) => reply.write(&mut out),
            Err(Errno(number)) => out[4..8].copy_from_slice(&(-number).to_le_bytes()),
        }
        let length = u32::try_from(out.len()).expect("a megabyte");
        out[..4].copy_from_slice(&length.to_le_bytes());
        out[8..].first_chunk_mut::<8>().expect("sixteen bytes").copy_from_slice(&unique.to_le_bytes());
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Done => {}
            Reply::Init(init) => init.write(out),
            Reply::Entry(entry) => entry.write(out),
            Reply::Attr { attr, valid } => {
                out.extend(valid.as_secs().to_le_bytes());
                out.extend(valid.subsec_nanos().to_le_bytes());
                out.extend([0; 4]);
                attr.write(out);
            }
            Reply::Opened { handle, keep_cache } => opened(*handle, *keep_cache, out),
            Reply::Created { entry, handle } => {
                entry.write(out);
                opened(*handle, false, out);
            }
            Reply::Data(data) => out.extend(data),
            Reply::Written(count) | Reply::Size(count) => {
                out.extend(count.to_le_bytes());
                out.extend([0; 4]);
            }
            Reply::Offset(offset) => out.extend(offset.to_le_bytes()),
            Reply::StatFs { blocks, free, available, files, files_free, block, name, fragment } => {
                for number in [blocks, free, available, files, files_free] {
                    out.extend(number.to_le_bytes());
                }
                for number in [block, name, fragment] {
                    out.extend(number.to_le_bytes());
                }
                out.extend([0; 28]);
            }
        }
    }
}

fn opened(handle: u64, keep_cache: bool, out: &mut Vec<u8>) {
    out.extend(handle.to_le_bytes());
    out.extend(if keep_cache { Reply::KEEP_CACHE } else { 0 }.to_le_bytes());
    out.extend([0; 4]);
}

impl Attr {
    fn write(&self, out: &mut Vec<u8>) {
        for number in [self.inode, self.size, self.blocks] {
            out.extend(number.to_le_bytes());
        }
        let times = [self.accessed, self.modified, self.changed];
        out.extend(times.iter().flat_map(|(seconds, _)| seconds.to_le_bytes()));
        out.extend(times.iter().flat_map(|(_, nanoseconds)| nanoseconds.to_le_bytes()));
        for number in [self.mode, self.links, self.uid, self.gid, self.device, self.block_size, 0] {
            out.extend(number.to_le_bytes());
        }
    }
}

impl Entry {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.node.to_le_bytes());
        // Numbers of nodes are never used again: they need no generation.
        out.extend(0_u64.to_le_bytes());
        let valid = [self.valid, self.attr_valid];
        out.extend(valid.iter().flat_map(|valid| valid.as_secs().to_le_bytes()));
        out.extend(valid.iter().flat_map(|valid| valid.subsec_nanos().to_le_bytes()));
        self.attr.write(out);
    }
}

/// The entry for a name that is not there, to be kept as that for so long.
pub fn entry_of(nothing: Duration) -> Entry {
    Entry { node: 0, attr: Attr::default(), valid: nothing, attr_valid: Duration::ZERO }
}

/// A part of a directory's list: as many entries as fit.
#[derive(Debug)]
pub struct Listing {
    bytes: Vec<u8>,
    room: usize,
}

impl Listing {
    const HEADER: usize = 24;
    const ENTRY: usize = 128;

    pub fn new(size: u32) -> Listing {
        Listing { bytes: Vec::new(), room: size as usize }
    }

    /// Whether an entry of this name would fit, with or without its attributes.
    pub fn fits(&self, name: &[u8], plus: bool) -> bool {
        let length = (Self::HEADER + name.len()).next_multiple_of(8) + if plus { Self::ENTRY } else { 0 };
        self.bytes.len() + length <= self.room
    }

    /// `next` is the offset behind the entry; `kind` the file type's four bits of a mode.
    pub fn add(&mut self, name: &[u8], inode: u64, kind: u32, next: u64, plus: Option<Entry>) {
        if let Some(entry) = plus {
            entry.write(&mut self.bytes);
        }
        self.bytes.extend(inode.to_le_bytes());
        self.bytes.extend(next.to_le_bytes());
        let length = u32::try_from(name.len()).expect("255 bytes at most");
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend((kind >> 12).to_le_bytes());
        self.bytes.extend(name);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    pub fn finish(self) -> Reply {
        Reply::Data(self.bytes)
    }
}
