//! The client's ends of a container's or exec's streams.

use crate::stdio::StdinWriter;
use crate::streams::Frame;
use std::io;
use tokio::sync::mpsc;

/// Logs being read.
#[derive(Debug)]
pub struct Logs {
    /// The container has a terminal: send the bytes raw, not multiplexed.
    pub tty: bool,
    /// Ends when there is nothing more.
    pub frames: mpsc::Receiver<io::Result<Frame>>,
}

/// An attached client's ends.
#[derive(Debug)]
pub struct Attached {
    /// Raw instead of multiplexed.
    pub tty: bool,
    /// Ends when the process has ended and all was said, or when the client detached.
    pub output: mpsc::Receiver<Frame>,
    /// Where the client's bytes go, when it asked for stdin and there is one. Drop it for "end of input".
    pub stdin: Option<StdinWriter>,
    /// The session is over when the client closes its direction: nothing can follow, unless the process's input ends with it.
    pub ends_with_input: bool,
}

/// What became of some bytes of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    All,
    /// The detach keys were typed: close the connection, the process lives on.
    Detached,
}
