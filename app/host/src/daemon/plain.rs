//! The engine over TCP without TLS, for programs on this computer: not for web pages that a browser on it shows.
//!
//! A page can make its browser send requests to loopback addresses, by a name of its own that leads there too. Browsers say so:
//! `Host` has the page's name for this computer, and `Origin` or `Sec-Fetch-Site` that a page asks. Docker's clients send neither.
//! Only the first request of a connection is looked at: a browser shares none between pages and programs.

use std::io::{self, Cursor};
use std::net::IpAddr;

use control::copy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::engine;
use crate::machine::Handle;

/// What containers call this computer, where it is offered to them.
const FROM_CONTAINERS: &str = "host.docker.internal";

/// Serves one client to its end.
pub(super) async fn serve(mut client: TcpStream, machine: &Handle) -> io::Result<()> {
    // Without a deadline: `docker system dial-stdio` connects before anybody asked it for anything.
    let head = engine::read_head(&mut client).await?;
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
    for line in head.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let fine = match name.as_str() {
            "host" => is_local(value),
            "origin" | "sec-fetch-site" => false,
            _ => true,
        };
        if !fine {
            return Some(format!(
                "this port is for programs on this computer that call it localhost or 127.0.0.1, and not for web pages \
                 (`{name}: {}`)",
                value.escape_debug()
            ));
        }
    }
    None
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name).to_ascii_lowercase();
    let is_loopback = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    // Nobody can have a name below `localhost` lead elsewhere, or to a page of theirs (RFC 6761).
    is_loopback || name == "localhost" || name.ends_with(".localhost") || name == FROM_CONTAINERS
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
            "Host: host.docker.internal:2375",
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
            "Host: localhost:2375\r\nSec-Fetch-Site: cross-site",
        ] {
            assert!(refused(page), "{page}");
        }
        assert!(!refused("Host: localhost\r\n\r\nOrigin: in the body"));
    }
}
