//! The engine's own network namespace: bridges, host ends of veth pairs, the packet filter, forwarding.
//!
//! Everything here blocks (for microseconds to milliseconds) and runs on blocking threads.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::announce::announce;
use crate::lan::is_ours;
use crate::link::{Addressing, BridgeSpec, Link, Route, VethSpec};
use crate::nft::{Element, Filter};
use crate::plan::{Port, Wire};
use crate::sandbox::{Sandbox, kernel};
use crate::state::{Entry, Held};
use crate::wish::Sysctl;
use crate::{Endpoint, Error, Outside, Protocol, Result, conntrack, procfs};

/// Sockets of the engine's namespace.
#[derive(Debug)]
pub(crate) struct Kernel {
    route: Mutex<Route>,
    filter: Mutex<Filter>,
}

/// Marks links as ours, in their `ifalias`.
pub(crate) const ALIAS: &str = "berth:";

impl Kernel {
    /// Opens the calling thread's namespace and loads the packet filter with `elements`.
    pub(crate) fn open(elements: BTreeSet<Element>, outside: Option<Outside>) -> Result<Kernel> {
        let mut route = Route::open().map_err(kernel("open a route socket"))?;
        if let Some(outside) = &outside {
            outside.lead(&mut route)?;
        }
        Ok(Kernel {
            route: Mutex::new(route),
            filter: Mutex::new(Filter::open(elements, outside).map_err(kernel("load the packet filter"))?),
        })
    }

    pub(crate) fn route(&self) -> MutexGuard<'_, Route> {
        // A panic while holding it leaves at worst unread answers, which later sequence numbers skip.
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes elements of the packet filter, removals first, at one instant.
    pub(crate) fn filter(&self, remove: &[Element], add: &[Element]) -> Result<()> {
        let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        filter.change(remove, add).map_err(kernel("change the packet filter"))
    }

    /// Takes published ports out of the packet filter and puts others in, at one instant.
    pub(crate) fn publish(&self, shut: &[Held], opened: &[Held]) -> Result<()> {
        opened.iter().try_for_each(|held| self.hairpin(held))?;
        let elements = |all: &[Held]| all.iter().flat_map(Held::elements).collect::<Vec<_>>();
        self.filter(&elements(shut), &elements(opened))?;
        let udp = shut.iter().chain(opened).flat_map(|held| &held.forwards).filter(|f| f.protocol == Protocol::Udp);
        let ports: BTreeSet<u16> = udp.map(|f| f.host_port).collect();
        if ports.is_empty() {
            return Ok(());
        }
        let local = self.route().addresses().map_err(kernel("list addresses"))?;
        let local: Vec<IpAddr> = local.into_iter().map(|(_, net)| net.addr()).collect();
        conntrack::forget_udp(&ports, &local).map_err(kernel("forget earlier datagrams to a published port"))
    }

    /// Lets an endpoint with published ports come back to itself: where bridged packets are shown to the packet filter, one
    /// that is translated to its own sender goes on as a frame from port to port. Set wherever ports are published, since
    /// `br_netfilter` may come later. Lasts as long as the link.
    pub(crate) fn hairpin(&self, held: &Held) -> Result<()> {
        match held.elements().iter().any(|element| matches!(element, Element::Hairpin { .. })) {
            true => self.route().hairpin(&held.endpoint.host_interface).map_err(kernel("set the bridge's port")),
            false => Ok(()),
        }
    }

