//! What clients send.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{CLOSE, PING, PONG};

/// The most that a control frame may carry, bytes.
const CONTROL_LIMIT: usize = 125;

/// How much of the client's bytes is read at once.
const INPUT: usize = 16 * 1024;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Some bytes of a frame, or all.
    Data(Bytes),
    Ping(Bytes),
    /// It will send no more, with or without a close frame.
    End,
    /// A frame that is not masked: nothing after it can be trusted.
    Unmasked,
}

/// Reads a client's frames.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    reader: R,
    read: BytesMut,
    /// What is still to come of the data frame that is being read.
    left: u64,
    mask: [u8; 4],
    /// Where in the mask the next byte stands.
    at: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, read: BytesMut::new(), left: 0, mask: [0; 4], at: 0 }
    }

    /// What came next. Not cancel safe.
    pub(crate) async fn next(&mut self) -> io::Result<Received> {
        loop {
            if self.left > 0 {
                if self.read.is_empty() && !self.more().await? {
                    return Ok(Received::End);
                }
                return Ok(Received::Data(self.take(usize::MAX)));
            }
            // Two bytes of head, and at most eight of length and four of mask.
            let (opcode, masked, short) = match self.exactly(2).await? {
                Some(head) => (head[0] & 0x0f, head[1] & 0x80 != 0, head[1] & 0x7f),
                None => return Ok(Received::End),
            };
            let length = match short {
                126 => self.exactly(2).await?.map(|mut bytes| u64::from(bytes.get_u16())),
                127 => self.exactly(8).await?.map(|mut bytes| bytes.get_u64()),
                short => Some(u64::from(short)),
            };
            let Some(length) = length else { return Ok(Received::End) };
            if !masked {
                return Ok(Received::Unmasked);
            }
            let Some(mask) = self.exactly(4).await? else { return Ok(Received::End) };
            self.mask.copy_from_slice(&mask);
            self.at = 0;
            self.left = length;
            match opcode {
                CLOSE => return Ok(Received::End),
                PING | PONG => {
                    let Some(payload) = self.control().await? else { return Ok(Received::End) };
                    if opcode == PING {
                        return Ok(Received::Ping(payload));
                    }
                }
                // Whatever it calls itself, it carries input.
                _ => {}
            }
        }
    }

    /// The payload of a control frame; what is too much of it is dropped.
    async fn control(&mut self) -> io::Result<Option<Bytes>> {
        let mut payload = BytesMut::new();
        while self.left > 0 {
            if self.read.is_empty() && !self.more().await? {
                return Ok(None);
            }
            let piece = self.take(INPUT);
            let room = CONTROL_LIMIT - payload.len();
            payload.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Ok(Some(payload.freeze()))
    }

    /// At most `limit` bytes of the frame's payload that were read, unmasked.
    fn take(&mut self, limit: usize) -> Bytes {
        let length = self.read.len().min(limit).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut piece = self.read.split_to(length);
        for byte in piece.iter_mut() {
            *byte ^= self.mask[self.at];
            self.at = (self.at + 1) % self.mask.len();
        }
        self.left -= length as u64;
        piece.freeze()
    }

    /// That many bytes; nothing when the client is gone before.
    async fn exactly(&mut self, length: usize) -> io::Result<Option<BytesMut>> {
        while self.read.len() < length {
            if !self.more().await? {
                return Ok(None);
            }
        }
        Ok(Some(self.read.split_to(length)))
    }

    async fn more(&mut self) -> io::Result<bool> {
        self.read.reserve(INPUT);
        Ok(self.reader.read_buf(&mut self.read).await? > 0)
    }
}
