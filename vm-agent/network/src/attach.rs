//! Putting a container on a network: plan under the lock, carry out without it, undo in reverse on failure.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::join;
use store::Durability;

use crate::error::PortError;
use crate::names::Resolver;
use crate::networks::{Inner, Networks, random, random_id};
use crate::plan::{Drawn, Plan, Uplink, Wanted};
use crate::ports::{Group, Place};
use crate::sandbox::{kernel, run};
use crate::state::Held;
use crate::{
    Binding, Endpoint, Error, ForwardError, ForwardId, NameChange, NameLink, PortBinding, Protocol, Published, Result,
    Sandbox, dns,
};

/// Something done for an endpoint, to be undone when a later step fails or the container leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// The veth pair with this host end, to a sandbox that lives on: removed before anything else goes on there.
    Wired(String),
    /// The same, to a sandbox whose last process has ended: cut off at once, removed soon.
    Left(String),
    /// A link in the container that has no other end.
    Joined {
        endpoint: String,
        interface: String,
    },
    Opened(Published),
    /// A port is open at the container's own address, once the packet filter knows.
    Routed {
        endpoint: String,
        opened: (Protocol, SocketAddr),
    },
    /// The published ports of the endpoint are in the packet filter.
    Filtered(Box<Held>),
    /// The endpoint's names are known on its network.
    Named {
        network: String,
        endpoint: String,
    },
    /// The container's resolver runs.
    Served {
        container: String,
    },
    /// The endpoint is stored.
    Recorded {
        endpoint: String,
    },
}

impl Networks {
    pub(crate) async fn attach_now(&self, wanted: Wanted, sandbox: Option<Sandbox>) -> Result<Endpoint> {
        let [a, b, c, d] = random::<4>();
        let [m, n, o, p] = random::<4>();
        let drawn = Drawn {
            endpoint_id: random_id(),
            host_interface: format!("veth{:.7}", format!("{a:02x}{b:02x}{c:02x}{d:02x}")),
            mac: [0x02, 0x42, m, n, o, p],
        };
        let plan = {
            let mut state = self.inner.state();
            let plan = state.plan_attach(wanted, drawn)?;
            state.leaving.insert(plan.endpoint.id.clone());
            plan
        };
        let mut done = Vec::new();
        match self.carry_out(&plan, sandbox, &mut done).await {
            Ok(held) => Ok(held.endpoint),
            Err(cause) => {
                let undo = self.undo(done).await;
                let mut state = self.inner.state();
                state.leaving.remove(&plan.endpoint.id);
                state.forget(&plan.endpoint.container_id, &plan.endpoint.network_id);
                drop(state);
                match undo.is_empty() {
                    true => Err(cause),
                    false => Err(Error::Undo { cause: Box::new(cause), undo }),
                }
            }
        }
    }

    /// Tells that a container is on a network, if it still is, and from now on that it leaves.
    pub fn tell_connected(&self, endpoint: &Endpoint) {
        let network = {
            let mut state = self.inner.state();
            let untold = state.leaving.remove(&endpoint.id);
            state.networks.get(&endpoint.network_id).filter(|_| untold).map(|entry| entry.network.clone())
        };
        if let Some(network) = network {
            self.inner.tell("connect", &network, Some(&endpoint.container_id));
        }
    }

    async fn carry_out(&self, plan: &Plan, sandbox: Option<Sandbox>, done: &mut Vec<Done>) -> Result<Held> {
        let inner = &self.inner;
        let endpoint = &plan.endpoint;
        self.shut_stale_links(endpoint).await?;
        // At the same time: the kernel's work here, and the listeners' there.
        let mut opened = Vec::new();
        let (wired, published) = join(self.wire(plan, sandbox.clone(), done), self.open_ports(plan, &mut opened)).await;
        done.append(&mut opened);
        wired.and(published)?;
        let held = self.held(endpoint)?;
        if !held.elements().is_empty() {
            done.push(Done::Filtered(Box::new(held.clone())));
            let (inner, held) = (Arc::clone(inner), held.clone());
            run(move || inner.kernel.publish(&[], &[held])).await?;
        }
        if plan.names {
            self.name(&held, sandbox, done).await?;
        }
        // Last, so that a stored endpoint is a whole one. Not durable: after a power cut nothing runs.
        inner.endpoints.put(&endpoint.id, &held, Durability::Eventual).await?;
        done.push(Done::Recorded { endpoint: endpoint.id.clone() });
        Ok(held)
    }

