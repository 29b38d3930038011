//! Where a registry answers: hosts, schemes, and which of them need not prove who they are.

use std::net::IpAddr;

use crate::reference::DOCKER_HUB;
use crate::{Error, Result};

/// The host behind docker.io.
const HUB_HOST: &str = "registry-1.docker.io";

/// A server that speaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `host[:port]`, with a mirror's path behind it.
    pub(super) host: String,
    /// What may be tried, in order.
    pub(super) bases: Vec<Base>,
    /// A mirror: never pushed to, and never shown the user's credentials.
    pub(crate) is_mirror: bool,
}

/// A scheme, and whether certificates are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) scheme: &'static str,
    pub(super) strict: bool,
}

const HTTPS: Base = Base { scheme: "https", strict: true };
const HTTPS_UNCHECKED: Base = Base { scheme: "https", strict: false };
const HTTP: Base = Base { scheme: "http", strict: false };

impl Endpoint {
    pub(super) fn origin(domain: &str, insecure: &Insecure) -> Endpoint {
        let host = if domain == DOCKER_HUB { HUB_HOST } else { domain };
        // TLS first even where HTTP is allowed, as in dockerd: credentials must not go out in clear without need.
        let bases = if insecure.allows(host) { vec![HTTPS_UNCHECKED, HTTP] } else { vec![HTTPS] };
        Endpoint { host: host.to_owned(), bases, is_mirror: false }
    }

    pub(super) fn mirror(url: &str) -> Result<Endpoint> {
        let invalid = || Error::Settings(format!("{url:?} is no mirror: it must look like https://mirror.example.com"));
        let (base, rest) = match url.split_once("://") {
            Some(("https", rest)) => (HTTPS, rest),
            Some(("http", rest)) => (HTTP, rest),
            _ => return Err(invalid()),
        };
        let host = rest.trim_end_matches('/');
        if host.is_empty() || host.contains(['?', '#', '@']) {
            return Err(invalid());
        }
        Ok(Endpoint { host: host.to_owned(), bases: vec![base], is_mirror: true })
    }
}

/// The hosts that the user trusts without proof.
#[derive(Debug)]
pub(super) struct Insecure {
    hosts: Vec<String>,
    networks: Vec<(IpAddr, u8)>,
}

impl Insecure {
    pub(super) fn parse(entries: &[String]) -> Result<Insecure> {
        let mut insecure = Insecure { hosts: Vec::new(), networks: Vec::new() };
        for entry in entries {
            match entry.split_once('/') {
                Some((address, bits)) => {
                    let invalid =
                        || Error::Settings(format!("insecure registry {entry:?} is neither host[:port] nor a network"));
                    let address: IpAddr = address.parse().map_err(|_| invalid())?;
                    let width = if address.is_ipv4() { 32 } else { 128 };
                    let bits = bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(invalid)?;
                    insecure.networks.push((address, bits));
                }
                None => insecure.hosts.push(entry.to_ascii_lowercase()),
            }
        }
        Ok(insecure)
    }

    /// Names are not looked up: they may mean something else behind the proxy.
    fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.split_once(':').map_or(host.as_str(), |(name, _)| name),
        };
        if name == "localhost" || self.hosts.iter().any(|entry| *entry == host || entry == name) {
            return true;
        }
        let Ok(address) = name.parse::<IpAddr>() else { return false };
        address.is_loopback() || self.networks.iter().any(|network| contains(network, &address))
    }
}

fn contains((network, bits): &(IpAddr, u8), address: &IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_listed_hosts_are_insecure() {
        let insecure =
            Insecure::parse(&["reg.lan:5000".to_owned(), "10.1.0.0/16".to_owned(), "Plain".to_owned()]).unwrap();
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]:5000",
            "reg.lan:5000",
            "10.1.2.3",
            "plain:1",
        ] {
            assert!(insecure.allows(host), "{host}");
        }
        for host in ["reg.lan", "reg.lan:5001", "10.2.0.1", "docker.io", "localhost.example.com", "[::2]:5000"] {
            assert!(!insecure.allows(host), "{host}");
        }
        assert!(Insecure::parse(&["10.0.0.0/33".to_owned()]).is_err());
        assert!(Insecure::parse(&["0.0.0.0/0".to_owned()]).unwrap().allows("8.8.8.8"));
    }

    #[test]
    fn mirrors_are_urls() {
        assert_eq!(Endpoint::mirror("https://m.example.com/hub/").unwrap().host, "m.example.com/hub");
        for bad in ["m.example.com", "ftp://x", "https://", "https://user@host"] {
            assert!(Endpoint::mirror(bad).is_err(), "{bad}");
        }
    }
}
