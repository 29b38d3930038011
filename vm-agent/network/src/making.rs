//! Making and removing networks.

use std::sync::Arc;

use events::{Event, Kind};
use store::Durability;

use crate::create::{self, Draft, Surroundings};
use crate::networks::{random_id, unabridged};
use crate::options::BridgeOptions;
use crate::sandbox::run;
use crate::state::Entry;
use crate::{Created, Error, Network, NetworkCreate, Networks, Result};

impl Networks {
    /// Makes a network: stored, and its bridge up, when this answers.
    pub async fn create(&self, request: NetworkCreate) -> Result<Created> {
        let this = self.clone();
        unabridged(async move { this.create_now(request).await }).await
    }

    async fn create_now(&self, mut request: NetworkCreate) -> Result<Created> {
        let inner = &self.inner;
        if request.name.trim().is_empty() {
            return Err(Error::EmptyName);
        }
        if matches!(request.name.as_str(), "bridge" | "host" | "none" | "default") {
            return Err(Error::PredefinedName(request.name));
        }
        if request.ingress {
            return Err(Error::Ingress);
        }
        let _making = inner.making.lock().await;
        let kernel_routes = {
            let inner = Arc::clone(inner);
            run(move || inner.kernel.routed()).await?
        };
        let entry = {
            let state = inner.state();
            if state.networks.values().any(|e| e.network.name == request.name) {
                return Err(Error::NameTaken(request.name));
            }
            if let Some(from) = request.config_from.clone().filter(|f| !f.is_empty()) {
                copy_configuration(&mut request, &state.find(&from)?.network);
            }
            let around = Surroundings {
                pools: state.networks.values().flat_map(|e| e.network.pools().map(|p| p.subnet)).collect(),
                routed: kernel_routes,
                unique_local: inner.unique_local,
            };
            let Draft { network, allocators } = create::draft(request, random_id(), &around)?;
            let options = BridgeOptions::of(&network)?;
            let entry = Entry::new(network, allocators, options);
            let same_bridge = |e: &Entry| e.bridge().is_some() && e.bridge() == entry.bridge();
            if let Some(name) = state.networks.values().find(|e| same_bridge(e)).and_then(Entry::bridge) {
                return Err(Error::ForeignBridge(name));
            }
            let others = state.networks.values().map(|e| &e.network);
            if let Some(conflict) = entry.lan().and_then(|lan| lan.conflict(&entry.network, others)) {
                return Err(conflict.into());
            }
            entry
        };
        self.make(&entry).await?;
        let id = entry.network.id.clone();
        if let Err(e) = inner.networks.put(&id, &entry.network, Durability::Durable).await {
            return Err(self.unmake(entry, e.into()).await);
        }
        let network = entry.network.clone();
        inner.state().networks.insert(id.clone(), entry);
        inner.tell("create", &network, None);
        Ok(Created { id, warning: String::new() })
    }

    /// Bridge or parent interface, and packet filter of a network; nothing is left of it after a failure.
    async fn make(&self, entry: &Entry) -> Result<()> {
        let (inner, wanted) = (Arc::clone(&self.inner), entry.clone());
        let made = run(move || {
            inner.kernel.ensure_bridge(&wanted)?;
            inner.kernel.ensure_parent(&wanted)?;
            inner.kernel.filter(&[], &wanted.elements())
        })
        .await;
        match made {
            Ok(()) => Ok(()),
            // A foreign bridge is not ours to remove.
            Err(cause @ Error::ForeignBridge(_)) => Err(cause),
            Err(cause) => Err(self.unmake(entry.clone(), cause).await),
        }
    }

    async fn unmake(&self, entry: Entry, cause: Error) -> Error {
        match self.dismantle(entry).await {
            Ok(()) => cause,
            Err(e) => Error::Undo { cause: Box::new(cause), undo: vec![e.to_string()] },
        }
    }

