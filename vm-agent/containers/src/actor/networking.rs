//! A container's place on its networks: at start, and by `docker network connect` and `disconnect`.

use super::Actor;
use super::files::dns_servers;
use super::launch::endpoint_settings;
use crate::links::endpoint_links;
use crate::record::Record;
use crate::{Error, Invalid, Result};
use engine_api::EndpointSettings;
use network::{Endpoint, EndpointRequest, EndpointWish, Families, PortRequest, Protocol, Sandbox};
use std::cmp::Reverse;
use store::Durability;

/// What `--network` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkMode<'a> {
    Host,
    None,
    /// `NetworkDisabled`: a namespace of its own that no network ever reaches.
    Disabled,
    Container(&'a str),
    /// By name or id; `bridge` for the default one.
    Named(&'a str),
}

impl NetworkMode<'_> {
    pub(crate) fn of(record: &Record) -> NetworkMode<'_> {
        match record.host.network_mode.as_str() {
            _ if record.config.network_disabled => NetworkMode::Disabled,
            "host" => NetworkMode::Host,
            "none" => NetworkMode::None,
            "" | "default" | "bridge" => NetworkMode::Named("bridge"),
            other => match other.strip_prefix("container:") {
                Some(id) => NetworkMode::Container(id),
                None => NetworkMode::Named(other),
            },
        }
    }
}

impl Actor {
    /// Joins every configured network; after a failure none.
    pub(super) async fn attach_networks(&self, sandbox: Option<&Sandbox>) -> Result<Vec<Endpoint>> {
        let mut endpoints = Vec::new();
        let publishers = self.publishers();
        for (name, settings) in self.in_order() {
            let families = publishers.iter().find(|(publisher, _)| publisher == name).map(|(_, families)| *families);
            match self.attach_network(name, settings, sandbox, families).await {
                Ok(endpoint) => {
                    self.inner.services.networks.tell_connected(&endpoint);
                    endpoints.push(endpoint);
                }
                Err(error) => {
                    self.inner.services.networks.detach_all(&self.record.id).await;
                    return Err(match error {
                        Error::Invalid(error @ (Invalid::EmptyLink | Invalid::Link(_))) => Error::NetworkingLink(error),
                        error => error,
                    });
                }
            }
        }
        Ok(endpoints)
    }

    /// The main network first: it becomes eth0.
    fn in_order(&self) -> Vec<(&String, &EndpointSettings)> {
        let main = match NetworkMode::of(&self.record) {
            NetworkMode::Named(name) => name,
            NetworkMode::Host => "host",
            NetworkMode::None => "none",
            NetworkMode::Disabled | NetworkMode::Container(_) => return Vec::new(),
        };
        let (first, rest): (Vec<_>, Vec<_>) = self.record.endpoints.iter().partition(|(name, _)| *name == main);
        first.into_iter().chain(rest).collect()
    }

    /// The networks whose endpoints publish the container's ports, with the families that they do that for: those that have its
    /// default routes. Not a macvlan or ipvlan network: there a container is reached at its own address.
    fn publishers(&self) -> Vec<(String, Families)> {
        let networks = &self.inner.services.networks;
        let mut found: Vec<(i64, network::Network)> = Vec::new();
        for (name, settings) in &self.record.endpoints {
            found.extend(networks.find(name).ok().map(|network| (settings.gw_priority, network)));
        }
        let published = ways_out(&mut found).into_iter();
        published.filter(|(network, _)| network.driver == network::Driver::Bridge).map(|(n, f)| (n.name, f)).collect()
    }

    /// A container in another's network has its host name, too, and says so from its start on, as with dockerd.
    pub(super) fn take_shared_hostname(&mut self) {
        if let NetworkMode::Container(id) = NetworkMode::of(&self.record)
            && let Ok(other) = self.inner.find(id)
        {
            let config = &other.view().record.config;
            self.record.config.hostname.clone_from(&config.hostname);
            self.record.config.domainname.clone_from(&config.domainname);
        }
    }

    /// Nobody is told of it yet. Publishes the container's ports for these families, if any.
    async fn attach_network(
        &self,
        name: &str,
        settings: &EndpointSettings,
        sandbox: Option<&Sandbox>,
        families: Option<Families>,
    ) -> Result<Endpoint> {
        let record = &self.record;
        let understood = self.inner.services.networks.understand(name, &wish(settings)).map_err(Error::Networking)?;
        let request = EndpointRequest {
            container_id: record.id.clone(),
            container_name: record.name.clone(),
            hostname: record.config.hostname.clone(),
            network: name.to_owned(),
            sandbox,
            aliases: settings.aliases.clone().unwrap_or_default(),
            links: endpoint_links(settings)?,
            ipv4: understood.ipv4,
            ipv6: understood.ipv6,
            mac: understood.mac,
            link_local: understood.link_local,
            ports: families.map_or(Ok(Vec::new()), |_| port_requests(record))?,
            families: families.unwrap_or_default(),
            dns: dns_servers(record)?,
            gateway_priority: settings.gw_priority,
            options: settings.driver_opts.clone().unwrap_or_default(),
        };
        self.inner.services.networks.attach_untold(request).await.map_err(Error::Networking)
    }