    async fn wire(&self, plan: &Plan, sandbox: Option<Sandbox>, done: &mut Vec<Done>) -> Result<()> {
        let Some(wire) = &plan.wire else {
            // Nothing will be done in there: `none`.
            sandbox.and_then(|sandbox| sandbox.rest());
            return Ok(());
        };
        let sandbox = sandbox.ok_or(Error::Shared)?;
        // Noted before: a pair whose second half failed is there, too, and removing none is no error. Of a link inside only one
        // that has its name is known as the endpoint's.
        done.push(match &wire.uplink {
            Uplink::Port(_) => Done::Wired(plan.endpoint.host_interface.clone()),
            Uplink::Lan(_) => {
                Done::Joined { endpoint: plan.endpoint.id.clone(), interface: plan.endpoint.interface.clone() }
            }
        });
        let (inner, plan) = (Arc::clone(&self.inner), plan.clone());
        run(move || inner.wire(&plan, &sandbox)).await
    }

    /// The endpoint as it is held now; gone when its network was torn down in between.
    pub(crate) fn held(&self, endpoint: &Endpoint) -> Result<Held> {
        let state = self.inner.state();
        let key = (endpoint.container_id.clone(), endpoint.network_id.clone());
        state.endpoints.get(&key).cloned().ok_or_else(|| Error::NotConnected {
            container: endpoint.container_id.clone(),
            network: endpoint.network_name.clone(),
        })
    }

    /// Opens the endpoint's ports one after the other.
    pub(crate) async fn open_ports(&self, plan: &Plan, done: &mut Vec<Done>) -> Result<()> {
        for port in &plan.ports {
            self.publish_one(plan, port, done).await.map_err(|source| Error::Ports {
                name: plan.endpoint.container_name.clone(),
                endpoint: plan.endpoint.id.clone(),
                source,
            })?;
        }
        Ok(())
    }