    /// Removes a network without endpoints.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let (this, name) = (self.clone(), name.to_owned());
        unabridged(async move { this.remove_now(&name).await }).await
    }

    async fn remove_now(&self, name: &str) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let _making = inner.making.lock().await;
        let entry = {
            let mut state = inner.state();
            let entry = state.find(name)?;
            let network = &entry.network;
            if network.predefined() {
                return Err(Error::Predefined(network.name.clone()));
            }
            let users: Vec<String> = state
                .on_network(&network.id)
                .map(|h| format!("name:{:?} id:{:?}", h.endpoint.container_name, &h.endpoint.id[..12]))
                .collect();
            let configured = |other: &Entry| other.network.config_from.as_ref() == Some(&network.name);
            if network.config_only && state.networks.values().any(configured) {
                return Err(Error::ConfigInUse(network.name.clone()));
            }
            if !users.is_empty() {
                return Err(Error::ActiveEndpoints { name: network.name.clone(), endpoints: users.join(", ") });
            }
            // From here on nobody can attach to it.
            let id = network.id.clone();
            state.networks.remove(&id).expect("found above")
        };
        let id = entry.network.id.clone();
        // The record goes first: after a crash the bridge without a network is collected, not the reverse.
        if let Err(e) = inner.networks.remove(&id, Durability::Durable).await {
            inner.state().networks.insert(id, entry);
            return Err(e.into());
        }
        if !entry.network.config_only {
            inner.tell("destroy", &entry.network, None);
        }
        self.dismantle(entry).await
    }

    /// Takes a network that is not among the others any more out of the kernel.
    async fn dismantle(&self, entry: Entry) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let lan = entry.lan().filter(|own| {
            let shared = |other: &Entry| other.lan().is_some_and(|lan| lan.parent == own.parent);
            !inner.state().networks.values().any(shared)
        });
        run(move || {
            let filter = inner.kernel.filter(&entry.elements(), &[]);
            let parent = lan.map_or(Ok(()), |lan| inner.kernel.remove_parent(&lan));
            inner.kernel.remove_bridge(&entry).and(parent).and(filter)
        })
        .await
    }

    /// Removes every network without endpoints, except the predefined and configurations, that `wanted` accepts. A container
    /// that does not run has no endpoints. Answers the names of those removed.
    pub async fn prune(&self, wanted: impl Fn(&Network) -> bool + Send) -> Result<Vec<String>> {
        let _pruning = self.inner.pruning.try_lock().map_err(|_| Error::PruneRunning)?;
        let unused = |n: &Network| !n.predefined() && !n.config_only && n.containers.is_empty();
        let candidates: Vec<Network> = self.list().into_iter().filter(|n| unused(n) && wanted(n)).collect();
        let mut removed = Vec::new();
        for network in candidates {
            match self.remove(&network.id).await {
                Ok(()) => removed.push(network.name),
                // Somebody was faster: attached to it, or removed it.
                Err(Error::ActiveEndpoints { .. } | Error::NotFound(_)) => {}
                Err(error) => tracing::warn!(network = network.name, "network not pruned: {error}"),
            }
        }
        // A network takes no room.
        self.inner.events.emit(Event::new(Kind::Network, "prune", "").with("reclaimed", "0"));
        Ok(removed)
    }
}

/// `--config-from`: everything but name, labels and flags comes from the config-only network.
fn copy_configuration(request: &mut NetworkCreate, from: &Network) {
    request.options = from.options.clone();
    request.enable_ipv4 = Some(from.enable_ipv4);
    request.enable_ipv6 = Some(from.enable_ipv6);
    request.internal = from.internal;
    request.attachable = from.attachable;
    request.ipam.options = from.ipam.options.clone();
    request.ipam.config = from
        .ipam
        .config
        .iter()
        .map(|p| crate::PoolRequest {
            subnet: Some(p.subnet),
            ip_range: p.ip_range,
            gateway: p.gateway,
            aux_addresses: p.aux_addresses.clone(),
        })
        .collect();
}
