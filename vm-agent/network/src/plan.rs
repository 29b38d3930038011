//! From a container's wish to a plan of what to do, under the state's lock; nothing is touched but the state.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::announce::mac_of;
use crate::ipam::Taken;
use crate::lan::Lan;
use crate::link::Addressing;
use crate::options::GatewayMode;
use crate::ports::{Group, Reach, groups};
use crate::state::{Entry, Held, State, release};
use crate::wish::{Sysctl, sysctls, wanted_interface};
use crate::{Driver, Endpoint, EndpointWish, Error, Families, LanError, Network, PortRequest, Result};

/// What a container wants of a network: [`crate::EndpointRequest`] without the sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) container_id: String,
    pub(crate) container_name: String,
    pub(crate) hostname: String,
    pub(crate) network: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) links: Vec<(String, String)>,
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) link_local: Vec<IpAddr>,
    pub(crate) ports: Vec<PortRequest>,
    pub(crate) families: Families,
    pub(crate) dns: Vec<IpAddr>,
    pub(crate) gateway_priority: i64,
    pub(crate) options: BTreeMap<String, String>,
}

/// How an endpoint is to be wired: computed at once under the lock, carried out without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) endpoint: Endpoint,
    /// `None` on `host` and `none`.
    pub(crate) wire: Option<Wire>,
    pub(crate) ports: Vec<Group>,
    pub(crate) names: bool,
}

/// The link of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) uplink: Uplink,
    pub(crate) addressing: Addressing,
    /// Set once the interface has its name and addresses.
    pub(crate) sysctls: Vec<Sysctl>,
}

/// What the link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Uplink {
    Port(Port),
    Lan(Lan),
}

/// A port of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) bridge: String,
    pub(crate) mtu: u32,
    pub(crate) isolated: bool,
    /// Its neighbours may know another owner's MAC address for one of its addresses.
    pub(crate) announce: bool,
}

/// Random numbers and host facts that planning needs, drawn before.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    /// 64 hexadecimal digits.
    pub(crate) endpoint_id: String,
    /// `veth` and seven hexadecimal digits.
    pub(crate) host_interface: String,
    /// For endpoints without an IPv4 address to derive one from.
    pub(crate) mac: [u8; 6],
}

impl State {
    /// Reserves an endpoint's addresses and names and answers what is to be done. [`State::forget`] takes it back.
    pub(crate) fn plan_attach(&mut self, wanted: Wanted, drawn: Drawn) -> Result<Plan> {
        let entry = self.find(&wanted.network)?;
        let network = entry.network.clone();
        check(entry, &wanted)?;
        self.check_neighbours(&network, &wanted)?;
        let link_local = wanted.link_local.iter().map(|ip| link_local(*ip)).collect::<Result<Vec<_>>>()?;
        let (options, internal) = (entry.options.clone(), entry.internal());
        let mut uplink = match (entry.bridge(), entry.lan()) {
            (Some(bridge), _) => {
                let isolated = !options.icc;
                Some(Uplink::Port(Port { bridge, mtu: options.mtu, isolated, announce: false }))
            }
            (None, Some(lan)) => Some(Uplink::Lan(lan)),
            (None, None) => None,
        };
        let without_gateway = internal || matches!(&uplink, Some(Uplink::Lan(lan)) if lan.routed());
        let interface = match &uplink {
            Some(_) => self.interface(&wanted, &options.prefix)?,
            None => String::new(),
        };

        let entry = self.networks.get_mut(&network.id).expect("found above");
        let mut ipv4 = None;
        let mut ipv6 = None;
        if uplink.is_some() {
            ipv4 = allocate(entry, wanted.ipv4.map(IpAddr::V4), network.enable_ipv4, false)?;
            ipv6 = match allocate(entry, wanted.ipv6.map(IpAddr::V6), network.enable_ipv6, true) {
                Ok(address) => address,
                Err(e) => {
                    ipv4.into_iter().for_each(|(net, _)| release(entry, net.addr()));
                    return Err(e);
                }
            };
        }
        let gateway = |found: &Option<(IpNet, Option<IpAddr>)>| found.and_then(|(_, g)| g).filter(|_| !without_gateway);
        let mac = match (&uplink, wanted.mac, ipv4) {
            (None, _, _) => None,
            (Some(Uplink::Lan(lan)), _, _) if lan.driver() == Driver::Ipvlan => None,
            (_, Some(mac), _) => Some(mac),
            // Two machines on one LAN may have handed out the same address.
            (Some(Uplink::Lan(_)), None, _) => Some(drawn.mac),
            (_, None, Some((IpNet::V4(net), _))) => Some(mac_of(net.addr())),
            (_, None, _) => Some(drawn.mac),
        };
        if let (Some(Uplink::Port(port)), Some(mac)) = (&mut uplink, mac) {
            // The same address usually has the same MAC address.
            let usual =
                |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if mac == mac_of(ip) && !entry.other_macs.contains(&ip));
            port.announce = ipv6.is_some() || !ipv4.is_some_and(|(net, _)| usual(net.addr()));
        }
        let endpoint = Endpoint {
            id: drawn.endpoint_id,
            network_id: network.id.clone(),
            network_name: network.name.clone(),
            container_id: wanted.container_id.clone(),
            container_name: wanted.container_name.clone(),
            interface,
            host_interface: match &uplink {
                Some(Uplink::Port(_)) => drawn.host_interface,
                Some(Uplink::Lan(_)) | None => String::new(),
            },
            mac,
            ipv4: ipv4.and_then(|(net, _)| v4(net)),
            ipv6: ipv6.and_then(|(net, _)| v6(net)),
            gateway_ipv4: gateway(&ipv4).and_then(|ip| match ip {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            }),
            gateway_ipv6: gateway(&ipv6).and_then(|ip| match ip {
                IpAddr::V6(ip) => Some(ip),
                IpAddr::V4(_) => None,
            }),
            gateway_priority: wanted.gateway_priority,
            dns_names: dns_names(&network, &wanted),
            aliases: wanted.aliases,
            ports: Vec::new(),
            options: wanted.options,
        };
        let held = Held {
            endpoint: endpoint.clone(),
            forwards: Vec::new(),
            dns: wanted.dns,
            links: wanted.links,
            families: wanted.families,
            opened: Vec::new(),
            trusted: options.trusted,
            linked: Vec::new(),
            order: self.next_order,
        };
        self.next_order += 1;
        self.endpoints.insert((wanted.container_id.clone(), network.id.clone()), held);