    pub(super) async fn connect(&mut self, network: String, settings: EndpointSettings) -> Result<()> {
        let networks = &self.inner.services.networks;
        let found = networks.find(&network)?;
        networks.understand(&found.name, &wish(&settings))?;
        match NetworkMode::of(&self.record) {
            NetworkMode::Container(_) => return Err(network::Error::Shared.into()),
            NetworkMode::Disabled => return Err(Invalid::NetworkDisabled(self.record.name.clone()).into()),
            NetworkMode::Host | NetworkMode::None | NetworkMode::Named(_) => {}
        }
        self.joinable(&found)?;
        let before = networks.endpoints(&self.record.id);
        let mut joined = None;
        if let Some(run) = self.run.clone() {
            let attached = self.attach_network(&found.name, &settings, run.sandbox.as_ref(), None).await;
            // Nothing is being started: the cause is said by itself.
            joined = Some(attached.map_err(|error| match error {
                Error::Networking(cause) => Error::Network(cause),
                error => error,
            })?);
        }
        self.record.endpoints.insert(found.name.clone(), settings);
        if let Err(error) = self.publish_again().await {
            self.record.endpoints.remove(&found.name);
            if let Some(run) = self.run.clone() {
                let sandbox = run.sandbox.as_ref();
                let left = self.inner.services.networks.detach(&self.record.id, &found.name, sandbox).await;
                // They were closed elsewhere before they could not be opened here.
                let published = self.publish_again().await;
                for failure in left.err().map(Error::from).into_iter().chain(published.err()) {
                    let (container, network) = (&self.record.id, &found.name);
                    tracing::warn!(container, network, error = %failure, "something of a refused network stays");
                }
            }
            return Err(error);
        }
        if let Some(endpoint) = &joined {
            self.inner.services.networks.tell_connected(endpoint);
        }
        self.networks_changed(&before).await;
        if self.run.is_some() && found.name == network::DEFAULT_BRIDGE {
            if let Err(error) = self.open_links().await {
                tracing::warn!(container = self.record.id, %error, "the ports of a container's links are not open");
            }
            self.inner.tell_linked(&self.record.id);
        }
        Ok(())
    }

    /// Whether the container can be on this network beside those that it is configured for, running or not.
    fn joinable(&self, found: &network::Network) -> Result<()> {
        let record = &self.record;
        if found.driver == network::Driver::Host && NetworkMode::of(record) != NetworkMode::Host {
            return Err(network::Error::HostMode.into());
        }
        if record.endpoints.contains_key(&found.name) {
            // As in dockerd, saying it once more to a stopped container is no error; what was said last counts.
            let (name, network) = (record.name.clone(), found.name.clone());
            let running = self.run.is_some();
            return if running { Err(network::Error::EndpointExists { name, network }.into()) } else { Ok(()) };
        }
        for name in record.endpoints.keys() {
            // One that is not there any more fails the next start by itself.
            let Ok(other) = self.inner.services.networks.find(name) else { continue };
            let either = |driver| found.driver == driver || other.driver == driver;
            if either(network::Driver::Host) {
                return Err(network::Error::Shared.into());
            }
            if either(network::Driver::Null) {
                return Err(network::Error::NoneMode.into());
            }
        }
        Ok(())
    }

    pub(super) async fn disconnect(&mut self, network: &str, force: bool) -> Result<()> {
        let name = match self.inner.services.networks.find(network) {
            Ok(found) => found.name,
            Err(network::Error::NotFound(_)) if force => network.to_owned(),
            Err(error) => return Err(error.into()),
        };
        if self.run.is_some() && name == "host" && NetworkMode::of(&self.record) == NetworkMode::Host {
            return Err(network::Error::HostDisconnect.into());
        }
        if !self.record.endpoints.contains_key(&name) {
            let container = self.record.id.clone();
            let error = match self.run {
                Some(_) => network::Error::NotConnected { container, network: name },
                None => network::Error::NotConfigured { container, network: name },
            };
            return Err(error.into());
        }
        let before = self.inner.services.networks.endpoints(&self.record.id);
        let mut left = Ok(());
        if let Some(run) = self.run.clone() {
            left = self.inner.services.networks.detach(&self.record.id, &name, run.sandbox.as_ref()).await;
        }
        // It has left, and that was told; only something of it stayed.
        if !matches!(left, Ok(()) | Err(network::Error::Detach { .. })) {
            return Ok(left?);
        }
        self.record.endpoints.remove(&name);
        let published = self.publish_again().await;
        self.networks_changed(&before).await;
        left?;
        published
    }

