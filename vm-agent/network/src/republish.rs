//! The published ports of a container that goes on running, on another of its endpoints.

use std::sync::Arc;

use store::Durability;

use crate::attach::Done;
use crate::networks::{Networks, unabridged};
use crate::plan::Plan;
use crate::sandbox::run;
use crate::{Endpoint, Error, PortRequest, Result};

impl Networks {
    /// Publishes `ports` on an endpoint that has none: the one that had them has left. After a failure none is open.
    pub async fn publish(&self, container_id: &str, network: &str, ports: Vec<PortRequest>) -> Result<Endpoint> {
        let (this, container, network) = (self.clone(), container_id.to_owned(), network.to_owned());
        unabridged(async move { this.publish_now(&container, &network, ports).await }).await
    }

    async fn publish_now(&self, container: &str, network: &str, ports: Vec<PortRequest>) -> Result<Endpoint> {
        let plan = {
            let state = self.inner.state();
            let entry = state.find(network)?;
            let key = (container.to_owned(), entry.network.id.clone());
            let held = state.endpoints.get(&key).ok_or_else(|| Error::NotConnected {
                container: container.to_owned(),
                network: entry.network.name.clone(),
            })?;
            let endpoint = held.endpoint.clone();
            let ports = state.groups(&endpoint, &ports);
            Plan { endpoint, wire: None, ports, names: false }
        };
        let mut done = Vec::new();
        let published = match self.open_ports(&plan, &mut done).await {
            Ok(()) => self.filter(&plan.endpoint, &mut done).await,
            Err(cause) => Err(cause),
        };
        match published {
            Ok(endpoint) => Ok(endpoint),
            Err(cause) => {
                let undo = self.undo(done).await;
                match undo.is_empty() {
                    true => Err(cause),
                    false => Err(Error::Undo { cause: Box::new(cause), undo }),
                }
            }
        }
    }

    /// Closes the ports that an endpoint has published; it stays on its network. What cannot be closed is logged.
    pub async fn withdraw(&self, endpoint: &Endpoint) -> Result<()> {
        let (this, endpoint) = (self.clone(), endpoint.clone());
        unabridged(async move { this.withdraw_now(&endpoint).await }).await
    }

    async fn withdraw_now(&self, endpoint: &Endpoint) -> Result<()> {
        let held = self.held(endpoint)?;
        let mut done: Vec<Done> = held.forwards.iter().cloned().map(Done::Opened).collect();
        if !held.elements().is_empty() {
            done.push(Done::Filtered(Box::new(held)));
        }
        for failure in self.undo(done).await {
            tracing::warn!(container = endpoint.container_id, failure, "closing published ports");
        }
        let held = self.held(endpoint)?;
        self.inner.endpoints.put(&endpoint.id, &held, Durability::Eventual).await?;
        Ok(())
    }

    async fn filter(&self, endpoint: &Endpoint, done: &mut Vec<Done>) -> Result<Endpoint> {
        let held = self.held(endpoint)?;
        if !held.elements().is_empty() {
            done.push(Done::Filtered(Box::new(held.clone())));
            let (inner, held) = (Arc::clone(&self.inner), held.clone());
            run(move || inner.kernel.publish(&held, true)).await?;
        }
        // As at attach: after a power cut nothing runs.
        self.inner.endpoints.put(&endpoint.id, &held, Durability::Eventual).await?;
        Ok(held.endpoint)
    }
}
