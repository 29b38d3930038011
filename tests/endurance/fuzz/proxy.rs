//! From a loopback port to the engine's socket, one request a connection, looking at every answer.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;

/// An engine that says nothing for so long, before or within an answer, hangs.
const PATIENCE: Duration = Duration::from_secs(45);
/// Answers that may go on for ever without a word, by the end of the path.
const STREAMS: [&str; 6] = ["/events", "/logs", "/stats", "/attach", "/wait", "/start"];
/// How long more of such a stream is waited for.
const STREAM: Duration = Duration::from_millis(300);
/// How much of any answer is passed on, in bytes.
const ENOUGH: usize = 1 << 20;

/// What the paths of all requests begin with.
pub(super) const VERSION: &str = "/v1.51";

/// A request whose answer was a server's error, or that had none.
#[derive(Debug, Clone)]
pub(super) struct Strange {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    body: String,
    /// 0: no answer.
    pub(super) status: u16,
    pub(super) text: String,
}

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| text.chars().take(600).collect::<String>();
        write!(f, "{} {} {}\n    {} {}", self.method, self.path, short(&self.body), self.status, short(&self.text))
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Method and path, without version and query, of every request.
    pub(super) requests: Vec<(String, String)>,
    pub(super) strange: Vec<Strange>,
}

pub(super) struct Proxy {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Proxy {
    /// `after` is called after each answer, before the client has it, with method and path. Its threads end with the process.
    pub(super) fn start(host: &str, after: impl Fn(&str, &str) + Send + Sync + 'static) -> anyhow::Result<Proxy> {
        let socket = PathBuf::from(host.strip_prefix("unix://").context("a Unix socket")?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let seen = Arc::<Mutex<Seen>>::default();
        let (shared, after) = (Arc::clone(&seen), Arc::new(after));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (socket, seen, after) = (socket.clone(), Arc::clone(&shared), Arc::clone(&after));
                std::thread::spawn(move || {
                    // A client that went away has seen enough.
                    let _ = pass(client, &socket, &seen, &*after);
                });
            }
        });
        Ok(Proxy { port, seen })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn end(self) -> Seen {
        self.seen.lock().expect("no panic").clone()
    }
}

fn pass(mut client: TcpStream, socket: &Path, seen: &Mutex<Seen>, after: &dyn Fn(&str, &str)) -> anyhow::Result<()> {
    let head = tests::http::head(&mut client)?;
    let body = request_body(&head, &mut client)?;
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    // Of its own accord the answer ends with its connection.
    let kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        !["connection", "keep-alive", "transfer-encoding", "content-length", "expect"].contains(&name.as_str())
    };
    let lines: Vec<&str> = head.trim_end().split("\r\n").filter(kept).collect();
    let mut request = format!("{}\r\nConnection: close\r\n", lines.join("\r\n")).into_bytes();
    if !body.is_empty() || method != "GET" {
        request.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    request.extend(b"\r\n");
    request.extend(&body);
    let plain = path.split('?').next().unwrap_or_default();
    let plain = plain.strip_prefix(VERSION).unwrap_or(plain).to_owned();
    let endless = STREAMS.iter().any(|end| plain.ends_with(end));
    let (status, kind, text) = ask(socket, &request, method == "HEAD", endless);
    after(&method, &plain);
    {
        let mut seen = seen.lock().expect("no panic");
        seen.requests.push((method.clone(), plain));
        if status == 0 || status >= 500 {
            let body = String::from_utf8_lossy(&body).into_owned();
            let text = String::from_utf8_lossy(&text).into_owned();
            seen.strange.push(Strange { method, path, body, status, text });
        }
    }
    // A status that ends no answer, or has no body, would confuse the client; none was given to one that waited in vain.
    let told = if status < 200 { 504 } else { status };
    let length = if told == 204 || told == 304 { String::new() } else { format!("Content-Length: {}\r\n", text.len()) };
    write!(client, "HTTP/1.1 {told} x\r\n{kind}{length}Connection: close\r\n\r\n")?;
    client.write_all(&text)?;
    Ok(())
}

fn request_body(head: &str, client: &mut impl Read) -> anyhow::Result<Vec<u8>> {
    let value = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase())
        })
    };
    if value("transfer-encoding").is_some_and(|value| value == "chunked") {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(line(client)?.trim(), 16)?;
            let at = body.len();
            body.resize(at + size, 0);
            client.read_exact(&mut body[at..])?;
            line(client)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let mut body = vec![0; value("content-length").map_or(Ok(0), |value| value.parse())?];
    client.read_exact(&mut body)?;
    Ok(body)
}

fn line(client: &mut impl Read) -> anyhow::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        line.extend(byte);
    }
    Ok(String::from_utf8(line)?)
}

/// Status, the content type's header line, and the body; status 0 with a reason when there was no answer, or not the whole of it.
fn ask(socket: &Path, request: &[u8], headless: bool, endless: bool) -> (u16, String, Vec<u8>) {
    let ask = || -> anyhow::Result<(u16, String, Vec<u8>)> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // An engine that refuses a request by its head need not read the rest.
        let _ = stream.write_all(request);
        let head = tests::http::head(&mut stream)?;
        let status: u16 = head.split(' ').nth(1).context("a status")?.parse()?;
        let kind = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-type:"));
        let kind = kind.map(|line| format!("{line}\r\n")).unwrap_or_default();
        if headless || status == 204 || status == 304 {
            return Ok((status, kind, Vec::new()));
        }
        if status == 101 {
            return Ok((200, kind, Vec::new()));
        }
        let lower = head.to_ascii_lowercase();
        let value = |name: &str| lower.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: Option<usize> = value("content-length:").map(str::parse).transpose()?;
        let chunked = value("transfer-encoding:") == Some("chunked");
        let body = if endless && length.is_none() { some(&mut stream)? } else { whole(&mut stream, length, chunked)? };
        Ok((status, kind, if chunked { content(&body) } else { body }))
    };
    ask().unwrap_or_else(|error| (0, String::new(), format!("{error:#}").into_bytes()))
}

/// What comes of a stream, until it pauses.
fn some(stream: &mut UnixStream) -> anyhow::Result<Vec<u8>> {
    let (mut body, begun) = (Vec::new(), Instant::now());
    stream.set_read_timeout(Some(STREAM))?;
    let mut some = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut some) {
        body.extend_from_slice(&some[..count]);
        if body.len() > ENOUGH || begun.elapsed() > 2 * STREAM {
            break;
        }
    }
    Ok(body)
}

/// An answer's body to its end, or more than enough of it.
fn whole(stream: &mut UnixStream, length: Option<usize>, chunked: bool) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let read = stream.take(ENOUGH as u64).read_to_end(&mut body);
    let cut = || format!("the answer breaks off after {:?}", String::from_utf8_lossy(&body[..body.len().min(600)]));
    read.with_context(cut)?;
    let complete = length.is_none_or(|length| length == body.len()) && (!chunked || body.ends_with(b"0\r\n\r\n"));
    anyhow::ensure!(complete || body.len() == ENOUGH, "{}", cut());
    Ok(body)
}

/// The content of chunks, as far as they came.
fn content(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|two| two == b"\r\n") {
        let size =
            std::str::from_utf8(&chunks[..end]).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let Some(size @ 1..) = size else { break };
        let from = end + 2;
        let to = chunks.len().min(from + size);
        body.extend_from_slice(&chunks[from..to]);
        chunks = chunks.get(to + 2..).unwrap_or_default();
    }
    body
}
