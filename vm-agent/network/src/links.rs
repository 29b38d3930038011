//! Links between containers of the default bridge, where containers may not talk to each other otherwise.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::Durability;

use crate::networks::{Networks, unabridged};
use crate::nft::Element;
use crate::sandbox::run;
use crate::state::{Held, State};
use crate::{DEFAULT_BRIDGE, Endpoint, Protocol, Result};

/// A port of another container that an endpoint may use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Opening {
    bridge: String,
    protocol: Protocol,
    to: SocketAddrV4,
}

impl Held {
    pub(crate) fn link_elements(&self) -> impl Iterator<Item = Element> {
        let from = self.endpoint.ipv4.map(|(ip, _)| ip);
        self.linked.iter().filter_map(move |opening| {
            let Opening { bridge, protocol, to } = opening.clone();
            Some(Element::Link { bridge, protocol, from: from?, to })
        })
    }

    fn is_linked_to(&self, address: Ipv4Addr) -> bool {
        self.linked.iter().any(|opening| *opening.to.ip() == address)
    }
}

impl Networks {
    /// Opens these ports of others on the default bridge to a container, and shuts those that an earlier call opened: a port
    /// is named by the id of the container that has it, whose address is looked up here.
    /// Without effect where containers may talk to each other, for a container that is not there, and for ports of one that
    /// leaves or has left: its address may be another container's next.
    ///
    /// # Errors
    /// The packet filter or the store refused: all is as it was before.
    pub async fn link(&self, container_id: &str, ports: Vec<(String, Protocol, u16)>) -> Result<()> {
        let (this, container) = (self.clone(), container_id.to_owned());
        unabridged(async move {
            let _linking = this.inner.linking.lock().await;
            let Some((before, after)) = this.inner.state().link(&container, ports) else { return Ok(()) };
            this.change_links(before, after).await
        })
        .await
    }

    /// Shuts what leads from and to an endpoint that leaves; from then on nothing is opened for it. Answers the failures.
    pub(crate) async fn shut_links(&self, endpoint: &Endpoint) -> Vec<String> {
        if endpoint.network_name != DEFAULT_BRIDGE {
            return Vec::new();
        }
        // The filter and the record follow the state in the order of its changes.
        let _linking = self.inner.linking.lock().await;
        let changed = self.inner.state().shut_links(endpoint);
        let mut failures = Vec::new();
        for (before, after) in changed {
            failures.extend(self.change_links(before, after).await.err().map(|error| error.to_string()));
        }
        failures
    }

    /// Shuts what leads to the address of a new endpoint: it was opened to another, and could not be shut when that left.
    pub(crate) async fn shut_stale_links(&self, endpoint: &Endpoint) -> Result<()> {
        let Some((address, _)) = endpoint.ipv4.filter(|_| endpoint.network_name == DEFAULT_BRIDGE) else {
            return Ok(());
        };
        let there = self.inner.state().on_network(&endpoint.network_id).any(|held| held.is_linked_to(address));
        let mut shut = Ok(());
        if there {
            let _linking = self.inner.linking.lock().await;
            let changed = self.inner.state().shut_links_to(&endpoint.network_id, address);
            // All of them: one that is refused has to be put back into the state.
            for (before, after) in changed {
                shut = shut.and(self.change_links(before, after).await);
            }
        }
        shut
    }

    /// Has filter and record follow the state. What one of them refuses is not so in the others either, and tried again next
    /// time.
    async fn change_links(&self, before: Held, after: Held) -> Result<()> {
        let [open, wanted] = [&before, &after].map(|held| held.link_elements().collect::<Vec<_>>());
        if let Err(error) = self.filter_links(open.clone(), wanted.clone()).await {
            self.inner.state().put_back(before);
            return Err(error);
        }
        // As at attach: after a power cut nothing runs.
        let Err(error) = self.inner.endpoints.put(&after.endpoint.id, &after, Durability::Eventual).await else {
            return Ok(());
        };
        self.inner.state().put_back(before);
        if let Err(error) = self.filter_links(wanted, open).await {
            tracing::warn!(container = after.endpoint.container_id, %error, "links are not as they were before");
        }
        Err(error.into())
    }

    async fn filter_links(&self, open: Vec<Element>, wanted: Vec<Element>) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        run(move || inner.kernel.filter(&open, &wanted)).await
    }
}

impl State {
    /// The container's endpoint on the default bridge before and after.
    fn link(&mut self, container: &str, ports: Vec<(String, Protocol, u16)>) -> Option<(Held, Held)> {
        let entry = self.find(DEFAULT_BRIDGE).ok()?;
        let (bridge, icc, network) = (entry.bridge()?, entry.options.icc, entry.network.id.clone());
        let stays = |held: &&Held| held.endpoint.network_id == network && !self.unlinked.contains(&held.endpoint.id);
        let address = |held: &Held| Some((held.endpoint.container_id.clone(), held.endpoint.ipv4?.0));
        let there: HashMap<String, Ipv4Addr> = self.endpoints.values().filter(stays).filter_map(address).collect();
        let unlinked = &self.unlinked;
        let held = self.endpoints.get_mut(&(container.to_owned(), network))?;
        if unlinked.contains(&held.endpoint.id) {
            return None;
        }
        let before = held.clone();
        held.linked.clear();
        if !icc {
            let opening = |(child, protocol, port)| {
                let to = SocketAddrV4::new(*there.get::<String>(&child)?, port);
                Some(Opening { bridge: bridge.clone(), protocol, to })
            };
            held.linked.extend(ports.into_iter().filter_map(opening));
            held.linked.sort();
            held.linked.dedup();
        }
        (before != *held).then(|| (before, held.clone()))
    }

    /// The links of an endpoint that is still there are again what they were.
    fn put_back(&mut self, before: Held) {
        let Endpoint { id, container_id, network_id, .. } = &before.endpoint;
        let held = self.endpoints.get_mut(&(container_id.clone(), network_id.clone()));
        if let Some(held) = held.filter(|held| held.endpoint.id == *id) {
            held.linked = before.linked;
        }
    }

    fn shut_links(&mut self, endpoint: &Endpoint) -> Vec<(Held, Held)> {
        self.unlinked.insert(endpoint.id.clone());
        let address = endpoint.ipv4.map(|(ip, _)| ip);
        self.shut(&endpoint.network_id, |held, opening| {
            held.endpoint.id == endpoint.id || Some(*opening.to.ip()) == address
        })
    }

    fn shut_links_to(&mut self, network: &str, address: Ipv4Addr) -> Vec<(Held, Held)> {
        self.shut(network, |_, opening| *opening.to.ip() == address)
    }

    fn shut(&mut self, network: &str, which: impl Fn(&Held, &Opening) -> bool) -> Vec<(Held, Held)> {
        let mut changed = Vec::new();
        for held in self.endpoints.values_mut().filter(|held| held.endpoint.network_id == network) {
            // Most have none, and there may be a thousand.
            if held.linked.iter().any(|opening| which(held, opening)) {
                let before = held.clone();
                held.linked.retain(|opening| !which(&before, opening));
                changed.push((before, held.clone()));
            }
        }
        changed
    }
}
