//! The published ports of a container that goes on running, on others of its endpoints.

use std::sync::Arc;

use store::Durability;

use crate::attach::Done;
use crate::networks::{Networks, unabridged};
use crate::plan::Plan;
use crate::sandbox::run;
use crate::state::Held;
use crate::{Endpoint, Error, Families, PortRequest, Result};

impl Networks {
    /// Has a container's `ports` published on these of its networks, each for these families, and on no other. Where they are
    /// already, they stay. After a failure they may be open nowhere.
    pub async fn publish(
        &self,
        container_id: &str,
        on: Vec<(String, Families)>,
        ports: Vec<PortRequest>,
    ) -> Result<()> {
        let (this, container) = (self.clone(), container_id.to_owned());
        unabridged(async move {
            let mut wanted = Vec::new();
            for (network, families) in on {
                wanted.push((this.inner.state().find(&network)?.network.id.clone(), families));
            }
            let mut held: Vec<Held> = this.inner.state().of_container(&container).into_iter().cloned().collect();
            held.retain(Held::has_ports);
            let mut left = held.clone();
            left.retain(|held| !wanted.iter().any(|(id, families)| held.publishes_on(id, *families)));
            wanted.retain(|(id, families)| !held.iter().any(|held| held.publishes_on(id, *families)));
            let left: Vec<Held> = left.into_iter().map(Held::ports_alone).collect();
            let mut done = Vec::new();
            let Err(cause) = this.change_over(&container, &left, wanted, &ports, &mut done).await else {
                return Ok(());
            };
            let mut undo = this.undo(done).await;
            // What is open no more is not let through either.
            undo.extend(this.filter(left, Vec::new()).await.err().map(|error| error.to_string()));
            match undo.is_empty() {
                true => Err(cause),
                false => Err(Error::Undo { cause: Box::new(cause), undo }),
            }
        })
        .await
    }

    /// Closes the ports of those that are `left` and opens them where they are wanted. In the packet filter that is one change,
    /// so that no packet finds a port shut there that only moves.
    async fn change_over(
        &self,
        container: &str,
        left: &[Held],
        wanted: Vec<(String, Families)>,
        ports: &[PortRequest],
        done: &mut Vec<Done>,
    ) -> Result<()> {
        for held in left {
            self.withdraw(held).await?;
        }
        let mut endpoints = Vec::new();
        for (network, families) in wanted {
            endpoints.push(self.open_on(container, network, families, ports, done).await?);
        }
        let mut opened = Vec::new();
        for endpoint in &endpoints {
            let held = self.held(endpoint)?.ports_alone();
            if !held.elements().is_empty() {
                done.push(Done::Filtered(Box::new(held.clone())));
            }
            opened.push(held);
        }
        self.filter(left.to_vec(), opened).await?;
        for endpoint in &endpoints {
            // As at attach: after a power cut nothing runs.
            let held = self.held(endpoint)?;
            self.inner.endpoints.put(&endpoint.id, &held, Durability::Eventual).await?;
        }
        Ok(())
    }

    /// Opens the ports for an endpoint, but for the packet filter.
    async fn open_on(
        &self,
        container: &str,
        network: String,
        families: Families,
        ports: &[PortRequest],
        done: &mut Vec<Done>,
    ) -> Result<Endpoint> {
        let plan = {
            let mut state = self.inner.state();
            let name = state.networks.get(&network).map(|entry| entry.network.name.clone());
            let held = state.endpoints.get_mut(&(container.to_owned(), network.clone()));
            let held = held.ok_or_else(|| Error::NotConnected {
                container: container.to_owned(),
                network: name.unwrap_or(network),
            })?;
            held.families = families;
            let endpoint = held.endpoint.clone();
            let ports = state.groups(&endpoint, ports, families);
            Plan { endpoint, wire: None, ports, names: false }
        };
        self.open_ports(&plan, done).await?;
        Ok(plan.endpoint)
    }

    /// Closes the ports that an endpoint has published, but for the packet filter; it stays on its network, with what its links
    /// open. What cannot be closed is logged.
    async fn withdraw(&self, held: &Held) -> Result<()> {
        let endpoint = &held.endpoint;
        let mut done: Vec<Done> = held.forwards.iter().cloned().map(Done::Opened).collect();
        let routed = |opened: &(_, _)| Done::Routed { endpoint: endpoint.id.clone(), opened: *opened };
        done.extend(held.opened.iter().map(routed));
        for failure in self.undo(done).await {
            tracing::warn!(container = endpoint.container_id, failure, "closing published ports");
        }
        let held = self.held(endpoint)?;
        self.inner.endpoints.put(&endpoint.id, &held, Durability::Eventual).await?;
        Ok(())
    }

    async fn filter(&self, shut: Vec<Held>, opened: Vec<Held>) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        run(move || inner.kernel.publish(&shut, &opened)).await
    }
}

impl Held {
    /// With what is published alone, and not what its links open.
    fn ports_alone(self) -> Held {
        Held { linked: Vec::new(), ..self }
    }

    fn has_ports(&self) -> bool {
        !self.forwards.is_empty() || !self.opened.is_empty()
    }

    fn publishes_on(&self, network: &str, families: Families) -> bool {
        self.has_ports() && self.endpoint.network_id == network && self.families == families
    }
}
