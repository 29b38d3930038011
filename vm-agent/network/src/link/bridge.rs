//! Bridges.

use std::io;

use super::{Route, ifinfo, uapi};
use crate::netlink::{Batch, errno};

/// A bridge to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BridgeSpec {
    pub(crate) name: String,
    /// Fixed, or the bridge would take the lowest address of its ports and change it with them.
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u32,
    /// Marks the bridge as ours: `berth:<network id>`.
    pub(crate) alias: String,
}

impl Route {
    /// Makes a bridge and brings it up; fails with EEXIST when the name is taken.
    pub(crate) fn create_bridge(&mut self, spec: &BridgeSpec) -> io::Result<()> {
        let mut batch = Batch::new();
        let flags = uapi::NLM_F_REQUEST | uapi::NLM_F_CREATE | uapi::NLM_F_EXCL;
        batch.message(uapi::RTM_NEWLINK, flags, &ifinfo(0, 0, 0), |a| {
            a.text(uapi::IFLA_IFNAME, &spec.name);
            a.bytes(uapi::IFLA_ADDRESS, &spec.mac);
            a.nest(uapi::IFLA_LINKINFO, |a| a.text(uapi::IFLA_INFO_KIND, "bridge"));
        });
        // The alias and the MTU of a bridge are taken only once it exists.
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &ifinfo(0, uapi::IFF_UP, uapi::IFF_UP), |a| {
            a.text(uapi::IFLA_IFNAME, &spec.name);
            a.text(uapi::IFLA_IFALIAS, &spec.alias);
            a.u32(uapi::IFLA_MTU, spec.mtu);
        });
        self.socket.apply(batch)
    }

    /// Brings an existing bridge to the wanted settings.
    pub(crate) fn adjust_bridge(&mut self, spec: &BridgeSpec) -> io::Result<()> {
        let mut batch = Batch::new();
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &ifinfo(0, uapi::IFF_UP, uapi::IFF_UP), |a| {
            a.text(uapi::IFLA_IFNAME, &spec.name);
            a.text(uapi::IFLA_IFALIAS, &spec.alias);
            a.u32(uapi::IFLA_MTU, spec.mtu);
        });
        self.socket.apply(batch)
    }

    /// Lets a bridge send frames back through the port that they came by. A link that is gone already, or that is no bridge's
    /// any more, is fine.
    pub(crate) fn hairpin(&mut self, port: &str) -> io::Result<()> {
        let Some(link) = self.link(port)?.filter(|link| link.master != 0) else { return Ok(()) };
        // By the bridge's own request: one about the link as a link would switch a retired port on again.
        let mut header = ifinfo(link.index, 0, 0);
        header[0] = libc::AF_BRIDGE as u8;
        let mut batch = Batch::new();
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &header, |a| {
            a.nest(uapi::IFLA_PROTINFO, |a| a.u8(uapi::IFLA_BRPORT_MODE, 1));
        });
        match self.socket.apply(batch) {
            Err(e) if errno(&e) == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }
}
