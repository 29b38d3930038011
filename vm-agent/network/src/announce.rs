//! Whose an address is now, told to neighbours that may know another owner's MAC address (RFC 5227, 2.3; RFC 4861, 7.2.6).

use std::net::Ipv4Addr;

use crate::link::Route;
use crate::sandbox::kernel;
use crate::{Endpoint, Result, Sandbox, procfs};

/// The MAC address of a container on a bridge that asks for none: the same address has the same one, so that neighbours need
/// not be told of the next container with it.
pub(crate) fn mac_of(ip: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = ip.octets();
    [0x02, 0x42, a, b, c, d]
}

/// Tells the neighbours whose the addresses are now: the last container that had them may have had another MAC
/// address. The kernel does that when an interface is given its address, even the one that it has; with mode `passthru`
/// the parent takes the address over, too.
pub(crate) fn announce(endpoint: &Endpoint, mac: [u8; 6], sandbox: &Sandbox) -> Result<()> {
    let interface = endpoint.interface.clone();
    sandbox.inside(move || {
        let switches = [format!("ipv4/conf/{interface}/arp_notify"), format!("ipv6/conf/{interface}/ndisc_notify")];
        let paths = switches.map(|name| format!("/proc/sys/net/{name}"));
        // A kernel without IPv6 lacks the second; one that is on already is the user's wish.
        let off = paths.iter().filter(|path| procfs::read(path).is_ok_and(|now| now.trim() == "0"));
        let off: Vec<&String> = off.collect();
        let switch = |value| off.iter().try_for_each(|path| procfs::write(path, value));
        switch("1").map_err(kernel("let the kernel announce the container's addresses"))?;
        let mut route = Route::open().map_err(kernel("open a route socket"))?;
        let told = route.settle(&interface).and_then(|()| route.set_address(&interface, mac));
        switch("0").map_err(kernel("let the kernel announce the container's addresses"))?;
        told.map_err(kernel("announce the container's addresses"))
    })
}
