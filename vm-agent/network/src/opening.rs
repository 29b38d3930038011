//! Start-up: from the store to bridges and packet filter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use events::Events;
use ipnet::{IpNet, Ipv6Net};
use store::Durability;

use crate::create;
use crate::ipam::{choose_subnet, default_pools};
use crate::kernel::Kernel;
use crate::lan::{Inside, Lan};
use crate::link::Route;
use crate::networks::{Inner, random, random_id};
use crate::options::{self, BridgeOptions};
use crate::ports::{self, PortTable};
use crate::retire::Retirement;
use crate::sandbox::run;
use crate::state::{Entry, Held, State};
use crate::{
    DEFAULT_BRIDGE, Driver, Error, Forwarder, Ipam, LOCAL_SCOPE, NameService, Network, Networks, Pool, Result, Settings,
};

impl Networks {
    /// Whether a stored network needs the kernel's drivers for networks on a parent interface: load them, where the kernel
    /// does not do so by itself, before [`Networks::open`].
    pub fn on_parents(store: &store::Store) -> Result<bool> {
        let networks = store.table::<Network>("networks").all()?;
        Ok(networks.iter().any(|(_, network)| Lan::of(network).is_some()))
    }

    /// Opens the stored networks, makes the bridges that the kernel lacks, and loads the packet filter. Call
    /// [`Networks::adopt`] next, with the containers that still run.
    pub async fn open(
        store: store::Store,
        events: Events,
        forwarder: Arc<dyn Forwarder>,
        names: Arc<dyn NameService>,
        settings: Settings,
    ) -> Result<Networks> {
        let networks = store.table::<Network>("networks");
        let endpoints = store.table::<Held>("endpoints");
        let unique_local = unique_local(&store).await?;
        let ports = PortTable::new(ports::ephemeral());
        let mut state = State { ports, publish_ipv6: settings.publish_ipv6, ..State::default() };
        let mut stored = networks.all()?.into_iter().map(|(_, network)| network).collect::<Vec<_>>();
        let fresh = predefined(&stored, &settings)?;
        for network in &fresh {
            networks.put(&network.id, network, Durability::Durable).await?;
        }
        stored.extend(fresh);
        for network in stored.iter_mut().filter(|network| network.name == DEFAULT_BRIDGE) {
            if options::let_talk(&mut network.options, settings.icc) {
                networks.put(&network.id, network, Durability::Durable).await?;
            }
        }
        for network in stored {
            let entry = entry(network)?;
            state.networks.insert(entry.network.id.clone(), entry);
        }
        for (id, held) in endpoints.all()? {
            if !state.restore(held) {
                endpoints.remove(&id, Durability::Eventual).await?;
            }
        }
        let mut elements: BTreeSet<_> = state.networks.values().flat_map(Entry::elements).collect();
        elements.extend(state.endpoints.values().flat_map(Held::elements));
        let bridges: Vec<Entry> = state.networks.values().cloned().collect();
        let outside = settings.outside.clone();
        let kernel = run(move || {
            let kernel = Kernel::open(elements, outside)?;
            for entry in &bridges {
                match kernel.ensure_bridge(entry).and_then(|()| kernel.ensure_parent(entry)) {
                    // A network of the user's must not keep the engine from starting; attaching to it tries again.
                    Err(error) if !entry.network.predefined() => {
                        tracing::error!(%error, network = entry.network.name, "cannot make a network's bridge or parent interface");
                    }
                    other => other?,
                }
            }
            Ok(kernel)
        })
        .await?;
        let retirement = Retirement::start()?;
        let [making, pruning, linking] = [(); 3].map(tokio::sync::Mutex::new);
        let state = Mutex::new(state);
        Ok(Networks {
            inner: Arc::new(Inner {
                state,
                kernel,
                inside: Inside::default(),
                retirement,
                forwarder,
                names,
                settings,
                events,
                networks,
                endpoints,
                unique_local,
                making,
                pruning,
                linking,
            }),
        })
    }
}

/// A stored network with its allocators.
fn entry(mut network: Network) -> Result<Entry> {
    // What was no option when the network was made may be a wrong one now; that must not keep the engine from starting.
    let options = BridgeOptions::of(&network).unwrap_or_else(|error| {
        tracing::error!(%error, network = network.name, "a network's options mean nothing: it has the usual ones");
        BridgeOptions::default()
    });
    let gateways = create::gateways(Lan::of(&network).as_ref(), &options, network.internal);
    let allocators = create::reserve_all(&mut network, gateways)?;
    Ok(Entry::new(network, allocators, options))
}

/// The predefined networks that are not stored yet.
fn predefined(stored: &[Network], settings: &Settings) -> Result<Vec<Network>> {
    let mut missing = Vec::new();
    for (name, driver) in [(DEFAULT_BRIDGE, Driver::Bridge), ("host", Driver::Host), ("none", Driver::Null)] {
        if stored.iter().any(|n| n.name == name) {
            continue;
        }
        let mut network = Network {
            id: random_id(),
            name: name.to_owned(),
            created: SystemTime::now(),
            scope: LOCAL_SCOPE.to_owned(),
            driver,
            enable_ipv4: true,
            enable_ipv6: false,
            internal: false,
            attachable: false,
            config_only: false,
            config_from: None,
            ipam: Ipam { driver: "default".into(), options: None, config: Vec::new() },
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            containers: BTreeMap::new(),
        };
        if driver == Driver::Bridge {
            network.options = options::default_bridge();
            network.options.insert("com.docker.network.bridge.name".into(), settings.bridge.clone());
            let mut used: Vec<IpNet> = stored.iter().flat_map(|n| n.pools().map(|p| p.subnet)).collect();
            used.extend(Route::open().and_then(|mut r| r.routed()).unwrap_or_default());
            let subnet = choose_subnet(default_pools(), &used).ok_or(Error::PoolsExhausted)?;
            let mut pool = Pool {
                subnet,
                ip_range: None,
                gateway: None,
                aux_addresses: BTreeMap::new(),
                user_defined: false,
                gateway_chosen: false,
            };
            create::reserve(&mut pool, [true; 2])?;
            network.ipam.config.push(pool);
        }
        missing.push(network);
    }
    Ok(missing)
}

/// The engine's own /48 of unique local IPv6 addresses (RFC 4193, 3.2): drawn once.
async fn unique_local(store: &store::Store) -> Result<Ipv6Net> {
    let table = store.table::<Ipv6Net>("network-settings");
    if let Some(net) = table.get("unique-local")? {
        return Ok(net);
    }
    let [a, b, c, d, e] = random::<5>();
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&[0xfd, a, b, c, d, e]);
    let net = Ipv6Net::new(bytes.into(), 48).expect("48 is a prefix length");
    table.put("unique-local", &net, Durability::Durable).await?;
    Ok(net)
}
