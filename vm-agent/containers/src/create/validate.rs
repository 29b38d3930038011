//! What dockerd refuses in a create request. Pure.

use crate::actor::{extra_host, parse_port, port_range};
use crate::restart::Policy;
use crate::{Invalid, LogOptions, signal, spec};
use engine_api::{ContainerConfig, HostConfig};

/// Nanoseconds.
const SHORTEST_PROBE: i64 = 1_000_000;

/// The portable part: the request's own, and again after the image's configuration went in.
pub(crate) fn config(config: &ContainerConfig) -> Result<(), Invalid> {
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return Err(Invalid::WorkingDir(config.working_dir.clone()));
    }
    if !config.stop_signal.is_empty() {
        signal::parse(&config.stop_signal)?;
    }
    for variable in config.env.iter().flatten() {
        if variable.is_empty() || variable.starts_with('=') {
            return Err(Invalid::Env(variable.clone()));
        }
    }
    if let Some(check) = &config.healthcheck {
        for (field, value) in [
            ("Interval", check.interval),
            ("Timeout", check.timeout),
            ("StartPeriod", check.start_period),
            ("StartInterval", check.start_interval),
        ] {
            if value != 0 && value < SHORTEST_PROBE {
                return Err(Invalid::HealthDuration { field });
            }
        }
        if check.retries < 0 {
            return Err(Invalid::HealthRetries);
        }
    }
    Ok(())
}

/// The machine's part; the request's own `config`, before the image's went in, for the conflicts between the two.
pub(crate) fn host(host: &HostConfig, config: &ContainerConfig) -> Result<(), Invalid> {
    let policy = Policy::parse(&host.restart_policy.name, host.restart_policy.maximum_retry_count)?;
    if host.auto_remove && !policy.is_none() {
        return Err(Invalid::AutoRemoveWithPolicy);
    }
    LogOptions::check(&host.log_config.driver, &host.log_config.config.clone().unwrap_or_default())?;
    for (port, bindings) in host.port_bindings.iter().flatten() {
        parse_port(port)?;
        for binding in bindings.iter().flatten() {
            port_range(&binding.host_port)?;
        }
    }
    modes(host)?;
    network_conflicts(host, config)?;
    for (value, what) in [(host.resources.io_maximum_bandwidth, "bandwidth"), (host.resources.io_maximum_iops, "IOPs")]
    {
        if value != 0 {
            return Err(Invalid::Qos(what));
        }
    }
    if host.annotations.iter().flatten().any(|(key, _)| key.is_empty()) {
        return Err(Invalid::EmptyAnnotation);
    }
    if host.shm_size < 0 {
        return Err(Invalid::ShmSize);
    }
    if !(-1000..=1000).contains(&host.oom_score_adj) {
        return Err(Invalid::OomScore(host.oom_score_adj));
    }
    if !matches!(host.runtime.as_str(), "" | "runc" | "io.containerd.runc.v2") {
        return Err(Invalid::RuntimeName(host.runtime.clone()));
    }
    spec::security::capabilities(host)?;
    spec::security::parse_options(host.security_opt.as_deref().unwrap_or_default())?;
    for entry in host.extra_hosts.iter().flatten() {
        extra_host(entry)?;
    }
    Ok(())
}

fn modes(host: &HostConfig) -> Result<(), Invalid> {
    let shared = |mode: &str| mode.strip_prefix("container:").is_some_and(|id| !id.is_empty());
    let refused = |mode, value: &str| Err(Invalid::Mode { mode, value: value.to_owned() });
    if !(matches!(host.ipc_mode.as_str(), "" | "none" | "private" | "shareable" | "host") || shared(&host.ipc_mode)) {
        return refused("IPC", &host.ipc_mode);
    }
    if !(matches!(host.pid_mode.as_str(), "" | "host") || shared(&host.pid_mode)) {
        return refused("PID", &host.pid_mode);
    }
    if !matches!(host.uts_mode.as_str(), "" | "host") {
        return refused("UTS", &host.uts_mode);
    }
    if !matches!(host.cgroupns_mode.as_str(), "" | "private" | "host") {
        return refused("cgroup namespace", &host.cgroupns_mode);
    }
    Ok(())
}

/// `runconfig.validateNetMode`.
fn network_conflicts(host: &HostConfig, config: &ContainerConfig) -> Result<(), Invalid> {
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let shares = host.network_mode.starts_with("container:");
    if matches!(host.network_mode.as_str(), "container" | "container:") {
        return Err(Invalid::NetworkContainer);
    }
    if host.network_mode == "host" && given(&host.links) {
        return Err(Invalid::Conflict(Invalid::HOST_LINKS));
    }
    if host.uts_mode == "host" && !config.hostname.is_empty() {
        return Err(Invalid::Conflict("hostname and the UTS mode"));
    }
    if !shares {
        return Ok(());
    }
    let conflicts = [
        (!config.hostname.is_empty(), "hostname and the network mode"),
        (
            given(&host.links),
            "container type network can't be used with links. This would result in undefined behavior",
        ),
        (given(&host.dns), "dns and the network mode"),
        (given(&host.extra_hosts), "custom host-to-IP mapping and the network mode"),
        (
            host.publish_all_ports || host.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty()),
            "port publishing and the container type network mode",
        ),
        (
            config.exposed_ports.as_ref().is_some_and(|ports| !ports.is_empty()),
            "port exposing and the container type network mode",
        ),
    ];
    match conflicts.into_iter().find(|(conflict, _)| *conflict) {
        Some((_, text)) => Err(Invalid::Conflict(text)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        let check = |config_json: &str, host_json: &str, text: &str| {
            let config: ContainerConfig = serde_json::from_str(config_json).expect(config_json);
            let host: HostConfig = serde_json::from_str(host_json).expect(host_json);
            let error = super::config(&config).and_then(|()| super::host(&host, &config)).expect_err(text);
            assert_eq!(error.to_string(), text);
        };
        check(r#"{"WorkingDir": "x"}"#, "{}", "the working directory 'x' is invalid, it needs to be an absolute path");
        check(r#"{"StopSignal": "SIGNOPE"}"#, "{}", "invalid signal: SIGNOPE");
        check(r#"{"Env": ["=a"]}"#, "{}", "invalid environment variable: =a");
        check(r#"{"Healthcheck": {"Interval": 5}}"#, "{}", "Interval in Healthcheck cannot be less than 1ms");
        check(
            "{}",
            r#"{"AutoRemove": true, "RestartPolicy": {"Name": "always"}}"#,
            "can't create 'AutoRemove' container with restart policy",
        );
        check("{}", r#"{"IpcMode": "what"}"#, "invalid IPC mode: what");
        check(
            "{}",
            r#"{"LogConfig": {"Type": "syslogx"}}"#,
            "error looking up logging plugin syslogx: plugin \"syslogx\" not found",
        );
        check("{}", r#"{"PortBindings": {"99999/tcp": []}}"#, "invalid port specification: \"99999\"");
        check(
            r#"{"Hostname": "h"}"#,
            r#"{"NetworkMode": "container:abc"}"#,
            "conflicting options: hostname and the network mode",
        );
    }
}
