//! The values of options that more than one verb takes, or that are more than a word: pure.

use std::collections::HashMap;

use bollard::models::{DeviceMapping, PortBinding, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum};

/// Says that `text` is nothing that `option` takes; `expected` is a key of the words for what it does take.
pub(super) fn wrong(option: &str, text: &str, expected: &str) -> String {
    let expected = rust_i18n::t!(format!("expected.{expected}"));
    rust_i18n::t!("option.wrong", option = option, text = text, expected = expected).into_owned()
}

/// `--filter`: `key=value`, several values for a key.
pub(super) fn filters(texts: &[String]) -> Result<HashMap<String, Vec<String>>, String> {
    let mut filters: HashMap<String, Vec<String>> = HashMap::new();
    for text in texts {
        let (key, value) = text.split_once('=').ok_or_else(|| wrong("--filter", text, "filter"))?;
        filters.entry(key.trim().to_owned()).or_default().push(value.trim().to_owned());
    }
    Ok(filters)
}

pub(super) fn pairs(option: &str, texts: &[String], value_may_miss: bool) -> Result<HashMap<String, String>, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None if value_may_miss => Ok((text.clone(), String::new())),
        None => Err(wrong(option, text, "pair")),
    };
    texts.iter().map(pair).collect()
}

pub(super) type Bindings = HashMap<String, Option<Vec<PortBinding>>>;

/// `[address:][host]:container[/protocol]`, or `container` alone for a free port; ranges of equal length on both sides.
pub(super) fn ports(texts: &[String]) -> Result<(Vec<String>, Bindings), String> {
    let mut exposed = Vec::new();
    let mut bindings = Bindings::new();
    for text in texts {
        let bad = || wrong("--publish", text, "port");
        let (addresses, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        let (front, container) = addresses.rsplit_once(':').unwrap_or(("", addresses));
        let (address, host) = match front.rsplit_once(':') {
            Some((address, host)) => (address.trim_matches(['[', ']']), host),
            None => ("", front),
        };
        let inside = range(container).ok_or_else(bad)?;
        let outside = if host.is_empty() { None } else { Some(range(host).ok_or_else(bad)?) };
        if outside.as_ref().is_some_and(|outside| outside.len() != inside.len()) {
            return Err(wrong("--publish", text, "equal_ranges"));
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

pub(super) fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    let (name, count) = text.split_once(':').unwrap_or((text, ""));
    let name = match name {
        "no" => RestartPolicyNameEnum::NO,
        "always" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        _ => return Err(wrong("--restart", text, "restart")),
    };
    let count = if count.is_empty() { Some(0) } else { count.parse().ok() };
    let count = count.ok_or_else(|| wrong("--restart", text, "restart"))?;
    Ok(RestartPolicy { name: Some(name), maximum_retry_count: Some(count) })
}

/// `--expose`: ports or ranges of them, with or without a protocol.
pub(super) fn exposed(texts: &[String]) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for text in texts {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let ports = range(ports).ok_or_else(|| wrong("--expose", text, "expose"))?;
        all.extend(ports.map(|port| format!("{port}/{protocol}")));
    }
    Ok(all)
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
        _ => return Err(wrong(option, text, "size")),
    };
    let number: f64 = digits.parse().map_err(|_| wrong(option, text, "size"))?;
    Ok((number * (1_u64 << shift) as f64) as i64)
}

pub(super) fn nano_cpus(text: &str) -> Result<i64, String> {
    let number: f64 = text.parse().map_err(|_| wrong("--cpus", text, "processors"))?;
    Ok((number * 1e9) as i64)
}

pub(super) fn tmpfs(texts: &[String]) -> HashMap<String, String> {
    let split = |text: &String| {
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        (path.to_owned(), options.to_owned())
    };
    texts.iter().map(split).collect()
}

pub(super) fn ulimit(text: &str) -> Result<ResourcesUlimits, String> {
    let bad = || wrong("--ulimit", text, "ulimit");
    let (name, limits) = text.split_once('=').ok_or_else(bad)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| if text == "unlimited" { Some(-1) } else { text.parse().ok() };
    Ok(ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(number(soft).ok_or_else(bad)?),
        hard: Some(number(hard).ok_or_else(bad)?),
    })
}

pub(super) fn device(text: &str) -> DeviceMapping {
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
    use super::*;

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
    fn exposed_ports() {
        let check = |text: &str, expect: Option<&[&str]>| {
            let got = exposed(&[text.to_owned()]).ok();
            assert_eq!(got.as_deref().map(|all| all.iter().map(String::as_str).collect()), expect.map(<[_]>::to_vec));
        };
        check("80", Some(&["80/tcp"]));
        check("53/udp", Some(&["53/udp"]));
        check("1-3", Some(&["1/tcp", "2/tcp", "3/tcp"]));
        check("http", None);
    }
}