    async fn publish_one(&self, plan: &Plan, group: &Group, done: &mut Vec<Done>) -> Result<(), PortError> {
        let endpoint = &plan.endpoint;
        let (routed, listening): (Vec<Place>, Vec<Place>) = group.places.iter().partition(|place| place.routed);
        for place in routed {
            let opened = (group.protocol, SocketAddr::new(place.target, group.container_port));
            self.keep_routed(endpoint, opened, place.host_ip);
            done.push(Done::Routed { endpoint: endpoint.id.clone(), opened });
        }
        if listening.is_empty() {
            return Ok(());
        }
        let addresses: Vec<IpAddr> = listening.iter().map(|place| place.host_ip).collect();
        let mut refused = Vec::new();
        'port: loop {
            let host_port = self.inner.state().ports.take(group.protocol, group.host_ports, &addresses, &refused)?;
            let opened_before = done.len();
            let mut failure = None;
            for place in &listening {
                let ip = place.host_ip;
                let published = Published {
                    id: ForwardId(format!("{}-{host_port}-{}-{ip}", &endpoint.id[..16], group.protocol)),
                    protocol: group.protocol,
                    host_ip: ip,
                    host_port,
                    target: SocketAddr::new(place.target, group.container_port),
                };
                match self.inner.forwarder.open(&published).await {
                    Ok(Binding { .. }) => {
                        self.keep(endpoint, &published);
                        done.push(Done::Opened(published));
                    }
                    // A machine without IPv6.
                    Err(ForwardError::NoAddress) if place.optional => {
                        self.inner.state().ports.release(group.protocol, ip, host_port);
                    }
                    Err(e) => {
                        failure = Some((ip, published, e));
                        break;
                    }
                }
            }
            let Some((ip, published, error)) = failure else { return Ok(()) };
            // What was opened of this number is closed, and all of the number given back.
            let opened: Vec<Done> = done.drain(opened_before..).collect();
            let kept: Vec<IpAddr> = opened
                .iter()
                .filter_map(|d| match d {
                    Done::Opened(p) => Some(p.host_ip),
                    _ => None,
                })
                .collect();
            self.undo(opened).await;
            for address in addresses.iter().filter(|a| !kept.contains(a)) {
                self.inner.state().ports.release(group.protocol, *address, host_port);
            }
            let may_try_another = group.host_ports.is_none_or(|(first, last)| first != last);
            if error == ForwardError::InUse && may_try_another && refused.len() < 512 {
                refused.push(host_port);
                continue 'port;
            }
            return Err(match error {
                ForwardError::Unsupported(_) => PortError::NoProtocol { ip, port: host_port },
                source => PortError::Host {
                    ip,
                    port: host_port,
                    target: published.target.to_string(),
                    protocol: group.protocol,
                    source,
                },
            });
        }
    }

    /// The endpoint holds a port that is open at its own address from now on.
    fn keep_routed(&self, endpoint: &Endpoint, opened: (Protocol, SocketAddr), host_ip: IpAddr) {
        let mut state = self.inner.state();
        let key = (endpoint.container_id.clone(), endpoint.network_id.clone());
        if let Some(held) = state.endpoints.get_mut(&key) {
            let (protocol, container_port) = (opened.0, opened.1.port());
            held.endpoint.ports.push(PortBinding { protocol, container_port, host_ip, host_port: 0 });
            held.opened.push(opened);
        }
    }

    /// The endpoint holds an open port from now on.
    fn keep(&self, endpoint: &Endpoint, published: &Published) {
        let mut state = self.inner.state();
        let key = (endpoint.container_id.clone(), endpoint.network_id.clone());
        if let Some(held) = state.endpoints.get_mut(&key) {
            held.endpoint.ports.push(PortBinding {
                protocol: published.protocol,
                container_port: published.target.port(),
                host_ip: published.host_ip,
                host_port: published.host_port,
            });
            held.forwards.push(published.clone());
        }
    }

    /// Makes the endpoint's names known and the container's resolver run.
    async fn name(&self, held: &Held, sandbox: Option<Sandbox>, done: &mut Vec<Done>) -> Result<()> {
        let endpoint = &held.endpoint;
        done.push(Done::Named { network: endpoint.network_id.clone(), endpoint: endpoint.id.clone() });
        let put = NameChange::Put { network: endpoint.network_id.clone(), names: held.names() };
        self.inner.names.update(vec![put]).await?;
        let resolver = self.inner.resolver(&endpoint.container_id);
        // On its second network the container has its sockets already.
        let sockets = match (resolver.networks.len(), sandbox) {
            (1, Some(sandbox)) => {
                done.push(Done::Served { container: endpoint.container_id.clone() });
                Some(run(move || dns::open(&sandbox)).await?)
            }
            _ => None,
        };
        self.inner.names.serve(resolver, sockets).await?;
        Ok(())
    }

    /// Undoes steps, the last first; goes on after failures and answers them.
    pub(crate) async fn undo(&self, done: Vec<Done>) -> Vec<String> {
        let mut failures = Vec::new();
        for step in done.into_iter().rev() {
            let undone: Result<()> = match step {
                Done::Wired(link) => self.remove_link(link).await,
                Done::Left(link) => self.cut(link).await,
                Done::Joined { endpoint, interface } => {
                    let inner = Arc::clone(&self.inner);
                    run(move || inner.inside.remove(&endpoint, &interface)).await
                }
                Done::Opened(published) => self.close(&published).await,
                Done::Routed { endpoint, opened } => {
                    self.forget_routed(&endpoint, opened);
                    Ok(())
                }
                Done::Filtered(held) => {
                    let inner = Arc::clone(&self.inner);
                    run(move || inner.kernel.publish(&[*held], &[])).await
                }
                Done::Named { network, endpoint } => {
                    self.inner.names.update(vec![NameChange::Remove { network, endpoint }]).await.map_err(Error::from)
                }
                Done::Served { container } => self.inner.names.drop_sandbox(&container).await.map_err(Error::from),
                Done::Recorded { endpoint } => {
                    self.inner.endpoints.remove(&endpoint, Durability::Eventual).await.map_err(Error::from)
                }
            };
            if let Err(e) = undone {
                failures.push(e.to_string());
            }
        }
        failures
    }

    async fn remove_link(&self, link: String) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        run(move || inner.kernel.route().remove(&link).map_err(kernel("remove a link"))).await
    }

    /// Cuts a link off at once and has it removed soon.
    async fn cut(&self, link: String) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let name = link.clone();
        let retired = run(move || {
            let retired = inner.kernel.route().retire(&name).is_ok();
            if retired {
                inner.retirement.wake();
            }
            Ok(retired)
        });
        match retired.await? {
            true => Ok(()),
            // Not a port of a bridge any more: the slow way.
            false => self.remove_link(link).await,
        }
    }

    fn forget_routed(&self, endpoint: &str, opened: (Protocol, SocketAddr)) {
        let mut state = self.inner.state();
        for held in state.endpoints.values_mut().filter(|held| held.endpoint.id == endpoint) {
            held.opened.retain(|other| *other != opened);
            held.endpoint.ports.retain(|port| {
                port.host_port != 0 || (port.protocol, port.container_port) != (opened.0, opened.1.port())
            });
        }
    }

    /// Closes a forward; its port is free for others afterwards, whatever the answer.
    async fn close(&self, published: &Published) -> Result<()> {
        let closed = self.inner.forwarder.close(&published.id).await;
        let mut state = self.inner.state();
        state.ports.release(published.protocol, published.host_ip, published.host_port);
        for held in state.endpoints.values_mut() {
            if let Some(at) = held.forwards.iter().position(|f| f.id == published.id) {
                held.forwards.remove(at);
                let of_this = |p: &PortBinding| {
                    p.host_ip == published.host_ip
                        && p.host_port == published.host_port
                        && p.protocol == published.protocol
                };
                held.endpoint.ports.retain(|p| !of_this(p));
            }
        }
        closed.map_err(|source| Error::Forward { port: published.host_port, source })
    }
}

