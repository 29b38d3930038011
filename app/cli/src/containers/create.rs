//! From the options of `berth run` to the body of a create request: pure.

use std::collections::HashMap;
use std::path::PathBuf;

use bollard::models::{ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, NetworkingConfig};

use super::args::{Health, Run};
use super::options::{bytes, device, exposed, nano_cpus, pairs, ports, restart_policy, tmpfs, ulimit, wrong};
use super::{mounts, times};

/// What a create request says; an error names the option and what it takes.
pub(super) fn body(run: &Run) -> Result<ContainerCreateBody, String> {
    let (mut open, bindings) = ports(&run.publish)?;
    open.extend(exposed(&run.expose)?);
    let (binds, anonymous): (Vec<String>, Vec<String>) = run.volume.iter().cloned().partition(|v| v.contains(':'));
    let binds = binds.iter().map(|bind| from_here(bind)).collect::<Result<_, _>>()?;
    let attached = !run.detach;
    Ok(ContainerCreateBody {
        image: Some(run.image.clone()),
        cmd: (!run.command.is_empty()).then(|| run.command.clone()),
        entrypoint: run.entrypoint.as_ref().map(|entry| vec![entry.clone()]),
        env: Some(environment(&run.env_file, &run.env)?),
        hostname: run.hostname.clone(),
        user: run.user.clone(),
        working_dir: run.workdir.clone(),
        labels: Some(pairs("--label", &run.label, true)?),
        tty: Some(run.tty),
        open_stdin: Some(run.interactive),
        stdin_once: Some(run.interactive && attached),
        attach_stdin: Some(run.interactive && attached),
        attach_stdout: Some(attached),
        attach_stderr: Some(attached),
        stop_signal: run.stop_signal.clone(),
        stop_timeout: run.stop_timeout,
        healthcheck: health(&run.health)?,
        exposed_ports: Some(open),
        volumes: (!anonymous.is_empty()).then_some(anonymous),
        host_config: Some(host_config(run, binds, bindings)?),
        networking_config: aliases(run)?,
        ..ContainerCreateBody::default()
    })
}

fn host_config(run: &Run, binds: Vec<String>, bindings: super::options::Bindings) -> Result<HostConfig, String> {
    let size = |option: &str, text: &Option<String>| text.as_deref().map(|text| bytes(option, text)).transpose();
    Ok(HostConfig {
        binds: Some(binds),
        mounts: mounts::of(&run.mount)?,
        volumes_from: (!run.volumes_from.is_empty()).then(|| run.volumes_from.clone()),
        port_bindings: Some(bindings),
        publish_all_ports: Some(run.publish_all),
        auto_remove: Some(run.rm),
        container_id_file: run.cidfile.as_ref().map(|file| file.display().to_string()),
        network_mode: run.network.clone(),
        pid_mode: run.pid.clone(),
        ipc_mode: run.ipc.clone(),
        restart_policy: run.restart.as_deref().map(restart_policy).transpose()?,
        memory: size("--memory", &run.memory)?,
        memory_swap: match run.memory_swap.as_deref() {
            Some("-1") => Some(-1),
            _ => size("--memory-swap", &run.memory_swap)?,
        },
        nano_cpus: run.cpus.as_deref().map(nano_cpus).transpose()?,
        pids_limit: run.pids_limit,
        readonly_rootfs: Some(run.read_only),
        tmpfs: Some(tmpfs(&run.tmpfs)),
        shm_size: size("--shm-size", &run.shm_size)?,
        init: run.init.then_some(true),
        extra_hosts: Some(run.add_host.clone()),
        dns: Some(run.dns.clone()),
        dns_search: (!run.dns_search.is_empty()).then(|| run.dns_search.clone()),
        group_add: (!run.group_add.is_empty()).then(|| run.group_add.clone()),
        ulimits: Some(run.ulimit.iter().map(|text| ulimit(text)).collect::<Result<_, _>>()?),
        sysctls: Some(pairs("--sysctl", &run.sysctl, false)?),
        cap_add: Some(run.cap_add.clone()),
        cap_drop: Some(run.cap_drop.clone()),
        security_opt: Some(run.security_opt.iter().map(|option| security(option)).collect::<Result<_, _>>()?),
        privileged: Some(run.privileged),
        devices: Some(run.device.iter().map(|text| device(text)).collect()),
        ..HostConfig::default()
    })
}

