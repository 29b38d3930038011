//! Container create, and what older clients mean by the same request.

use engine_api::{ContainerCreateRequest, HostConfig};

use super::Call;
use crate::failure::Failure;
use crate::reply::{self, Answer};
use crate::version::ApiVersion;

pub(super) async fn create(mut call: Call) -> Answer {
    let mut request = call.create_request().await?;
    adapt(&mut request, call.version)?;
    let warning = mac_address(&mut request, call.version)?;
    let platform = call.query.filled("platform").filter(|_| call.since(1, 41));
    let name = call.query.filled("name");
    let mut created = call.services.containers.create(name, request, platform).await?;
    created.warnings.extend(warning.map(str::to_owned));
    reply::created(&created)
}

/// The address of the whole container is that of its endpoint on the main network (`handleMACAddressBC`); answers a warning.
fn mac_address(request: &mut ContainerCreateRequest, version: ApiVersion) -> Result<Option<&'static str>, Failure> {
    let old = version < ApiVersion::new(1, 44);
    let address = std::mem::take(&mut request.config.mac_address);
    let mode = request.host_config.as_ref().map_or("", |host| host.network_mode.as_str());
    let main = if matches!(mode, "" | "default") { "bridge" } else { mode };
    let joins = !matches!(main, "host" | "none") && !main.starts_with("container:");
    let networking = request.networking_config.get_or_insert_default();
    let endpoints = networking.endpoints_config.get_or_insert_default();
    if address.is_empty() {
        if old {
            // It was not known there.
            endpoints.values_mut().flatten().for_each(|settings| settings.mac_address.clear());
        }
        return Ok(None);
    }
    if joins {
        let lonely = endpoints.is_empty();
        let named = endpoints.contains_key(main) || main != "bridge" || !endpoints.contains_key("default");
        let key = if named { main } else { "default" };
        let settings = match endpoints.len() {
            1 if old => endpoints.values_mut().next(),
            _ if lonely || endpoints.contains_key(key) => Some(endpoints.entry(key.to_owned()).or_default()),
            _ => None,
        };
        let Some(settings) = settings else {
            return Err(Failure::bad_request(
                "unable to migrate container-wide MAC address to a specific network: HostConfig.NetworkMode must match the \
                 identity of a network in NetworkSettings.Networks",
            ));
        };
        let settings = settings.get_or_insert_default();
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
    Ok((!old).then_some(
        "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.",
    ))
}

/// Takes out what the client's version did not know, and puts in what it took for granted (the version history of the Engine
/// API says which field came when).
fn adapt(request: &mut ContainerCreateRequest, version: ApiVersion) -> Result<(), Failure> {
    let before = |minor| version < ApiVersion::new(1, minor);
    let host = request.host_config.get_or_insert_with(HostConfig::default);
    if before(25) {
        host.auto_remove = false;
    }
    if before(40) && host.ipc_mode.is_empty() {
        host.ipc_mode = "shareable".to_owned();
    }
    if before(42) {
        host.console_size = [0, 0];
        for mount in host.mounts.iter_mut().flatten() {
            if mount.kind != "volume" {
                mount.volume_options = None;
            }
            if mount.kind != "tmpfs" {
                mount.tmpfs_options = None;
            }
            if let Some(options) = &mut mount.bind_options {
                options.create_mountpoint = false;
            }
        }
    } else {
        host.resources.kernel_memory = 0;
        check_mount_options(host)?;
    }
    if before(43) {
        host.annotations = None;
    }
    if before(44) {
        if let Some(check) = &mut request.config.healthcheck {
            check.start_interval = 0;
        }
        let networks = request.networking_config.as_ref().and_then(|config| config.endpoints_config.as_ref());
        if let Some(networks) = networks.filter(|networks| networks.len() > 1) {
            let names: Vec<_> = networks.keys().map(String::as_str).collect();
            return Err(Failure::bad_request(format!(
                "Container cannot be created with multiple network endpoints: {}",
                names.join(", ")
            )));
        }
    }
    if host.resources.pids_limit.is_some_and(|limit| limit <= 0) {
        host.resources.pids_limit = None;
    }
    Ok(())
}

