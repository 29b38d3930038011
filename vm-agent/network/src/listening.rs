//! Which sockets of the calling thread's network namespace wait for others (linux/sock_diag.h, linux/inet_diag.h of the kernel, sock_diag(7)).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Protocol;
use crate::netlink::{Reply, Socket, attributes};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// Lengths of `struct inet_diag_sockid` and of `struct inet_diag_msg`, of which it is a part, behind four bytes.
const SOCKID: usize = 48;
const MESSAGE: usize = 4 + SOCKID + 20;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_CGROUP_ID: u16 = 21;
/// States of sockets (net/tcp_states.h): a UDP socket without a peer is closed.
const TCP_CLOSE: u32 = 7;
const TCP_LISTEN: u32 = 10;

/// A socket that anybody may send to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    pub protocol: Protocol,
    pub address: SocketAddr,
    /// An IPv6 socket that takes nothing by IPv4 (`IPV6_V6ONLY`).
    pub only_ipv6: bool,
    /// The ID of the cgroup of v2 that the socket was made in: its directory's inode number.
    pub cgroup: u64,
}

/// All of them, TCP's first. What is bound to one interface is left out.
///
/// # Errors
///
/// A kernel that cannot list sockets: its modules `tcp_diag` or `udp_diag` are missing (ENOENT).
pub fn listening() -> io::Result<Vec<Listening>> {
    let mut socket = Socket::open(libc::NETLINK_SOCK_DIAG)?;
    let mut all = Vec::new();
    for (protocol, state) in [(Protocol::Tcp, TCP_LISTEN), (Protocol::Udp, TCP_CLOSE)] {
        for family in [libc::AF_INET, libc::AF_INET6] {
            let replies = socket.dump(SOCK_DIAG_BY_FAMILY, &question(family as u8, protocol, state))?;
            all.extend(replies.iter().filter_map(|reply| parse(reply, protocol)));
        }
    }
    Ok(all)
}

/// `struct inet_diag_req_v2`: all sockets of a family and a protocol that are in one state.
fn question(family: u8, protocol: Protocol, state: u32) -> Vec<u8> {
    let mut question = vec![family, protocol.number(), 0, 0];
    question.extend_from_slice(&(1_u32 << state).to_ne_bytes());
    question.resize(8 + SOCKID, 0);
    question
}

fn parse(reply: &Reply, protocol: Protocol) -> Option<Listening> {
    let (message, rest) = reply.payload.split_at_checked(MESSAGE)?;
    let (family, id) = (message[0], &message[4..4 + SOCKID]);
    let port = u16::from_be_bytes([id[0], id[1]]);
    let ip = if i32::from(family) == libc::AF_INET {
        IpAddr::V4(Ipv4Addr::from(*id[4..].first_chunk::<4>()?))
    } else {
        IpAddr::V6(Ipv6Addr::from(*id[4..].first_chunk::<16>()?))
    };
    let interface = u32::from_ne_bytes(*id[36..].first_chunk()?);
    if reply.kind != SOCK_DIAG_BY_FAMILY || port == 0 || interface != 0 {
        return None;
    }
    let find = |kind| attributes(rest).find(|attribute| attribute.kind == kind).map(|attribute| attribute.value);
    Some(Listening {
        protocol,
        address: SocketAddr::new(ip, port),
        only_ipv6: find(INET_DIAG_SKV6ONLY).is_some_and(|value| value.first() == Some(&1)),
        cgroup: find(INET_DIAG_CGROUP_ID).and_then(|value| value.first_chunk()).map_or(0, |id| u64::from_ne_bytes(*id)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_is_found_and_what_does_not_is_not() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let six = std::net::TcpListener::bind("[::]:0");
        let udp = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        let connected = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        connected.connect(udp.local_addr().map(|all| ("127.0.0.1", all.port())).unwrap()).unwrap();
        let all = match listening() {
            // A kernel without the modules, which the machine's has.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return println!("SKIPPED: no sock_diag: {error}"),
            all => all.unwrap(),
        };
        let has =
            |protocol, address: SocketAddr| all.iter().any(|one| (one.protocol, one.address) == (protocol, address));
        assert!(has(Protocol::Tcp, tcp.local_addr().unwrap()), "{all:?}");
        assert!(has(Protocol::Udp, udp.local_addr().unwrap()), "{all:?}");
        assert!(!has(Protocol::Udp, connected.local_addr().unwrap()), "{all:?}");
        if let Ok(six) = six {
            let found = all.iter().find(|one| one.address == six.local_addr().unwrap());
            assert!(found.is_some_and(|found| !found.only_ipv6), "{all:?}");
        }
    }

    #[test]
    fn answers_are_read_field_by_field() {
        let mut payload = vec![libc::AF_INET6 as u8, 10, 0, 0];
        payload.extend_from_slice(&8080_u16.to_be_bytes());
        payload.extend_from_slice(&[0, 0]);
        payload.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        payload.resize(MESSAGE, 0);
        payload
            .extend_from_slice(&[&5_u16.to_ne_bytes()[..], &INET_DIAG_SKV6ONLY.to_ne_bytes(), &[1, 0, 0, 0]].concat());
        payload.extend_from_slice(&[&12_u16.to_ne_bytes()[..], &INET_DIAG_CGROUP_ID.to_ne_bytes()].concat());
        payload.extend_from_slice(&77_u64.to_ne_bytes());
        let expect =
            Listening { protocol: Protocol::Tcp, address: "[::1]:8080".parse().unwrap(), only_ipv6: true, cgroup: 77 };
        let reply = |payload: &[u8]| Reply { kind: SOCK_DIAG_BY_FAMILY, payload: payload.to_vec() };
        assert_eq!(parse(&reply(&payload), Protocol::Tcp), Some(expect));
        for short in 0..MESSAGE {
            assert_eq!(parse(&reply(&payload[..short]), Protocol::Tcp), None);
        }
        // Bound to an interface.
        payload[4 + 36] = 3;
        assert_eq!(parse(&reply(&payload), Protocol::Tcp), None);
    }
}