        // Checked with the rest of the wish.
        let sysctls = sysctls(&endpoint.options).unwrap_or_default();
        let wire = uplink.map(|uplink| {
            let mut addressing = Addressing {
                addresses: [ipv4, ipv6].into_iter().flatten().map(|(net, _)| net).chain(link_local).collect(),
                gateways: Vec::new(),
            };
            for ipv6 in [false, true] {
                if let Some((held, gateway)) = self.gateway(&wanted.container_id, ipv6)
                    && held.endpoint.id == endpoint.id
                {
                    addressing.gateways.push(gateway);
                }
            }
            Wire { uplink, addressing, sysctls }
        });
        let names = network.resolves_names();
        let ports = self.groups(&endpoint, &wanted.ports, wanted.families);
        Ok(Plan { endpoint, wire, ports, names })
    }

    /// The ports of an endpoint as they are to be opened.
    pub(crate) fn groups(&self, endpoint: &Endpoint, ports: &[PortRequest], families: Families) -> Vec<Group> {
        let Some(entry) = self.networks.get(&endpoint.network_id) else { return Vec::new() };
        let reach = Reach {
            ipv4: endpoint.ipv4.map(|(ip, _)| ip),
            ipv6: endpoint.ipv6.map(|(ip, _)| ip),
            binding: entry.options.host_binding,
            routed: entry.options.modes.map(|mode| mode == GatewayMode::Routed),
            on_ipv6: self.publish_ipv6,
            families,
        };
        groups(ports, reach)
    }

    fn check_neighbours(&self, network: &Network, wanted: &Wanted) -> Result<()> {
        let others = self.of_container(&wanted.container_id);
        if others.iter().any(|h| h.endpoint.network_id == network.id) {
            return Err(Error::EndpointExists { name: wanted.container_name.clone(), network: network.name.clone() });
        }
        for held in &others {
            let Some(other) = self.networks.get(&held.endpoint.network_id) else { continue };
            match (other.network.driver, network.driver) {
                (Driver::Host, _) => return Err(Error::Shared),
                (_, Driver::Host) => return Err(Error::HostMode),
                (Driver::Null, _) | (_, Driver::Null) => return Err(Error::NoneMode),
                (Driver::Bridge | Driver::Macvlan | Driver::Ipvlan, _) => {}
            }
        }
        Ok(())
    }

    /// The wanted interface name, else the prefix with the lowest number that the container does not use.
    fn interface(&self, wanted: &Wanted, prefix: &str) -> Result<String> {
        let used: Vec<&str> =
            self.of_container(&wanted.container_id).iter().map(|h| h.endpoint.interface.as_str()).collect();
        if let Some(asked) = wanted_interface(&wanted.options) {
            return match used.contains(&asked) || asked == "lo" {
                true => Err(Error::InterfaceTaken(asked.to_owned())),
                false => Ok(asked.to_owned()),
            };
        }
        let mut numbered = (0..).map(|n: u32| format!("{prefix}{n}"));
        Ok(numbered.find(|n| !used.contains(&n.as_str())).expect("numbers do not end"))
    }
}

