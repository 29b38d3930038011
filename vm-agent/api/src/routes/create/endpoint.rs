//! What is asked of the whole container and belongs to its endpoint on the main network.

use engine_api::{ContainerCreateRequest, EndpointSettings, Map, NetworkingConfig};

use crate::failure::Failure;
use crate::version::ApiVersion;

/// The option of an endpoint that holds its sysctls.
const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

/// The name of the network that the container's mode means.
pub(super) fn main_network(request: &ContainerCreateRequest) -> &str {
    let mode = request.host_config.as_ref().map_or("", |host| host.network_mode.as_str());
    if matches!(mode, "" | "default") { "bridge" } else { mode }
}

/// Gives the address of the whole container to its endpoint on the main network; answers a warning.
pub(super) fn mac_address(
    request: &mut ContainerCreateRequest,
    version: ApiVersion,
) -> Result<Option<String>, Failure> {
    let old = version < ApiVersion::new(1, 44);
    let address = std::mem::take(&mut request.config.mac_address);
    let main = main_network(request).to_owned();
    let networking = request.networking_config.get_or_insert_default();
    if address.is_empty() {
        if old {
            // It was not known there.
            let endpoints = networking.endpoints_config.iter_mut().flat_map(Map::values_mut);
            endpoints.flatten().for_each(|settings| settings.mac_address.clear());
        }
        return Ok(None);
    }
    if !matches!(main.as_str(), "host" | "none") && !main.starts_with("container:") {
        let settings = of_main(networking, &main, version).ok_or_else(|| {
            Failure::bad_request(format!(
                "unable to migrate container-wide MAC address to a specific network: {NO_MAIN}"
            ))
        })?;
        if !old && !settings.mac_address.is_empty() && settings.mac_address != address {
            return Err(Failure::bad_request(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be \
                 left empty",
            ));
        }
        settings.mac_address = address;
    } else if old {
        return Err(Failure::bad_request("conflicting options: mac-address and the network mode"));
    }
    Ok((!old).then(|| {
        "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."
            .to_owned()
    }))
}

/// Gives the sysctls of `eth0` to the endpoint on the main network, whatever its interface will be called; answers a warning.
/// Clients since 1.48 must name the endpoint themselves.
pub(super) fn sysctls(request: &mut ContainerCreateRequest, version: ApiVersion) -> Result<Option<String>, Failure> {
    let main = main_network(request).to_owned();
    if main == "host" || main.starts_with("container:") {
        return Ok(None);
    }
    let Some(host) = request.host_config.as_mut() else { return Ok(None) };
    let Some(all) = host.sysctls.as_mut() else { return Ok(None) };
    let moving: Vec<(String, [String; 2])> =
        all.keys().filter_map(|name| Some((name.clone(), of_interface(name)?))).collect();
    let Some((first, _)) = moving.first() else { return Ok(None) };
    if version >= ApiVersion::new(1, 48) {
        return Err(Failure::internal(format!(
            "interface specific sysctl setting {first:?} must be supplied using driver option '{SYSCTLS}'"
        )));
    }
    let networking = request.networking_config.get_or_insert_default();
    let settings = of_main(networking, &main, version)
        .ok_or_else(|| Failure::bad_request(format!("unable to find a network for sysctl {first}: {NO_MAIN}")))?;
    let mut moved = Vec::new();
    for (name, [interface, general]) in &moving {
        if interface != "eth0" {
            return Err(Failure::internal(format!(
                "unable to determine network endpoint for sysctl {name}, use driver option '{SYSCTLS}' to set per-interface sysctls"
            )));
        }
        moved.push(format!("{general}={}", all.remove(name).unwrap_or_default()));
    }
    let names: Vec<&str> = moving.iter().map(|(name, _)| name.as_str()).collect();
    let moved = moved.join(",");
    let warning = format!("Migrated sysctl {:?} to DriverOpts{{{SYSCTLS:?}:{moved:?}}}.", names.join(","));
    let options = settings.driver_opts.get_or_insert_default();
    // What the endpoint has of its own comes last, and counts.
    let joined = match options.get(SYSCTLS) {
        Some(own) => format!("{moved},{own}"),
        None => moved,
    };
    options.insert(SYSCTLS.to_owned(), joined);
    if all.is_empty() {
        host.sysctls = None;
    }
    Ok(Some(warning))
}

/// The interface of `net.X.Y.ethN.Z`, and the same name for any interface.
fn of_interface(name: &str) -> Option<[String; 2]> {
    let parts: Vec<&str> = name.splitn(5, '.').collect();
    match parts.as_slice() {
        ["net", family, group, interface, rest] if interface.starts_with("eth") => {
            Some([(*interface).to_owned(), format!("net.{family}.{group}.IFNAME.{rest}")])
        }
        _ => None,
    }
}

const NO_MAIN: &str = "HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks";

/// The settings of the endpoint on the main network; nothing when they may be among those given, under another name.
fn of_main<'r>(
    networking: &'r mut NetworkingConfig,
    main: &str,
    version: ApiVersion,
) -> Option<&'r mut EndpointSettings> {
    let endpoints = networking.endpoints_config.get_or_insert_default();
    let settings = if endpoints.is_empty() || endpoints.contains_key(main) {
        endpoints.entry(main.to_owned()).or_default()
    } else if version < ApiVersion::new(1, 44) {
        // There is one, which can only be meant.
        endpoints.values_mut().next()?
    } else {
        return None;
    };
    Some(settings.get_or_insert_default())
}
