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

/// What comes before the body of an answer, with the empty line; no byte more is read.
///
/// # Errors
/// When the connection breaks.
pub fn head(stream: &mut impl Read) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).with_context(|| format!("after {:?}", String::from_utf8_lossy(&bytes)))?;
        bytes.extend(byte);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Sends `body` as JSON to `host` (`unix://…`) on a connection of its own. HTTP/1.0, so that no answer comes in chunks.
///
/// # Errors
/// When the engine cannot be reached or does not speak HTTP.
pub fn request(host: &str, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
    request_with(host, method, path, &[], body)
}

/// As [`request`], with more headers.
///
/// # Errors
/// As there.
pub fn request_with(
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> anyhow::Result<Answer> {
    let socket = host.strip_prefix("unix://").context("these cases talk over a Unix socket")?;
    let mut stream = UnixStream::connect(socket)?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
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