    /// Has the published ports open on the networks that are the ways out now, and on no other.
    async fn publish_again(&self) -> Result<()> {
        let ports = port_requests(&self.record)?;
        let networks = &self.inner.services.networks;
        if self.run.is_none() || ports.is_empty() {
            return Ok(());
        }
        Ok(networks.publish(&self.record.id, self.publishers(), ports).await?)
    }

    /// Makes the changed networks known: to the store, to whoever looks at the container, and in its files.
    async fn networks_changed(&mut self, before: &[Endpoint]) {
        self.persist(Durability::Durable).await;
        self.publish();
        if self.run.is_some() {
            let now = self.inner.services.networks.endpoints(&self.record.id);
            self.renew_etc(before, &now).await;
        }
    }
}

/// The networks that have a container's default routes, with the families for which each is the way out, of all that it is on, each
/// with its priority there. As dockerd chooses them (`Endpoint.Less`, `selectGatewayEndpoint`): the first that leads out for both
/// families, else the first for each of them.
fn ways_out(networks: &mut [(i64, network::Network)]) -> Vec<(network::Network, Families)> {
    networks.sort_by_key(|(priority, network)| {
        let Families { ipv4, ipv6 } = leads_out(network);
        (Reverse(*priority), !(ipv4 && ipv6), network.name.clone())
    });
    let first = |fits: fn(Families) -> bool| networks.iter().map(|(_, n)| n).find(|n| fits(leads_out(n))).cloned();
    let both = first(|families| families == Families::BOTH);
    let (four, six) = match both {
        Some(both) => (Some(both), None),
        None => (first(|families| families.ipv4), first(|families| families.ipv6)),
    };
    let alone = |ipv6: bool| Families { ipv4: !ipv6, ipv6 };
    match (four, six) {
        // What leads out for IPv4 stands for the other, too: a listener for IPv6 can lead to an IPv4 address.
        (Some(four), None) => vec![(four, Families::BOTH)],
        (None, Some(six)) => vec![(six, alone(true))],
        (Some(four), Some(six)) => vec![(four, alone(false)), (six, alone(true))],
        (None, None) => Vec::new(),
    }
}

/// The families for which a network can be the container's way out.
fn leads_out(network: &network::Network) -> Families {
    use network::Driver::{Bridge, Ipvlan, Macvlan};
    let parent = || network.options.get("parent").is_some_and(|parent| !parent.is_empty());
    let leads = match network.driver {
        Bridge => !network.internal,
        Macvlan | Ipvlan => !network.internal && parent(),
        network::Driver::Host | network::Driver::Null => false,
    };
    Families { ipv4: leads && network.enable_ipv4, ipv6: leads && network.enable_ipv6 }
}

/// The bindings of `-p`, and with `-P` one for every exposed port.
pub(crate) fn port_requests(record: &Record) -> Result<Vec<PortRequest>, Invalid> {
    let mut requests = Vec::new();
    let bindings = record.host.port_bindings.clone().unwrap_or_default();
    for (port, list) in &bindings {
        let (container_port, protocol) = parse_port(port)?;
        // `-p 80` sends an empty list of one; no list at all means "exposed, not published".
        for binding in list.iter().flatten() {
            let host_ip = match binding.host_ip.as_str() {
                "" => None,
                text => Some(text.parse().map_err(|_| Invalid::Port(format!("{text}:{port}")))?),
            };
            requests.push(PortRequest {
                protocol,
                container_port,
                host_ip,
                host_ports: port_range(&binding.host_port)?,
            });
        }
    }
    if record.host.publish_all_ports {
        for port in record.config.exposed_ports.iter().flatten().map(|(port, _)| port) {
            if bindings.get(port).and_then(Option::as_ref).is_some_and(|list| !list.is_empty()) {
                continue;
            }
            let (container_port, protocol) = parse_port(port)?;
            requests.push(PortRequest { protocol, container_port, host_ip: None, host_ports: None });
        }
    }
    Ok(requests)
}

/// `80`, `80/udp`.
pub(crate) fn parse_port(text: &str) -> Result<(u16, Protocol), Invalid> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let refused = || Invalid::Port(number.to_owned());
    let parsed = number.parse().ok().filter(|number| *number != 0).ok_or_else(refused)?;
    Ok((parsed, protocol.parse().map_err(|_| Invalid::Port(text.to_owned()))?))
}

