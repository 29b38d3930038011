//! Where the engine is offered over TCP: `tcp://ADDRESS[:PORT]`.
//!
//! Docker's registered ports say what is spoken there, as its clients and everybody's firewall rules take them: 2375 plain HTTP, 2376
//! TLS. So 2375 is the only port without TLS, and only of a loopback address: whoever reaches it is root in the machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// A place to listen at that was judged safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    socket: SocketAddr,
}

impl Address {
    pub fn socket(self) -> SocketAddr {
        self.socket
    }

    /// Whether clients must speak TLS and have a certificate.
    pub fn is_tls(self) -> bool {
        self.socket.port() != PLAIN_PORT
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tcp://{}", self.socket)
    }
}

impl FromStr for Address {
    type Err = String;

    /// The error says what is wrong and what to write instead.
    fn from_str(text: &str) -> Result<Address, String> {
        let looks = "it must look like tcp://0.0.0.0:2376, or tcp://127.0.0.1:2375 without TLS";
        let rest = text.strip_prefix("tcp://").ok_or_else(|| format!("`{text}` is no address: {looks}"))?;
        let socket = parse(rest.trim_end_matches('/')).ok_or_else(|| {
            format!("`{text}` is no address of this computer: {looks}; 0.0.0.0 and [::] are all that it has")
        })?;
        if socket.port() == 0 {
            return Err(format!("`{text}` has no port that clients could know: docker's is 2376"));
        }
        if socket.port() == PLAIN_PORT && !socket.ip().is_loopback() {
            return Err(format!(
                "`{text}` would make everybody who reaches it root in the machine, for port 2375 is docker's without TLS: \
                 use port 2376 and give clients a certificate (`berth tls create`); 2375 can only be at 127.0.0.1 or [::1]"
            ));
        }
        Ok(Address { socket })
    }
}

fn parse(text: &str) -> Option<SocketAddr> {
    let (host, port) = match text.rsplit_once(':') {
        // The last colon of an IPv6 address without a port is within its brackets.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, TLS_PORT),
    };
    let ip = match host {
        "" if text.starts_with(':') => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => IpAddr::V6(host.parse().ok()?),
            None => IpAddr::V4(host.parse().ok()?),
        },
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_s_ports_say_what_is_spoken() {
        for (text, shown, tls) in [
            ("tcp://0.0.0.0:2376", "tcp://0.0.0.0:2376", true),
            ("tcp://0.0.0.0", "tcp://0.0.0.0:2376", true),
            ("tcp://:2376", "tcp://0.0.0.0:2376", true),
            ("tcp://[::]:4000/", "tcp://[::]:4000", true),
            ("tcp://[::1]", "tcp://[::1]:2376", true),
            ("tcp://192.0.2.7:4000", "tcp://192.0.2.7:4000", true),
            ("tcp://localhost:2375", "tcp://127.0.0.1:2375", false),
            ("tcp://[::1]:2375", "tcp://[::1]:2375", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.is_tls()), (shown, tls), "{text}");
            assert_eq!(shown.parse(), Ok(address));
        }
    }

    #[test]
    fn nothing_is_plain_beyond_loopback() {
        for text in ["tcp://0.0.0.0:2375", "tcp://:2375", "tcp://[::]:2375", "tcp://192.0.2.7:2375"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.starts_with(&format!("`{text}` would make everybody")) && error.contains("2376"), "{error}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in
            ["0.0.0.0:2376", "unix:///x", "tcp://", "tcp://host.example:2376", "tcp://1.2.3.4:x", "tcp://::1", ""]
        {
            let error = text.parse::<Address>().unwrap_err();
            assert!(
                error.starts_with(&format!("`{text}` is no address")) && error.contains("tcp://0.0.0.0:2376"),
                "{error}"
            );
        }
        assert!("tcp://127.0.0.1:0".parse::<Address>().unwrap_err().contains("no port"));
    }
}
