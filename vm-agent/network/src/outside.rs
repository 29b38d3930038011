//! The way out over an interface whose other end is a process of this machine.

use std::io;

use ipnet::IpNet;

use crate::Result;
use crate::link::{Addressing, Route};
use crate::sandbox::kernel;

/// Everything that is not this machine's own leaves by the interface `link`. Of TCP it carries first packets only: the process
/// puts them back, and its transparent listener on the loopback address of either family has the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// An interface that is there already.
    pub link: String,
    /// This machine's own addresses there.
    pub addresses: Vec<IpNet>,
    /// The listener's port.
    pub listener: u16,
    /// What tells packets for the listener from others on their way through the routes.
    pub mark: u32,
}

impl Outside {
    /// Makes addresses and routes, whatever of it exists.
    pub(crate) fn lead(&self, route: &mut Route) -> Result<()> {
        let (v4, v6): (Vec<IpNet>, Vec<IpNet>) = self.addresses.iter().partition(|net| net.addr().is_ipv4());
        self.lead_family(route, v4).map_err(kernel("lead packets to the link to the host"))?;
        if !v6.is_empty()
            && let Err(error) = self.lead_family(route, v6)
        {
            tracing::warn!(%error, "no way out by IPv6");
        }
        Ok(())
    }

    fn lead_family(&self, route: &mut Route, addresses: Vec<IpNet>) -> io::Result<()> {
        let missing = || io::Error::from_raw_os_error(libc::ENODEV);
        let index = route.link(&self.link)?.ok_or_else(missing)?.index;
        let loopback = route.link("lo")?.ok_or_else(missing)?.index;
        let ipv6 = addresses.iter().any(|net| net.addr().is_ipv6());
        let gateway =
            if ipv6 { std::net::Ipv6Addr::UNSPECIFIED.into() } else { std::net::Ipv4Addr::UNSPECIFIED.into() };
        route.address(index, &Addressing { addresses, gateways: vec![gateway] })?;
        route.deliver(ipv6, self.mark, loopback)
    }
}
