//! From a request to a network: checks and choices, without touching anything.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use ipnet::{IpNet, Ipv6Net};

use crate::ipam::{Allocator, choose_subnet, default_pools, overlap, unique_local_subnets};
use crate::lan::Lan;
use crate::network::{LOCAL_SCOPE, SWARM_SCOPE};
use crate::options::{BridgeOptions, GatewayMode, families};
use crate::{Driver, Error, Ipam, IpamRequest, Network, NetworkCreate, Pool, PoolRequest, Result};

/// What is there already, as far as a new network must avoid it.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// Subnets of our networks.
    pub(crate) pools: Vec<IpNet>,
    /// Destinations that the engine's own namespace routes elsewhere, and its name servers.
    pub(crate) routed: Vec<IpNet>,
    /// The engine's own /48 for networks with IPv6 whose maker named no subnet.
    pub(crate) unique_local: Ipv6Net,
}

/// A checked network with the allocators of its pools, gateways and auxiliary addresses taken.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) network: Network,
    pub(crate) allocators: Vec<Allocator>,
}

/// Makes a network of the request. Names were checked before.
pub(crate) fn draft(mut request: NetworkCreate, id: String, around: &Surroundings) -> Result<Draft> {
    let driver = match request.driver.as_str() {
        "" | "bridge" => Driver::Bridge,
        "macvlan" => Driver::Macvlan,
        "ipvlan" => Driver::Ipvlan,
        "host" => return Err(Error::OnlyOne("host")),
        "null" => return Err(Error::OnlyOne("null")),
        "overlay" => return Err(Error::NoSwarm),
        other => return Err(Error::UnknownDriver(other.to_owned())),
    };
    if request.scope == SWARM_SCOPE {
        return Err(Error::SwarmScope);
    }
    let [enable_ipv4, enable_ipv6] = families(&mut request)?;
    if !matches!(request.ipam.driver.as_str(), "" | "default") {
        return Err(Error::UnknownDriver(request.ipam.driver));
    }
    check_pools(&request.ipam, enable_ipv6)?;
    if request.config_only {
        let config = request.ipam.config.iter().filter_map(|p| Some(as_asked(p, p.subnet?))).collect();
        let network = network(&request, id, driver, enable_ipv4, enable_ipv6, config);
        return Ok(Draft { network, allocators: Vec::new() });
    }

    let lan = Lan::parse(driver, &request.options, &id)?;
    let mut options = BridgeOptions::default();
    if lan.is_none() {
        options = BridgeOptions::parse(&request.options)?;
        if options.modes.contains(&GatewayMode::Isolated) && !request.internal {
            return Err(Error::IsolatedOutside);
        }
        if !enable_ipv4 && !enable_ipv6 {
            return Err(Error::NoFamily);
        }
    }

    let mut used = around.pools.clone();
    let mut pools = Vec::new();
    for asked in &request.ipam.config {
        let Some(subnet) = asked.subnet else { continue };
        // As in dockerd, a subnet of a family that is off is only told.
        if !(if subnet.addr().is_ipv6() { enable_ipv6 } else { enable_ipv4 }) {
            pools.push(as_asked(asked, subnet));
            continue;
        }
        let family = |pool: &Pool| pool.subnet.addr().is_ipv6() == subnet.addr().is_ipv6();
        if lan.is_none() && pools.iter().any(family) {
            return Err(Error::ManySubnets);
        }
        if used.iter().any(|u| overlap(u, &subnet)) {
            return Err(Error::PoolOverlaps);
        }
        used.push(subnet);
        pools.push(as_asked(asked, subnet));
    }
    let avoid: Vec<IpNet> = used.iter().chain(&around.routed).copied().collect();
    for (wanted, is_family, candidates) in [
        (enable_ipv4, IpNet::addr_is_ipv4 as fn(&IpNet) -> bool, default_pools()),
        (enable_ipv6, IpNet::addr_is_ipv6 as fn(&IpNet) -> bool, unique_local_subnets(around.unique_local).collect()),
    ] {
        if wanted && !pools.iter().any(|p| is_family(&p.subnet)) {
            let subnet = choose_subnet(candidates, &avoid).ok_or(Error::PoolsExhausted)?;
            pools.push(Pool { user_defined: false, ..as_asked(&PoolRequest::default(), subnet) });
        }
    }
    let gateways = gateways(lan.as_ref(), &options, request.internal);
    let mut network = network(&request, id, driver, enable_ipv4, enable_ipv6, pools);
    let allocators = reserve_all(&mut network, gateways)?;
    Ok(Draft { network, allocators })
}

