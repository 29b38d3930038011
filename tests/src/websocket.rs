//! A client of WebSockets (RFC 6455), frame by frame, for `attach/ws`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use anyhow::{Context, ensure};

/// One connection that was upgraded.
#[derive(Debug)]
pub struct WebSocket {
    stream: UnixStream,
}

/// A frame of the server: its opcode (1 text, 2 binary, 8 close, 9 ping, 10 pong) and what it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl WebSocket {
    /// Upgrades a connection to `host` (`unix://…`).
    ///
    /// # Errors
    /// When the engine cannot be reached or does not answer as the protocol's example does.
    pub fn open(host: &str, path: &str) -> anyhow::Result<Self> {
        let socket = host.strip_prefix("unix://").context("these cases talk over a Unix socket")?;
        let mut stream = UnixStream::connect(socket)?;
        stream.write_all(
            format!(
                "GET {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            .as_bytes(),
        )?;
        let head = crate::http::head(&mut stream)?;
        let expect = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        ensure!(head == expect, "{head:?}");
        Ok(Self { stream })
    }

    /// Sends a frame of at most 125 bytes, masked as a client's must be.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, opcode: u8, payload: &[u8]) -> anyhow::Result<()> {
        const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
        let length = u8::try_from(payload.len()).ok().filter(|length| *length <= 125).context("a short frame")?;
        let mut frame = vec![0x80 | opcode, 0x80 | length];
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        Ok(self.stream.write_all(&frame)?)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// The next frame; nothing when the connection has ended.
    ///
    /// # Errors
    /// When the connection breaks, or a frame is cut off, in pieces or masked.
    pub fn receive(&mut self) -> anyhow::Result<Option<Frame>> {
        let mut first = [0];
        if self.stream.read(&mut first)? == 0 {
            return Ok(None);
        }
        ensure!(first[0] & 0xf0 == 0x80, "first byte {:#x}", first[0]);
        let mut short = [0];
        self.stream.read_exact(&mut short)?;
        let length = match short[0] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length)?;
                usize::try_from(u64::from_be_bytes(length))?
            }
            length => usize::from(length),
        };
        ensure!(short[0] & 0x80 == 0, "a masked frame");
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        Ok(Some(Frame { opcode: first[0] & 0x0f, payload }))
    }

    /// What data frames of that opcode carry until they are `text`, and no more than that.
    ///
    /// # Errors
    /// When something else comes.
    pub fn expect(&mut self, opcode: u8, text: &str) -> anyhow::Result<()> {
        let mut heard = Vec::new();
        while heard.len() < text.len() {
            let frame = self.receive()?.with_context(|| format!("the end after {heard:?}"))?;
            ensure!(frame.opcode == opcode, "{frame:?} after {heard:?}");
            heard.extend(frame.payload);
        }
        ensure!(heard == text.as_bytes(), "{:?} for {text:?}", String::from_utf8_lossy(&heard));
        Ok(())
    }

    /// The close frame with status 1000, and the end of the connection.
    ///
    /// # Errors
    /// When something else comes.
    pub fn expect_end(&mut self) -> anyhow::Result<()> {
        let last = self.receive()?;
        ensure!(last == Some(Frame { opcode: 8, payload: vec![0x03, 0xe8] }), "{last:?}");
        let nothing = self.receive()?;
        ensure!(nothing.is_none(), "{nothing:?}");
        Ok(())
    }
}
