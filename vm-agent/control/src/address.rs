//! Hosts and networks as users write them, in settings of both sides.

use std::net::IpAddr;

/// Addresses that begin alike: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// CIDR (RFC 4632, RFC 4291).
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        bits.parse().ok().filter(|bits| *bits <= width).map(|bits| Network { address, bits })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`; the host without brackets.
pub fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => match text.find(':') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        },
    };
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port.parse().ok()?))),
        None => rest.is_empty().then_some((host, None)),
    }
}

/// Whether `host` can stand in a URL, a request line and a header: a name of letters, digits, `-`, `_` and `.`, or an address.
pub fn is_host(host: &str) -> bool {
    let name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    name && !host.is_empty() || host.parse::<IpAddr>().is_ok()
}

fn is_host_and_port(text: &str) -> bool {
    split_port(text).is_some_and(|(host, port)| is_host(host) && port != Some(0))
}

/// Whether an entry of `insecure_registries` is one: `host[:port]` or a network.
pub fn is_registry(entry: &str) -> bool {
    if entry.contains('/') { Network::parse(entry).is_some() } else { is_host_and_port(entry) }
}

/// Whether a mirror's URL is one: `http(s)://host[:port]`, perhaps with a path, with nothing else.
pub fn is_mirror(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else { return false };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_graphic() && !['?', '#', '@', '\\'].contains(&c);
    is_host_and_port(host) && path.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_and_mirrors_are_told_from_mistakes() {
        for good in
            ["reg.example", "reg.example:5000", "10.0.0.0/8", "10.1.2.3:80", "[fd00::1]:5000", "fd00::/8", "my_reg"]
        {
            assert!(is_registry(good), "{good}");
        }
        for bad in
            ["", "10.0.0.0/33", "reg.example/path", "http://reg", "reg:port", "reg:0", "a b", "fd00::1", "r@x", "[::1"]
        {
            assert!(!is_registry(bad), "{bad}");
        }
        for good in ["https://m.example", "http://m.example:5000/", "https://m.example/hub/a", "http://[::1]:5000"] {
            assert!(is_mirror(good), "{good}");
        }
        for bad in [
            "m.example",
            "ftp://m",
            "https://",
            "https:///x",
            "https://m?x",
            "https://m/x?y",
            "https://m#f",
            "https://u@m",
            "https://m:x",
            "https://m/a b",
            "https://m/\u{fc}",
        ] {
            assert!(!is_mirror(bad), "{bad}");
        }
    }

    #[test]
    fn networks_contain_what_begins_alike() {
        let contains =
            |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(contains("10.1.0.0/16", "10.1.255.1") && !contains("10.1.0.0/16", "10.2.0.1"));
        assert!(contains("0.0.0.0/0", "8.8.8.8") && contains("1.2.3.4/32", "1.2.3.4") && contains("::/0", "fe80::1"));
        assert!(!contains("::/0", "1.2.3.4"));
    }
}