/// Whether a network sets addresses of IPv4 and IPv6 aside as gateways where its maker named none.
pub(crate) fn gateways(lan: Option<&Lan>, options: &BridgeOptions, internal: bool) -> [bool; 2] {
    [false, true].map(|ipv6| match lan {
        Some(lan) => lan.has_gateway(internal),
        None => !options.without_gateway(ipv6, internal),
    })
}

/// Makes the allocators of a network's pools, one for each.
pub(crate) fn reserve_all(network: &mut Network, gateways: [bool; 2]) -> Result<Vec<Allocator>> {
    let used: Vec<bool> = network.ipam.config.iter().map(|pool| network.uses(pool)).collect();
    let pools = network.ipam.config.iter_mut().zip(used);
    pools
        .map(|(pool, used)| match used {
            true => reserve(pool, gateways),
            false => Ok(Allocator::new(pool.subnet, pool.ip_range)),
        })
        .collect()
}

/// Makes the allocator of a stored or drafted pool and takes what nobody may have; without a gateway, the first free
/// address becomes it if `gateways`, for IPv4 and IPv6, says so.
pub(crate) fn reserve(pool: &mut Pool, gateways: [bool; 2]) -> Result<Allocator> {
    let mut allocator = Allocator::new(pool.subnet, pool.ip_range);
    let refused = |ip: IpAddr| Error::InvalidConfig(vec![format!("address {ip} of {} cannot be used", pool.subnet)]);
    for ip in pool.aux_addresses.values() {
        allocator.take(*ip).map_err(|_| refused(*ip))?;
    }
    match pool.gateway {
        Some(gateway) => allocator.take(gateway).map_err(|_| refused(gateway))?,
        None if !gateways[usize::from(pool.subnet.addr().is_ipv6())] => {}
        None => {
            pool.gateway = Some(allocator.take_any().map_err(|_| refused(pool.subnet.addr()))?);
            pool.gateway_chosen = true;
        }
    }
    Ok(allocator)
}

trait Family {
    fn addr_is_ipv4(&self) -> bool;
    fn addr_is_ipv6(&self) -> bool;
}

impl Family for IpNet {
    fn addr_is_ipv4(&self) -> bool {
        matches!(self, IpNet::V4(_))
    }

    fn addr_is_ipv6(&self) -> bool {
        matches!(self, IpNet::V6(_))
    }
}

fn as_asked(asked: &PoolRequest, subnet: IpNet) -> Pool {
    Pool {
        subnet,
        ip_range: asked.ip_range,
        gateway: asked.gateway,
        aux_addresses: asked.aux_addresses.clone(),
        user_defined: true,
        gateway_chosen: false,
    }
}

fn network(
    request: &NetworkCreate,
    id: String,
    driver: Driver,
    enable_ipv4: bool,
    enable_ipv6: bool,
    config: Vec<Pool>,
) -> Network {
    Network {
        id,
        name: request.name.clone(),
        created: SystemTime::now(),
        scope: if request.scope.is_empty() { LOCAL_SCOPE.to_owned() } else { request.scope.clone() },
        driver,
        enable_ipv4,
        enable_ipv6,
        internal: request.internal,
        attachable: request.attachable,
        config_only: request.config_only,
        config_from: request.config_from.clone(),
        ipam: Ipam { driver: "default".into(), options: request.ipam.options.clone(), config },
        options: request.options.clone(),
        labels: request.labels.clone(),
        containers: BTreeMap::new(),
    }
}

