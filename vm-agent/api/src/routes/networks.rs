//! Networks.

use std::net::IpAddr;

use engine_api::network::{
    ConfigReference, EndpointResource, Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateResponse,
    NetworkDisconnectRequest, NetworkPruneReport,
};
use engine_api::{Filters, NetworkCreateRequest, NetworkInspect, Timestamp, ZERO_TIME};
use ipnet::IpNet;
use network::{EndpointSummary, IpamRequest, Network, NetworkCreate, Pool, PoolRequest};

use super::{Call, names};
use crate::failure::Failure;
use crate::reply::{self, Answer};

pub(super) async fn list(call: Call) -> Answer {
    let filters = call.query.filters()?;
    filters.only(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
    let dangling = dangling(&filters)?;
    let mut list = Vec::new();
    for network in call.services.networks.list() {
        let unused = !network.predefined() && network.containers.is_empty();
        if chosen(&filters, &network)? && dangling.is_none_or(|wanted| wanted == unused) {
            let mut inspect = describe(network);
            // Lists tell of containers only to clients before 1.28.
            if call.since(1, 28) {
                inspect.containers.clear();
            }
            list.push(inspect);
        }
    }
    reply::json(&list)
}

/// dockerd reads this filter apart from all others.
fn dangling(filters: &Filters) -> Result<Option<bool>, Failure> {
    let values: Vec<&str> = filters.values("dangling").collect();
    match values.as_slice() {
        [] => Ok(None),
        ["1" | "true"] => Ok(Some(true)),
        ["0" | "false"] => Ok(Some(false)),
        [_] => Err(Failure::bad_request(
            "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")",
        )),
        _ => Err(Failure::bad_request("got more than one value for filter key \"dangling\"")),
    }
}

fn chosen(filters: &Filters, network: &Network) -> Result<bool, Failure> {
    for wanted in filters.values("type") {
        if !matches!(wanted, "custom" | "builtin") {
            return Err(Failure::bad_request(format!("invalid filter: 'type'='{wanted}'")));
        }
    }
    let kind = if network.predefined() { "builtin" } else { "custom" };
    Ok(filters.accepts("driver", network.driver_name())
        && filters.accepts("type", kind)
        && filters.accepts("scope", &network.scope)
        && filters.any("name", |wanted| names::matches(wanted, &network.name))
        && filters.any("id", |wanted| network.id.starts_with(wanted))
        && filters.labels_match("label", &network.labels))
}

pub(super) async fn inspect(call: Call) -> Answer {
    // Nothing here has more to tell.
    if let Some(verbose) = call.query.filled("verbose")
        && network::parse_bool(verbose).is_none()
    {
        let reason = format!("strconv.ParseBool: parsing {verbose:?}: invalid syntax");
        return Err(Failure::bad_request(format!("invalid value for verbose: {verbose}: {reason}")));
    }
    let network = call.services.networks.inspect(&call.name)?;
    if call.query.filled("scope").is_some_and(|scope| scope != network.scope) {
        return Err(network::Error::NotFound(call.name.clone()).into());
    }
    reply::json(&describe(network))
}

pub(super) async fn create(mut call: Call) -> Answer {
    let mut request: NetworkCreateRequest = call.json().await?;
    if !call.since(1, 48) {
        request.enable_ipv4 = None;
    }
    let created = call.services.networks.create(translate(request)?).await?;
    reply::created(&NetworkCreateResponse { id: created.id, warning: created.warning })
}

fn translate(request: NetworkCreateRequest) -> Result<NetworkCreate, Failure> {
    let ipam = request.ipam.unwrap_or_default();
    let pools = ipam.config.unwrap_or_default().into_iter().map(pool).collect::<Result<_, _>>()?;
    Ok(NetworkCreate {
        name: request.name,
        driver: request.driver,
        enable_ipv4: request.enable_ipv4,
        enable_ipv6: request.enable_ipv6,
        internal: request.internal,
        attachable: request.attachable,
        ingress: request.ingress,
        scope: request.scope,
        config_only: request.config_only,
        config_from: request.config_from.map(|reference| reference.network).filter(|name| !name.is_empty()),
        ipam: IpamRequest { driver: ipam.driver, options: ipam.options, config: pools },
        options: request.options.unwrap_or_default(),
        labels: request.labels.unwrap_or_default(),
    })
}

fn pool(config: IpamConfig) -> Result<PoolRequest, Failure> {
    let invalid = |text: String| Failure::bad_request(format!("invalid network config:\n{text}"));
    let range = |kind: &str, text: &str| -> Result<Option<IpNet>, Failure> {
        if text.is_empty() {
            return Ok(None);
        }
        let net = text.parse().map_err(|_| invalid(format!("invalid {kind} {text}: invalid CIDR block notation")))?;
        Ok(Some(net))
    };
    let address = |kind: &str, text: &str| -> Result<IpAddr, Failure> {
        text.parse().map_err(|_| invalid(format!("invalid {kind} {text}: invalid address")))
    };
    let aux_addresses = config
        .aux_addresses
        .unwrap_or_default()
        .into_iter()
        .map(|(name, text)| Ok((name.clone(), address(&format!("auxiliary address {name}:"), &text)?)))
        .collect::<Result<_, Failure>>()?;
    Ok(PoolRequest {
        subnet: range("subnet", &config.subnet)?,
        ip_range: range("ip-range", &config.ip_range)?,
        gateway: if config.gateway.is_empty() { None } else { Some(address("gateway", &config.gateway)?) },
        aux_addresses,
    })
}