/// A bind whose source is told from the current folder, as `./site:/www`, with its whole path: the engine has another folder.
fn from_here(bind: &str) -> Result<String, String> {
    match bind.split_once(':') {
        Some((source, rest)) if source.starts_with('.') => {
            let absolute = std::path::absolute(source).map_err(|error| format!("--volume {bind}: {error}"))?;
            Ok(format!("{}:{rest}", absolute.display()))
        }
        _ => Ok(bind.to_owned()),
    }
}

/// `seccomp=FILE` with the profile itself: the engine cannot read this computer's files.
fn security(option: &str) -> Result<String, String> {
    let profile = option.split_once('=').filter(|(key, _)| *key == "seccomp").map(|(_, value)| value);
    match profile {
        Some(file) if !["unconfined", "builtin"].contains(&file) => {
            let failed = |error: &dyn std::fmt::Display| format!("opening seccomp profile ({file}) failed: {error}");
            let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
            let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
            Ok(format!("seccomp={json}"))
        }
        _ => Ok(option.to_owned()),
    }
}

/// `--network-alias`: further names on the one network that the container joins.
fn aliases(run: &Run) -> Result<Option<NetworkingConfig>, String> {
    if run.network_alias.is_empty() {
        return Ok(None);
    }
    let Some(network) = run.network.clone() else {
        return Err(rust_i18n::t!("option.alias_needs_network").into_owned());
    };
    let endpoint = EndpointSettings { aliases: Some(run.network_alias.clone()), ..EndpointSettings::default() };
    Ok(Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(network, endpoint)])) }))
}

fn health(health: &Health) -> Result<Option<HealthConfig>, String> {
    let time = |option: &str, text: &Option<String>| {
        let parsed = text.as_deref().map(|text| times::duration(text).ok_or_else(|| wrong(option, text, "duration")));
        parsed.transpose()
    };
    let config = HealthConfig {
        test: health.health_cmd.as_ref().map(|command| vec!["CMD-SHELL".to_owned(), command.clone()]),
        interval: time("--health-interval", &health.health_interval)?,
        timeout: time("--health-timeout", &health.health_timeout)?,
        retries: health.health_retries,
        start_period: time("--health-start-period", &health.health_start_period)?,
        start_interval: time("--health-start-interval", &health.health_start_interval)?,
    };
    let given = config != HealthConfig::default();
    match (health.no_healthcheck, given) {
        (true, true) => Err(rust_i18n::t!("option.health_both_ways").into_owned()),
        (true, false) => Ok(Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() })),
        (false, given) => Ok(given.then_some(config)),
    }
}

/// `--env` and `--env-file`; a name without a value passes the caller's own on, if it has one.
pub(super) fn environment(files: &[PathBuf], variables: &[String]) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("--env-file {}: {error}", file.display()))?;
        all.extend(
            text.lines().map(str::trim_start).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned),
        );
    }
    all.extend(variables.iter().cloned());
    Ok(all.into_iter().filter_map(with_value).collect())
}

