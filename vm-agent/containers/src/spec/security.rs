//! Capabilities, `--security-opt` and the system call filter. Pure.

use crate::{Invalid, Result};
use engine_api::HostConfig;
use oci_spec::runtime::LinuxSeccomp;

/// `--security-opt`, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SecurityOptions {
    pub(crate) no_new_privileges: bool,
    pub(crate) seccomp: Seccomp,
    /// `--security-opt writable-cgroups=true`.
    pub(crate) writable_cgroups: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Seccomp {
    #[default]
    Default,
    Unconfined,
    /// The profile's JSON: the client reads the file.
    Profile(String),
}

/// Parses the options. AppArmor profiles and SELinux labels are accepted without effect: the machine has no profiles, and what
/// confines a container here are namespaces, capabilities and the seccomp filter. Where a kernel has AppArmor, `create::promises`
/// says so.
pub(crate) fn parse_options(options: &[String]) -> Result<SecurityOptions, Invalid> {
    let mut parsed = SecurityOptions::default();
    for option in options {
        match option.as_str() {
            "no-new-privileges" => parsed.no_new_privileges = true,
            "writable-cgroups" => parsed.writable_cgroups = Some(true),
            // An old way to write `label=disable`.
            "disable" => {}
            _ => parse_option(option, &mut parsed)?,
        }
    }
    Ok(parsed)
}

/// One with a value.
fn parse_option(option: &str, parsed: &mut SecurityOptions) -> Result<(), Invalid> {
    // `=` is the separator, `:` what it was before.
    let refused = |kind| Invalid::SecurityOption { kind, option: option.to_owned() };
    let (key, value) = option.split_once('=').or_else(|| option.split_once(':')).ok_or_else(|| refused(1))?;
    match key {
        "label" | "apparmor" => {}
        "seccomp" => {
            parsed.seccomp = match value {
                "unconfined" => Seccomp::Unconfined,
                "builtin" | "" => Seccomp::Default,
                json => Seccomp::Profile(json.to_owned()),
            };
        }
        "no-new-privileges" => parsed.no_new_privileges = network::parse_bool(value).ok_or_else(|| refused(2))?,
        "writable-cgroups" => parsed.writable_cgroups = Some(network::parse_bool(value).ok_or_else(|| refused(2))?),
        _ => return Err(refused(2)),
    }
    Ok(())
}

/// The names (`CAP_...`) a container holds, by dockerd's rules for `--privileged`, `--cap-add` and `--cap-drop`.
pub(crate) fn capabilities(host: &HostConfig) -> Result<Vec<String>, Invalid> {
    let add = normalise(host.cap_add.as_deref().unwrap_or_default(), "CapAdd")?;
    let drop = normalise(host.cap_drop.as_deref().unwrap_or_default(), "CapDrop")?;
    let all = || runtime::capabilities::all().map(prefixed);
    let has = |list: &[String], name: &str| list.iter().any(|item| item == name);
    if host.privileged {
        return Ok(all().collect());
    }
    if has(&add, "ALL") {
        return Ok(all().filter(|name| !has(&drop, name)).collect());
    }
    if has(&drop, "ALL") {
        return Ok(add);
    }
    let mut names: Vec<String> =
        runtime::capabilities::DEFAULT.into_iter().map(prefixed).filter(|name| !has(&drop, name)).collect();
    for name in add {
        if !has(&names, &name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn prefixed(name: &str) -> String {
    format!("CAP_{name}")
}

/// Upper case with prefix; `ALL` stays as it is.
fn normalise(names: &[String], list: &'static str) -> Result<Vec<String>, Invalid> {
    let mut normalised = Vec::new();
    for name in names {
        let upper = name.to_ascii_uppercase();
        let full = match upper.strip_prefix("CAP_").unwrap_or(&upper) {
            "ALL" => "ALL".to_owned(),
            bare => {
                runtime::capabilities::number(bare).map_err(|_| Invalid::Capability { list, name: prefixed(bare) })?;
                prefixed(bare)
            }
        };
        if !normalised.contains(&full) {
            normalised.push(full);
        }
    }
    Ok(normalised)
}

/// The filter of a container that holds `capabilities`; `None`: unconfined.
pub(crate) fn seccomp(
    options: &SecurityOptions,
    privileged: bool,
    capabilities: &[String],
) -> crate::Result<Option<LinuxSeccomp>> {
    let names = capabilities.iter().map(String::as_str);
    match &options.seccomp {
        Seccomp::Unconfined => Ok(None),
        Seccomp::Default if privileged => Ok(None),
        Seccomp::Default => Ok(Some(runtime::seccomp::default_profile(names))),
        Seccomp::Profile(json) => {
            let filter = runtime::seccomp::custom_profile(json, names).map(Some);
            filter.map_err(|error| match error {
                // A start of dockerd finds out about these when its runtime has begun.
                runtime::Error::SeccompWord { .. } => super::refused_by_runtime(&error),
                other => Invalid::Seccomp(other.to_string()).into(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(json: &str) -> Result<Vec<String>, String> {
        let host: HostConfig = serde_json::from_str(json).expect("valid JSON");
        capabilities(&host).map_err(|error| error.to_string())
    }

    #[test]
    fn capability_arithmetic() {
        assert_eq!(caps("{}").expect("default").len(), 14);
        assert_eq!(caps(r#"{"CapDrop": ["ALL"]}"#), Ok(vec![]));
        assert_eq!(
            caps(r#"{"CapDrop": ["all"], "CapAdd": ["net_admin", "CAP_CHOWN"]}"#),
            Ok(vec!["CAP_NET_ADMIN".to_owned(), "CAP_CHOWN".to_owned()])
        );
        let all = caps(r#"{"CapAdd": ["ALL"], "CapDrop": ["SYS_ADMIN"]}"#).expect("all but one");
        assert_eq!(all.len(), 40);
        assert!(!all.contains(&"CAP_SYS_ADMIN".to_owned()));
        let fewer = caps(r#"{"CapDrop": ["MKNOD"], "CapAdd": ["SYS_TIME"]}"#).expect("mixed");
        assert!(!fewer.contains(&"CAP_MKNOD".to_owned()) && fewer.contains(&"CAP_SYS_TIME".to_owned()));
        assert_eq!(caps(r#"{"Privileged": true, "CapDrop": ["ALL"]}"#).expect("privileged").len(), 41);
        assert_eq!(caps(r#"{"CapAdd": ["FLY"]}"#), Err("invalid CapAdd: unknown capability: \"CAP_FLY\"".to_owned()));
    }

    #[test]
    fn options() {
        let parse = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|option| (*option).to_owned()).collect();
            parse_options(&list).map_err(|error| error.to_string())
        };
        assert!(parse(&["no-new-privileges"]).expect("valid").no_new_privileges);
        assert!(parse(&["no-new-privileges=T"]).expect("valid").no_new_privileges);
        assert_eq!(parse(&["writable-cgroups", "disable"]).expect("valid").writable_cgroups, Some(true));
        assert!(!parse(&["no-new-privileges=false"]).expect("valid").no_new_privileges);
        assert_eq!(parse(&["seccomp:unconfined"]).expect("valid").seccomp, Seccomp::Unconfined);
        assert_eq!(parse(&["label=disable", "apparmor=x"]), Ok(SecurityOptions::default()));
        assert_eq!(parse(&["what"]), Err("invalid --security-opt 1: \"what\"".to_owned()));
        assert_eq!(parse(&["a=b"]), Err("invalid --security-opt 2: \"a=b\"".to_owned()));
    }
}
