//! What a request asks for and this engine does not do: refused, or said in a warning, never silently dropped. Pure.
//!
//! Every field of a request is named here, without `..`: a new one does not compile until somebody decided about it.

use super::resources::{Abilities, InvalidResources};
use crate::Invalid;
use engine_api::network::EndpointIpamConfig;
use engine_api::{ContainerConfig, EndpointSettings, HostConfig, Map, Resources};

/// Refuses what would be ignored; answers the warnings of what is harmless to leave out.
pub(crate) fn check(
    config: &ContainerConfig,
    host: &HostConfig,
    endpoints: &Map<EndpointSettings>,
    abilities: &Abilities,
) -> Result<Vec<String>, Invalid> {
    portable(config)?;
    let HostConfig {
        // Refused here, or worth a warning.
        storage_opt,
        isolation,
        // By `spec::security` otherwise; labels mean nothing to dockerd either, unless it is told to care for them.
        security_opt,
        // Looked at by `LogOptions`.
        log_config: _,
        resources,
        // Without remapped user ids no value of it means anything, and any is taken, as by dockerd.
        userns_mode: _,
        // Of an engine long gone: dockerd keeps it and does nothing.
        cgroup: _,
        // The client's own affair.
        container_id_file: _,
        // Shown by inspect and list, which is all that they promise.
        annotations: _,
        // Have an effect; their values are checked by `validate` and by the modules that carry them out.
        binds: _,
        links: _,
        network_mode: _,
        port_bindings: _,
        restart_policy: _,
        auto_remove: _,
        volume_driver: _,
        volumes_from: _,
        console_size: _,
        cap_add: _,
        cap_drop: _,
        cgroupns_mode: _,
        dns: _,
        dns_options: _,
        dns_search: _,
        extra_hosts: _,
        group_add: _,
        ipc_mode: _,
        oom_score_adj: _,
        pid_mode: _,
        privileged: _,
        publish_all_ports: _,
        readonly_rootfs: _,
        tmpfs: _,
        uts_mode: _,
        shm_size: _,
        sysctls: _,
        runtime: _,
        mounts: _,
        masked_paths: _,
        readonly_paths: _,
        init: _,
    } = host;
    if storage_opt.as_ref().is_some_and(|options| !options.is_empty()) {
        return Err(Invalid::StorageOption);
    }
    if !matches!(isolation.to_ascii_lowercase().as_str(), "" | "default") {
        return Err(Invalid::Isolation(isolation.clone()));
    }
    endpoints.values().for_each(endpoint);
    let mut warnings = limits(resources)?;
    if abilities.apparmor {
        warnings.extend(security_opt.iter().flatten().filter_map(|option| profile(option)));
    }
    Ok(warnings)
}

/// What is said of an AppArmor profile. Where none can be loaded, dockerd does not look at them either.
fn profile(option: &str) -> Option<String> {
    let name = option.strip_prefix("apparmor").and_then(|rest| rest.strip_prefix(['=', ':']))?;
    (name != "unconfined").then(|| format!("This engine applies no AppArmor profiles. Profile {name} discarded."))
}

/// The same for the portable part.
fn portable(config: &ContainerConfig) -> Result<(), Invalid> {
    let ContainerConfig {
        // Refused here: `api` moves it to the endpoint of the main network, where one is.
        mac_address,
        // Have an effect; their values are checked by `validate` and by the modules that carry them out.
        hostname: _,
        domainname: _,
        user: _,
        exposed_ports: _,
        tty: _,
        open_stdin: _,
        stdin_once: _,
        env: _,
        cmd: _,
        healthcheck: _,
        image: _,
        volumes: _,
        working_dir: _,
        entrypoint: _,
        network_disabled: _,
        labels: _,
        stop_signal: _,
        stop_timeout: _,
        shell: _,
        // The client's own affair: what it attaches to it says when it does.
        attach_stdin: _,
        attach_stdout: _,
        attach_stderr: _,
        // Of the image's making and of Windows; shown by inspect, which is all that they promise.
        on_build: _,
        args_escaped: _,
    } = config;
    if !mac_address.is_empty() {
        return Err(Invalid::Conflict("mac-address and the network mode"));
    }
    Ok(())
}

