//! Addresses and routes.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Route, ifinfo, uapi};
use crate::netlink::{Batch, attributes, errno, get_u32};

/// The routing table of [`Route::deliver`], and its rule's place: before the main table's. Numbers that people leave alone.
const DELIVERY_TABLE: u8 = 251;
const DELIVERY_PRIORITY: u32 = 251;

/// What one interface of a sandbox gets, applied in one system call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Addressing {
    /// Address and prefix length.
    pub(crate) addresses: Vec<IpNet>,
    /// Next hops of default routes; an unspecified address for one by the interface itself.
    pub(crate) gateways: Vec<IpAddr>,
}

impl Route {
    /// Brings a link up and adds addresses and default routes to it.
    pub(crate) fn address(&mut self, index: u32, wanted: &Addressing) -> io::Result<()> {
        let mut batch = Batch::new();
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &ifinfo(index, uapi::IFF_UP, uapi::IFF_UP), |_| {});
        for address in &wanted.addresses {
            add_address(&mut batch, index, address);
        }
        for gateway in &wanted.gateways {
            default_route(&mut batch, index, *gateway);
        }
        self.socket.apply(batch)
    }

    /// Delivers what carries `mark` to this machine's sockets, whatever its destination; `loopback` is `lo`.
    pub(crate) fn deliver(&mut self, ipv6: bool, mark: u32, loopback: u32) -> io::Result<()> {
        let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET } as u8;
        let mut batch = Batch::new();
        // struct rtmsg, as below.
        let mut header = [0; 12];
        header[0] = family;
        header[4] = DELIVERY_TABLE;
        header[5] = uapi::RTPROT_BOOT;
        header[6] = uapi::RT_SCOPE_HOST;
        header[7] = uapi::RTN_LOCAL;
        let flags = uapi::NLM_F_REQUEST | uapi::NLM_F_CREATE | uapi::NLM_F_REPLACE;
        batch.message(uapi::RTM_NEWROUTE, flags, &header, |a| a.u32(uapi::RTA_OIF, loopback));
        self.socket.apply(batch)?;
        // struct fib_rule_hdr: family, dst_len, src_len, tos, table, two unused, action, flags.
        let mut header = [0; 12];
        header[0] = family;
        header[4] = DELIVERY_TABLE;
        header[7] = uapi::FR_ACT_TO_TBL;
        let mut batch = Batch::new();
        let flags = uapi::NLM_F_REQUEST | uapi::NLM_F_CREATE | uapi::NLM_F_EXCL;
        batch.message(uapi::RTM_NEWRULE, flags, &header, |a| {
            a.u32(uapi::FRA_PRIORITY, DELIVERY_PRIORITY);
            a.u32(uapi::FRA_FWMARK, mark);
            a.u32(uapi::FRA_FWMASK, mark);
        });
        match self.socket.apply(batch) {
            Err(error) if errno(&error) == Some(libc::EEXIST) => Ok(()),
            other => other,
        }
    }

    /// Removes an address; one that is gone already is fine.
    pub(crate) fn remove_address(&mut self, index: u32, address: &IpNet) -> io::Result<()> {
        let mut batch = Batch::new();
        batch.message(uapi::RTM_DELADDR, uapi::NLM_F_REQUEST, &ifaddr(index, address, 0), |a| {
            a.bytes(uapi::IFA_LOCAL, &octets(address.addr()));
        });
        match self.socket.apply(batch) {
            Err(e) if errno(&e) == Some(libc::EADDRNOTAVAIL) => Ok(()),
            other => other,
        }
    }

    /// All addresses of the namespace with the index of their link.
    pub(crate) fn addresses(&mut self) -> io::Result<Vec<(u32, IpNet)>> {
        let replies = self.socket.dump(uapi::RTM_GETADDR, &[0; 8])?;
        let list = replies.iter().filter(|r| r.kind == uapi::RTM_NEWADDR).filter_map(|reply| {
            let header = reply.payload.first_chunk::<8>()?;
            let index = get_u32(&header[4..8]);
            let mut address = None;
            for a in attributes(&reply.payload[8..]) {
                // On point-to-point links IFA_ADDRESS is the other side, so IFA_LOCAL wins where it exists.
                if a.kind == uapi::IFA_LOCAL || (a.kind == uapi::IFA_ADDRESS && address.is_none()) {
                    address = ip(a.value);
                }
            }
            Some((index, IpNet::new(address?, header[1]).ok()?))
        });
        Ok(list.collect())
    }

    /// The destinations that the namespace's main table routes somewhere, default routes left out.
    pub(crate) fn routed(&mut self) -> io::Result<Vec<IpNet>> {
        let replies = self.socket.dump(uapi::RTM_GETROUTE, &[0; 12])?;
        let list = replies.iter().filter(|r| r.kind == uapi::RTM_NEWROUTE).filter_map(|reply| {
            let header = reply.payload.first_chunk::<12>()?;
            if header[4] != uapi::RT_TABLE_MAIN || header[1] == 0 {
                return None;
            }
            let destination = attributes(&reply.payload[12..]).find(|a| a.kind == uapi::RTA_DST)?;
            IpNet::new(ip(destination.value)?, header[1]).ok()
        });
        Ok(list.collect())
    }
}

fn add_address(batch: &mut Batch, index: u32, address: &IpNet) {
    let flags = uapi::NLM_F_REQUEST | uapi::NLM_F_CREATE | uapi::NLM_F_REPLACE;
    let address_flags = if address.addr().is_ipv6() { uapi::IFA_F_NODAD } else { 0 };
    batch.message(uapi::RTM_NEWADDR, flags, &ifaddr(index, address, address_flags), |a| {
        a.bytes(uapi::IFA_LOCAL, &octets(address.addr()));
        a.bytes(uapi::IFA_ADDRESS, &octets(address.addr()));
        if let IpNet::V4(v4) = address
            && v4.prefix_len() < 31
        {
            a.bytes(uapi::IFA_BROADCAST, &v4.broadcast().octets());
        }
    });
}

/// Replaces another default route of the family.
fn default_route(batch: &mut Batch, index: u32, gateway: IpAddr) {
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags.
    let mut header = [0; 12];
    header[0] = family(gateway);
    header[4] = uapi::RT_TABLE_MAIN;
    header[5] = uapi::RTPROT_BOOT;
    header[6] = match gateway {
        IpAddr::V4(ip) if ip.is_unspecified() => uapi::RT_SCOPE_LINK,
        _ => uapi::RT_SCOPE_UNIVERSE,
    };
    header[7] = uapi::RTN_UNICAST;
    let flags = uapi::NLM_F_REQUEST | uapi::NLM_F_CREATE | uapi::NLM_F_REPLACE;
    batch.message(uapi::RTM_NEWROUTE, flags, &header, |a| {
        if !gateway.is_unspecified() {
            a.bytes(uapi::RTA_GATEWAY, &octets(gateway));
        }
        a.u32(uapi::RTA_OIF, index);
    });
}

/// A `struct ifaddrmsg`.
fn ifaddr(index: u32, address: &IpNet, flags: u8) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[0] = family(address.addr());
    bytes[1] = address.prefix_len();
    bytes[2] = flags;
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes
}

fn family(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}
