//! The addresses of [`crate::NetworkKind::Link`]: what the guest calls itself, and what it finds there of the host.
//!
//! They are Docker Desktop's, which people have in their configurations. Only these addresses are taken from the world, not
//! the networks around them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The guest's link over which everything leaves that is not the guest's own.
pub const LINK: &str = "outside";
/// The guest.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(192, 168, 65, 3);
pub const GUEST_IPV6: Ipv6Addr = Ipv6Addr::new(0xfdc4, 0xf303, 0x9324, 0, 0, 0, 0, 3);
/// The host's own loopback: the one address that leads there.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 65, 254);
/// Another name for it; also the sender of errors.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 65, 1);
/// The sender of errors about IPv6.
pub const GATEWAY_IPV6: Ipv6Addr = Ipv6Addr::new(0xfdc4, 0xf303, 0x9324, 0, 0, 0, 0, 1);
/// Answers DNS queries with the host's resolver.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 168, 65, 7);
/// Where the relay picks up connections, on the loopback address of either family.
pub const LISTENER: u16 = 1081;
/// On packets that the guest's kernel must hand to the relay's sockets though their destination is elsewhere.
pub const MARK: u32 = 0x0100_0000;

/// The names of the host, and what they mean.
pub const NAMES: [(&str, Ipv4Addr); 2] = [("host.docker.internal", HOST), ("gateway.docker.internal", GATEWAY)];

/// Whether the address is one of those that lead to the host's loopback.
pub fn is_host(address: IpAddr) -> bool {
    address == HOST || address == GATEWAY
}
