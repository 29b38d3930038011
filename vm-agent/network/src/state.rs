//! What the engine knows of its networks, in memory: pure, guarded by one lock, never held while waiting.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::announce::mac_of;
use crate::ipam::Allocator;
use crate::lan::Lan;
use crate::links::Opening;
use crate::nft::Element;
use crate::options::{BridgeOptions, GatewayMode};
use crate::ports::PortTable;
use crate::{Driver, Endpoint, EndpointNames, EndpointSummary, Error, Families, Network, Protocol, Published, Result};

/// A network with what is computed from it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) network: Network,
    /// One for each of the network's pools.
    pub(crate) allocators: Vec<Allocator>,
    pub(crate) options: BridgeOptions,
    /// Addresses that somebody had with a MAC address of its own, which neighbours may still know.
    pub(crate) other_macs: HashSet<Ipv4Addr>,
}

impl Entry {
    pub(crate) fn new(network: Network, allocators: Vec<Allocator>, options: BridgeOptions) -> Entry {
        Entry { network, allocators, options, other_macs: HashSet::new() }
    }

    /// The bridge's link name; `None` for networks without a bridge.
    pub(crate) fn bridge(&self) -> Option<String> {
        let has_bridge = self.network.driver == Driver::Bridge && !self.network.config_only;
        has_bridge.then(|| self.options.name.clone().unwrap_or_else(|| format!("br-{}", &self.network.id[..12])))
    }

    /// What its driver options say of a macvlan or ipvlan network.
    pub(crate) fn lan(&self) -> Option<Lan> {
        Lan::of(&self.network)
    }

    /// Nothing leads out of the network: it was asked for so, or it has no parent interface.
    pub(crate) fn internal(&self) -> bool {
        self.network.internal || self.lan().is_some_and(|lan| !lan.given)
    }

    /// What the packet filter must know of the network.
    pub(crate) fn elements(&self) -> Vec<Element> {
        let Some(bridge) = self.bridge() else { return Vec::new() };
        let mut elements = vec![Element::Bridge(bridge.clone())];
        elements.push(match self.options.icc {
            true => Element::Talk(bridge.clone()),
            false => Element::Apart(bridge.clone()),
        });
        if self.network.internal {
            elements.push(Element::Internal(bridge));
            return elements;
        }
        for ipv6 in [false, true] {
            let bridge = bridge.clone();
            match self.options.modes[usize::from(ipv6)] {
                GatewayMode::Open => elements.push(Element::Open { bridge, ipv6 }),
                GatewayMode::Routed => elements.push(Element::Routed { bridge, ipv6 }),
                GatewayMode::Nat | GatewayMode::Isolated => {}
            }
        }
        let routed = |ipv6: bool| self.options.modes[usize::from(ipv6)] == GatewayMode::Routed;
        let subnets = self.network.pools().map(|p| p.subnet);
        if self.options.masquerade {
            elements.extend(subnets.filter(|s| !routed(s.addr().is_ipv6())).map(|s| self.leaving(s)));
        }
        elements
    }
}

impl Entry {
    /// With what address traffic from a subnet leaves.
    fn leaving(&self, subnet: IpNet) -> Element {
        let source: Option<IpAddr> = match subnet {
            IpNet::V4(_) => self.options.source4.map(IpAddr::V4),
            IpNet::V6(_) => self.options.source6.map(IpAddr::V6),
        };
        source.map_or(Element::Masquerade(subnet), |address| Element::Source { subnet, address })
    }
}

/// An endpoint with what it holds elsewhere; stored under the endpoint's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) endpoint: Endpoint,
    pub(crate) forwards: Vec<Published>,
    /// The container's `--dns`.
    pub(crate) dns: Vec<IpAddr>,
    /// (name, alias): the container's own names for others on the network.
    #[serde(default)]
    pub(crate) links: Vec<(String, String)>,
    /// The families that ports are published for.
    #[serde(default)]
    pub(crate) families: Families,
    /// Ports of a routed network: open at the container's own address, with no port of the machine.
    #[serde(default)]
    pub(crate) opened: Vec<(Protocol, SocketAddr)>,
    /// Interfaces from which the published ports are reached at the container's own address, too.
    #[serde(default)]
    pub(crate) trusted: Vec<String>,
    /// Ports of others that it may use though containers may not talk to each other.
    #[serde(default)]
    pub(crate) linked: Vec<Opening>,
    /// Endpoints of a container are listed in this order.
    pub(crate) order: u64,
}