pub(super) async fn remove(call: Call) -> Answer {
    call.services.networks.remove(&call.name).await?;
    reply::no_content()
}

pub(super) async fn connect(mut call: Call) -> Answer {
    let request: NetworkConnectRequest = call.json().await?;
    named(&request.container)?;
    call.services.containers.connect(&call.name, request).await?;
    reply::ok()
}

pub(super) async fn disconnect(mut call: Call) -> Answer {
    let request: NetworkDisconnectRequest = call.json().await?;
    named(&request.container)?;
    call.services.containers.disconnect(&call.name, request).await?;
    reply::ok()
}

fn named(container: &str) -> Result<(), Failure> {
    let refused = || Failure::bad_request("invalid name or ID supplied: \"\"");
    if container.is_empty() { Err(refused()) } else { Ok(()) }
}

pub(super) async fn prune(call: Call) -> Answer {
    let filters = call.query.filters()?;
    filters.only(&["label", "label!", "until"])?;
    let until = super::until(&filters)?;
    let pruned = call
        .services
        .networks
        .prune(move |network: &Network| {
            super::labels_chosen(&filters, &network.labels) && until.is_none_or(|until| nanos(network.created) <= until)
        })
        .await?;
    reply::json(&NetworkPruneReport { networks_deleted: (!pruned.is_empty()).then_some(pruned) })
}

fn nanos(time: std::time::SystemTime) -> i64 {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// The network as clients see it.
fn describe(network: Network) -> NetworkInspect {
    NetworkInspect {
        created: Timestamp::try_from(network.created).unwrap_or(ZERO_TIME),
        scope: network.scope.clone(),
        driver: network.driver_name().to_owned(),
        enable_ipv4: network.enable_ipv4,
        enable_ipv6: network.enable_ipv6,
        ipam: Ipam {
            driver: network.ipam.driver,
            options: network.ipam.options,
            // `null` for `host` and `none`.
            config: (!network.ipam.config.is_empty()).then(|| network.ipam.config.iter().map(subnet).collect()),
        },
        internal: network.internal,
        attachable: network.attachable,
        ingress: false,
        config_from: ConfigReference { network: network.config_from.unwrap_or_default() },
        config_only: network.config_only,
        containers: network.containers.into_iter().map(|(id, endpoint)| (id, member(&endpoint))).collect(),
        options: Some(network.options),
        labels: Some(network.labels),
        name: network.name,
        id: network.id,
    }
}

fn subnet(pool: &Pool) -> IpamConfig {
    let text = |value: Option<String>| value.unwrap_or_default();
    // As in dockerd, a subnet is told as it was asked for: a gateway that was not, shows at the containers only.
    let told = pool.gateway.filter(|_| !(pool.user_defined && pool.gateway_chosen));
    let aux = pool.aux_addresses.iter().map(|(name, address)| (name.clone(), address.to_string()));
    IpamConfig {
        subnet: pool.subnet.to_string(),
        ip_range: text(pool.ip_range.map(|range| range.to_string())),
        gateway: text(told.map(|gateway| gateway.to_string())),
        aux_addresses: (!pool.aux_addresses.is_empty()).then(|| aux.collect()),
    }
}

fn member(endpoint: &EndpointSummary) -> EndpointResource {
    let mac = |bytes: [u8; 6]| bytes.map(|byte| format!("{byte:02x}")).join(":");
    EndpointResource {
        name: endpoint.name.clone(),
        endpoint_id: endpoint.endpoint_id.clone(),
        mac_address: endpoint.mac.map(mac).unwrap_or_default(),
        ipv4_address: endpoint.ipv4.map(|(address, prefix)| format!("{address}/{prefix}")).unwrap_or_default(),
        ipv6_address: endpoint.ipv6.map(|(address, prefix)| format!("{address}/{prefix}")).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_subnets_are_named() {
        let check = |config: IpamConfig, expect: &str| {
            assert_eq!(pool(config).expect_err(expect).message, format!("invalid network config:\n{expect}"));
        };
        let config = |subnet: &str, gateway: &str| IpamConfig {
            subnet: subnet.to_owned(),
            gateway: gateway.to_owned(),
            ..IpamConfig::default()
        };
        check(config("x", ""), "invalid subnet x: invalid CIDR block notation");
        check(config("10.0.0.0/8", "y"), "invalid gateway y: invalid address");
        assert!(pool(config("10.0.0.0/8", "10.0.0.1")).is_ok());
    }
}
