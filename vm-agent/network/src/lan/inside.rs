//! The link of an endpoint: it lives in the container's namespace and has no other end.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use super::{Lan, LanError};
use crate::kernel::{Kernel, furnish};
use crate::link::{LanSpec, Route};
use crate::plan::Wire;
use crate::sandbox::kernel;
use crate::{Endpoint, Result, Sandbox};

/// The namespaces that have the links of endpoints, by endpoint id. A link is removed there at once when its container
/// ends: a parent in mode `passthru`, or a MAC address, is free for the next container only then.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    sandboxes: Mutex<BTreeMap<String, Sandbox>>,
}

impl Inside {
    /// Blocks.
    pub(crate) fn keep(&self, endpoint: &str, sandbox: &Sandbox) -> Result<()> {
        let held = sandbox.held()?;
        self.sandboxes().insert(endpoint.to_owned(), held);
        Ok(())
    }

    /// Removes an endpoint's link. Blocks. Where the namespace is not known any more, the kernel removed the link with it.
    pub(crate) fn remove(&self, endpoint: &str, interface: &str) -> Result<()> {
        let sandbox = self.sandboxes().remove(endpoint);
        sandbox.map_or(Ok(()), |sandbox| {
            sandbox.route()?.remove(interface).map_err(kernel("remove the container's interface"))
        })
    }

    fn sandboxes(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Sandbox>> {
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kernel {
    /// Makes an endpoint's link on its parent, directly in the container, and gives it its addresses and routes.
    pub(crate) fn wire_lan(&self, endpoint: &Endpoint, lan: &Lan, wire: &Wire, sandbox: &Sandbox) -> Result<()> {
        let parent = self.parent(lan).ok_or_else(|| LanError::NoParent(lan.parent.clone()))?;
        let netns = sandbox.netns()?;
        // Kernels before "rtnetlink: Lookup device in target netns when creating link" (6.12 is one) refuse a name that a link
        // of the engine's own namespace has, though the new one is made elsewhere.
        let name = format!("lan{:.12}", endpoint.id);
        let spec = LanSpec { name: &name, parent, mode: lan.mode, mac: endpoint.mac, netns: netns.as_fd() };
        let driver = lan.driver().name();
        self.route().create_lan(&spec).map_err(|source| LanError::Port { driver, source })?;
        let mut inside = sandbox.route()?;
        if let Err(error) = inside.rename(&name, &endpoint.interface) {
            inside.remove(&name).map_err(kernel("remove the container's interface"))?;
            return Err(kernel("name the container's interface")(error));
        }
        drop(inside);
        furnish(endpoint, wire, sandbox)?;
        if let Some(mac) = endpoint.mac {
            announce(endpoint, mac, sandbox)?;
        }
        Ok(())
    }
}

/// Tells the neighbours on the LAN whose the addresses are now: the last container that had them had another MAC
/// address. The kernel does that when an interface is given its address, even the one that it has; with mode `passthru`
/// the parent takes the address over, too.
fn announce(endpoint: &Endpoint, mac: [u8; 6], sandbox: &Sandbox) -> Result<()> {
    let interface = endpoint.interface.clone();
    sandbox.inside(move || {
        let switches = [format!("ipv4/conf/{interface}/arp_notify"), format!("ipv6/conf/{interface}/ndisc_notify")];
        let paths = switches.map(|name| format!("/proc/sys/net/{name}"));
        // A kernel without IPv6 lacks the second; one that is on already is the user's wish.
        let off = paths.iter().filter(|path| fs::read_to_string(path).is_ok_and(|now| now.trim() == "0"));
        let off: Vec<&String> = off.collect();
        let switch = |value| off.iter().try_for_each(|path| fs::write(path, value));
        switch("1").map_err(kernel("let the kernel announce the container's addresses"))?;
        let mut route = Route::open().map_err(kernel("open a route socket"))?;
        let told = route.settle(&interface).and_then(|()| route.set_address(&interface, mac));
        switch("0").map_err(kernel("let the kernel announce the container's addresses"))?;
        told.map_err(kernel("announce the container's addresses"))
    })
}
