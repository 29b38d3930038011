//! What containers say, in pieces: shared by logs, attach and exec.

use bytes::Bytes;

/// Docker's stream numbers, the first byte of a multiplexed frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,
}

impl Stream {
    /// The `stream` member of a log record.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdin => "stdin",
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }

    pub fn from_name(name: &str) -> Option<Stream> {
        match name {
            "stdin" => Some(Stream::Stdin),
            "stdout" => Some(Stream::Stdout),
            "stderr" => Some(Stream::Stderr),
            _ => None,
        }
    }
}

/// Some bytes of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub stream: Stream,
    pub bytes: Bytes,
}

impl Frame {
    /// The 8-byte header of Docker's multiplexed format: stream, three zeroes, length in network order.
    pub fn header(&self) -> [u8; 8] {
        let length = u32::try_from(self.bytes.len()).expect("frames are at most some hundred KiB");
        let [a, b, c, d] = length.to_be_bytes();
        [self.stream as u8, 0, 0, 0, a, b, c, d]
    }
}
