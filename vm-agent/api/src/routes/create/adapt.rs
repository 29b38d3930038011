//! The same request in the versions of the API.

use engine_api::{ContainerCreateRequest, HostConfig, Map, Mount};

use super::endpoint;
use crate::failure::Failure;
use crate::version::ApiVersion;

/// Takes out what the client's version did not know, and puts in what it took for granted (the version history of the Engine
/// API says which field came when). Answers warnings.
pub(super) fn adapt(request: &mut ContainerCreateRequest, version: ApiVersion) -> Result<Vec<String>, Failure> {
    let before = |minor| version < ApiVersion::new(1, minor);
    default_network(request);
    let host = request.host_config.get_or_insert_with(HostConfig::default);
    if before(25) {
        host.auto_remove = false;
    }
    if before(40) {
        for options in host.mounts.iter_mut().flatten().filter_map(|mount| mount.bind_options.as_mut()) {
            options.non_recursive = false;
        }
        host.resources.kernel_memory_tcp = 0;
        if host.ipc_mode.is_empty() {
            host.ipc_mode = "shareable".to_owned();
        }
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
        request.read_only_non_recursive = true;
        // It may not be ignored: who asks for it relies on it.
        let forced = |mount: &Mount| {
            mount.kind == "bind" && mount.bind_options.as_ref().is_some_and(|options| options.read_only_force_recursive)
        };
        if host.mounts.iter().flatten().any(forced) {
            return Err(Failure::bad_request("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer"));
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
    if before(45) {
        let beneath = |mount: &Mount| mount.volume_options.as_ref().is_some_and(|options| !options.subpath.is_empty());
        if host.mounts.iter().flatten().any(beneath) {
            return Err(Failure::bad_request("VolumeOptions.Subpath needs API v1.45 or newer"));
        }
    }
    if before(48) {
        let networks = request.networking_config.as_mut().and_then(|config| config.endpoints_config.as_mut());
        for settings in networks.into_iter().flat_map(Map::values_mut).flatten() {
            settings.gw_priority = 0;
        }
        if host.mounts.iter().flatten().any(|mount| mount.kind == "image") {
            return Err(Failure::bad_request("Mount type \"Image\" needs API v1.48 or newer"));
        }
    }
    if host.resources.pids_limit.is_some_and(|limit| limit <= 0) {
        host.resources.pids_limit = None;
    }
    let mut warnings = Vec::new();
    if !before(48) && !host.volume_driver.is_empty() && host.mounts.iter().flatten().any(without_driver) {
        warnings.push(
            "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use \
             '--mount type=volume,volume-driver=...' instead"
                .to_owned(),
        );
    }
    Ok(warnings)
}

/// A volume whose driver nobody named.
fn without_driver(mount: &Mount) -> bool {
    let driver = mount.volume_options.as_ref().and_then(|options| options.driver_config.as_ref());
    mount.kind == "volume" && driver.is_none_or(|driver| driver.name.is_empty())
}

/// An endpoint on `default` is one on the network that is the default here.
fn default_network(request: &mut ContainerCreateRequest) {
    let main = endpoint::main_network(request).to_owned();
    let endpoints = request.networking_config.as_mut().and_then(|config| config.endpoints_config.as_mut());
    let Some(endpoints) = endpoints.filter(|_| main == "bridge") else { return };
    if let Some(settings) = endpoints.remove("default") {
        endpoints.insert(main, settings);
    }
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
