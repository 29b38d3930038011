//! Base chains of others that see forwarded packets.

use std::io;

use super::ruleset;
use crate::netlink::{Socket, attributes, text};

/// A chain on the way of forwarded packets that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignChain {
    /// `ip`, `ip6` or `inet`
    pub(crate) family: &'static str,
    pub(crate) table: String,
    pub(crate) name: String,
    /// Its policy is to drop.
    pub(crate) drops: bool,
}

/// Lists them for the calling thread's network namespace.
pub(crate) fn foreign_forward_chains() -> io::Result<Vec<ForeignChain>> {
    const GET_CHAIN: u16 = 10 << 8 | 4;
    const NF_INET_FORWARD: [u8; 4] = 2u32.to_be_bytes();
    const NF_DROP: [u8; 4] = 0u32.to_be_bytes();
    let mut socket = Socket::open(libc::NETLINK_NETFILTER)?;
    let mut chains = Vec::new();
    for reply in socket.dump(GET_CHAIN, &[0; 4])? {
        let Some((header, rest)) = reply.payload.split_first_chunk::<4>() else { continue };
        let family = match header[0] {
            1 => "inet",
            2 => "ip",
            10 => "ip6",
            _ => continue,
        };
        let (mut table, mut name, mut forward, mut drops) = (String::new(), String::new(), false, false);
        for a in attributes(rest) {
            match a.kind {
                1 => table = text(a.value),
                3 => name = text(a.value),
                4 => forward = attributes(a.value).any(|h| h.kind == 1 && h.value == NF_INET_FORWARD),
                5 => drops = a.value == NF_DROP,
                _ => {}
            }
        }
        if forward && table != ruleset::TABLE {
            chains.push(ForeignChain { family, table, name, drops });
        }
    }
    Ok(chains)
}