/// `8080`, `8000-8010`; empty or 0: any.
pub(crate) fn port_range(text: &str) -> Result<Option<(u16, u16)>, Invalid> {
    let refused = || Invalid::Port(text.to_owned());
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().map_err(|_| refused())?, last.parse().map_err(|_| refused())?);
    if first > last { Err(refused()) } else { Ok(Some((first, last))) }
}

/// The part of the settings that the network understands or refuses.
pub(crate) fn wish(settings: &EndpointSettings) -> EndpointWish {
    let ipam = settings.ipam_config.clone().unwrap_or_default();
    EndpointWish {
        ipv4: ipam.ipv4_address,
        ipv6: ipam.ipv6_address,
        mac: settings.mac_address.clone(),
        link_local: ipam.link_local_ips.unwrap_or_default(),
        aliases: settings.aliases.clone().unwrap_or_default(),
        options: settings.driver_opts.clone().unwrap_or_default(),
    }
}

impl crate::Containers {
    /// `docker network connect`.
    pub async fn connect(&self, network: &str, request: engine_api::network::NetworkConnectRequest) -> Result<()> {
        let handle = self.inner.find(&request.container)?;
        let settings = Box::new(endpoint_settings(request.endpoint_config));
        let network = network.to_owned();
        handle.ask(|reply| crate::handle::Command::Connect { network, settings, reply }).await
    }

    /// `docker network disconnect`.
    pub async fn disconnect(
        &self,
        network: &str,
        request: engine_api::network::NetworkDisconnectRequest,
    ) -> Result<()> {
        let handle = match self.inner.find(&request.container) {
            // No endpoint outlives its container here.
            Err(Error::NoSuchContainer(name)) if request.force => {
                self.inner.services.networks.find(network)?;
                return Err(network::Error::NoEndpoint(name).into());
            }
            found => found?,
        };
        let (network, force) = (network.to_owned(), request.force);
        handle.ask(|reply| crate::handle::Command::Disconnect { network, force, reply }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use network::{Driver, Ipam, LOCAL_SCOPE, Network};

    fn bridge(name: &str, enable_ipv4: bool, enable_ipv6: bool) -> Network {
        Network {
            id: name.to_owned(),
            name: name.to_owned(),
            created: std::time::SystemTime::UNIX_EPOCH,
            scope: LOCAL_SCOPE.to_owned(),
            driver: Driver::Bridge,
            enable_ipv4,
            enable_ipv6,
            internal: false,
            attachable: false,
            config_only: false,
            config_from: None,
            ipam: Ipam { driver: "default".to_owned(), options: None, config: Vec::new() },
            options: Default::default(),
            labels: Default::default(),
            containers: Default::default(),
        }
    }

    /// The ways out of networks of one priority, in no order.
    fn ways(networks: &[&Network]) -> Vec<String> {
        let mut networks: Vec<_> = networks.iter().map(|network| (0, (*network).clone())).collect();
        networks.reverse();
        let shown = |(network, Families { ipv4, ipv6 }): &(Network, Families)| {
            let families = [(ipv4, "4"), (ipv6, "6")].map(|(leads, family)| if *leads { family } else { "" });
            format!("{} for {}", network.name, families.concat())
        };
        ways_out(&mut networks).iter().map(shown).collect()
    }

    #[test]
    fn each_family_has_its_way_out() {
        let (four, six, dual) = (bridge("b", true, false), bridge("c", false, true), bridge("d", true, true));
        let closed = Network { internal: true, ..bridge("a", true, true) };
        assert_eq!(ways(&[&closed]), [""; 0]);
        assert_eq!(ways(&[&closed, &four]), ["b for 46"]);
        assert_eq!(ways(&[&closed, &six]), ["c for 6"]);
        assert_eq!(ways(&[&four, &six]), ["b for 4", "c for 6"]);
        assert_eq!(ways(&[&four, &six, &dual]), ["d for 46"]);
        // Whatever the priority: what leads out for both comes before what does for one.
        for single in [&four, &six] {
            assert_eq!(ways(&[single, &dual]), ["d for 46"]);
            let mut networks = [(1, single.clone()), (0, dual.clone())];
            assert_eq!(ways_out(&mut networks)[0].0.name, "d");
        }
        let mut networks = [(0, four), (1, bridge("z", true, false))];
        assert_eq!(ways_out(&mut networks)[0].0.name, "z");
    }

    #[test]
    fn ports() {
        assert_eq!(parse_port("80").expect("valid"), (80, Protocol::Tcp));
        assert_eq!(parse_port("53/udp").expect("valid"), (53, Protocol::Udp));
        for bad in ["", "0", "80/foo", "x", "70000"] {
            assert!(parse_port(bad).is_err(), "{bad}");
        }
        assert_eq!(port_range("").expect("any"), None);
        assert_eq!(port_range("8000-8010").expect("a range"), Some((8000, 8010)));
        assert!(port_range("9-8").is_err());
    }
}
