//! Links, addresses and routes of one network namespace, by rtnetlink (man 7 rtnetlink, linux/if_link.h).

mod bridge;
mod lan;
mod read;
mod route;
mod veth;

use std::io;

use crate::netlink::{Batch, Socket, errno};

pub(crate) use bridge::BridgeSpec;
pub(crate) use lan::LanSpec;
pub(crate) use read::Link;
pub(crate) use route::Addressing;
pub(crate) use veth::VethSpec;

/// linux/if_link.h and neighbours: the numbers that this module uses.
mod uapi {
    pub(super) const RTM_NEWLINK: u16 = 16;
    pub(super) const RTM_DELLINK: u16 = 17;
    pub(super) const RTM_GETLINK: u16 = 18;
    pub(super) const RTM_SETLINK: u16 = 19;
    pub(super) const RTM_NEWADDR: u16 = 20;
    pub(super) const RTM_DELADDR: u16 = 21;
    pub(super) const RTM_GETADDR: u16 = 22;
    pub(super) const RTM_NEWROUTE: u16 = 24;
    pub(super) const RTM_GETROUTE: u16 = 26;
    pub(super) const RTM_NEWRULE: u16 = 32;

    pub(super) const NLM_F_REQUEST: u16 = 0x1;
    pub(super) const NLM_F_REPLACE: u16 = 0x100;
    pub(super) const NLM_F_EXCL: u16 = 0x200;
    pub(super) const NLM_F_CREATE: u16 = 0x400;

    pub(super) const IFLA_ADDRESS: u16 = 1;
    pub(super) const IFLA_IFNAME: u16 = 3;
    pub(super) const IFLA_MTU: u16 = 4;
    pub(super) const IFLA_LINK: u16 = 5;
    pub(super) const IFLA_MASTER: u16 = 10;
    pub(super) const IFLA_PROTINFO: u16 = 12;
    pub(super) const IFLA_LINKINFO: u16 = 18;
    pub(super) const IFLA_IFALIAS: u16 = 20;
    pub(super) const IFLA_STATS64: u16 = 23;
    pub(super) const IFLA_AF_SPEC: u16 = 26;
    pub(super) const IFLA_GROUP: u16 = 27;
    pub(super) const IFLA_NET_NS_FD: u16 = 28;
    pub(super) const IFLA_EXT_MASK: u16 = 29;
    pub(super) const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
    pub(super) const IFLA_NUM_TX_QUEUES: u16 = 31;
    pub(super) const IFLA_NUM_RX_QUEUES: u16 = 32;
    pub(super) const IFLA_INFO_KIND: u16 = 1;
    pub(super) const IFLA_INFO_DATA: u16 = 2;
    pub(super) const IFLA_INFO_SLAVE_KIND: u16 = 4;
    pub(super) const IFLA_INFO_SLAVE_DATA: u16 = 5;
    pub(super) const IFLA_BRPORT_STATE: u16 = 1;
    /// Hairpin mode.
    pub(super) const IFLA_BRPORT_MODE: u16 = 4;
    pub(super) const IFLA_BRPORT_FLUSH: u16 = 24;
    pub(super) const IFLA_BRPORT_ISOLATED: u16 = 33;
    pub(super) const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
    pub(super) const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
    pub(super) const VETH_INFO_PEER: u16 = 1;
    pub(super) const IFLA_MACVLAN_MODE: u16 = 1;
    pub(super) const IFLA_IPVLAN_MODE: u16 = 1;
    pub(super) const IFLA_IPVLAN_FLAGS: u16 = 2;
    pub(super) const IFLA_VLAN_ID: u16 = 1;

    pub(super) const IFA_ADDRESS: u16 = 1;
    pub(super) const IFA_LOCAL: u16 = 2;
    pub(super) const IFA_BROADCAST: u16 = 4;
    /// No duplicate address detection: addresses come from our own allocator.
    pub(super) const IFA_F_NODAD: u8 = 0x02;

