//! From the options of `berth run` to the body of a create request: pure.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, HostConfig, PortBinding, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use super::args::Run;

/// What a create request says; an error names the option and what it takes.
pub(super) fn body(run: &Run) -> Result<ContainerCreateBody, String> {
    let (exposed, bindings) = ports(&run.publish)?;
    let (binds, anonymous): (Vec<String>, Vec<String>) = run.volume.iter().cloned().partition(|v| v.contains(':'));
    let attached = !run.detach;
    Ok(ContainerCreateBody {
        image: Some(run.image.clone()),
        cmd: (!run.command.is_empty()).then(|| run.command.clone()),
        entrypoint: run.entrypoint.as_ref().map(|entry| vec![entry.clone()]),
        env: Some(environment(run)?),
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
        exposed_ports: Some(exposed),
        volumes: (!anonymous.is_empty()).then_some(anonymous),
        host_config: Some(HostConfig {
            binds: Some(binds),
            port_bindings: Some(bindings),
            publish_all_ports: Some(run.publish_all),
            auto_remove: Some(run.rm),
            network_mode: run.network.clone(),
            restart_policy: run.restart.as_deref().map(restart_policy).transpose()?,
            memory: run.memory.as_deref().map(|text| bytes("--memory", text)).transpose()?,
            nano_cpus: run.cpus.as_deref().map(nano_cpus).transpose()?,
            pids_limit: run.pids_limit,
            readonly_rootfs: Some(run.read_only),
            tmpfs: Some(tmpfs(&run.tmpfs)),
            shm_size: run.shm_size.as_deref().map(|text| bytes("--shm-size", text)).transpose()?,
            init: run.init.then_some(true),
            extra_hosts: Some(run.add_host.clone()),
            dns: Some(run.dns.clone()),
            ulimits: Some(run.ulimit.iter().map(|text| ulimit(text)).collect::<Result<_, _>>()?),
            sysctls: Some(pairs("--sysctl", &run.sysctl, false)?),
            cap_add: Some(run.cap_add.clone()),
            cap_drop: Some(run.cap_drop.clone()),
            security_opt: Some(run.security_opt.clone()),
            privileged: Some(run.privileged),
            devices: Some(run.device.iter().map(|text| device(text)).collect()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    })
}

/// `--env` and `--env-file`; a name without a value passes the caller's own on, if it has one.
fn environment(run: &Run) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for file in &run.env_file {
        let text = std::fs::read_to_string(file).map_err(|error| format!("--env-file {}: {error}", file.display()))?;
        all.extend(text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned));
    }
    all.extend(run.env.iter().cloned());
    Ok(all.into_iter().filter_map(with_value).collect())
}

fn with_value(variable: String) -> Option<String> {
    if variable.contains('=') {
        return Some(variable);
    }
    std::env::var(&variable).ok().map(|value| format!("{variable}={value}"))
}

fn pairs(option: &str, texts: &[String], value_may_miss: bool) -> Result<HashMap<String, String>, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None if value_may_miss => Ok((text.clone(), String::new())),
        None => Err(format!("{option} {text}: expected NAME=VALUE")),
    };
    texts.iter().map(pair).collect()
}

type Bindings = HashMap<String, Option<Vec<PortBinding>>>;

/// `[address:][host]:container[/protocol]`, or `container` alone for a free port; ranges of equal length on both sides.
fn ports(texts: &[String]) -> Result<(Vec<String>, Bindings), String> {
    let mut exposed = Vec::new();
    let mut bindings = Bindings::new();
    for text in texts {
        let wrong = || format!("--publish {text}: expected [ADDRESS:]HOST:CONTAINER[/tcp|/udp]");
        let (addresses, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        let (front, container) = addresses.rsplit_once(':').unwrap_or(("", addresses));
        let (address, host) = match front.rsplit_once(':') {
            Some((address, host)) => (address.trim_matches(['[', ']']), host),
            None => ("", front),
        };
        let inside = range(container).ok_or_else(wrong)?;
        let outside = if host.is_empty() { None } else { Some(range(host).ok_or_else(wrong)?) };
        if outside.as_ref().is_some_and(|outside| outside.len() != inside.len()) {
            return Err(format!("--publish {text}: both ranges must be equally long"));
        }
        for (nth, port) in inside.enumerate() {
            let key = format!("{port}/{protocol}");
            let host_port = outside.as_ref().map_or_else(String::new, |o| (usize::from(*o.start()) + nth).to_string());
            let binding = PortBinding { host_ip: Some(address.to_owned()), host_port: Some(host_port) };
            bindings.entry(key.clone()).or_default().get_or_insert_default().push(binding);
            exposed.push(key);
        }
    }
    Ok((exposed, bindings))
}

fn range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && first > 0).then_some(first..=last)
}

fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    let (name, count) = text.split_once(':').unwrap_or((text, ""));
    let name = match name {
        "no" => RestartPolicyNameEnum::NO,
        "always" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        _ => return Err(format!("--restart {text}: expected no, always, unless-stopped or on-failure[:N]")),
    };
    let count = if count.is_empty() { Some(0) } else { count.parse().ok() };
    let count = count.ok_or_else(|| format!("--restart {text}: {text:?} does not end in a number"))?;
    Ok(RestartPolicy { name: Some(name), maximum_retry_count: Some(count) })
}

/// `512m`, `1g`, `1024`: powers of 1024, as docker counts them.
pub(super) fn bytes(option: &str, text: &str) -> Result<i64, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match lower[digits.len()..].trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("{option} {text}: expected a size such as 512m or 2g")),
    };
    let number: f64 = digits.parse().map_err(|_| format!("{option} {text}: expected a size such as 512m or 2g"))?;
    Ok((number * (1_u64 << shift) as f64) as i64)
}

fn nano_cpus(text: &str) -> Result<i64, String> {
    let number: f64 = text.parse().map_err(|_| format!("--cpus {text}: expected a number such as 1.5"))?;
    Ok((number * 1e9) as i64)
}

fn tmpfs(texts: &[String]) -> HashMap<String, String> {
    let split = |text: &String| {
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        (path.to_owned(), options.to_owned())
    };
    texts.iter().map(split).collect()
}

fn ulimit(text: &str) -> Result<ResourcesUlimits, String> {
    let wrong = || format!("--ulimit {text}: expected NAME=SOFT[:HARD]");
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| if text == "unlimited" { Some(-1) } else { text.parse().ok() };
    Ok(ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(number(soft).ok_or_else(wrong)?),
        hard: Some(number(hard).ok_or_else(wrong)?),
    })
}

fn device(text: &str) -> DeviceMapping {
    let mut parts = text.split(':');
    let host = parts.next().unwrap_or_default().to_owned();
    let (mut inside, mut rights) = (host.clone(), "rwm".to_owned());
    for part in parts {
        if part.starts_with('/') {
            inside = part.to_owned();
        } else {
            rights = part.to_owned();
        }
    }
    DeviceMapping { path_on_host: Some(host), path_in_container: Some(inside), cgroup_permissions: Some(rights) }
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
    fn ports_in_every_spelling() {
        let check = |text: &str, key: &str, address: &str, port: &str| {
            let (exposed, bindings) = ports(&[text.to_owned()]).unwrap();
            assert_eq!(exposed, [key], "{text}");
            let binding = bindings[key].as_ref().unwrap()[0].clone();
            assert_eq!(
                (binding.host_ip.as_deref(), binding.host_port.as_deref()),
                (Some(address), Some(port)),
                "{text}"
            );
        };
        check("8080:80", "80/tcp", "", "8080");
        check("127.0.0.1:8080:80", "80/tcp", "127.0.0.1", "8080");
        check("127.0.0.1::80/udp", "80/udp", "127.0.0.1", "");
        check("80", "80/tcp", "", "");
        check("[::1]:53:53/udp", "53/udp", "::1", "53");
        assert_eq!(ports(&["8000-8002:80-82".to_owned()]).unwrap().0, ["80/tcp", "81/tcp", "82/tcp"]);
        for wrong in ["0:0:0:0", "8080:http", "80-90:1-2", ":", "9-8"] {
            assert!(ports(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(bytes("-m", text).ok(), expect, "{text}");
        check("512m", Some(512 << 20));
        check("1.5g", Some(3 << 29));
        check("64MiB", Some(64 << 20));
        check("100", Some(100));
        check("lots", None);
    }

    #[test]
    fn wrong_options_are_named() {
        for (line, word) in [
            ("run --restart sometimes busybox", "--restart"),
            ("run --cpus many busybox", "--cpus"),
            ("run --ulimit nofile busybox", "--ulimit"),
            ("run --sysctl nothing busybox", "--sysctl"),
        ] {
            assert!(parse(line).unwrap_err().contains(word), "{line}");
        }
    }
}