fn with_value(variable: String) -> Option<String> {
    if variable.contains('=') {
        return Some(variable);
    }
    std::env::var(&variable).ok().map(|value| format!("{variable}={value}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Berth, Verb};

    fn parse(line: &str) -> Result<ContainerCreateBody, String> {
        let words = std::iter::once("berth").chain(line.split_whitespace());
        let Verb::Run(run) = Berth::try_parse_from(words).expect("the line parses").verb else {
            panic!("{line} is no run");
        };
        body(&run)
    }

    #[test]
    fn what_is_told_from_here_is_made_whole() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(from_here("./site:/www:ro").unwrap(), format!("{}:/www:ro", here.join("site").display()));
        assert_eq!(from_here("name:/www").unwrap(), "name:/www");
        assert_eq!(from_here("/site:/www").unwrap(), "/site:/www");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\n  \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}\n").unwrap();
        let whole = security(&format!("seccomp={}", file.path().display())).unwrap();
        assert_eq!(whole, "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
        for option in ["seccomp=unconfined", "seccomp=builtin", "no-new-privileges", "label=disable"] {
            assert_eq!(security(option).unwrap(), option);
        }
        let error = security("seccomp=/no/such/profile").unwrap_err();
        assert!(error.starts_with("opening seccomp profile (/no/such/profile) failed: "), "{error}");
    }

    #[test]
    fn everything_after_the_image_is_the_command() {
        let body = parse("run -it --rm busybox sh -c true --rm").unwrap();
        assert_eq!(body.image.as_deref(), Some("busybox"));
        assert_eq!(body.cmd.unwrap(), ["sh", "-c", "true", "--rm"]);
        assert_eq!(
            (body.tty, body.open_stdin, body.host_config.unwrap().auto_remove),
            (Some(true), Some(true), Some(true))
        );
    }

    #[test]
    fn h_is_the_host_name() {
        assert_eq!(parse("run -h apple busybox").unwrap().hostname.as_deref(), Some("apple"));
    }

    #[test]
    fn wrong_options_are_named() {
        for (line, word) in [
            ("run --restart sometimes busybox", "--restart"),
            ("run --cpus many busybox", "--cpus"),
            ("run --ulimit nofile busybox", "--ulimit"),
            ("run --sysctl nothing busybox", "--sysctl"),
            ("run --health-interval soon busybox", "--health-interval"),
            ("run --expose web busybox", "--expose"),
            ("run --mount type=volume busybox", "--mount"),
        ] {
            assert!(parse(line).unwrap_err().contains(word), "{line}");
        }
    }

    #[test]
    fn health_options() {
        let line = "run --health-cmd true --health-interval 1m30s --health-retries 2 busybox";
        let health = parse(line).unwrap().healthcheck.unwrap();
        assert_eq!(health.test.unwrap(), ["CMD-SHELL", "true"]);
        assert_eq!((health.interval, health.retries, health.timeout), (Some(90_000_000_000), Some(2), None));
        assert_eq!(parse("run --no-healthcheck busybox").unwrap().healthcheck.unwrap().test.unwrap(), ["NONE"]);
        assert!(parse("run --no-healthcheck --health-cmd true busybox").unwrap_err().contains("--no-healthcheck"));
        assert_eq!(parse("run busybox").unwrap().healthcheck, None);
    }

    #[test]
    fn an_alias_belongs_to_a_network() {
        let networking = parse("run --network mine --network-alias db busybox").unwrap().networking_config.unwrap();
        assert_eq!(networking.endpoints_config.unwrap()["mine"].aliases.as_deref(), Some(&["db".to_owned()][..]));
        assert!(parse("run --network-alias db busybox").unwrap_err().contains("--network"));
    }

    #[test]
    fn limits_of_memory_and_swap() {
        let config = parse("run -m 64m --memory-swap -1 --stop-timeout 3 busybox").unwrap();
        assert_eq!(config.stop_timeout, Some(3));
        assert_eq!(config.host_config.unwrap().memory_swap, Some(-1));
        let config = parse("run -m 64m --memory-swap 128m --pids-limit -1 busybox").unwrap().host_config.unwrap();
        assert_eq!((config.memory_swap, config.pids_limit), (Some(128 << 20), Some(-1)));
    }
}
