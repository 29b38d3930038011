//! What a shell stream carries: a kind byte, a length as two big-endian bytes, then the payload.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Error, Result};

/// The most terminal bytes in one frame.
pub const DATA_MAX: usize = 8 << 10;

/// What the host asks for, first on the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Empty: the guest's login shell.
    pub argv: Vec<String>,
    /// The `TERM` of the host's terminal.
    pub term: String,
    pub size: Size,
}

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Start(Start),
    /// Either way: bytes of the terminal.
    Data(Vec<u8>),
    Resize(Size),
    /// Guest, last: the exit code; 128 + n after signal n.
    Exited(i32),
    /// Guest, last: why it could not be started.
    Failed(String),
}

/// Writes one frame (data longer than [`DATA_MAX`] as several) and flushes.
pub async fn send(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> Result<()> {
    let (kind, payload) = match frame {
        Frame::Start(start) => (0, serde_json::to_vec(start).map_err(Error::Message)?),
        Frame::Data(bytes) => {
            for part in bytes.chunks(DATA_MAX) {
                send_raw(stream, 1, part).await?;
            }
            return Ok(());
        }
        Frame::Resize(size) => (2, serde_json::to_vec(size).map_err(Error::Message)?),
        Frame::Exited(code) => (3, code.to_be_bytes().to_vec()),
        Frame::Failed(text) => (4, text.as_bytes().to_vec()),
    };
    send_raw(stream, kind, &payload).await
}

async fn send_raw(stream: &mut (impl AsyncWrite + Unpin), kind: u8, payload: &[u8]) -> Result<()> {
    let limit = usize::from(u16::MAX);
    let length =
        u16::try_from(payload.len()).map_err(|_| Error::MessageTooLong { size: payload.len(), limit })?.to_be_bytes();
    let mut bytes = vec![kind, length[0], length[1]];
    bytes.extend_from_slice(payload);
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(())
}

/// Reads one frame; `None` at the end of the stream. Frames of unknown kinds are skipped. Not cancel-safe.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Frame>> {
    loop {
        let mut head = [0; 3];
        if stream.read(&mut head[..1]).await? == 0 {
            return Ok(None);
        }
        stream.read_exact(&mut head[1..]).await?;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        stream.read_exact(&mut payload).await?;
        return Ok(Some(match head[0] {
            0 => Frame::Start(serde_json::from_slice(&payload).map_err(Error::Message)?),
            1 => Frame::Data(payload),
            2 => Frame::Resize(serde_json::from_slice(&payload).map_err(Error::Message)?),
            3 => match <[u8; 4]>::try_from(&payload[..]) {
                Ok(code) => Frame::Exited(i32::from_be_bytes(code)),
                Err(_) => continue,
            },
            4 => Frame::Failed(String::from_utf8_lossy(&payload).into_owned()),
            _ => continue,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_frame_crosses() {
        let size = Size { columns: 80, rows: 24 };
        let frames = [
            Frame::Start(Start { argv: vec!["sh".into()], term: "xterm".into(), size }),
            Frame::Data(b"ls\n".to_vec()),
            Frame::Resize(size),
            Frame::Exited(-3),
            Frame::Failed("no such file".into()),
        ];
        let (mut a, mut b) = tokio::io::duplex(4096);
        for frame in &frames {
            send(&mut a, frame).await.unwrap();
        }
        drop(a);
        for frame in frames {
            assert_eq!(receive(&mut b).await.unwrap(), Some(frame));
        }
        assert_eq!(receive(&mut b).await.unwrap(), None);
    }
}
