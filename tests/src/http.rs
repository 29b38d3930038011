//! One plain HTTP request over the engine's Unix socket, for what the docker CLI never sends; and pages that containers serve.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

/// Longer than any engine says nothing before or within an answer.
const PATIENCE: Duration = Duration::from_secs(120);

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

impl Answer {
    /// What an engine says is wrong, without the line's end.
    pub fn message(&self) -> String {
        match serde_json::from_str::<serde_json::Value>(&self.body) {
            Ok(value) => value["message"].as_str().unwrap_or_default().trim().to_owned(),
            Err(_) => self.body.trim().to_owned(),
        }
    }
}

/// The page at `url`, by the stock curl; `None` when it is not to be had.
pub fn page(url: &str) -> Option<String> {
    fetched(Command::new("curl"), url)
}

/// The same from within another network: `network` is the file that stands for it.
pub fn page_within(network: &str, url: &str) -> Option<String> {
    let mut within = Command::new("nsenter");
    within.arg(format!("--net={network}")).arg("curl");
    fetched(within, url)
}

fn fetched(mut curl: Command, url: &str) -> Option<String> {
    curl.args(["--silent", "--fail", "--connect-timeout", "2", "--max-time", "5", url]);
    let out = curl.output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Sends `body` as JSON to `host` (`unix://…`) on a connection of its own. HTTP/1.0, so that no answer comes in chunks.
///
/// # Errors
/// When the engine cannot be reached, does not speak HTTP, or says nothing for two minutes.
pub fn request(host: &str, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
    request_with(host, method, path, &[], body)
}

/// As [`request`]; [`Value::Null`] is no body.
///
/// # Errors
/// As there.
pub fn post(host: &str, path: &str, body: &Value) -> anyhow::Result<Answer> {
    request(host, "POST", path, &if body.is_null() { String::new() } else { body.to_string() })
}

/// The command with which a container prints a page, and gives up after five seconds.
pub fn fetch(url: &str) -> [&str; 7] {
    ["timeout", "5", "wget", "-q", "-O", "-", url]
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
    send(host, method, path, &[headers, &[("Content-Type", "application/json")]].concat(), body.as_bytes())
}

/// As [`request_with`], with a body of bytes, whose type is among the headers.
///
/// # Errors
/// As there.
pub fn send(host: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Answer> {
    let socket = host.strip_prefix("unix://").context("these cases talk over a Unix socket")?;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: docker\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    // In one piece: an engine that knows the answer from the head alone may have closed before the rest is written.
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    read.with_context(|| format!("{method} {path}: after {:?}", String::from_utf8_lossy(&bytes)))?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no HTTP answer: {text:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Answer {
        status: status.with_context(|| format!("no status in {head:?}"))?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
