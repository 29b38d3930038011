//! Taking a container off its networks.

use std::sync::Arc;

use store::Durability;

use crate::attach::Done;
use crate::link::Addressing;
use crate::networks::{Networks, unabridged};
use crate::sandbox::{kernel, run};
use crate::state::Held;
use crate::{Error, NameChange, Result, Sandbox};

impl Networks {
    /// Takes a container off one network. `sandbox` is given when the container goes on running: its interface is gone
    /// when this answers, and another network provides the default route.
    pub async fn detach(&self, container_id: &str, network: &str, sandbox: Option<&Sandbox>) -> Result<()> {
        let (this, container, network) = (self.clone(), container_id.to_owned(), network.to_owned());
        let sandbox = sandbox.cloned();
        unabridged(async move { this.detach_now(&container, &network, sandbox).await }).await
    }

    async fn detach_now(&self, container: &str, network: &str, sandbox: Option<Sandbox>) -> Result<()> {
        let held = {
            let state = self.inner.state();
            let network = &state.find(network)?.network;
            let key = (container.to_owned(), network.id.clone());
            state
                .endpoints
                .get(&key)
                .cloned()
                .ok_or_else(|| Error::NotConnected { container: container.to_owned(), network: network.name.clone() })?
        };
        let mut failures = Vec::new();
        if let Some(sandbox) = &sandbox {
            self.take_out(&held, sandbox).await.unwrap_or_else(|e| failures.push(e.to_string()));
        }
        failures.extend(self.release(&held).await);
        if sandbox.is_some() && !self.endpoints(container).is_empty() && !held.endpoint.dns_names.is_empty() {
            let resolver = self.inner.resolver(container);
            let told = match resolver.networks.is_empty() {
                true => self.inner.names.drop_sandbox(container).await,
                false => self.inner.names.serve(resolver, None).await,
            };
            told.unwrap_or_else(|e| failures.push(e.to_string()));
        }
        match failures.is_empty() {
            true => Ok(()),
            false => Err(Error::Detach { container: container.to_owned(), failures }),
        }
    }

    /// Takes a container off all its networks: its first process has ended. Failures are logged, never returned: what
    /// could not be removed is collected at the next start.
    pub async fn detach_all(&self, container_id: &str) {
        let (this, container) = (self.clone(), container_id.to_owned());
        let all = async move {
            let held: Vec<Held> = this.inner.state().of_container(&container).into_iter().cloned().collect();
            for held in held.iter().rev() {
                for failure in this.release(held).await {
                    tracing::warn!(container, network = held.endpoint.network_name, failure, "leaving a network");
                }
            }
            Ok(())
        };
        // Nothing in there fails as a whole.
        let _ = unabridged(all).await;
    }

    /// Tells that a container leaves all its networks, before [`Networks::detach_all`] has it leave: as with dockerd the
    /// end of the container is told afterwards, and that need not wait for the kernel.
    pub fn tell_leaving(&self, container_id: &str) {
        let mut leaving = Vec::new();
        {
            let mut state = self.inner.state();
            let endpoints: Vec<(String, String)> = state
                .of_container(container_id)
                .into_iter()
                .map(|held| (held.endpoint.id.clone(), held.endpoint.network_id.clone()))
                .collect();
            for (endpoint, network) in endpoints {
                if state.leaving.insert(endpoint) {
                    leaving.extend(state.networks.get(&network).map(|entry| entry.network.clone()));
                }
            }
        }
        for network in leaving.iter().rev() {
            self.inner.tell("disconnect", network, Some(container_id));
        }
    }

