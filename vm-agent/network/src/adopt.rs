//! After a restart of the engine, of the relay, or of the machine: what lives is kept, what is dead is collected.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::names::Resolver;
use crate::networks::{Networks, unabridged};
use crate::sandbox::{kernel, run};
use crate::state::Held;
use crate::{Attachment, Error, ForwardId, NameChange, Result, Sandbox, dns};

impl Networks {
    /// Ends the start-up: `running` lists the containers that lived through the engine's restart. Endpoints of all
    /// others are released (links, addresses, ports, names), forwards and links that nobody knows are closed and
    /// removed, and names and forwards of the living are told again.
    ///
    /// # Errors
    /// The first that was met. None keeps the rest from being done, and containers other than its own from being served.
    pub async fn adopt(&self, running: Vec<Attachment<'_>>) -> Result<()> {
        let alive: BTreeSet<String> = running.iter().map(|a| a.container_id.clone()).collect();
        let sandboxes: Vec<_> = running.iter().filter_map(|a| a.sandbox.cloned()).collect();
        let mut kept = Ok(());
        for attachment in &running {
            let done = self.keep_inside(attachment).await;
            kept = and(kept, done, &attachment.container_id, "keeping a running container's interfaces");
        }
        let this = self.clone();
        let collected = unabridged(async move {
            let dead: Vec<Held> = {
                let state = this.inner.state();
                state.endpoints.values().filter(|h| !alive.contains(&h.endpoint.container_id)).cloned().collect()
            };
            for held in dead {
                for failure in this.release(&held).await {
                    tracing::warn!(
                        container = held.endpoint.container_id,
                        failure,
                        "collecting a dead container's endpoint"
                    );
                }
            }
            let mut removed = Ok(());
            for link in this.leftovers(sandboxes).await? {
                tracing::info!(link = link.name, "removing a link that no container and no network has");
                let (inner, name) = (Arc::clone(&this.inner), link.name.clone());
                let done = run(move || inner.kernel.route().remove(&name).map_err(kernel("remove a link"))).await;
                removed = and(removed, done, &link.name, "removing a link");
            }
            removed
        })
        .await;
        let hairpins = self.hairpin().await;
        let forwards = self.replay_forwards().await;
        let names = self.replay_names(running).await;
        kept.and(collected).and(hairpins).and(forwards).and(names)
    }

    /// Has the living reach their own published ports: an engine that could not do that may have made their links.
    async fn hairpin(&self) -> Result<()> {
        let living: Vec<Held> = self.inner.state().endpoints.values().cloned().collect();
        let inner = Arc::clone(&self.inner);
        run(move || {
            let mut result = Ok(());
            for held in &living {
                let done = inner.kernel.hairpin(held);
                result = and(result, done, &held.endpoint.container_id, "letting a container reach its own ports");
            }
            result
        })
        .await
    }

    /// The links of a running container that end in its namespace are removed from there later.
    async fn keep_inside(&self, attachment: &Attachment<'_>) -> Result<()> {
        let Some(sandbox) = attachment.sandbox else { return Ok(()) };
        for endpoint in self.endpoints(&attachment.container_id) {
            if endpoint.host_interface.is_empty() && !endpoint.interface.is_empty() {
                let (inner, sandbox) = (Arc::clone(&self.inner), sandbox.clone());
                match run(move || inner.inside.keep(&endpoint.id, &sandbox)).await {
                    // It has ended meanwhile, and the kernel removes the link with its namespace.
                    Err(error) if error.is_gone() => {}
                    kept => kept?,
                }
            }
        }
        Ok(())
    }

    /// Tells a name service everything again, and makes the sockets of those of the given sandboxes anew that it does not have: a
    /// restarted service lost them.
    pub async fn replay_names(&self, running: Vec<Attachment<'_>>) -> Result<()> {
        let changes = {
            let state = self.inner.state();
            let networks = state.networks.values().filter(|e| e.network.resolves_names());
            let mut changes: Vec<NameChange> =
                networks.map(|e| NameChange::Clear { network: e.network.id.clone() }).collect();
            let named = state.endpoints.values().filter(|h| !h.endpoint.dns_names.is_empty());
            changes.extend(named.map(|h| NameChange::Put { network: h.endpoint.network_id.clone(), names: h.names() }));
            changes
        };
        let mut result = Ok(());
        if !changes.is_empty() {
            result = self.inner.names.update(changes).await.map_err(Error::from);
        }
        for attachment in running {
            let Some(sandbox) = attachment.sandbox else { continue };
            let resolver = self.inner.resolver(&attachment.container_id);
            if resolver.networks.is_empty() {
                continue;
            }
            let served = self.serve_again(resolver, sandbox.clone()).await;
            result =
                and(result, served, &attachment.container_id, "answering a running container's questions for names");
        }
        result
    }

    async fn serve_again(&self, resolver: Resolver, sandbox: Sandbox) -> Result<()> {
        // A service that lived through the engine's end keeps its sockets: others would refuse what is being asked just now, and
        // conntrack would lead its repetitions to the closed ones.
        if self.inner.names.serve(resolver.clone(), None).await.is_ok() {
            return Ok(());
        }
        let sockets = match run(move || dns::open(&sandbox)).await {
            // It has ended meanwhile.
            Err(error) if error.is_gone() => return Ok(()),
            sockets => sockets?,
        };
        Ok(self.inner.names.serve(resolver, Some(sockets)).await?)
    }

    /// Opens every published port again, and closes what is open for nobody. Ports that cannot be had any more are
    /// logged: their container runs on without them.
    pub async fn replay_forwards(&self) -> Result<()> {
        let wanted: Vec<_> = self.inner.state().endpoints.values().flat_map(|h| h.forwards.clone()).collect();
        let known: BTreeSet<&ForwardId> = wanted.iter().map(|f| &f.id).collect();
        let open = self.inner.forwarder.list().await.map_err(|source| Error::Forward { port: 0, source })?;
        for id in open.iter().filter(|id| !known.contains(id)) {
            if let Err(error) = self.inner.forwarder.close(id).await {
                tracing::warn!(%error, id = id.0, "closing a forward that no container has");
            }
        }
        for published in wanted.iter().filter(|f| !open.contains(&f.id)) {
            if let Err(error) = self.inner.forwarder.open(published).await {
                tracing::warn!(%error, port = published.host_port, "opening a published port again");
            }
        }
        Ok(())
    }
}

/// The first failure of several steps; those behind it are only logged, each with what or whom it is about.
fn and(result: Result<()>, next: Result<()>, whom: &str, step: &str) -> Result<()> {
    match (&result, next) {
        (Err(_), Err(error)) => {
            tracing::warn!(%error, whom, step, "a step of the start-up");
            result
        }
        (_, next) => result.and(next),
    }
}
