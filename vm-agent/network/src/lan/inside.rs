//! The link of an endpoint: it lives in the container's namespace and has no other end.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use super::{Lan, LanError};
use crate::announce::announce;
use crate::kernel::furnish;
use crate::link::LanSpec;
use crate::networks::Inner;
use crate::plan::Wire;
use crate::sandbox::kernel;
use crate::{Endpoint, Error, Result, Sandbox};

/// The namespaces that have the links of endpoints, by endpoint id. A link is removed there at once when its container
/// ends: a parent in mode `passthru`, or a MAC address, is free for the next container only then.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    sandboxes: Mutex<BTreeMap<String, Sandbox>>,
}

impl Inside {
    /// Blocks.
    pub(crate) fn keep(&self, endpoint: &str, sandbox: &Sandbox) -> Result<()> {
        self.hold(endpoint, sandbox.held()?);
        Ok(())
    }

    fn hold(&self, endpoint: &str, held: Sandbox) {
        self.sandboxes().insert(endpoint.to_owned(), held);
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

impl Inner {
    /// Makes an endpoint's link on its parent, directly in the container, and gives it its addresses and routes.
    pub(crate) fn wire_lan(&self, endpoint: &Endpoint, lan: &Lan, wire: &Wire, sandbox: &Sandbox) -> Result<()> {
        let parent = self.kernel.parent(lan).ok_or_else(|| LanError::NoParent(lan.parent.clone()))?;
        let (netns, held) = (sandbox.netns()?, sandbox.held()?);
        // Kernels before "rtnetlink: Lookup device in target netns when creating link" (6.12 is one) refuse a name that a link
        // of the engine's own namespace has, though the new one is made elsewhere.
        let name = format!("lan{:.12}", endpoint.id);
        let spec = LanSpec { name: &name, parent, mode: lan.mode, mac: endpoint.mac, netns: netns.as_fd() };
        let driver = lan.driver().name();
        // Before there is something that could be left there.
        let mut inside = sandbox.route()?;
        self.kernel.route().create_lan(&spec).map_err(|source| LanError::Port { driver, source })?;
        if let Err(error) = inside.rename(&name, &endpoint.interface) {
            let cause = kernel("name the container's interface")(error);
            return Err(match inside.remove(&name) {
                Ok(()) => cause,
                Err(error) => Error::Undo { cause: Box::new(cause), undo: vec![error.to_string()] },
            });
        }
        // Not before it has its name: the container may have a link of that name, made by itself.
        self.inside.hold(&endpoint.id, held);
        drop(inside);
        furnish(endpoint, wire, sandbox)?;
        if let Some(mac) = endpoint.mac {
            announce(endpoint, mac, sandbox)?;
        }
        Ok(())
    }
}