impl Inner {
    /// Makes the planned link. Blocks.
    fn wire(&self, plan: &Plan, sandbox: &Sandbox) -> Result<()> {
        let Some(wire) = &plan.wire else { return Ok(()) };
        let port = match &wire.uplink {
            Uplink::Port(port) => port,
            Uplink::Lan(lan) => {
                let entry = self.state().networks.get(&plan.endpoint.network_id).cloned();
                // The card of a VLAN may have been missing when the engine started. One that still is fails below.
                if let Some(Err(error)) = entry.map(|entry| self.kernel.ensure_parent(&entry)) {
                    tracing::debug!(%error, parent = lan.parent, "a parent interface that cannot be made");
                }
                return self.wire_lan(&plan.endpoint, lan, wire, sandbox);
            }
        };
        let mut bridge = self.kernel.bridge(&port.bridge)?;
        if bridge.is_none() {
            // Somebody removed it, or it could not be made when the engine started.
            let entry = self.state().networks.get(&plan.endpoint.network_id).cloned();
            entry.map_or(Ok(()), |entry| self.kernel.ensure_bridge(&entry))?;
            bridge = self.kernel.bridge(&port.bridge)?;
        }
        let gone = || Error::Kernel { what: "find the network's bridge", source: io::ErrorKind::NotFound.into() };
        self.kernel.wire(&plan.endpoint, port, wire, bridge.ok_or_else(gone)?, sandbox)
    }

    /// Whose names a container sees now, and who answers the rest.
    pub(crate) fn resolver(&self, container: &str) -> Resolver {
        let state = self.state();
        let endpoints = state.preferred(container);
        let dns = endpoints.first().map_or(&[][..], |h| &h.dns);
        let upstream = dns.iter().map(|ip| SocketAddr::new(*ip, 53)).collect();
        let (mut ids, mut links, mut external) = (Vec::new(), Vec::new(), false);
        for held in &endpoints {
            let Some(entry) = state.networks.get(&held.endpoint.network_id) else { continue };
            external |= !entry.internal();
            if entry.network.resolves_names() {
                ids.push(entry.network.id.clone());
                links.extend(held.links.iter().map(|(name, alias)| NameLink {
                    network: entry.network.id.clone(),
                    alias: alias.to_lowercase(),
                    name: name.to_lowercase(),
                }));
            }
        }
        Resolver { sandbox: container.to_owned(), networks: ids, upstream, external, links }
    }
}
