//! The service: a cheap handle on all networks and endpoints of the engine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use events::{Event, Events, Kind};
use ipnet::Ipv6Net;
use store::Table;

use crate::kernel::Kernel;
use crate::lan::Inside;
use crate::link::Link;
use crate::plan::Wanted;
use crate::retire::Retirement;
use crate::sandbox::run;
use crate::state::{Entry, Held, State};
use crate::{
    DEFAULT_BRIDGE, Endpoint, EndpointRequest, EndpointWish, Error, Forwarder, InterfaceStats, NameService, Network,
    Outside, Result, Sandbox, Understood,
};

/// What the composition root decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What `host-gateway` means in `--add-host`; `None`: the default bridge's own address.
    pub host_gateway: Option<IpAddr>,
    /// Also listen on `::` for a port published without an address.
    pub publish_ipv6: bool,
    /// Containers of the default bridge may talk to each other.
    pub icc: bool,
    /// Link name of the default bridge.
    pub bridge: String,
    /// By which interface packets leave that are for elsewhere; `None`: as the machine's own routes say.
    pub outside: Option<Outside>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { host_gateway: None, publish_ipv6: true, icc: true, bridge: "docker0".into(), outside: None }
    }
}

/// A network was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub id: String,
    /// Empty, or something the user should read.
    pub warning: String,
}

/// All networks. Clones share one state.
#[derive(Clone)]
pub struct Networks {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) state: Mutex<State>,
    pub(crate) kernel: Kernel,
    pub(crate) inside: Inside,
    pub(crate) retirement: Retirement,
    pub(crate) forwarder: Arc<dyn Forwarder>,
    pub(crate) names: Arc<dyn NameService>,
    pub(crate) settings: Settings,
    pub(crate) events: Events,
    pub(crate) networks: Table<Network>,
    pub(crate) endpoints: Table<Held>,
    pub(crate) unique_local: Ipv6Net,
    /// Networks are made and removed one at a time: a removal must not overtake an attachment to the bridge.
    pub(crate) making: tokio::sync::Mutex<()>,
    pub(crate) pruning: tokio::sync::Mutex<()>,
    /// Links are opened and shut one after the other, in state, packet filter and record.
    pub(crate) linking: tokio::sync::Mutex<()>,
}

impl Inner {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before something that may panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the world about a network; `container` for attachments.
    pub(crate) fn tell(&self, action: &str, network: &Network, container: Option<&str>) {
        let event = Event::new(Kind::Network, action, network.id.as_str())
            .with("name", network.name.as_str())
            .with("type", network.driver_name());
        self.events.emit(match container {
            Some(id) => event.with("container", id),
            None => event,
        });
    }
}

impl Networks {
    /// By name, full id or unique id prefix, in that order of preference.
    pub fn inspect(&self, name: &str) -> Result<Network> {
        let state = self.inner.state();
        state.find(name).map(|entry| state.report(entry))
    }

    /// The same without its containers, of which there may be a thousand.
    ///
    /// # Errors
    /// Those of [`Networks::inspect`].
    pub fn find(&self, name: &str) -> Result<Network> {
        self.inner.state().find(name).map(|entry| entry.network.clone())
    }