/// The same for one network's part.
fn endpoint(settings: &EndpointSettings) {
    let EndpointSettings {
        // Have an effect, or are refused by the network where they cannot have one.
        ipam_config,
        aliases: _,
        links: _,
        mac_address: _,
        driver_opts: _,
        gw_priority: _,
        // Only ever answers.
        network_id: _,
        endpoint_id: _,
        gateway: _,
        ip_address: _,
        ip_prefix_len: _,
        ipv6_gateway: _,
        global_ipv6_address: _,
        global_ipv6_prefix_len: _,
        dns_names: _,
    } = settings;
    if let Some(EndpointIpamConfig { ipv4_address: _, ipv6_address: _, link_local_ips: _ }) = ipam_config {}
}

fn limits(resources: &Resources) -> Result<Vec<String>, Invalid> {
    let Resources {
        cpu_count,
        kernel_memory_tcp,
        // Realtime limits, bandwidth of Windows, and every limit that has an effect: see `resources::adapt`.
        cgroup_parent: _,
        cpu_shares: _,
        memory: _,
        nano_cpus: _,
        blkio_weight: _,
        blkio_weight_device: _,
        blkio_device_read_bps: _,
        blkio_device_write_bps: _,
        blkio_device_read_iops: _,
        blkio_device_write_iops: _,
        cpu_period: _,
        cpu_quota: _,
        cpu_realtime_period: _,
        cpu_realtime_runtime: _,
        cpuset_cpus: _,
        cpuset_mems: _,
        devices: _,
        device_cgroup_rules: _,
        device_requests: _,
        kernel_memory: _,
        memory_reservation: _,
        memory_swap: _,
        memory_swappiness: _,
        oom_kill_disable: _,
        pids_limit: _,
        ulimits: _,
        cpu_percent: _,
        io_maximum_iops: _,
        io_maximum_bandwidth: _,
    } = resources;
    let mut warnings = Vec::new();
    if *kernel_memory_tcp > 0 {
        warnings.push(
            "Your kernel does not support kernel memory TCP limit capabilities or the cgroup is not mounted. Limitation discarded."
                .to_owned(),
        );
    }
    if *cpu_count > 0 {
        warnings.push("linux does not support CPU count. Count discarded.".to_owned());
    }
    Ok(warnings)
}

/// Realtime scheduling has no controller in cgroup v2.
pub(crate) fn realtime(resources: &Resources) -> Result<(), InvalidResources> {
    if resources.cpu_realtime_period != 0 || resources.cpu_realtime_runtime != 0 {
        return Err(InvalidResources::Realtime);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, endpoint: &str) -> Result<Vec<String>, String> {
        check_where(&Abilities::default(), host, endpoint)
    }

    fn check_where(abilities: &Abilities, host: &str, endpoint: &str) -> Result<Vec<String>, String> {
        let host: HostConfig = serde_json::from_str(host).expect(host);
        let settings: EndpointSettings = serde_json::from_str(endpoint).expect(endpoint);
        super::check(&ContainerConfig::default(), &host, &Map::from([("net".to_owned(), settings)]), abilities)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_would_be_ignored_is_refused() {
        for (host, text) in [
            (
                r#"{"StorageOpt": {"size": "1G"}}"#,
                "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
            ),
            (r#"{"Isolation": "hyperv"}"#, "invalid isolation (hyperv): linux only supports 'default'"),
        ] {
            assert_eq!(check(host, "{}"), Err(text.to_owned()), "{host}");
        }
    }

    #[test]
    fn profiles_are_missed_where_the_kernel_knows_them() {
        let host = r#"{"SecurityOpt": ["apparmor=mine", "apparmor:old", "apparmor=unconfined", "label=type:x"]}"#;
        assert_eq!(check(host, "{}"), Ok(Vec::new()));
        let discarded = |name: &str| format!("This engine applies no AppArmor profiles. Profile {name} discarded.");
        let knowing = Abilities { apparmor: true, ..Abilities::default() };
        assert_eq!(check_where(&knowing, host, "{}"), Ok(vec![discarded("mine"), discarded("old")]));
    }

    #[test]
    fn what_is_harmless_to_leave_out_is_said() {
        let count = "linux does not support CPU count. Count discarded.".to_owned();
        assert_eq!(check(r#"{"CpuCount": 2}"#, "{}"), Ok(vec![count]));
        for nothing in [
            r#"{"UsernsMode": "host", "Isolation": "default", "SecurityOpt": ["apparmor=mine", "label=type:x"]}"#,
            r#"{"LogConfig": {"Type": "json-file", "Config": {"mode": "non-blocking"}}}"#,
        ] {
            assert_eq!(check(nothing, r#"{"Aliases": ["a"]}"#), Ok(Vec::new()));
        }
    }
}
