//! The first exchange: versions, sizes, and what both sides can do.

use super::read::Reader;
use super::{DATA_MAX, MAJOR, MINOR};
use crate::Result;

/// Bits of `flags` (`FUSE_*` in `fuse.h`).
pub mod flags {
    pub const ASYNC_READ: u32 = 1 << 0;
    pub const ATOMIC_O_TRUNC: u32 = 1 << 3;
    pub const BIG_WRITES: u32 = 1 << 5;
    /// The creator's umask is applied here, not by the kernel.
    pub const DONT_MASK: u32 = 1 << 6;
    pub const AUTO_INVAL_DATA: u32 = 1 << 12;
    pub const DO_READDIRPLUS: u32 = 1 << 13;
    pub const READDIRPLUS_AUTO: u32 = 1 << 14;
    pub const ASYNC_DIO: u32 = 1 << 15;
    pub const PARALLEL_DIROPS: u32 = 1 << 18;
    pub const ABORT_ERROR: u32 = 1 << 21;
    pub const MAX_PAGES: u32 = 1 << 22;
    pub const CACHE_SYMLINKS: u32 = 1 << 23;

    /// What is taken of all that a kernel offers. No writeback cache: the host may change a file at any time.
    pub const WANTED: u32 = ASYNC_READ
        | ATOMIC_O_TRUNC
        | BIG_WRITES
        | AUTO_INVAL_DATA
        | DO_READDIRPLUS
        | READDIRPLUS_AUTO
        | ASYNC_DIO
        | PARALLEL_DIROPS
        | ABORT_ERROR
        | MAX_PAGES
        | CACHE_SYMLINKS;
}

/// What the kernel says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitIn {
    pub major: u32,
    pub minor: u32,
    pub max_readahead: u32,
    pub flags: u32,
}

impl InitIn {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<InitIn> {
        Ok(InitIn { major: reader.u32()?, minor: reader.u32()?, max_readahead: reader.u32()?, flags: reader.u32()? })
    }
}

/// The answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitOut {
    pub minor: u32,
    pub max_readahead: u32,
    pub flags: u32,
}

impl InitOut {
    /// Requests that may wait at once, and from how many on the kernel holds its own readahead back.
    const BACKGROUND: u16 = 64;
    const CONGESTION: u16 = 48;
    const PAGE: u32 = 4096;

    pub fn new(kernel: &InitIn) -> InitOut {
        InitOut {
            minor: kernel.minor.min(MINOR),
            max_readahead: kernel.max_readahead.min(DATA_MAX),
            flags: kernel.flags & flags::WANTED,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for number in [MAJOR, self.minor, self.max_readahead, self.flags] {
            out.extend(number.to_le_bytes());
        }
        out.extend(Self::BACKGROUND.to_le_bytes());
        out.extend(Self::CONGESTION.to_le_bytes());
        out.extend(DATA_MAX.to_le_bytes());
        // Times are as exact as the host has them.
        out.extend(1_u32.to_le_bytes());
        let pages = u16::try_from(DATA_MAX / Self::PAGE).expect("a few hundred");
        out.extend(pages.to_le_bytes());
        // Alignment of DAX maps, further flags, stacking, and what is unused.
        out.extend([0; 34]);
    }
}