impl Held {
    /// What the packet filter must know of the published ports. Those on loopback addresses are not translated: the kernel
    /// does not route to them, a listener serves them.
    pub(crate) fn elements(&self) -> Vec<Element> {
        let mut elements = Vec::new();
        for f in &self.forwards {
            let (protocol, target) = (f.protocol, f.target);
            match f.host_ip {
                IpAddr::V4(ip) if ip.is_loopback() => {
                    elements.push(Element::Loopback { protocol, ip, port: f.host_port });
                }
                // An IPv6 address in front of an IPv4-only container is a matter of the listener as well.
                ip if ip.is_loopback() || ip.is_ipv4() != target.is_ipv4() => {}
                ip => {
                    let ip = Some(ip).filter(|ip| !ip.is_unspecified());
                    elements.push(Element::Publish { protocol, ip, port: f.host_port, target });
                    elements.push(Element::Hairpin { container: target.ip() });
                }
            }
            if f.host_ip.is_ipv4() == target.is_ipv4() {
                let trusted = self.trusted.iter().cloned();
                elements.extend(trusted.map(|interface| Element::Trusted { interface, protocol, target }));
            }
        }
        elements.extend(
            self.opened.iter().map(|(protocol, target)| Element::Opened { protocol: *protocol, target: *target }),
        );
        elements.extend(self.link_elements());
        // A container's port may be published more than once.
        elements.sort();
        elements.dedup();
        elements
    }