/// dockerd's complaints about an endpoint's settings.
fn check(entry: &Entry, wanted: &Wanted) -> Result<()> {
    let network = &entry.network;
    if network.config_only {
        return Err(Error::ConfigOnly(network.name.clone()));
    }
    if network.driver == Driver::Ipvlan && wanted.mac.is_some() {
        let (container, network) = (wanted.container_name.clone(), network.name.clone());
        return Err(LanError::Mac { container, network }.into());
    }
    let text = |ip: Option<IpAddr>| ip.map(|ip| ip.to_string()).unwrap_or_default();
    let wish = EndpointWish {
        ipv4: text(wanted.ipv4.map(IpAddr::V4)),
        ipv6: text(wanted.ipv6.map(IpAddr::V6)),
        mac: String::new(),
        link_local: Vec::new(),
        aliases: wanted.aliases.clone(),
        options: wanted.options.clone(),
    };
    wish.understand(&network.name, Some(network)).map(drop)
}

/// Auxiliary addresses of a bridge network by these names are its containers' gateways; the bridge keeps its own address.
const GATEWAY_OF: [&str; 2] = ["DefaultGatewayIPv4", "DefaultGatewayIPv6"];

/// An address of the family with its prefix, and the gateway that its pool's containers use.
fn allocate(
    entry: &mut Entry,
    asked: Option<IpAddr>,
    enabled: bool,
    ipv6: bool,
) -> Result<Option<(IpNet, Option<IpAddr>)>> {
    if !enabled {
        return Ok(None);
    }
    let pools = entry.network.ipam.config.iter().zip(&mut entry.allocators);
    for (pool, allocator) in pools.filter(|(p, _)| p.subnet.addr().is_ipv6() == ipv6) {
        let address = match asked {
            Some(ip) if !pool.subnet.contains(&ip) => continue,
            Some(ip) => allocator.take(ip).map(|()| ip),
            None => allocator.take_any(),
        };
        match address {
            Ok(ip) => {
                let net = IpNet::new(ip, pool.subnet.prefix_len()).expect("the subnet's own prefix length");
                let other = pool.aux_addresses.get(if ipv6 { GATEWAY_OF[1] } else { GATEWAY_OF[0] });
                let gateway = other.copied().filter(|_| entry.network.driver == Driver::Bridge).or(pool.gateway);
                return Ok(Some((net, gateway)));
            }
            Err(Taken::Exhausted) => {}
            Err(Taken::InUse | Taken::Outside) => return Err(Error::AddressInUse),
        }
    }
    Err(Error::NoAddress {
        family: if ipv6 { 6 } else { 4 },
        network: entry.network.name.clone(),
        id: entry.network.id.clone(),
    })
}

/// The container's name, its aliases, its short id, its host name; none on networks without names.
fn dns_names(network: &Network, wanted: &Wanted) -> Vec<String> {
    if !network.resolves_names() {
        return Vec::new();
    }
    let short = wanted.container_id.get(..12).unwrap_or(&wanted.container_id).to_owned();
    let mut names = Vec::new();
    for name in std::iter::once(&wanted.container_name).chain(&wanted.aliases).chain([&short, &wanted.hostname]) {
        if !name.is_empty() && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// An address of the link alone, as wide as the standards have it.
fn link_local(ip: IpAddr) -> Result<IpNet> {
    let (link_local, prefix) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), 16),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), 64),
    };
    match link_local {
        true => Ok(IpNet::new(ip, prefix).expect("a prefix of the family")),
        false => Err(Error::NotLinkLocal(ip)),
    }
}

