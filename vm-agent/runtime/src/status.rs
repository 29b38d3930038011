//! What a container's first process tells the engine over its status socket.
//!
//! The socket is one end of a `SOCK_SEQPACKET` pair whose other end the engine reads. At most one [`Message::Terminal`]
//! packet (with the pty master as ancillary descriptor), then at most one [`Message::Failed`]; end of file without the
//! latter means that the program runs (the child's end is close-on-exec).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use serde::{Deserialize, Serialize};

use crate::sys;

/// One packet, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The pty master comes with this packet.
    Terminal,
    Failed(Failure),
}

/// Why the program was not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What was being done: `mount /proc`, `chdir`, `exec`, ...
    pub step: String,
    /// The kernel's error number, 0 if there was none.
    pub errno: i32,
    /// For the user, worded as runc words it.
    pub message: String,
    /// The exit code that Docker gives to a container which failed so: 127 not found, 126 not executable, 128 anything else.
    pub exit_hint: i32,
}

/// What became of a start.
#[derive(Debug)]
pub enum Outcome {
    /// The program runs.
    Started,
    /// The pty master of a container with a terminal; more follows.
    Terminal(OwnedFd),
    Failed(Failure),
}

/// A status socket: (the engine's end, the child's end), both close-on-exec; the engine's end is non-blocking.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (engine, child) = sys::seqpacket_pair()?;
    sys::set_nonblocking(engine.as_fd())?;
    Ok((engine, child))
}

/// Reads one packet. `WouldBlock` when the child said nothing yet (poll for readability and call again).
pub fn read(socket: BorrowedFd<'_>) -> io::Result<Outcome> {
    let mut buffer = vec![0u8; 16 * 1024];
    let (length, mut fds) = sys::receive(socket, &mut buffer)?;
    if length == 0 {
        return Ok(Outcome::Started);
    }
    let message =
        serde_json::from_slice(&buffer[..length]).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    match message {
        Message::Failed(failure) => Ok(Outcome::Failed(failure)),
        Message::Terminal if fds.is_empty() => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "terminal message without a descriptor"))
        }
        Message::Terminal => Ok(Outcome::Terminal(fds.swap_remove(0))),
    }
}

/// The child's side of [`read`]. Errors are ignored by callers that can do nothing about them.
pub(crate) fn send(socket: BorrowedFd<'_>, message: &Message, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
    let fds: Vec<i32> = fd.iter().map(|f| f.as_raw_fd()).collect();
    sys::send(socket, &bytes, &fds, 0)
}