    /// All networks, by name.
    pub fn list(&self) -> Vec<Network> {
        let state = self.inner.state();
        let mut list: Vec<Network> = state.networks.values().map(|entry| state.report(entry)).collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// Puts a container on a network: all done, ports open, when this answers; nothing done when it fails. Goes on to
    /// its end even if the future is dropped.
    pub async fn attach(&self, request: EndpointRequest<'_>) -> Result<Endpoint> {
        self.attach_and(request, true).await
    }

    /// [`Networks::attach`] without its event, nor that of a detachment, until [`Networks::tell_connected`]: there is more to be
    /// done before the container counts as connected.
    pub async fn attach_untold(&self, request: EndpointRequest<'_>) -> Result<Endpoint> {
        self.attach_and(request, false).await
    }

    async fn attach_and(&self, request: EndpointRequest<'_>, tell: bool) -> Result<Endpoint> {
        let (this, sandbox) = (self.clone(), request.sandbox.cloned());
        let wanted = Wanted {
            container_id: request.container_id,
            container_name: request.container_name,
            hostname: request.hostname,
            network: request.network,
            aliases: request.aliases,
            links: request.links,
            ipv4: request.ipv4,
            ipv6: request.ipv6,
            mac: request.mac,
            link_local: request.link_local,
            ports: request.ports,
            families: request.families,
            dns: request.dns,
            gateway_priority: request.gateway_priority,
            options: request.options,
        };
        unabridged(async move {
            let endpoint = this.attach_now(wanted, sandbox).await?;
            if tell {
                this.tell_connected(&endpoint);
            }
            Ok(endpoint)
        })
        .await
    }

    /// What [`Networks::attach`] would complain about of a wish, before a container runs. A network that is not there yet
    /// has no subnets to check against.
    ///
    /// # Errors
    /// Those of [`EndpointWish::understand`], and [`Error::ConfigOnly`].
    pub fn understand(&self, network: &str, wish: &EndpointWish) -> Result<Understood> {
        let state = self.inner.state();
        let network_found = state.find(network).ok().map(|entry| &entry.network);
        if let Some(found) = network_found.filter(|found| found.config_only) {
            return Err(Error::ConfigOnly(found.name.clone()));
        }
        wish.understand(network_found.map_or(network, |found| &found.name), network_found)
    }

    /// The container's endpoints, in the order of attachment.
    pub fn endpoints(&self, container_id: &str) -> Vec<Endpoint> {
        self.inner.state().of_container(container_id).into_iter().map(|h| h.endpoint.clone()).collect()
    }

    /// What `host-gateway` stands for: the setting, else the default bridge's own address.
    pub fn host_gateway(&self) -> IpAddr {
        let bridge = || {
            let state = self.inner.state();
            state.find(DEFAULT_BRIDGE).ok()?.network.ipam.config.iter().find_map(|p| p.gateway)
        };
        self.inner.settings.host_gateway.or_else(bridge).unwrap_or(Ipv4Addr::LOCALHOST.into())
    }

    /// Counters of the sandbox's interfaces except `lo`, by interface name.
    pub async fn stats(&self, sandbox: &Sandbox) -> Result<BTreeMap<String, InterfaceStats>> {
        sandbox.stats().await
    }

    /// Other packet filters of this machine that drop what ours accepts, each as a sentence for the user. Empty in the
    /// VM; a native host may run firewalld, ufw or a Docker of its own.
    pub async fn warnings(&self) -> Vec<String> {
        match run(crate::warnings::look).await {
            Ok(warnings) => warnings,
            Err(e) => vec![format!("could not look for other packet filters: {e}")],
        }
    }

    /// Links on our bridges that no endpoint has, and bridges and parent interfaces of ours without a network.
    pub(crate) async fn leftovers(&self, running: Vec<Sandbox>) -> Result<Vec<Link>> {
        let (bridges, parents, known) = {
            let state = self.inner.state();
            let bridges: Vec<String> = state.networks.values().filter_map(Entry::bridge).collect();
            let parents: Vec<String> = state.networks.values().filter_map(|e| Some(e.lan()?.parent)).collect();
            let known = state.endpoints.values().map(|h| h.endpoint.host_interface.clone()).collect();
            (bridges, parents, known)
        };
        let inner = Arc::clone(&self.inner);
        run(move || inner.kernel.leftovers(&bridges, &parents, &known, &running)).await
    }
}

impl std::fmt::Debug for Networks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Networks").finish_non_exhaustive()
    }
}

/// Runs a change to its end even if the caller goes away in the middle: half an attachment is nobody's.
pub(crate) async fn unabridged<T: Send + 'static>(
    change: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::spawn(change).await {
        Ok(result) => result,
        Err(e) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopping),
        },
    }
}

/// 64 hexadecimal digits.
pub(crate) fn random_id() -> String {
    random::<32>().iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel has random numbers once it has booted");
    bytes
}
