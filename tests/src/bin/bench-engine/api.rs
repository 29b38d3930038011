//! The fewest bytes that ask an engine for something: HTTP/1.1 over its Unix socket, one kept connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use anyhow::{Context, ensure};
use serde_json::Value;

/// A connection to an engine.
pub(crate) struct Api {
    path: String,
    kept: Mutex<Option<BufReader<UnixStream>>>,
}

impl Api {
    pub(crate) fn new(host: &str) -> anyhow::Result<Self> {
        let path = host.strip_prefix("unix://").context("an engine is named by unix:///path/to/its.sock")?;
        Ok(Self { path: path.to_owned(), kept: Mutex::default() })
    }

    /// The socket's file.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask("GET", path, None)
    }

    /// The body as it came: what reading a long answer takes is the client's matter.
    pub(crate) fn get_bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        self.exchange("GET", path, None)
    }

    /// Starts an exec as a client does that is attached to it, and reads until its end.
    pub(crate) fn attached_exec(&self, id: &str) -> anyhow::Result<()> {
        let mut stream = UnixStream::connect(&self.path)?;
        let body = "{}";
        let head = format!(
            "POST /v1.51/exec/{id}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        ensure!(answer.starts_with(b"HTTP/1.1 101"), "start of an exec: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }

    pub(crate) fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.ask("POST", path, body)
    }

    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.ask("DELETE", path, None)
    }

    /// Sends one request and reads its whole answer; `Null` for an empty one.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let answer = self.exchange(method, path, body)?;
        // Progress streams are several values: the last one tells the outcome.
        let last = answer.split(|byte| *byte == b'\n').rfind(|line| !line.trim_ascii().is_empty());
        let Some(last) = last else { return Ok(Value::Null) };
        let value: Value = serde_json::from_slice(last).or_else(|_| serde_json::from_slice(&answer))?;
        ensure!(value.get("errorDetail").is_none(), "{method} {path}: {value}");
        Ok(value)
    }

    /// The body of a request that succeeds.
    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Vec<u8>> {
        let mut kept = self.kept.lock().expect("no holder panics");
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => BufReader::new(UnixStream::connect(&self.path).with_context(|| self.path.clone())?),
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        let head = format!("{method} /v1.51{path} HTTP/1.1\r\nHost: d\r\n{kind}Content-Length: {length}\r\n\r\n");
        stream.get_mut().write_all((head + &body).as_bytes())?;
        let (status, answer) = read_answer(&mut stream)?;
        *kept = Some(stream);
        ensure!(status < 400, "{method} {path}: {status} {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }
}

fn read_answer(stream: &mut BufReader<UnixStream>) -> anyhow::Result<(u16, Vec<u8>)> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status =
        line.split(' ').nth(1).and_then(|code| code.parse().ok()).with_context(|| format!("status {line:?}"))?;
    let (mut length, mut chunked) = (0, false);
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        chunked |= header.strip_prefix("transfer-encoding:").is_some_and(|value| value.contains("chunked"));
    }
    let mut body = Vec::new();
    if !chunked {
        body.resize(length, 0);
        stream.read_exact(&mut body)?;
        return Ok((status, body));
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim_end(), 16).with_context(|| format!("chunk size {line:?}"))?;
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        let mut end = [0; 2];
        stream.read_exact(&mut end)?;
        if size == 0 {
            return Ok((status, body));
        }
    }
}
