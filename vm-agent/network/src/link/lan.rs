//! Links on top of a parent: macvlan and ipvlan, and the parents that are made for them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Route, ifinfo, uapi};
use crate::lan::Mode;
use crate::netlink::{Attributes, Batch};

/// A macvlan or ipvlan link to make.
#[derive(Debug)]
pub(crate) struct LanSpec<'a> {
    pub(crate) name: &'a str,
    /// Index of the parent.
    pub(crate) parent: u32,
    pub(crate) mode: Mode,
    /// `None` with ipvlan, whose links have the parent's.
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) netns: BorrowedFd<'a>,
}

impl Route {
    /// Makes the link directly in the sandbox, down.
    pub(crate) fn create_lan(&mut self, spec: &LanSpec<'_>) -> io::Result<()> {
        self.create(spec.name, |a| {
            a.u32(uapi::IFLA_LINK, spec.parent);
            a.u32(uapi::IFLA_NET_NS_FD, spec.netns.as_raw_fd() as u32);
            if let Some(mac) = spec.mac {
                a.bytes(uapi::IFLA_ADDRESS, &mac);
            }
            a.nest(uapi::IFLA_LINKINFO, |a| match spec.mode {
                Mode::Macvlan(mode) => {
                    a.text(uapi::IFLA_INFO_KIND, "macvlan");
                    a.nest(uapi::IFLA_INFO_DATA, |a| a.u32(uapi::IFLA_MACVLAN_MODE, mode));
                }
                Mode::Ipvlan { mode, flags } => {
                    a.text(uapi::IFLA_INFO_KIND, "ipvlan");
                    a.nest(uapi::IFLA_INFO_DATA, |a| {
                        a.bytes(uapi::IFLA_IPVLAN_MODE, &mode.to_ne_bytes());
                        a.bytes(uapi::IFLA_IPVLAN_FLAGS, &flags.to_ne_bytes());
                    });
                }
            });
        })
    }

    /// Makes the sub-interface of a VLAN, down.
    pub(crate) fn create_vlan(&mut self, name: &str, card: u32, id: u16) -> io::Result<()> {
        self.create(name, |a| {
            a.u32(uapi::IFLA_LINK, card);
            a.nest(uapi::IFLA_LINKINFO, |a| {
                a.text(uapi::IFLA_INFO_KIND, "vlan");
                a.nest(uapi::IFLA_INFO_DATA, |a| a.bytes(uapi::IFLA_VLAN_ID, &id.to_ne_bytes()));
            });
        })
    }

    /// Makes a link that leads nowhere, down.
    pub(crate) fn create_dummy(&mut self, name: &str) -> io::Result<()> {
        self.create(name, |a| a.nest(uapi::IFLA_LINKINFO, |a| a.text(uapi::IFLA_INFO_KIND, "dummy")))
    }

    /// Marks a link and brings it up.
    pub(crate) fn adopt(&mut self, name: &str, alias: &str) -> io::Result<()> {
        let mut batch = Batch::new();
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &ifinfo(0, uapi::IFF_UP, uapi::IFF_UP), |a| {
            a.text(uapi::IFLA_IFNAME, name);
            a.text(uapi::IFLA_IFALIAS, alias);
        });
        self.socket.apply(batch)
    }

    /// Gives a link its MAC address, also the one that it has: whoever is told of changes is told.
    pub(crate) fn set_address(&mut self, name: &str, mac: [u8; 6]) -> io::Result<()> {
        let mut batch = Batch::new();
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &ifinfo(0, 0, 0), |a| {
            a.text(uapi::IFLA_IFNAME, name);
            a.bytes(uapi::IFLA_ADDRESS, &mac);
        });
        self.socket.apply(batch)
    }

    fn create(&mut self, name: &str, fill: impl FnOnce(&mut Attributes<'_>)) -> io::Result<()> {
        let mut batch = Batch::new();
        let flags = uapi::NLM_F_REQUEST | uapi::NLM_F_CREATE | uapi::NLM_F_EXCL;
        batch.message(uapi::RTM_NEWLINK, flags, &ifinfo(0, 0, 0), |a| {
            a.text(uapi::IFLA_IFNAME, name);
            fill(a);
        });
        self.socket.apply(batch)
    }
}