    pub(super) const RTA_DST: u16 = 1;
    pub(super) const RTA_OIF: u16 = 4;
    pub(super) const RTA_GATEWAY: u16 = 5;
    pub(super) const RT_TABLE_MAIN: u8 = 254;
    pub(super) const RTPROT_BOOT: u8 = 3;
    pub(super) const RT_SCOPE_UNIVERSE: u8 = 0;
    pub(super) const RT_SCOPE_LINK: u8 = 253;
    pub(super) const RT_SCOPE_HOST: u8 = 254;
    pub(super) const RTN_UNICAST: u8 = 1;
    pub(super) const RTN_LOCAL: u8 = 2;
    pub(super) const FR_ACT_TO_TBL: u8 = 1;
    pub(super) const FRA_PRIORITY: u16 = 6;
    pub(super) const FRA_FWMARK: u16 = 10;
    pub(super) const FRA_FWMASK: u16 = 16;

    pub(super) const IFF_UP: u32 = 1;
}

/// A `struct ifinfomsg`.
fn ifinfo(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&change.to_ne_bytes());
    bytes
}

/// A route socket: the namespace that it was opened in, seen through rtnetlink.
#[derive(Debug)]
pub(crate) struct Route {
    socket: Socket,
}

impl Route {
    /// Opens the calling thread's network namespace.
    pub(crate) fn open() -> io::Result<Route> {
        Ok(Route { socket: Socket::open(libc::NETLINK_ROUTE)? })
    }

    /// Brings a link up.
    pub(crate) fn up(&mut self, index: u32) -> io::Result<()> {
        let mut batch = Batch::new();
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &ifinfo(index, uapi::IFF_UP, uapi::IFF_UP), |_| {});
        self.socket.apply(batch)
    }

    /// Renames a link that is down.
    pub(crate) fn rename(&mut self, name: &str, to: &str) -> io::Result<()> {
        let link = self.link(name)?.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
        let mut batch = Batch::new();
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &ifinfo(link.index, 0, 0), |a| {
            a.text(uapi::IFLA_IFNAME, to);
        });
        self.socket.apply(batch)
    }

    /// Removes a link; one end of a veth pair takes the other along. A link that is gone already is fine.
    pub(crate) fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut batch = Batch::new();
        batch.message(uapi::RTM_DELLINK, uapi::NLM_F_REQUEST, &ifinfo(0, 0, 0), |a| a.text(uapi::IFLA_IFNAME, name));
        match self.socket.apply(batch) {
            Err(e) if errno(&e) == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }

    /// Stops a bridge port from passing frames, forgets what was learned on it, and puts it among the links that
    /// [`Route::remove_retired`] removes. Takes microseconds, where removal takes milliseconds. A link that is gone
    /// already is fine.
    pub(crate) fn retire(&mut self, name: &str) -> io::Result<()> {
        const DISABLED: u8 = 0;
        let Some(link) = self.link(name)? else { return Ok(()) };
        let mut batch = Batch::new();
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &ifinfo(link.index, 0, 0), |a| {
            a.u32(uapi::IFLA_GROUP, RETIRED);
        });
        // By the bridge's own request and after the other change: a change of the link as a link makes the bridge look at
        // its carrier, and switch the port on again.
        let mut port = ifinfo(link.index, 0, 0);
        port[0] = libc::AF_BRIDGE as u8;
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &port, |a| {
            a.nest(uapi::IFLA_PROTINFO, |a| {
                a.u8(uapi::IFLA_BRPORT_STATE, DISABLED);
                a.bytes(uapi::IFLA_BRPORT_FLUSH, &[]);
            });
        });
        match self.socket.apply(batch) {
            Err(e) if errno(&e) == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }

    /// Removes all retired links at once: the kernel waits for its processors once for all of them.
    pub(crate) fn remove_retired(&mut self) -> io::Result<()> {
        let mut batch = Batch::new();
        batch.message(uapi::RTM_DELLINK, uapi::NLM_F_REQUEST, &ifinfo(0, 0, 0), |a| a.u32(uapi::IFLA_GROUP, RETIRED));
        match self.socket.apply(batch) {
            Err(e) if errno(&e) == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }
}

/// The interface group of retired links; a number that nobody chooses by chance.
const RETIRED: u32 = 0x6265_7274;
