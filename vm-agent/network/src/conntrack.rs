//! Forgetting connections that the kernel tracks (linux/netfilter/nfnetlink_conntrack.h).
//!
//! Address translation is decided at a connection's first packet. Datagrams that keep coming to a port keep their
//! "connection" alive, and with it the decision from before the port was published, or for a container that is gone.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use crate::Protocol;
use crate::netlink::{Batch, Socket, attributes, errno};

const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;
const NLM_F_REQUEST: u16 = 1;

const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;

/// Forgets UDP flows to `ports` of this machine (`local`: its addresses), translated or not. Others, such as a
/// container's own questions to port 53 of some server, live on. A kernel that cannot list connections is left alone.
pub(crate) fn forget_udp(ports: &BTreeSet<u16>, local: &[IpAddr]) -> io::Result<()> {
    let mut socket = Socket::open(libc::NETLINK_NETFILTER)?;
    let entries = match socket.dump(GET, &[0; 4]) {
        Ok(entries) => entries,
        Err(e) if matches!(errno(&e), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT)) => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let Some((header, rest)) = entry.payload.split_first_chunk::<4>() else { continue };
        let find = |kind| attributes(rest).find(|a| a.kind == kind).map(|a| a.value);
        let (Some(original), Some(reply), Some(id)) = (find(ORIGINAL), find(REPLY), find(ID)) else { continue };
        let (to, from) = (Tuple::parse(original), Tuple::parse(reply));
        let here = to.destination.is_some_and(|ip| local.contains(&ip)) || to.destination != from.source;
        if to.protocol != Protocol::Udp.number() || !ports.contains(&to.port) || !here {
            continue;
        }
        let mut batch = Batch::new();
        batch.message(DELETE, NLM_F_REQUEST, header, |a| {
            a.nest(ORIGINAL, |a| a.raw(original));
            a.bytes(ID, id);
        });
        match socket.apply(batch) {
            // It ended by itself.
            Err(e) if errno(&e) == Some(libc::ENOENT) => {}
            other => other?,
        }
    }
    Ok(())
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Tuple {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: u8,
    /// Of the destination.
    port: u16,
}

impl Tuple {
    fn parse(bytes: &[u8]) -> Tuple {
        let mut tuple = Tuple::default();
        for part in attributes(bytes) {
            for a in attributes(part.value) {
                match (part.kind, a.kind) {
                    (1, 1 | 3) => tuple.source = address(a.value),
                    (1, 2 | 4) => tuple.destination = address(a.value),
                    (2, 1) => tuple.protocol = a.value.first().copied().unwrap_or(0),
                    (2, 3) => tuple.port = a.value.first_chunk().map_or(0, |p| u16::from_be_bytes(*p)),
                    _ => {}
                }
            }
        }
        tuple
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