    /// Makes a network's bridge, or brings the one that is there to the wanted state.
    pub(crate) fn ensure_bridge(&self, entry: &Entry) -> Result<()> {
        let Some(name) = entry.bridge() else { return Ok(()) };
        let own = entry.network.pools().filter(|p| entry.options.has_address(p.subnet.addr().is_ipv6()));
        let wanted: Vec<IpNet> = own.filter_map(|p| IpNet::new(p.gateway?, p.subnet.prefix_len()).ok()).collect();
        let spec = BridgeSpec {
            mac: bridge_mac(&wanted, &entry.network.id),
            mtu: entry.options.mtu,
            alias: format!("{ALIAS}{}", entry.network.id),
            name: name.clone(),
        };
        let mut route = self.route();
        match route.link(&name).map_err(kernel("look for the bridge"))? {
            Some(link) if link.alias == spec.alias => {
                route.adjust_bridge(&spec).map_err(kernel("adjust the bridge"))?;
            }
            // A bridge that the user made for this network by hand may carry `bridge.name`; one with another owner not.
            // It is not marked as ours, and stays when the network goes.
            Some(link)
                if link.kind == "bridge"
                    && link.alias.is_empty()
                    && entry.options.name.is_some()
                    && !entry.network.predefined() =>
            {
                let unmarked = BridgeSpec { alias: String::new(), ..spec };
                route.adjust_bridge(&unmarked).map_err(kernel("adjust the bridge"))?;
            }
            Some(_) => return Err(Error::ForeignBridge(name)),
            None => {
                route.create_bridge(&spec).map_err(kernel("make the bridge"))?;
                // No IPv6 on a bridge that has no IPv6 subnet, as dockerd does; without IPv6 there is nothing to do.
                if !entry.network.enable_ipv6 {
                    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
                }
            }
        }
        let link = route.link(&name).map_err(kernel("look for the bridge"))?;
        let Some(link) = link else { return Err(Error::ForeignBridge(name)) };
        let present = route.addresses().map_err(kernel("list addresses"))?;
        let link_local = |net: &IpNet| matches!(net, IpNet::V6(v6) if v6.addr().segments()[0] & 0xffc0 == 0xfe80);
        // Where the gateway's address is not ours to give, the addresses that are there are somebody else's.
        let stays = |net: &IpNet| link_local(net) || (entry.options.inhibit_ipv4 && matches!(net, IpNet::V4(_)));
        for (_, old) in present.iter().filter(|(i, net)| *i == link.index && !wanted.contains(net) && !stays(net)) {
            route.remove_address(link.index, old).map_err(kernel("remove an address of the bridge"))?;
        }
        let missing = wanted.into_iter().filter(|net| !present.contains(&(link.index, *net))).collect();
        let addressing = Addressing { addresses: missing, gateways: Vec::new() };
        route.address(link.index, &addressing).map_err(kernel("give the bridge its address"))?;
        drop(route);
        enable_forwarding(entry.network.enable_ipv6)
    }

    /// The index of a bridge, if it is there.
    pub(crate) fn bridge(&self, name: &str) -> Result<Option<u32>> {
        let link = self.route().link(name).map_err(kernel("look for the bridge"))?;
        Ok(link.filter(|l| l.kind == "bridge").map(|l| l.index))
    }

    /// Removes a network's bridge, unless the user made it.
    pub(crate) fn remove_bridge(&self, entry: &Entry) -> Result<()> {
        let Some(name) = entry.bridge() else { return Ok(()) };
        let mut route = self.route();
        let link = route.link(&name).map_err(kernel("look for the bridge"))?;
        match link.is_some_and(|link| link.alias.starts_with(ALIAS)) {
            true => route.remove(&name).map_err(kernel("remove the bridge")),
            false => Ok(()),
        }
    }

    /// Makes an endpoint's link and gives it its addresses and routes.
    pub(crate) fn wire(
        &self,
        endpoint: &Endpoint,
        port: &Port,
        wire: &Wire,
        bridge: u32,
        sandbox: &Sandbox,
    ) -> Result<()> {
        let netns = sandbox.netns()?;
        let pair = VethSpec {
            host_name: &endpoint.host_interface,
            master: bridge,
            mtu: port.mtu,
            isolated: port.isolated && !bridges_are_filtered(endpoint.ipv6.is_some()),
            peer_name: &endpoint.interface,
            peer_mac: endpoint.mac.unwrap_or_default(),
            peer_netns: netns.as_fd(),
        };
        self.route().create_veth(&pair).map_err(kernel("make a link between the bridge and the container"))?;
        furnish(endpoint, wire, sandbox)?;
        let mut route = self.route();
        // The port first: its carrier is the bridge's.
        route
            .settle(&endpoint.host_interface)
            .and_then(|()| route.settle(&port.bridge))
            .map_err(kernel("bring up the container's link"))?;
        drop(route);
        match endpoint.mac {
            Some(mac) if port.announce => announce(endpoint, mac, sandbox),
            Some(_) | None => Ok(()),
        }
    }

    /// Links on `bridges` that are not `known`, and bridges and `parents` of ours without a network. Whatever is known:
    /// the link of a running container is none of them.
    pub(crate) fn leftovers(
        &self,
        bridges: &[String],
        parents: &[String],
        known: &BTreeSet<String>,
        running: &[Sandbox],
    ) -> Result<Vec<Link>> {
        let mut used = BTreeSet::new();
        for sandbox in running {
            let mut route = match sandbox.route() {
                // It has ended meanwhile.
                Err(error) if error.is_gone() => continue,
                route => route?,
            };
            let inside = route.links().map_err(kernel("list a running container's links"))?;
            used.extend(inside.iter().filter(|l| l.kind == "veth").map(|l| l.peer));
        }
        let links = self.route().links().map_err(kernel("list links"))?;
        let ours: Vec<u32> = links.iter().filter(|l| bridges.contains(&l.name)).map(|l| l.index).collect();
        let lost = links.into_iter().filter(|l| match l.kind.as_str() {
            "bridge" => l.alias.starts_with(ALIAS) && !bridges.contains(&l.name),
            // The user may put links of other kinds on our bridges.
            "veth" => {
                let lost = ours.contains(&l.master) && !known.contains(&l.name) && l.name.starts_with("veth");
                if lost && used.contains(&l.index) {
                    tracing::warn!(
                        link = l.name,
                        "a running container's link belongs to no known endpoint and is kept"
                    );
                }
                lost && !used.contains(&l.index)
            }
            _ => is_ours(l) && !parents.contains(&l.name),
        });
        Ok(lost.collect())
    }

