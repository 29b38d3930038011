//! One plain HTTP request over the engine's Unix socket, for what the docker CLI never sends.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use anyhow::Context;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    pub body: String,
}

/// Sends `body` as JSON to `host` (`unix://…`) on a connection of its own. HTTP/1.0, so that no answer comes in chunks.
///
/// # Errors
/// When the engine cannot be reached or does not speak HTTP.
pub fn request(host: &str, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
    let socket = host.strip_prefix("unix://").context("these cases talk over a Unix socket")?;
    let mut stream = UnixStream::connect(socket)?;
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // In one piece: an engine that knows the answer from the head alone may have closed before the rest is written.
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no HTTP answer: {text:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Answer {
        status: status.with_context(|| format!("no status in {head:?}"))?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
