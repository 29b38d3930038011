//! Device nodes and the rules of the device filter, as JSON of the OCI runtime specification.

use crate::{Invalid, Result};
use engine_api::HostConfig;
use engine_api::host_config::DeviceRequest;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What a container gets beyond the default nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Devices {
    pub(crate) nodes: Vec<Value>,
    pub(crate) rules: Vec<Value>,
}

/// dockerd's default rules (`oci.DefaultSpec`): null, zero, urandom, random, tty, console; not fuse.
fn default_rules() -> Vec<Value> {
    let mut rules = vec![json!({"allow": false, "access": "rwm"})];
    for rule in runtime::device_filter::default_rules() {
        rules.push(serde_json::to_value(rule).expect("a rule is plain data"));
    }
    rules.push(json!({"allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm"}));
    rules
}

/// Looks at the machine's `/dev` for what the request names; blocking, quick.
pub(crate) fn devices(host: &HostConfig) -> Result<Devices, Invalid> {
    // There is no driver that could look for devices.
    if let Some(request) = host.resources.device_requests.iter().flatten().next() {
        return Err(refuse_request(request));
    }
    let mappings = host.resources.devices.as_deref().unwrap_or_default();
    if host.privileged {
        let mut nodes = Vec::new();
        collect(Path::new("/dev"), "/dev", &mut |_, node| nodes.push(node))
            .map_err(|error| Invalid::Device { path: "/dev".to_owned(), reason: error.to_string() })?;
        for mapping in mappings.iter().filter(|mapping| mapping.path_in_container != mapping.path_on_host) {
            map(&mapping.path_on_host, &mapping.path_in_container, &mut |_, node| nodes.push(node))?;
        }
        return Ok(Devices { nodes, rules: vec![json!({"allow": true, "access": "rwm"})] });
    }
    let mut devices = Devices { nodes: Vec::new(), rules: default_rules() };
    for mapping in mappings {
        let inside =
            if mapping.path_in_container.is_empty() { &mapping.path_on_host } else { &mapping.path_in_container };
        let access = if mapping.cgroup_permissions.is_empty() { "rwm" } else { &mapping.cgroup_permissions };
        let (nodes, rules) = (&mut devices.nodes, &mut devices.rules);
        map(&mapping.path_on_host, inside, &mut |numbers: (&str, u32, u32), node| {
            let (kind, major, minor) = numbers;
            rules.push(json!({"allow": true, "type": kind, "major": major, "minor": minor, "access": access}));
            nodes.push(node);
        })?;
    }
    for rule in host.resources.device_cgroup_rules.as_deref().unwrap_or_default() {
        devices.rules.push(parse_rule(rule)?);
    }
    Ok(devices)
}

/// `--gpus` and `--device VENDOR/CLASS=NAME`.
fn refuse_request(request: &DeviceRequest) -> Invalid {
    if request.driver == "cdi" {
        return Invalid::CdiDevice(request.device_ids.iter().flatten().cloned().collect::<Vec<_>>().join(", "));
    }
    // Go's way to print lists of lists: `[[gpu compute] [tpu]]`.
    let groups = request.capabilities.iter().flatten();
    let groups: Vec<String> = groups.map(|words| format!("[{}]", words.join(" "))).collect();
    Invalid::DeviceRequest { driver: request.driver.clone(), capabilities: format!("[{}]", groups.join(" ")) }
}

type Found<'a> = dyn FnMut((&str, u32, u32), Value) + 'a;

/// One `--device`: a node, or a directory of nodes.
fn map(outside: &str, inside: &str, found: &mut Found<'_>) -> Result<(), Invalid> {
    let refused = |reason: &str| Invalid::Device { path: outside.to_owned(), reason: reason.to_owned() };
    let path = fs::canonicalize(outside).map_err(|error| refused(&reason(&error)))?;
    let metadata = fs::metadata(&path).map_err(|error| refused(&reason(&error)))?;
    if metadata.is_dir() {
        return collect(&path, inside, found).map_err(|error| refused(&reason(&error)));
    }
    let (numbers, node) = node(&metadata, inside).ok_or_else(|| refused("not a device node"))?;
    found((numbers.0, numbers.1, numbers.2), node);
    Ok(())
}

/// All nodes beneath a directory, without those that every container has of its own.
fn collect(directory: &Path, inside: &str, found: &mut Found<'_>) -> io::Result<()> {
    const OWN: [&str; 8] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"];
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !OWN.contains(name)) else { continue };
        // A node may vanish while we look, and a link is not a node.
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        let path = format!("{}/{name}", inside.trim_end_matches('/'));
        if metadata.is_dir() {
            collect(&entry.path(), &path, found)?;
        } else if let Some((numbers, node)) = node(&metadata, &path) {
            found((numbers.0, numbers.1, numbers.2), node);
        }
    }
    Ok(())
}

fn node(metadata: &fs::Metadata, inside: &str) -> Option<((&'static str, u32, u32), Value)> {
    let kind = if metadata.file_type().is_char_device() {
        "c"
    } else if metadata.file_type().is_block_device() {
        "b"
    } else {
        return None;
    };
    let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    let value = json!({
        "path": inside, "type": kind, "major": major, "minor": minor,
        "fileMode": metadata.mode() & 0o7777, "uid": metadata.uid(), "gid": metadata.gid(),
    });
    Some(((kind, major, minor), value))
}

/// `c 1:3 rwm`, `a *:* rwm`.
pub(crate) fn parse_rule(rule: &str) -> Result<Value, Invalid> {
    let refused = || Invalid::DeviceRule(rule.to_owned());
    let mut words = rule.split(' ');
    let (Some(kind), Some(numbers), Some(access), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(refused());
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(refused)?;
    let number = |text: &str| match text {
        "*" => Ok(-1),
        digits => digits.parse::<i64>().ok().filter(|number| *number >= 0).ok_or_else(refused),
    };
    let access_is_valid = !access.is_empty() && access.chars().all(|c| matches!(c, 'r' | 'w' | 'm'));
    if !matches!(kind, "a" | "b" | "c") || !access_is_valid {
        return Err(refused());
    }
    Ok(json!({"allow": true, "type": kind, "major": number(major)?, "minor": number(minor)?, "access": access}))
}

/// Without Rust's "(os error 2)".
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        assert_eq!(
            parse_rule("c 10:* rw").expect("valid"),
            json!({"allow": true, "type": "c", "major": 10, "minor": -1, "access": "rw"})
        );
        for bad in ["", "c 1:3", "x 1:3 r", "c 1 r", "c 1:3 q", "c 1:3 r w"] {
            assert!(parse_rule(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_device_is_found_and_a_missing_one_named() {
        let host: HostConfig = serde_json::from_str(
            r#"{"Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "r"}]}"#,
        )
        .expect("valid JSON");
        let found = devices(&host).expect("there is a /dev/null");
        assert_eq!(found.nodes[0]["path"], "/dev/n");
        assert_eq!(found.nodes[0]["minor"], 3);
        assert_eq!(found.rules.last().expect("a rule")["access"], "r");
        let host: HostConfig =
            serde_json::from_str(r#"{"Devices": [{"PathOnHost": "/dev/nope"}]}"#).expect("valid JSON");
        assert_eq!(
            devices(&host).expect_err("missing").to_string(),
            "error gathering device information while adding custom device \"/dev/nope\": no such file or directory"
        );
    }
}