fn v4(net: IpNet) -> Option<(Ipv4Addr, u8)> {
    match net {
        IpNet::V4(net) => Some((net.addr(), net.prefix_len())),
        IpNet::V6(_) => None,
    }
}

fn v6(net: IpNet) -> Option<(Ipv6Addr, u8)> {
    match net {
        IpNet::V6(net) => Some((net.addr(), net.prefix_len())),
        IpNet::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::{Surroundings, draft};
    use crate::options::BridgeOptions;
    use crate::{IpamRequest, NetworkCreate, PoolRequest};

    fn state_with(request: NetworkCreate) -> State {
        let around = Surroundings {
            pools: Vec::new(),
            routed: Vec::new(),
            unique_local: "fd11:2233:4455::/48".parse().unwrap(),
        };
        let draft = draft(request, "ab".repeat(32), &around).unwrap();
        let options = BridgeOptions::parse(&draft.network.options).unwrap();
        let entry = Entry::new(draft.network, draft.allocators, options);
        State { networks: BTreeMap::from([(entry.network.id.clone(), entry)]), ..State::default() }
    }

    fn network(subnets: &[&str]) -> NetworkCreate {
        let pool = |s: &&str| PoolRequest { subnet: Some(s.parse().unwrap()), ..PoolRequest::default() };
        let config = subnets.iter().map(pool).collect();
        NetworkCreate {
            name: "app".into(),
            enable_ipv6: Some(subnets.len() > 1),
            ipam: IpamRequest { config, ..IpamRequest::default() },
            ..NetworkCreate::default()
        }
    }

    fn wanted(container: &str) -> Wanted {
        Wanted {
            container_id: container.repeat(64),
            container_name: format!("name-{container}"),
            hostname: "host".into(),
            network: "app".into(),
            aliases: vec!["alias".into(), "host".into()],
            links: Vec::new(),
            ipv4: None,
            ipv6: None,
            mac: None,
            link_local: Vec::new(),
            ports: Vec::new(),
            families: Families::BOTH,
            dns: Vec::new(),
            gateway_priority: 0,
            options: BTreeMap::new(),
        }
    }

    fn drawn() -> Drawn {
        Drawn { endpoint_id: "e".repeat(64), host_interface: "veth0123456".into(), mac: [2, 0, 0, 0, 0, 1] }
    }

    #[test]
    fn a_plan_says_all_that_is_to_be_done() {
        let mut state = state_with(network(&["10.1.0.0/24", "fd00::/64"]));
        let plan = state.plan_attach(wanted("c"), drawn()).unwrap();
        let wire = plan.wire.unwrap();
        let port = Port { bridge: "br-abababababab".into(), mtu: 1500, isolated: false, announce: true };
        assert_eq!(wire.uplink, Uplink::Port(port), "with an IPv6 address it is announced");
        let addresses: Vec<String> = wire.addressing.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.1.0.2/24", "fd00::2/64"]);
        let gateways: Vec<String> = wire.addressing.gateways.iter().map(ToString::to_string).collect();
        assert_eq!(gateways, ["10.1.0.1", "fd00::1"]);
        assert_eq!(plan.endpoint.mac, Some([0x02, 0x42, 10, 1, 0, 2]));
        assert_eq!(plan.endpoint.dns_names, ["name-c", "alias", "host", "cccccccccccc"]);
        assert!(plan.names);
    }

    #[test]
    fn forgetting_gives_everything_back() {
        let mut state = state_with(network(&["10.1.0.0/29"]));
        for _ in 0..3 {
            for container in ["1", "2", "3", "4", "5"] {
                state.plan_attach(wanted(container), drawn()).unwrap();
            }
            let error = state.plan_attach(wanted("6"), drawn()).unwrap_err().to_string();
            assert!(
                error.starts_with("no available IPv4 addresses on this network's address pools: app (abab"),
                "{error}"
            );
            assert_eq!(state.endpoints.len(), 5, "a refused one is not there");
            let network = state.networks.keys().next().unwrap().clone();
            for container in ["1", "2", "3", "4", "5"] {
                assert!(state.forget(&container.repeat(64), &network).is_some());
            }
            assert!(state.endpoints.is_empty());
        }
    }

    #[test]
    fn an_endpoint_leaves_once_however_many_release_it() {
        let mut state = state_with(network(&["10.1.0.0/24"]));
        let attach = |state: &mut State| {
            state.plan_attach(wanted("1"), drawn()).unwrap();
            state.endpoints.values().next().unwrap().clone()
        };
        let held = attach(&mut state);
        assert!(!state.leave(&held), "the first to release it tells");
        assert!(state.leave(&held), "the second does not");
        // Told before it left: at the end of its container.
        let held = attach(&mut state);
        assert!(state.leaving.insert(held.endpoint.id.clone()));
        assert!(state.leave(&held) && state.leave(&held));
        assert!(state.leaving.is_empty());
        // Whoever is late leaves what came after alone.
        let mut late = attach(&mut state);
        late.endpoint.id = "earlier".to_owned();
        assert!(state.leave(&late));
        assert_eq!(state.endpoints.len(), 1);
    }

    #[test]
    fn a_mac_address_that_was_another_is_announced() {
        let mut state = state_with(network(&["10.1.0.0/24"]));
        let network = state.networks.keys().next().unwrap().clone();
        let mut announced = |mac: Option<[u8; 6]>, ip: Option<Ipv4Addr>| {
            let plan = state.plan_attach(Wanted { mac, ipv4: ip, ..wanted("c") }, drawn()).unwrap();
            state.forget(&plan.endpoint.container_id, &network).unwrap();
            matches!(plan.wire.unwrap().uplink, Uplink::Port(Port { announce: true, .. }))
        };
        let ip = Some(Ipv4Addr::new(10, 1, 0, 5));
        assert!(!announced(None, ip));
        assert!(announced(Some([2, 0, 0, 0, 0, 0x99]), ip));
        assert!(announced(None, ip), "the earlier holder had another one");
        assert!(!announced(None, Some(Ipv4Addr::new(10, 1, 0, 6))));
    }

    #[test]
    fn the_way_out_of_each_family() {
        let mut state = state_with(network(&["10.1.0.0/24", "fd00::/64"]));
        let dual = state.networks.values().next().unwrap().clone();
        let mut add = |name: &str, ipv4: bool, priority: i64| {
            let mut entry = dual.clone();
            entry.network.id = name.repeat(64);
            entry.network.name = name.into();
            (entry.network.enable_ipv4, entry.network.enable_ipv6) = (ipv4, !ipv4);
            state.networks.insert(entry.network.id.clone(), entry);
            let wanted = Wanted { network: name.into(), gateway_priority: priority, ..wanted("c") };
            state.plan_attach(wanted, drawn()).unwrap();
        };
        add("4", true, 7);
        add("6", false, 9);
        let container = "c".repeat(64);
        let ways = |state: &State| {
            let way = |ipv6| state.gateway(&container, ipv6).map(|(held, _)| held.endpoint.network_name.clone());
            [way(false), way(true)].map(Option::unwrap_or_default)
        };
        assert_eq!(ways(&state), ["4", "6"]);
        // One with both is preferred whatever the priorities are, as in dockerd.
        state.plan_attach(wanted("c"), drawn()).unwrap();
        assert_eq!(ways(&state), ["app", "app"]);
    }

    #[test]
    fn an_endpoint_of_an_earlier_engine_keeps_its_address() {
        let mut first = state_with(network(&["10.1.0.0/24", "fd00::/64"]));
        first.plan_attach(wanted("c"), drawn()).unwrap();
        let held = first.endpoints.values().next().unwrap().clone();
        let json = serde_json::to_string(&held).unwrap();
        let mut second = state_with(network(&["10.1.0.0/24", "fd00::/64"]));
        assert!(second.restore(serde_json::from_str(&json).unwrap()));
        assert!(!second.restore(held), "not twice");
        let plan = second.plan_attach(wanted("d"), drawn()).unwrap();
        assert_eq!(plan.endpoint.ipv4.unwrap().0.to_string(), "10.1.0.3");
    }

    #[test]
    fn networks_are_found_by_name_before_id() {
        let mut state = state_with(network(&["10.1.0.0/24"]));
        for found in ["app", "ab", &"ab".repeat(32)] {
            assert_eq!(state.find(found).unwrap().network.name, "app");
        }
        for missing in ["", "b", "abc"] {
            assert!(matches!(state.find(missing), Err(Error::NotFound(_))), "{missing}");
        }
        let mut second = state.networks.values().next().unwrap().clone();
        second.network.id = format!("ab{}", "c".repeat(62));
        second.network.name = "other".into();
        state.networks.insert(second.network.id.clone(), second);
        assert!(matches!(state.find("ab"), Err(Error::Ambiguous(_, 2))));
    }
}
