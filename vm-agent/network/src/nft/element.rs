//! What changes in the table while the engine runs: elements of its sets and maps.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::ruleset;
use super::transaction::RawElement;
use crate::Protocol;

/// A fact about our networks that the packet filter must know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Element {
    /// The bridge is ours.
    Bridge(String),
    /// Containers on the bridge may talk to each other.
    Talk(String),
    /// Nothing leaves or enters the bridge.
    Internal(String),
    /// The bridge's addresses may be reached from outside without a published port.
    Open(String),
    /// Traffic from the subnet leaves with the engine's own address.
    Masquerade(IpNet),
    /// What arrives for the port goes to the target; without `ip`, on every address of the target's family.
    Publish { protocol: Protocol, ip: Option<IpAddr>, port: u16, target: SocketAddr },
}

impl Element {
    /// The set that it belongs to, and its form there.
    pub(super) fn encode(&self) -> (&'static str, RawElement) {
        let plain = |key| RawElement { key, end: None, data: None };
        match self {
            Element::Bridge(name) => (ruleset::BRIDGES, plain(interface(name))),
            Element::Talk(name) => (ruleset::TALK, plain([interface(name), interface(name)].concat())),
            Element::Internal(name) => (ruleset::INTERNAL, plain(interface(name))),
            Element::Open(name) => (ruleset::OPEN, plain(interface(name))),
            Element::Masquerade(net) => {
                let (set, key, end) = match net {
                    IpNet::V4(v4) => {
                        let end = u32::from(v4.broadcast()).wrapping_add(1);
                        (ruleset::MASQUERADE4, v4.network().octets().to_vec(), end.to_be_bytes().to_vec())
                    }
                    IpNet::V6(v6) => {
                        let end = u128::from(v6.broadcast()).wrapping_add(1);
                        (ruleset::MASQUERADE6, v6.network().octets().to_vec(), end.to_be_bytes().to_vec())
                    }
                };
                (set, RawElement { key, end: Some(end), data: None })
            }
            Element::Publish { protocol, ip, port, target } => {
                let mut key = ip.map_or(Vec::new(), octets);
                key.extend_from_slice(&[protocol.number(), 0, 0, 0]);
                key.extend_from_slice(&slot(*port));
                let mut data = octets(target.ip());
                data.extend_from_slice(&slot(target.port()));
                let set = match (target.is_ipv4(), ip.is_some()) {
                    (true, true) => ruleset::PUBLISHED4,
                    (true, false) => ruleset::PUBLISHED4_ANY,
                    (false, true) => ruleset::PUBLISHED6,
                    (false, false) => ruleset::PUBLISHED6_ANY,
                };
                (set, RawElement { key, end: None, data: Some(data) })
            }
        }
    }
}

/// An interface name as the kernel compares it: 16 bytes, filled up with zeros.
pub(super) fn interface(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// A port in a register: network order in the first two of four bytes.
fn slot(port: u16) -> [u8; 4] {
    let [a, b] = port.to_be_bytes();
    [a, b, 0, 0]
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_become_half_open_intervals() {
        let (set, raw) = Element::Masquerade("172.17.0.0/16".parse().unwrap()).encode();
        assert_eq!(set, "masquerade4");
        assert_eq!((raw.key, raw.end.unwrap()), (vec![172, 17, 0, 0], vec![172, 18, 0, 0]));
    }

    #[test]
    fn published_ports_fill_whole_registers() {
        let publish = Element::Publish {
            protocol: Protocol::Udp,
            ip: Some("10.1.2.3".parse().unwrap()),
            port: 53,
            target: "172.17.0.2:5353".parse().unwrap(),
        };
        let (set, raw) = publish.encode();
        assert_eq!(set, "published4");
        assert_eq!(raw.key, [10, 1, 2, 3, 17, 0, 0, 0, 0, 53, 0, 0]);
        assert_eq!(raw.data.unwrap(), [172, 17, 0, 2, 0x14, 0xe9, 0, 0]);
    }
}
