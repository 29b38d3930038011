//! The user's HTTP proxy on the way out: which one by `control::proxy`, then CONNECT (RFC 9110, section 9.3.6).

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::Proxies;
use control::address::is_host;
use control::proxy::{Proxy, ProxyError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest answer to CONNECT before the connection becomes the target's.
const HEAD_MAX: usize = 16 << 10;

/// Why there is no connection, worded for the user; no variant holds a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Without a proxy between.
    #[error(transparent)]
    Direct(#[from] io::Error),
    #[error("the proxy for {target} cannot be used: {error}")]
    Unusable { target: String, error: ProxyError },
    #[error("`{host}` cannot be asked of a proxy: it is neither a host's name nor an address")]
    Name { host: String },
    #[error(
        "the proxy {proxy} cannot be reached: {error}; `berth config list` shows the proxies, no_proxy exempts hosts"
    )]
    Unreachable { proxy: String, error: io::Error },
    #[error("the proxy {proxy} broke off when asked for {target}: {error}")]
    BrokeOff { proxy: String, target: String, error: io::Error },
    #[error("{proxy} does not answer as an HTTP proxy does: it said `{said}`")]
    NoProxy { proxy: String, said: String },
    #[error(
        "the proxy {proxy} wants other credentials (407): put user and password into its URL, as \
         http://USER:PASSWORD@{proxy}"
    )]
    Credentials { proxy: String },
    #[error("the proxy {proxy} does not lead to {target}: it answered {status}; no_proxy exempts hosts")]
    Refused { proxy: String, target: String, status: String },
}

/// Connects to `host`, by its proxy if it has one.
pub(crate) async fn connect(proxies: &Proxies, host: &str, port: u16) -> Result<TcpStream, Failure> {
    let chosen = proxies
        .choose(host, port)
        .map_err(|error| Failure::Unusable { target: target(host, port), error: error.clone() })?;
    let Some(proxy) = chosen else { return Ok(TcpStream::connect((host, port)).await?) };
    // It comes from the guest and goes into a header.
    if !is_host(host) {
        return Err(Failure::Name { host: host.escape_default().to_string() });
    }
    let reached = TcpStream::connect((proxy.host.as_str(), proxy.port)).await;
    let mut stream = reached.map_err(|error| Failure::Unreachable { proxy: proxy.to_string(), error })?;
    handshake(&mut stream, proxy, &target(host, port)).await?;
    Ok(stream)
}

fn target(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// Has the proxy connect to `target`; from then on the stream is the target's.
async fn handshake(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    target: &str,
) -> Result<(), Failure> {
    let broke_off = |error| Failure::BrokeOff { proxy: proxy.to_string(), target: target.to_owned(), error };
    let authorization = match &proxy.credentials {
        Some((user, password)) => {
            format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
        }
        None => String::new(),
    };
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(broke_off)?;
    let head = read_head(stream).await.map_err(broke_off)?;
    let status_line = head.lines().next().unwrap_or_default();
    let status = status_line.split_once(' ').filter(|(version, _)| version.starts_with("HTTP/1."));
    let code = status.and_then(|(_, status)| status.get(..3)?.parse::<u16>().ok());
    let proxy = proxy.to_string();
    match (code, status) {
        (Some(200..=299), _) => Ok(()),
        (Some(407), _) => Err(Failure::Credentials { proxy }),
        (Some(_), Some((_, status))) => {
            Err(Failure::Refused { proxy, target: target.to_owned(), status: shown(status) })
        }
        _ => Err(Failure::NoProxy { proxy, said: shown(status_line) }),
    }
}

/// Up to the empty line. Byte by byte: what follows belongs to the target.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        // Something else than HTTP may never send an empty line.
        if head.len() >= HEAD_MAX || head.len() == 5 && head != b"HTTP/" {
            break;
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A line of somebody else's, for a message of ours.
fn shown(line: &str) -> String {
    line.trim().chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the handshake makes of a proxy's answer, and what it asked.
    async fn shake(url: &str, answer: &'static [u8]) -> (Result<(), String>, String, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(4096);
        let proxy = Proxy::parse(url).unwrap();
        far.write_all(answer).await.unwrap();
        let result = handshake(&mut near, &proxy, "reg.example:443").await.map_err(|error| error.to_string());
        let mut asked = vec![0; 4096];
        let n = far.read(&mut asked).await.unwrap();
        drop(far);
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        (result, String::from_utf8_lossy(&asked[..n]).into_owned(), rest)
    }

    #[tokio::test]
    async fn the_request_has_the_credentials_and_the_rest_is_the_targets() {
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nhello";
        let (result, asked, rest) = shake("http://us%3Aer:p%40ss@proxy:3128", answer).await;
        assert_eq!(result, Ok(()));
        assert_eq!(
            asked,
            "CONNECT reg.example:443 HTTP/1.1\r\nHost: reg.example:443\r\n\
             Proxy-Authorization: Basic dXM6ZXI6cEBzcw==\r\n\r\n"
        );
        assert_eq!(rest, b"hello");
        let (_, asked, _) = shake("http://proxy:3128", answer).await;
        assert!(!asked.contains("Authorization"), "{asked}");
    }

    #[tokio::test]
    async fn a_refusal_says_what_to_do_and_never_the_password() {
        let url = "http://user:hunter2@proxy:3128";
        for (answer, words) in [
            (&b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..], "wants other credentials (407)"),
            (b"HTTP/1.0 403 Forbidden\r\nServer: x\r\n\r\n", "it answered 403 Forbidden"),
            (b"HTTP/1.1 502 Bad Gateway\n\n", "does not lead to reg.example:443"),
            (b"SSH-2.0-OpenSSH_9\r\n", "does not answer as an HTTP proxy does: it said `SSH-2`"),
            (b"HTTP/1.1 soup\r\n\r\n", "it said `HTTP/1.1 soup`"),
        ] {
            let error = shake(url, answer).await.0.unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_name_that_would_be_a_header_is_not_sent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let settings = control::ProxySettings { https: Some(url), ..Default::default() };
        let result = connect(&Proxies::new(&settings), "x\r\nEvil: 1", 443).await;
        assert!(matches!(result, Err(Failure::Name { .. })), "{result:?}");
    }
}
