//! What changes in the table while the engine runs: elements of its sets and maps.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

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
    /// Containers on the bridge must not talk to each other, but for links.
    Apart(String),
    /// The bridge's addresses of the family may be reached from outside without a published port.
    Open { bridge: String, ipv6: bool },
    /// The bridge's addresses of the family are its containers' own everywhere.
    Routed { bridge: String, ipv6: bool },
    /// Traffic from the subnet leaves with the engine's own address.
    Masquerade(IpNet),
    /// Traffic from the subnet leaves with this address.
    Source { subnet: IpNet, address: IpAddr },
    /// A container's port is open to everybody at the container's address.
    Opened { protocol: Protocol, target: SocketAddr },
    /// The same, to what comes by this interface.
    Trusted { interface: String, protocol: Protocol, target: SocketAddr },
    /// What is published on a loopback address is for this machine alone.
    Loopback { protocol: Protocol, ip: Ipv4Addr, port: u16 },
    /// A container on the bridge may use another one's port, whatever else they may not.
    Link { bridge: String, protocol: Protocol, from: Ipv4Addr, to: SocketAddrV4 },
    /// What comes from this address and goes to it is a container's own, sent to what it publishes.
    Hairpin { container: IpAddr },
    /// What arrives for the port goes to the target; without `ip`, on every address of the target's family.
    Publish { protocol: Protocol, ip: Option<IpAddr>, port: u16, target: SocketAddr },
}

impl Element {
    /// The set that it belongs to, and its form there.
    pub(super) fn encode(&self) -> (&'static str, RawElement) {
        let plain = |set, parts: &[Vec<u8>]| (set, RawElement { key: parts.concat(), end: None, data: None });
        match self {
            Element::Bridge(name) => plain(ruleset::BRIDGES, &[interface(name)]),
            Element::Talk(name) => plain(ruleset::TALK, &[interface(name), interface(name)]),
            Element::Apart(name) => plain(ruleset::APART, &[interface(name), interface(name)]),
            Element::Internal(name) => plain(ruleset::INTERNAL, &[interface(name)]),
            Element::Open { bridge, ipv6 } => plain(ruleset::OPEN.of(*ipv6), &[interface(bridge)]),
            Element::Routed { bridge, ipv6 } => plain(ruleset::ROUTED.of(*ipv6), &[interface(bridge)]),
            Element::Masquerade(net) => {
                let (key, end) = interval(net);
                let raw = RawElement { key, end: Some(end), data: None };
                (ruleset::MASQUERADE.of(matches!(net, IpNet::V6(_))), raw)
            }
            Element::Source { subnet, address } => {
                let (key, end) = interval(subnet);
                let raw = RawElement { key, end: Some(end), data: Some(octets(*address)) };
                (ruleset::SOURCE.of(address.is_ipv6()), raw)
            }
            Element::Opened { protocol, target } => {
                plain(ruleset::OPENED.of(target.is_ipv6()), &[at(*protocol, target.ip(), target.port())])
            }
            Element::Trusted { interface: from, protocol, target } => {
                let target_at = at(*protocol, target.ip(), target.port());
                plain(ruleset::TRUSTED.of(target.is_ipv6()), &[interface(from), target_at])
            }
            Element::Loopback { protocol, ip, port } => {
                plain(ruleset::LOOPBACK4, &[at(*protocol, (*ip).into(), *port)])
            }
            Element::Link { bridge, protocol, from, to } => {
                let to = at(*protocol, (*to.ip()).into(), to.port());
                plain(ruleset::LINKS4, &[interface(bridge), from.octets().to_vec(), to])
            }
            Element::Hairpin { container } => {
                plain(ruleset::HAIRPIN.of(container.is_ipv6()), &[octets(*container), octets(*container)])
            }
            Element::Publish { protocol, ip, port, target } => {
                let key = match ip {
                    Some(ip) => at(*protocol, *ip, *port),
                    None => [slot(protocol.number(), 0), slot16(*port)].concat(),
                };
                let data = [octets(target.ip()), slot16(target.port()).to_vec()].concat();
                let sets = if ip.is_some() { ruleset::PUBLISHED } else { ruleset::PUBLISHED_ANY };
                (sets.of(target.is_ipv6()), RawElement { key, end: None, data: Some(data) })
            }
        }
    }
}

/// First address of a subnet, and first one after it.
fn interval(net: &IpNet) -> (Vec<u8>, Vec<u8>) {
    match net {
        IpNet::V4(v4) => {
            let end = u32::from(v4.broadcast()).wrapping_add(1);
            (v4.network().octets().to_vec(), end.to_be_bytes().to_vec())
        }
        IpNet::V6(v6) => {
            let end = u128::from(v6.broadcast()).wrapping_add(1);
            (v6.network().octets().to_vec(), end.to_be_bytes().to_vec())
        }
    }
}

/// Address, protocol and port in consecutive registers.
fn at(protocol: Protocol, ip: IpAddr, port: u16) -> Vec<u8> {
    [octets(ip), slot(protocol.number(), 0).to_vec(), slot16(port).to_vec()].concat()
}

/// An interface name as the kernel compares it: 16 bytes, filled up with zeros.
pub(super) fn interface(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// Two bytes in the first of a register's four.
fn slot(first: u8, second: u8) -> [u8; 4] {
    [first, second, 0, 0]
}

/// A port in a register, in network order.
fn slot16(port: u16) -> [u8; 4] {
    let [a, b] = port.to_be_bytes();
    slot(a, b)
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
