//! Pairs of virtual Ethernet links: one end on a bridge, the other in a sandbox.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Route, ifinfo, uapi};
use crate::netlink::{Attributes, Batch};

/// A pair to make.
#[derive(Debug)]
pub(crate) struct VethSpec<'a> {
    pub(crate) host_name: &'a str,
    /// Index of the bridge.
    pub(crate) master: u32,
    pub(crate) mtu: u32,
    /// The port may talk to the bridge only, not to other isolated ports: no traffic between containers.
    pub(crate) isolated: bool,
    pub(crate) peer_name: &'a str,
    pub(crate) peer_mac: [u8; 6],
    pub(crate) peer_netns: BorrowedFd<'a>,
}

impl Route {
    /// Makes the pair with its peer directly in the sandbox, in one system call. The bridge's end is up; the peer
    /// cannot be made so, since the kernel opens it before the two ends know each other.
    ///
    /// Two messages: what concerns a link as a bridge port, and its IPv6 mode, is taken only for a link that exists.
    /// The bridge's end needs no IPv6 address of its own; without one the kernel sends no neighbour discovery for it.
    pub(crate) fn create_veth(&mut self, spec: &VethSpec<'_>) -> io::Result<()> {
        let mut batch = Batch::new();
        let flags = uapi::NLM_F_REQUEST | uapi::NLM_F_CREATE | uapi::NLM_F_EXCL;
        batch.message(uapi::RTM_NEWLINK, flags, &ifinfo(0, 0, 0), |a| {
            a.text(uapi::IFLA_IFNAME, spec.host_name);
            a.u32(uapi::IFLA_MTU, spec.mtu);
            a.u32(uapi::IFLA_MASTER, spec.master);
            one_queue(a);
            a.nest(uapi::IFLA_LINKINFO, |a| {
                a.text(uapi::IFLA_INFO_KIND, "veth");
                a.nest(uapi::IFLA_INFO_DATA, |a| {
                    a.nest(uapi::VETH_INFO_PEER, |a| {
                        a.raw(&ifinfo(0, 0, 0));
                        a.text(uapi::IFLA_IFNAME, spec.peer_name);
                        a.bytes(uapi::IFLA_ADDRESS, &spec.peer_mac);
                        a.u32(uapi::IFLA_MTU, spec.mtu);
                        one_queue(a);
                        a.u32(uapi::IFLA_NET_NS_FD, spec.peer_netns.as_raw_fd() as u32);
                    });
                });
            });
        });
        batch.message(uapi::RTM_SETLINK, uapi::NLM_F_REQUEST, &ifinfo(0, uapi::IFF_UP, uapi::IFF_UP), |a| {
            a.text(uapi::IFLA_IFNAME, spec.host_name);
            a.nest(uapi::IFLA_AF_SPEC, |a| {
                a.nest(libc::AF_INET6 as u16, |a| {
                    a.u8(uapi::IFLA_INET6_ADDR_GEN_MODE, uapi::IN6_ADDR_GEN_MODE_NONE);
                });
            });
        });
        if spec.isolated {
            batch.message(uapi::RTM_NEWLINK, uapi::NLM_F_REQUEST, &ifinfo(0, 0, 0), |a| {
                a.text(uapi::IFLA_IFNAME, spec.host_name);
                a.nest(uapi::IFLA_LINKINFO, |a| {
                    a.text(uapi::IFLA_INFO_SLAVE_KIND, "bridge");
                    a.nest(uapi::IFLA_INFO_SLAVE_DATA, |a| a.u8(uapi::IFLA_BRPORT_ISOLATED, 1));
                });
            });
        }
        self.socket.apply(batch)
    }
}

/// The kernel's default is a queue for each processor, each with entries in sysfs; they serve XDP programs only.
fn one_queue(a: &mut Attributes<'_>) {
    a.u32(uapi::IFLA_NUM_TX_QUEUES, 1);
    a.u32(uapi::IFLA_NUM_RX_QUEUES, 1);
}