    /// The endpoint's names, where the network has any.
    pub(crate) fn names(&self) -> EndpointNames {
        let e = &self.endpoint;
        let addresses = [e.ipv4.map(|(ip, _)| IpAddr::V4(ip)), e.ipv6.map(|(ip, _)| IpAddr::V6(ip))];
        EndpointNames {
            endpoint: e.id.clone(),
            names: e.dns_names.iter().map(|n| n.to_lowercase()).collect(),
            network_name: e.network_name.clone(),
            addresses: addresses.into_iter().flatten().collect(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) networks: BTreeMap<String, Entry>,
    /// By container id and network id.
    pub(crate) endpoints: BTreeMap<(String, String), Held>,
    pub(crate) ports: PortTable,
    /// A port published without an address is published on `::` as well.
    pub(crate) publish_ipv6: bool,
    pub(crate) next_order: u64,
    /// Ids of the endpoints whose end is not to be told: it is already, though they are still held, or their beginning is not
    /// told yet.
    pub(crate) leaving: HashSet<String>,
    /// Ids of the endpoints whose links were shut for good, though they are still held.
    pub(crate) unlinked: HashSet<String>,
}

impl State {
    /// By name, full id, or unique id prefix, in that order.
    pub(crate) fn find(&self, name: &str) -> Result<&Entry> {
        if let Some(entry) = self.networks.values().find(|e| e.network.name == name) {
            return Ok(entry);
        }
        if let Some(entry) = self.networks.get(name) {
            return Ok(entry);
        }
        let matching: Vec<&Entry> = match name {
            "" => Vec::new(),
            _ => self.networks.values().filter(|e| e.network.id.starts_with(name)).collect(),
        };
        match matching.as_slice() {
            [] => Err(Error::NotFound(name.to_owned())),
            [one] => Ok(one),
            many => Err(Error::Ambiguous(name.to_owned(), many.len())),
        }
    }

    /// The network with its containers, as reported.
    pub(crate) fn report(&self, entry: &Entry) -> Network {
        let mut network = entry.network.clone();
        for held in self.on_network(&network.id) {
            let e = &held.endpoint;
            network.containers.insert(
                e.container_id.clone(),
                EndpointSummary {
                    name: e.container_name.clone(),
                    endpoint_id: e.id.clone(),
                    mac: e.mac,
                    ipv4: e.ipv4,
                    ipv6: e.ipv6,
                },
            );
        }
        network
    }

    pub(crate) fn on_network(&self, network: &str) -> impl Iterator<Item = &Held> {
        self.endpoints.values().filter(move |h| h.endpoint.network_id == network)
    }

    /// A container's endpoints in the order of attachment.
    pub(crate) fn of_container(&self, container: &str) -> Vec<&Held> {
        let from = (container.to_owned(), String::new());
        let mut held: Vec<&Held> =
            self.endpoints.range(from..).take_while(|((c, _), _)| c == container).map(|(_, h)| h).collect();
        held.sort_by_key(|h| h.order);
        held
    }

    /// A container's endpoints in the order in which one is chosen for its default routes and asked for names: the highest
    /// priority, then those that lead out, then the one with gateways of both families, then the first network name.
    pub(crate) fn preferred(&self, container: &str) -> Vec<&Held> {
        let mut held = self.of_container(container);
        held.sort_by_key(|h| {
            let e = &h.endpoint;
            let internal = self.networks.get(&e.network_id).is_some_and(|entry| entry.network.internal);
            let ways = [false, true].into_iter().filter(|ipv6| self.way_out(e, *ipv6).is_some()).count();
            (Reverse(e.gateway_priority), internal, Reverse(ways), e.network_name.clone())
        });
        held
    }

    /// The endpoint whose gateway is the container's default route for the family. As in dockerd, the first one that leads out
    /// for both families is that for both, be it that one of a single family has a higher priority.
    pub(crate) fn gateway(&self, container: &str, ipv6: bool) -> Option<(&Held, IpAddr)> {
        let preferred = self.preferred(container);
        let way = |h: &'_ Held| self.way_out(&h.endpoint, ipv6);
        let both = |h: &&&Held| [false, true].into_iter().all(|ipv6| self.way_out(&h.endpoint, ipv6).is_some());
        let first = preferred.iter().find(both).or_else(|| preferred.iter().find(|h| way(h).is_some()));
        first.and_then(|h| Some((*h, way(h)?)))
    }

    /// Next hop of an endpoint's default route; unspecified where its interface is all that it needs.
    fn way_out(&self, e: &Endpoint, ipv6: bool) -> Option<IpAddr> {
        let (gateway, has_address) = match ipv6 {
            false => (e.gateway_ipv4.map(IpAddr::V4), e.ipv4.is_some()),
            true => (e.gateway_ipv6.map(IpAddr::V6), e.ipv6.is_some()),
        };
        gateway.or_else(|| {
            let entry = self.networks.get(&e.network_id)?;
            let routed = has_address && !entry.internal() && entry.lan()?.routed();
            let unspecified = if ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
            routed.then_some(unspecified)
        })
    }

    /// Gives back what an endpoint holds here: addresses, ports, its place.
    pub(crate) fn forget(&mut self, container: &str, network: &str) -> Option<Held> {
        let held = self.endpoints.remove(&(container.to_owned(), network.to_owned()))?;
        for port in &held.forwards {
            self.ports.release(port.protocol, port.host_ip, port.host_port);
        }
        if let Some(entry) = self.networks.get_mut(network) {
            if let (Some((ip, _)), Some(mac)) = (held.endpoint.ipv4, held.endpoint.mac)
                && mac != mac_of(ip)
            {
                entry.other_macs.insert(ip);
            }
            held.endpoint.ipv4.into_iter().for_each(|(ip, _)| release(entry, ip.into()));
            held.endpoint.ipv6.into_iter().for_each(|(ip, _)| release(entry, ip.into()));
        }
        Some(held)
    }

    /// [`State::forget`] for an endpoint that was released, and whether somebody has told, or will tell, that it left. Two may release
    /// the same one: its container ends while a disconnect waits for the host to close its ports. By then another endpoint may be
    /// in its place.
    pub(crate) fn leave(&mut self, released: &Held) -> bool {
        let e = &released.endpoint;
        let key = (e.container_id.clone(), e.network_id.clone());
        if self.endpoints.get(&key).is_none_or(|held| held.endpoint.id != e.id) {
            return true;
        }
        self.forget(&e.container_id, &e.network_id);
        self.unlinked.remove(&e.id);
        self.leaving.remove(&e.id)
    }

    /// Takes an endpoint of an earlier engine back in; false when its network is gone or its address taken.
    pub(crate) fn restore(&mut self, held: Held) -> bool {
        let e = &held.endpoint;
        let Some(entry) = self.networks.get_mut(&e.network_id) else { return false };
        let addresses = [e.ipv4.map(|(ip, _)| IpAddr::V4(ip)), e.ipv6.map(|(ip, _)| IpAddr::V6(ip))];
        for (n, ip) in addresses.iter().flatten().enumerate() {
            if !entry.allocators.iter_mut().any(|a| a.take(*ip).is_ok()) {
                addresses.iter().flatten().take(n).for_each(|ip| release(entry, *ip));
                return false;
            }
        }
        for port in &held.forwards {
            self.ports.hold(port.protocol, &[port.host_ip], port.host_port);
        }
        self.next_order = self.next_order.max(held.order + 1);
        self.endpoints.insert((e.container_id.clone(), e.network_id.clone()), held);
        true
    }
}

pub(crate) fn release(entry: &mut Entry, ip: IpAddr) {
    let pools = entry.network.ipam.config.iter().zip(&mut entry.allocators);
    pools.filter(|(p, _)| p.subnet.contains(&ip)).for_each(|(_, a)| a.release(ip));
}
