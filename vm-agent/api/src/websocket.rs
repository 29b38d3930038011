//! The server's side of WebSockets (RFC 6455), as `attach/ws` speaks it.
//!
//! Whole messages mean nothing here: bytes are passed on as their frames come, however the client cut them. A client's close
//! ends its input only; the other direction goes on until the process has said everything. Crates that handle messages close
//! both at once, so this is done by hand.

mod frames;

use std::io;

use bytes::Bytes;
use containers::{Attached, StdinWriter, Written};
use hyper::HeaderMap;
use hyper::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::hijack::{Connection, InputEnd};
use frames::{Frames, Received};

/// What a server appends to a client's key (RFC 6455, 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// 1000: all was said. 1002: the client does not keep to the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Normal = 1000,
    Protocol = 1002,
}

/// The head that answers a client's handshake; an error is the head, and the text after it, that refuses it.
pub(crate) fn handshake(headers: &HeaderMap) -> Result<String, String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let refused = |more: &str, text: &str| Err(format!("HTTP/1.1 400 Bad Request\r\n{more}\r\n{text}"));
    if !text(UPGRADE).eq_ignore_ascii_case("websocket") || !text(CONNECTION).to_ascii_lowercase().contains("upgrade") {
        return refused("", "not websocket protocol");
    }
    let key = text(SEC_WEBSOCKET_KEY);
    if key.is_empty() {
        return refused("", "mismatch challenge/response");
    }
    if text(SEC_WEBSOCKET_VERSION) != "13" {
        return refused("Sec-WebSocket-Version: 13\r\n", "missing or bad WebSocket Version");
    }
    let accept = accept(key);
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    );
    let protocols: Vec<&str> = text(SEC_WEBSOCKET_PROTOCOL).split(',').map(str::trim).collect();
    match protocols.as_slice() {
        [""] => {}
        [one] => head.push_str(&format!("Sec-WebSocket-Protocol: {one}\r\n")),
        // Which one is meant cannot be known.
        _ => return refused("", ""),
    }
    head.push_str("\r\n");
    Ok(head)
}

fn accept(key: &str) -> String {
    use base64::Engine as _;
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// A frame of this side, unmasked: data in binary, or in text for clients of old.
pub(crate) fn data(binary: bool, payload: &[u8]) -> Bytes {
    frame(if binary { BINARY } else { TEXT }, payload)
}

pub(crate) fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, payload)
}

pub(crate) fn close(status: Status) -> Bytes {
    frame(CLOSE, &(status as u16).to_be_bytes())
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    const FINAL: u8 = 0x80;
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(FINAL | opcode);
    match payload.len() {
        length @ 0..=125 => frame.push(length as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame.into()
}

/// Carries an attached client, as [`crate::hijack::session`] does; the end of the session is told by a close frame.
pub(crate) async fn session(connection: Connection, attached: Attached, binary: bool) {
    let Connection { reader, mut writer, mut gone } = connection;
    let Attached { tty: _, mut output, stdin, ends_with_input } = attached;
    let (replies, mut replying) = mpsc::channel(1);
    let input = input(Frames::new(reader), stdin, replies);
    tokio::pin!(input);
    let mut input_open = true;
    loop {
        let frame = tokio::select! {
            said = output.recv() => match said {
                Some(said) => data(binary, &said.bytes),
                None => break,
            },
            Some(reply) = replying.recv() => reply,
            end = &mut input, if input_open => match end {
                InputEnd::Closed if ends_with_input => break,
                InputEnd::Closed => {
                    input_open = false;
                    continue;
                }
                InputEnd::Detached => break,
                InputEnd::Broken => return,
            },
            // A silent process gives no occasion to notice it by writing.
            () = &mut gone => return,
        };
        if send(&mut writer, &frame).await.is_err() {
            return;
        }
    }
    while let Ok(reply) = replying.try_recv() {
        if send(&mut writer, &reply).await.is_err() {
            return;
        }
    }
    if send(&mut writer, &close(Status::Normal)).await.is_ok() {
        // An error means that the client is gone already.
        let _ = writer.shutdown().await;
    }
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    writer.write_all(frame).await?;
    writer.flush().await
}

/// Takes the client's bytes to the process. `replies` gets the frames that answer some of its frames.
async fn input<R: AsyncRead + Unpin>(
    mut frames: Frames<R>,
    mut stdin: Option<StdinWriter>,
    replies: mpsc::Sender<Bytes>,
) -> InputEnd {
    loop {
        let bytes = match frames.next().await {
            Ok(Received::Data(bytes)) => bytes,
            Ok(Received::Ping(payload)) => {
                // The session takes replies as long as it waits for this.
                let _ = replies.send(pong(&payload)).await;
                continue;
            }
            Ok(Received::Unmasked) => {
                let _ = replies.send(close(Status::Protocol)).await;
                return InputEnd::Closed;
            }
            Ok(Received::End) => return InputEnd::Closed,
            Err(_) => return InputEnd::Broken,
        };
        // Without an input the bytes are read and dropped, so that the client does not block.
        let Some(writer) = &mut stdin else { continue };
        match writer.write(bytes).await {
            Ok(Written::All) => {}
            Ok(Written::Detached) => return InputEnd::Detached,
            // The process closed its input; it may still have much to say.
            Err(_) => stdin = None,
        }
    }
}

#[cfg(test)]
mod tests;
