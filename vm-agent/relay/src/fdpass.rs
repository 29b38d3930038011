//! Messages with descriptors over a Unix stream socket (unix(7), SCM_RIGHTS).

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use control::wire::MESSAGE_MAX;
use control::{Error, Result};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// The most descriptors with one message.
pub(crate) const FDS_MAX: usize = 4;

/// Writes one encoded message, `fds` with its first byte.
pub(crate) async fn send(stream: &mut OwnedWriteHalf, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut sent = 0;
    if !fds.is_empty() {
        let raw: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let socket: &UnixStream = stream.as_ref();
        sent = socket
            .async_io(Interest::WRITABLE, || {
                let rights = [ControlMessage::ScmRights(&raw)];
                let parts = [IoSlice::new(message)];
                sendmsg::<()>(socket.as_raw_fd(), &parts, &rights, MsgFlags::MSG_NOSIGNAL, None)
                    .map_err(io::Error::from)
            })
            .await?;
    }
    stream.write_all(&message[sent..]).await
}

/// Reads messages and keeps the descriptors that came, in order, until a message asks for them.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: OwnedReadHalf,
    bytes: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

impl Receiver {
    pub(crate) fn new(stream: OwnedReadHalf) -> Self {
        Receiver { stream, bytes: Vec::new(), fds: VecDeque::new() }
    }

    /// The next message; `None` at the end of the stream. Cancel-safe.
    pub(crate) async fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(length) = self.bytes.first_chunk::<4>() {
                let size = u32::from_be_bytes(*length) as usize;
                if size > MESSAGE_MAX {
                    return Err(Error::MessageTooLong { size, limit: MESSAGE_MAX });
                }
                if let Some(json) = self.bytes.get(4..4 + size) {
                    let message = serde_json::from_slice(json).map_err(Error::Message)?;
                    self.bytes.drain(..4 + size);
                    return Ok(Some(message));
                }
            }
            if self.fill().await? == 0 {
                return if self.bytes.is_empty() { Ok(None) } else { Err(Error::Closed { expected: "whole message" }) };
            }
        }
    }

    /// The descriptors of the message that was received last; `None` if fewer came than it says.
    pub(crate) fn take_fds(&mut self, count: usize) -> Option<Vec<OwnedFd>> {
        (count <= self.fds.len()).then(|| self.fds.drain(..count).collect())
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let socket: &UnixStream = self.stream.as_ref();
        let fds = &mut self.fds;
        let n = socket
            .async_io(Interest::READABLE, || {
                let mut space = nix::cmsg_space!([std::os::fd::RawFd; FDS_MAX]);
                let mut parts = [IoSliceMut::new(&mut buffer)];
                let flags = MsgFlags::MSG_CMSG_CLOEXEC;
                let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
                for control in message.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(raw) = control {
                        // SAFETY: the kernel made these descriptors for this call; nobody else owns them.
                        fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                    }
                }
                Ok(message.bytes)
            })
            .await?;
        self.bytes.extend_from_slice(&buffer[..n]);
        Ok(n)
    }
}