    /// Gives up everything an endpoint holds; its addresses and ports are free afterwards.
    pub(crate) async fn release(&self, held: &Held) -> Vec<String> {
        // First, since it writes the record that goes with the rest.
        let shut = self.shut_links(&held.endpoint).await;
        // What of its own could not be shut is tried again with the rest.
        let linked = if shut.is_empty() { Vec::new() } else { held.linked.clone() };
        let held = &Held { linked, ..held.clone() };
        let e = &held.endpoint;
        let mut done = Vec::new();
        if !e.host_interface.is_empty() {
            done.push(Done::Left(e.host_interface.clone()));
        } else if !e.interface.is_empty() {
            done.push(Done::Joined { endpoint: e.id.clone(), interface: e.interface.clone() });
        }
        done.extend(held.forwards.iter().cloned().map(Done::Opened));
        if !held.elements().is_empty() {
            done.push(Done::Filtered(Box::new(held.clone())));
        }
        if !e.dns_names.is_empty() {
            done.push(Done::Named { network: e.network_id.clone(), endpoint: e.id.clone() });
            let last = self.inner.resolver(&e.container_id).networks == [e.network_id.clone()];
            if last {
                done.push(Done::Served { container: e.container_id.clone() });
            }
        }
        done.push(Done::Recorded { endpoint: e.id.clone() });
        let mut failures = self.undo(done).await;
        failures.extend(shut);
        let network = {
            let mut state = self.inner.state();
            let told = state.leave(held);
            state.networks.get(&e.network_id).filter(|_| !told).map(|entry| entry.network.clone())
        };
        if let Some(network) = network {
            self.inner.tell("disconnect", &network, Some(&e.container_id));
        }
        failures
    }

    /// Removes an endpoint's interface from a running container and moves the default route, if it was there.
    async fn take_out(&self, held: &Held, sandbox: &Sandbox) -> Result<()> {
        let e = held.endpoint.clone();
        if e.interface.is_empty() {
            return Ok(());
        }
        let mut next = Vec::new();
        {
            let mut state = self.inner.state();
            let key = (e.container_id.clone(), e.network_id.clone());
            // Looked at without this endpoint, which stays held until it is released.
            let own = state.endpoints.remove(&key);
            for ipv6 in [false, true] {
                next.extend(state.gateway(&e.container_id, ipv6).map(|(h, ip)| (h.endpoint.interface.clone(), ip)));
            }
            own.map(|own| state.endpoints.insert(key, own));
        }
        let (inner, sandbox) = (Arc::clone(&self.inner), sandbox.clone());
        run(move || {
            let mut inside = match sandbox.route() {
                // The container has ended meanwhile.
                Err(error) if error.is_gone() => None,
                route => Some(route?),
            };
            let removed = match (e.host_interface.as_str(), &mut inside) {
                ("", None) => Ok(()),
                ("", Some(inside)) => inside.remove(&e.interface),
                (host, _) => inner.kernel.route().remove(host),
            };
            removed.map_err(kernel("remove the container's interface"))?;
            let Some(mut inside) = inside else { return Ok(()) };
            for (interface, gateway) in next {
                let link = inside.link(&interface).map_err(kernel("look for the container's interface"))?;
                let Some(link) = link else { continue };
                let route = Addressing { addresses: Vec::new(), gateways: vec![gateway] };
                inside.address(link.index, &route).map_err(kernel("move the container's default route"))?;
            }
            Ok(())
        })
        .await
    }

    /// The container has a new name: names and reports follow.
    pub async fn rename(&self, container_id: &str, name: &str) -> Result<()> {
        let changed: Vec<Held> = {
            let mut state = self.inner.state();
            let of_container = state.endpoints.iter_mut().filter(|((c, _), _)| c == container_id);
            of_container
                .map(|(_, held)| {
                    let e = &mut held.endpoint;
                    let old = std::mem::replace(&mut e.container_name, name.to_owned());
                    e.dns_names.iter_mut().filter(|n| **n == old).for_each(|n| name.clone_into(n));
                    held.clone()
                })
                .collect()
        };
        let mut changes = Vec::new();
        for held in changed {
            self.inner.endpoints.put(&held.endpoint.id, &held, Durability::Eventual).await?;
            if !held.endpoint.dns_names.is_empty() {
                changes.push(NameChange::Put { network: held.endpoint.network_id.clone(), names: held.names() });
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        Ok(self.inner.names.update(changes).await?)
    }
}