/// dockerd's checks of the addresses, all complaints at once.
fn check_pools(ipam: &IpamRequest, enable_ipv6: bool) -> Result<()> {
    let mut wrong = Vec::new();
    for pool in &ipam.config {
        let Some(subnet) = pool.subnet else {
            if pool.ip_range.is_some() || pool.gateway.is_some() || !pool.aux_addresses.is_empty() {
                wrong.push("invalid subnet : a range, gateway or auxiliary address needs a subnet".to_owned());
            }
            continue;
        };
        if subnet.trunc() != subnet {
            wrong.push(format!("invalid subnet {subnet}: it should be {}", subnet.trunc()));
        }
        let family = if matches!(subnet, IpNet::V4(_)) { "IPv4" } else { "IPv6" };
        if family == "IPv6" && !enable_ipv6 {
            continue;
        }
        if let Some(range) = pool.ip_range {
            if range.trunc() != range {
                wrong.push(format!("invalid ip-range {range}: it should be {}", range.trunc()));
            }
            if range.prefix_len() < subnet.prefix_len() && range.addr().is_ipv4() == subnet.addr().is_ipv4() {
                wrong.push(format!("invalid ip-range {range}: CIDR block is bigger than its parent subnet {subnet}"));
            } else if !subnet.contains(&range) {
                wrong.push(format!("invalid ip-range {range}: it is not in the parent subnet {subnet}"));
            }
        }
        let named = pool.aux_addresses.values().map(|ip| ("auxiliary address", *ip));
        for (what, ip) in pool.gateway.map(|ip| ("gateway", ip)).into_iter().chain(named) {
            if ip.is_ipv4() != subnet.addr().is_ipv4() {
                wrong.push(format!("invalid {what} {ip}: parent subnet is an {family} block"));
            } else if !subnet.contains(&ip) {
                wrong.push(format!("invalid {what} {ip}: parent subnet {subnet} doesn't contain this address"));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::InvalidConfig(wrong)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(pools: &[&str], routed: &[&str]) -> Surroundings {
        let nets = |list: &[&str]| list.iter().map(|n| n.parse().unwrap()).collect();
        Surroundings { pools: nets(pools), routed: nets(routed), unique_local: "fd11:2233:4455::/48".parse().unwrap() }
    }

    fn request(subnet: &str, range: Option<&str>, gateway: Option<&str>) -> NetworkCreate {
        let pool = PoolRequest {
            subnet: Some(subnet.parse().unwrap()),
            ip_range: range.map(|r| r.parse().unwrap()),
            gateway: gateway.map(|g| g.parse().unwrap()),
            aux_addresses: BTreeMap::new(),
        };
        NetworkCreate {
            name: "n".into(),
            ipam: IpamRequest { config: vec![pool], ..IpamRequest::default() },
            ..NetworkCreate::default()
        }
    }

    #[test]
    fn chooses_a_subnet_that_overlaps_nothing() {
        let around = around(&["172.17.0.0/16"], &["172.18.4.0/24"]);
        let draft =
            draft(NetworkCreate { enable_ipv6: Some(true), ..NetworkCreate::default() }, "i".into(), &around).unwrap();
        let got: Vec<_> = draft.network.ipam.config.iter().map(|p| (p.subnet.to_string(), p.gateway)).collect();
        assert_eq!(got[0], ("172.19.0.0/16".into(), Some("172.19.0.1".parse().unwrap())));
        assert_eq!(got[1], ("fd11:2233:4455::/64".into(), Some("fd11:2233:4455::1".parse().unwrap())));
        assert!(draft.network.ipam.config.iter().all(|p| !p.user_defined));
    }

    #[test]
    fn a_range_gives_the_gateway_too_as_in_dockerd() {
        let draft =
            draft(request("10.99.0.0/24", Some("10.99.0.128/25"), None), "i".into(), &around(&[], &[])).unwrap();
        assert_eq!(draft.network.ipam.config[0].gateway, Some("10.99.0.128".parse().unwrap()));
    }

    #[test]
    fn complains_as_dockerd_does() {
        for (request, expect) in [
            (request("10.98.0.5/24", None, None), "invalid subnet 10.98.0.5/24: it should be 10.98.0.0/24"),
            (
                request("10.98.0.0/24", None, Some("10.97.0.1")),
                "invalid gateway 10.97.0.1: parent subnet 10.98.0.0/24 doesn't contain this address",
            ),
            (
                request("10.98.0.0/24", Some("10.0.0.0/8"), None),
                "invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.98.0.0/24",
            ),
        ] {
            let error = draft(request, "i".into(), &around(&[], &[])).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid network config:\n{expect}"));
        }
        let error = draft(request("10.0.0.0/25", None, None), "i".into(), &around(&["10.0.0.0/24"], &[])).unwrap_err();
        assert_eq!(error.to_string(), "invalid pool request: Pool overlaps with other one on this address space");
    }
}
