//! FUSE's messages (`include/uapi/linux/fuse.h`, version 7.31 and later), little-endian as all guests are.

mod decode;
mod init;
mod read;
mod reply;
mod request;

pub use init::{InitIn, InitOut, flags};
pub use reply::{Attr, Entry, Listing, Reply, entry_of};
pub use request::{Operation, Request, SetAttr, Stamp};

/// The version of the protocol that is answered; a kernel's later one is held down to it.
pub const MAJOR: u32 = 7;
pub const MINOR: u32 = 38;

/// Bytes in front of every request and of every answer.
pub const IN_HEADER: usize = 40;
pub const OUT_HEADER: usize = 16;

/// The most data in one read or write, in bytes; a request may be a header and its argument longer.
pub const DATA_MAX: u32 = 1 << 20;
pub const REQUEST_MAX: usize = DATA_MAX as usize + 4096;

/// The number of the share's root.
pub const ROOT: u64 = 1;
