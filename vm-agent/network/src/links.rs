//! Links between containers of the default bridge, where containers may not talk to each other otherwise.

use std::net::SocketAddrV4;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::Durability;

use crate::networks::{Networks, unabridged};
use crate::nft::Element;
use crate::sandbox::run;
use crate::state::{Held, State};
use crate::{Endpoint, Protocol, Result};

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
}

impl Networks {
    /// Opens these ports of others on the default bridge to a container, and shuts those that an earlier call opened.
    /// Without effect where containers may talk to each other, and for a container that is not there.
    pub async fn link(&self, container_id: &str, ports: Vec<(Protocol, SocketAddrV4)>) -> Result<()> {
        let (this, container) = (self.clone(), container_id.to_owned());
        unabridged(async move {
            let Some((before, after)) = this.inner.state().link(&container, ports) else { return Ok(()) };
            this.change_links(before.link_elements().collect(), after).await
        })
        .await
    }

    /// Shuts what leads to an endpoint that leaves: its address may be another container's next.
    pub(crate) async fn shut_links_to(&self, endpoint: &Endpoint) -> Result<()> {
        let changed = self.inner.state().shut_links_to(endpoint);
        for (before, after) in changed {
            self.change_links(before.link_elements().collect(), after).await?;
        }
        Ok(())
    }

    async fn change_links(&self, before: Vec<Element>, after: Held) -> Result<()> {
        let (inner, wanted) = (Arc::clone(&self.inner), after.link_elements().collect::<Vec<_>>());
        run(move || inner.kernel.filter(&before, &wanted)).await?;
        // As at attach: after a power cut nothing runs.
        self.inner.endpoints.put(&after.endpoint.id, &after, Durability::Eventual).await?;
        Ok(())
    }
}

impl State {
    /// The container's endpoint on the default bridge before and after.
    fn link(&mut self, container: &str, ports: Vec<(Protocol, SocketAddrV4)>) -> Option<(Held, Held)> {
        let entry = self.find("bridge").ok()?;
        let (bridge, icc) = (entry.bridge()?, entry.options.icc);
        let key = (container.to_owned(), entry.network.id.clone());
        let held = self.endpoints.get_mut(&key)?;
        let before = held.clone();
        held.linked.clear();
        if !icc {
            let opening = |(protocol, to)| Opening { bridge: bridge.clone(), protocol, to };
            held.linked.extend(ports.into_iter().map(opening));
            held.linked.sort();
            held.linked.dedup();
        }
        (before != *held).then(|| (before, held.clone()))
    }

    fn shut_links_to(&mut self, endpoint: &Endpoint) -> Vec<(Held, Held)> {
        let Some((ip, _)) = endpoint.ipv4 else { return Vec::new() };
        let network = &endpoint.network_id;
        let mut changed = Vec::new();
        for held in self.endpoints.values_mut().filter(|held| held.endpoint.network_id == *network) {
            if held.linked.iter().any(|opening| *opening.to.ip() == ip) {
                let before = held.clone();
                held.linked.retain(|opening| *opening.to.ip() != ip);
                changed.push((before, held.clone()));
            }
        }
        changed
    }
}
