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
            let held: Vec<Held> = this.inner.state().of_container(&container).into_iter().cloned().collect();
            for held in &held {
                let stays = wanted.iter().any(|(id, families)| held.publishes_on(id, *families));
                if held.has_ports() && !stays {
                    this.withdraw(held).await?;
                }
            }
            wanted.retain(|(id, families)| !held.iter().any(|held| held.publishes_on(id, *families)));
            for (network, families) in wanted {
                this.publish_on(&container, network, families, &ports).await?;
            }
            Ok(())
        })
        .await
    }

    async fn publish_on(
        &self,
        container: &str,
        network: String,
        families: Families,
        ports: &[PortRequest],
    ) -> Result<()> {
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
        let mut done = Vec::new();
        let published = match self.open_ports(&plan, &mut done).await {
            Ok(()) => self.filter(&plan.endpoint, &mut done).await,
            Err(cause) => Err(cause),
        };
        match published {
            Ok(()) => Ok(()),
            Err(cause) => {
                let undo = self.undo(done).await;
                match undo.is_empty() {
                    true => Err(cause),
                    false => Err(Error::Undo { cause: Box::new(cause), undo }),
                }
            }
        }
    }

    /// Closes the ports that an endpoint has published; it stays on its network, with what its links open. What cannot be
    /// closed is logged.
    async fn withdraw(&self, held: &Held) -> Result<()> {
        let endpoint = &held.endpoint;
        let mut done: Vec<Done> = held.forwards.iter().cloned().map(Done::Opened).collect();
        let routed = |opened: &(_, _)| Done::Routed { endpoint: endpoint.id.clone(), opened: *opened };
        done.extend(held.opened.iter().map(routed));
        let ports = Held { linked: Vec::new(), ..held.clone() };
        if !ports.elements().is_empty() {
            done.push(Done::Filtered(Box::new(ports)));
        }
        for failure in self.undo(done).await {
            tracing::warn!(container = endpoint.container_id, failure, "closing published ports");
        }
        let held = self.held(endpoint)?;
        self.inner.endpoints.put(&endpoint.id, &held, Durability::Eventual).await?;
        Ok(())
    }

    async fn filter(&self, endpoint: &Endpoint, done: &mut Vec<Done>) -> Result<()> {
        let held = self.held(endpoint)?;
        let ports = Held { linked: Vec::new(), ..held.clone() };
        if !ports.elements().is_empty() {
            done.push(Done::Filtered(Box::new(ports.clone())));
            let inner = Arc::clone(&self.inner);
            run(move || inner.kernel.publish(&ports, true)).await?;
        }
        // As at attach: after a power cut nothing runs.
        self.inner.endpoints.put(&endpoint.id, &held, Durability::Eventual).await?;
        Ok(())
    }
}

impl Held {
    fn has_ports(&self) -> bool {
        !self.forwards.is_empty() || !self.opened.is_empty()
    }

    fn publishes_on(&self, network: &str, families: Families) -> bool {
        self.has_ports() && self.endpoint.network_id == network && self.families == families
    }
}
