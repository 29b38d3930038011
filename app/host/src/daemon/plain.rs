//! The engine over TCP without TLS, for programs on this computer: not for web pages that a browser on it shows.
//!
//! A page can make its browser send requests to loopback addresses, by a name of its own that leads there too. `Host` has that name
//! then. By a loopback name or address the request looks like any other, but for what browsers add: `Origin`, `Referer`, `Sec-…`, and
//! always `User-Agent: Mozilla/…`, which a page cannot change without asking first, by a request that has it all. Docker's clients send
//! none of them, but for the `Origin` that WebSocket clients must send and make of the address that they ask. Since every request of a
//! browser is told by its agent alone, only the first one of a connection is looked at.
//!
//! HTTP/2 without TLS, by which gRPC's clients begin, no browser speaks.
//!
//! This keeps pages out, no programs: not a browser that was told to call itself something else, and nothing that fetches for others.

use std::io::{self, Cursor};
use std::net::IpAddr;

use control::copy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::engine;
use crate::machine::Handle;

/// Serves one client to its end.
pub(super) async fn serve(mut client: TcpStream, machine: &Handle) -> io::Result<()> {
    // Without a deadline: `docker system dial-stdio` connects before anybody asked it for anything.
    let mut head = Vec::new();
    engine::read_head(&mut client, &mut head).await?;
    if let Some(reason) = refuses(&head) {
        client.write_all(&engine::refusal("403 Forbidden", &reason)).await?;
        client.shutdown().await?;
        copy::drain(&mut client).await;
        return Ok(());
    }
    let (reader, writer) = client.into_split();
    engine::relay(tokio::io::join(Cursor::new(head).chain(reader), writer), machine).await
}

/// Why a request with this head, and perhaps some of its body, is not served.
fn refuses(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let head = head.split_once("\r\n\r\n").map_or(&*head, |(head, _)| head);
    let headers: Vec<_> = head
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase()))
        .collect();
    let own_origin = |origin: &str| {
        headers.iter().any(|(name, host)| name == "host" && origin.strip_prefix("http://") == Some(host.as_str()))
    };
    let (name, value) = headers.iter().find(|(name, value)| match name.as_str() {
        "host" => !is_local(value),
        "origin" => !own_origin(value),
        "referer" => true,
        "user-agent" => value.starts_with("mozilla/"),
        name => name.starts_with("sec-") && !name.starts_with("sec-websocket-"),
    })?;
    Some(format!(
        "this port is for programs on this computer that call it localhost or 127.0.0.1, and not for web pages (`{name}: {}`)",
        value.escape_debug()
    ))
}

/// `host` in lower case, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_loopback = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    // Nobody can have a name below `localhost` lead elsewhere, or to a page of theirs (RFC 6761).
    is_loopback || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_served_and_web_pages_are_not() {
        let refused = |lines: &str| refuses(format!("GET /_ping HTTP/1.1\r\n{lines}\r\n\r\n").as_bytes()).is_some();
        for fine in [
            "Host: localhost:2375",
            "Host: 127.0.0.1:2375\r\nUser-Agent: Docker-Client/28.5.2 (linux)",
            "host: [::1]:2375",
            "Host: 127.3.4.5",
            "Host: [::1]",
            "Host: api.moby.localhost",
            "Host: LOCALHOST:2375\r\nOrigin: http://localhost:2375\r\nSec-WebSocket-Version: 13",
            "Origin: http://127.0.0.1:2375\r\nHost: 127.0.0.1:2375",
            "Host: localhost:2375\r\nUser-Agent: docker-sdk-python/7.1.0",
            "",
        ] {
            assert!(!refused(fine), "{fine}");
        }
        for page in [
            "Host: rebound.example:2375",
            "Host: localhost.rebound.example",
            "Host: 10.0.0.1:2375",
            "Host: localhost:2375\r\nOrigin: https://page.example",
            "Host: localhost:2375\r\nORIGIN: null",
            "Host: localhost:2375\r\nOrigin: http://localhost:3000",
            "Host: localhost:2375\r\nOrigin: https://localhost:2375",
            "Host: rebound.example:2375\r\nOrigin: http://rebound.example:2375",
            "Host: localhost:2375\r\nSec-Fetch-Site: cross-site",
            "Host: localhost:2375\r\nSec-Fetch-Mode: no-cors",
            "Host: localhost:2375\r\nsec-ch-ua: \"Chromium\"",
            "Host: localhost:2375\r\nReferer: https://page.example/",
            // An image in Safari before 16.4: nothing else tells it.
            "Host: localhost:2375\r\nUser-Agent: Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15",
            // The name that many have in /etc/hosts; Berth gives it to nobody.
            "Host: host.docker.internal:2375",
        ] {
            assert!(refused(page), "{page}");
        }
        assert!(!refused("Host: localhost\r\n\r\nOrigin: in the body"));
        assert_eq!(refuses(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), None);
    }
}
