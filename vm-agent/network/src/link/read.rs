//! What links there are.

use std::io;

use super::{Route, ifinfo, uapi};
use crate::InterfaceStats;
use crate::netlink::{Reply, attributes, errno, get_u32, text};

/// A link as the kernel reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `bridge`, `veth`, ...; empty for physical links and `lo`.
    pub(crate) kind: String,
    /// Index of the bridge that it is a port of; 0: none.
    pub(crate) master: u32,
    /// Index of a veth's other end, in the namespace that has it.
    pub(crate) peer: u32,
    pub(crate) alias: String,
    pub(crate) stats: InterfaceStats,
}

impl Route {
    /// The link of that name, if there is one; without its counters.
    pub(crate) fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        match self.socket.ask(uapi::RTM_GETLINK, &ifinfo(0, 0, 0), |a| {
            a.text(uapi::IFLA_IFNAME, name);
            a.u32(uapi::IFLA_EXT_MASK, uapi::RTEXT_FILTER_SKIP_STATS);
        }) {
            Ok(reply) => Ok(parse(&reply)),
            Err(e) if errno(&e) == Some(libc::ENODEV) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Has the kernel act on a link's new carrier now. A link passes frames, and a bridge its port's, only once a work item
    /// of the kernel has seen the carrier; under load that is late enough to lose a container's first packets, and a
    /// lost first packet costs a second. Reading the link does that work at once (Linux 6.8; rtnl_getlink).
    pub(crate) fn settle(&mut self, name: &str) -> io::Result<()> {
        self.link(name).map(drop)
    }

    /// All links of the namespace.
    pub(crate) fn links(&mut self) -> io::Result<Vec<Link>> {
        Ok(self.socket.dump(uapi::RTM_GETLINK, &ifinfo(0, 0, 0))?.iter().filter_map(parse).collect())
    }
}

fn parse(reply: &Reply) -> Option<Link> {
    if reply.kind != uapi::RTM_NEWLINK {
        return None;
    }
    let mut link = Link { index: get_u32(reply.payload.get(4..8)?), ..Link::default() };
    for a in attributes(reply.payload.get(16..)?) {
        match a.kind {
            uapi::IFLA_IFNAME => link.name = text(a.value),
            uapi::IFLA_IFALIAS => link.alias = text(a.value),
            uapi::IFLA_LINK => link.peer = get_u32(a.value),
            uapi::IFLA_MASTER => link.master = get_u32(a.value),
            uapi::IFLA_STATS64 => link.stats = counters(a.value),
            uapi::IFLA_LINKINFO => {
                if let Some(kind) = attributes(a.value).find(|a| a.kind == uapi::IFLA_INFO_KIND) {
                    link.kind = text(kind.value);
                }
            }
            _ => {}
        }
    }
    Some(link)
}

/// The first eight counters of `struct rtnl_link_stats64`.
fn counters(value: &[u8]) -> InterfaceStats {
    let n = |i: usize| value.get(i * 8..i * 8 + 8).and_then(|v| v.try_into().ok()).map_or(0, u64::from_ne_bytes);
    InterfaceStats {
        rx_packets: n(0),
        tx_packets: n(1),
        rx_bytes: n(2),
        tx_bytes: n(3),
        rx_errors: n(4),
        tx_errors: n(5),
        rx_dropped: n(6),
        tx_dropped: n(7),
    }
}