fn check_mount_options(host: &HostConfig) -> Result<(), Failure> {
    for mount in host.mounts.iter().flatten() {
        let misplaced = [
            ("VolumeOptions", mount.volume_options.is_some() && mount.kind != "volume"),
            ("BindOptions", mount.bind_options.is_some() && mount.kind != "bind"),
            ("TmpfsOptions", mount.tmpfs_options.is_some() && mount.kind != "tmpfs"),
        ];
        if let Some((name, _)) = misplaced.iter().find(|(_, wrong)| *wrong) {
            let kind = &mount.kind;
            return Err(Failure::bad_request(format!("{name} must not be specified on mount type \"{kind}\"")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted(body: &str, minor: u32) -> Result<ContainerCreateRequest, Failure> {
        let mut request = ContainerCreateRequest::decode(body.as_bytes()).expect(body);
        adapt(&mut request, ApiVersion::new(1, minor)).map(|()| request)
    }

    #[test]
    fn old_clients_get_what_they_mean() {
        let body = r#"{"Image": "a", "HostConfig": {"AutoRemove": true, "Annotations": {"k": "v"}, "PidsLimit": -1}}"#;
        let host = |minor| adapted(body, minor).expect("accepted").host_config.expect("there");
        assert!(!host(24).auto_remove);
        assert!(host(25).auto_remove);
        assert_eq!(host(39).ipc_mode, "shareable");
        assert_eq!(host(51).ipc_mode, "");
        assert_eq!(host(42).annotations, None);
        assert!(host(43).annotations.is_some());
        assert_eq!(host(51).resources.pids_limit, None);
    }

    #[test]
    fn options_of_another_mount_type_are_refused() {
        let body = r#"{"Image": "a", "HostConfig": {"Mounts": [{"Type": "bind", "VolumeOptions": {"NoCopy": true}}]}}"#;
        assert!(adapted(body, 41).is_ok());
        let refused = adapted(body, 42).expect_err("refused");
        assert_eq!(refused.message, "VolumeOptions must not be specified on mount type \"bind\"");
    }

    #[test]
    fn a_mac_address_of_the_container_is_its_main_endpoints() {
        let moved = |body: &str, minor| {
            let mut request = ContainerCreateRequest::decode(body.as_bytes()).expect(body);
            let warning = mac_address(&mut request, ApiVersion::new(1, minor)).map_err(|failure| failure.message)?;
            assert_eq!(request.config.mac_address, "", "{body}");
            let endpoints = request.networking_config.and_then(|config| config.endpoints_config).expect("endpoints");
            let macs: Vec<String> = endpoints
                .iter()
                .map(|(name, settings)| format!("{name}={}", settings.as_ref().map_or("", |s| &s.mac_address)))
                .collect();
            Ok::<_, String>((macs.join(" "), warning.is_some()))
        };
        let body = |mode: &str, endpoints: &str| {
            format!(
                r#"{{"Image":"a","MacAddress":"02:00:00:00:00:09","HostConfig":{{"NetworkMode":"{mode}"}},
                    "NetworkingConfig":{{"EndpointsConfig":{endpoints}}}}}"#
            )
        };
        let set = |text: &str, warns| Ok((text.to_owned(), warns));
        assert_eq!(moved(&body("", "{}"), 51), set("bridge=02:00:00:00:00:09", true));
        assert_eq!(moved(&body("net", r#"{"net":{},"x":{}}"#), 51), set("net=02:00:00:00:00:09 x=", true));
        assert_eq!(moved(&body("net", r#"{"other":{}}"#), 43), set("other=02:00:00:00:00:09", false));
        assert_eq!(moved(&body("host", "{}"), 51), set("", true));
        assert!(moved(&body("host", "{}"), 43).is_err());
        assert!(moved(&body("net", r#"{"other":{}}"#), 51).is_err_and(|text| text.contains("must match the identity")));
        assert!(
            moved(&body("net", r#"{"net":{"MacAddress":"02:00:00:00:00:08"}}"#), 51)
                .is_err_and(|text| text.starts_with("the container-wide MAC address must match"))
        );
    }

    #[test]
    fn several_networks_need_a_new_client() {
        let body = r#"{"Image": "a", "NetworkingConfig": {"EndpointsConfig": {"x": {}, "y": {}}}}"#;
        assert!(adapted(body, 44).is_ok());
        assert_eq!(
            adapted(body, 43).expect_err("refused").message,
            "Container cannot be created with multiple network endpoints: x, y"
        );
    }
}