    /// What the engine's namespace routes elsewhere, as far as a new subnet must avoid it. Routes of our own bridges
    /// are left out when `ours` names their subnets.
    pub(crate) fn routed(&self) -> Result<Vec<IpNet>> {
        self.route().routed().map_err(kernel("list routes"))
    }
}

/// Gives a container's interface its addresses, routes and settings.
pub(crate) fn furnish(endpoint: &Endpoint, wire: &Wire, sandbox: &Sandbox) -> Result<()> {
    if endpoint.ipv6.is_some() {
        let path = format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", endpoint.interface);
        sandbox.inside(move || procfs::write(&path, "0").map_err(kernel("switch on IPv6 in the container")))?;
    }
    let mut inside = sandbox.route()?;
    let link = inside.link(&endpoint.interface).map_err(kernel("look for the container's interface"))?;
    let index = link.map_or(0, |l| l.index);
    inside.address(index, &wire.addressing).map_err(kernel("give the container its address"))?;
    drop(inside);
    if !wire.sysctls.is_empty() {
        let (interface, sysctls) = (endpoint.interface.clone(), wire.sysctls.clone());
        sandbox.inside(move || sysctls.iter().try_for_each(|sysctl| set(sysctl, &interface)))?;
    }
    Ok(())
}

/// Sets a sysctl of an interface in the calling thread's network namespace; one that has its value already is left alone.
fn set(sysctl: &Sysctl, interface: &str) -> Result<()> {
    let path = sysctl.path(interface);
    let failed = |path: &str, source| Error::Sysctl { path: path.to_owned(), source };
    let now = procfs::read(&path).map_err(|source| failed(&path, source))?;
    if now.trim() == sysctl.value { Ok(()) } else { procfs::write(&path, &sysctl.value).map_err(|e| failed(&path, e)) }
}

/// From the first IPv4 address, as the containers' own; else from the network's id.
fn bridge_mac(addresses: &[IpNet], id: &str) -> [u8; 6] {
    let v4 = addresses.iter().find_map(|net| match net.addr() {
        IpAddr::V4(ip) => Some(ip.octets()),
        IpAddr::V6(_) => None,
    });
    let digits = |i: usize| id.get(i..i + 2).and_then(|d| u8::from_str_radix(d, 16).ok()).unwrap_or(0);
    let [a, b, c, d] = v4.unwrap_or_else(|| [digits(0), digits(2), digits(4), digits(6)]);
    [0x02, 0x42, a, b, c, d]
}

/// Lets the kernel route between links; left alone when it does already.
fn enable_forwarding(ipv6: bool) -> Result<()> {
    let mut wanted = vec!["/proc/sys/net/ipv4/ip_forward"];
    if ipv6 {
        wanted.push("/proc/sys/net/ipv6/conf/all/forwarding");
    }
    for path in wanted {
        let now = fs::read_to_string(path).map_err(kernel("read whether the kernel forwards packets"))?;
        if now.trim() == "0" {
            fs::write(path, "1").map_err(kernel("let the kernel forward packets"))?;
        }
    }
    Ok(())
}

/// True if the kernel shows bridged packets to the packet filter (`br_netfilter`). Then the filter itself keeps
/// containers apart on a network without traffic among them; an isolated port would also stop what was translated from a
/// published port, since the kernel bridges that without routing it. With `ipv6`, where only IPv4 is shown, IPv6 is from now
/// on, as dockerd has it.
fn bridges_are_filtered(ipv6: bool) -> bool {
    let path = |family: &str| format!("/proc/sys/net/bridge/bridge-nf-call-{family}");
    let is_on = |family: &str| fs::read_to_string(path(family)).is_ok_and(|on| on.trim() == "1");
    is_on("iptables") && (!ipv6 || is_on("ip6tables") || fs::write(path("ip6tables"), "1").is_ok())
}
