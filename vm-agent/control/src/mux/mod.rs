//! Many streams over two byte lanes.
//!
//! Layers, bottom up:
//!
//! - `marker`: authenticated markers that (re)start a session in the middle of any stale bytes;
//! - `frame`: eight-byte headers; a frame is at most 16 KiB with its header;
//! - `core`: the pure multiplexer: no clock, task, waker or I/O;
//! - `session`: the core behind a lock, with wakers, as tokio streams;
//! - `lanes`: moving a session's bytes over one lane; `initiator` (host) and `responder` (guest) start sessions.
//!
//! Control streams and window updates travel on the control lane, everything else on the bulk lane, so
//! that a control message waits behind no data.

pub mod core;
#[cfg(test)]
mod core_tests;
pub mod frame;
mod initiator;
mod lanes;
pub mod marker;
mod responder;
mod session;

pub use initiator::connect;
pub use lanes::LaneIo;
pub use responder::Responder;
pub use session::{Incoming, MuxStream, Session};

/// One of the two byte channels below a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    Control,
    Bulk,
}

impl Lane {
    pub const ALL: [Lane; 2] = [Lane::Control, Lane::Bulk];

    /// 0 or 1: its place in arrays, and on the wire.
    pub const fn index(self) -> usize {
        match self {
            Lane::Control => 0,
            Lane::Bulk => 1,
        }
    }
}

/// Which end of the lanes this is; the host opens odd streams, the guest even ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Host,
    Guest,
}
