//! The mount list of a container: dockerd's defaults, the three files of the network, then the user's. Pure.

use engine_api::HostConfig;
use serde_json::{Value, json};

/// One mount beyond the defaults, ready for the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpecMount {
    pub(crate) destination: String,
    pub(crate) what: SpecSource,
    pub(crate) rw: bool,
    /// `rprivate`, ...; empty: the default.
    pub(crate) propagation: String,
    pub(crate) recursive_read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpecSource {
    /// A path in the engine's mount namespace.
    Path {
        path: String,
        recursive: bool,
    },
    /// A detached mount passed under the destination's name.
    Descriptor,
    Tmpfs {
        options: Vec<String>,
    },
}

/// The defaults, changed as `host` asks, and `extra` behind them: parents before children.
pub(crate) fn mounts(host: &HostConfig, writable_cgroups: Option<bool>, mut extra: Vec<SpecMount>) -> Vec<Value> {
    extra.sort_by_key(|mount| mount.destination.matches('/').count());
    let replaced = |destination: &str| {
        extra.iter().any(|mount| {
            mount.destination == destination || (mount.destination == "/dev" && destination.starts_with("/dev/"))
        })
    };
    let mut list = Vec::new();
    for mut mount in defaults(host) {
        let destination = mount["destination"].as_str().expect("a string of ours").to_owned();
        if replaced(&destination) {
            continue;
        }
        let kept_writable = ["/proc", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"].contains(&destination.as_str());
        if host.readonly_rootfs && !kept_writable {
            add_option(&mut mount, "ro");
        }
        let writable = match destination.as_str() {
            "/sys" => host.privileged,
            "/sys/fs/cgroup" => writable_cgroups.unwrap_or(host.privileged),
            _ => false,
        };
        if writable {
            remove_option(&mut mount, "ro");
        }
        list.push(mount);
    }
    list.extend(extra.iter().map(user_mount));
    list
}

/// `oci.DefaultSpec` of dockerd 28, and the cgroup mount as cgroup v2 has it.
fn defaults(host: &HostConfig) -> Vec<Value> {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": source, "options": options});
    let mut list = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
    ];
    if host.ipc_mode != "host" {
        list.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
    }
    let private_shm = host.ipc_mode.is_empty() || host.ipc_mode == "private";
    if private_shm {
        let size = format!("size={}", host.shm_size);
        list.push(mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", &size]));
    }
    list
}

fn user_mount(mount: &SpecMount) -> Value {
    let mut options: Vec<String> = Vec::new();
    let (kind, source) = match &mount.what {
        SpecSource::Path { path, recursive } => {
            options.push(if *recursive { "rbind" } else { "bind" }.to_owned());
            ("bind", path.clone())
        }
        SpecSource::Descriptor => {
            options.push("rbind".to_owned());
            ("bind", "/".to_owned())
        }
        SpecSource::Tmpfs { options: given } => {
            options.extend(["noexec", "nosuid", "nodev"].map(str::to_owned));
            for word in given {
                if let Some(opposite) = word.strip_prefix("no") {
                    options.retain(|option| option != opposite);
                } else {
                    options.retain(|option| option.strip_prefix("no") != Some(word));
                }
                if !options.contains(word) {
                    options.push(word.clone());
                }
            }
            ("tmpfs", "tmpfs".to_owned())
        }
    };
    if !mount.rw && kind == "bind" {
        options.push(if mount.recursive_read_only { "rro" } else { "ro" }.to_owned());
        if mount.recursive_read_only {
            options.push("ro".to_owned());
        }
    }
    if kind == "bind" {
        let propagation = if mount.propagation.is_empty() { "rprivate" } else { &mount.propagation };
        options.push(propagation.to_owned());
    }
    json!({"destination": mount.destination, "type": kind, "source": source, "options": options})
}

fn add_option(mount: &mut Value, option: &str) {
    let options = mount["options"].as_array_mut().expect("a list of ours");
    if !options.iter().any(|given| given == option) {
        options.push(json!(option));
    }
}

fn remove_option(mount: &mut Value, option: &str) {
    mount["options"].as_array_mut().expect("a list of ours").retain(|given| given != option);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(json: &str) -> HostConfig {
        let mut host: HostConfig = serde_json::from_str(json).expect("valid JSON");
        host.shm_size = 67_108_864;
        host
    }

    fn options(list: &[Value], destination: &str) -> Option<String> {
        let mount = list.iter().find(|mount| mount["destination"] == destination)?;
        let words: Vec<_> = mount["options"].as_array()?.iter().filter_map(Value::as_str).collect();
        Some(words.join(","))
    }

    fn extra(destination: &str, what: SpecSource) -> SpecMount {
        SpecMount {
            destination: destination.to_owned(),
            what,
            rw: true,
            propagation: String::new(),
            recursive_read_only: false,
        }
    }

    #[test]
    fn defaults_are_dockerds() {
        let list = mounts(&host("{}"), None, Vec::new());
        let destinations: Vec<_> = list.iter().filter_map(|mount| mount["destination"].as_str()).collect();
        assert_eq!(destinations, ["/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm"]);
        assert_eq!(options(&list, "/dev/shm").as_deref(), Some("nosuid,noexec,nodev,mode=1777,size=67108864"));
        assert_eq!(options(&list, "/sys/fs/cgroup").as_deref(), Some("ro,nosuid,noexec,nodev"));
    }

    #[test]
    fn privileged_and_read_only() {
        let list = mounts(&host(r#"{"Privileged": true}"#), None, Vec::new());
        assert_eq!(options(&list, "/sys").as_deref(), Some("nosuid,noexec,nodev"));
        assert_eq!(options(&list, "/sys/fs/cgroup").as_deref(), Some("nosuid,noexec,nodev"));
        let list = mounts(&host(r#"{"IpcMode": "host"}"#), None, Vec::new());
        assert_eq!(options(&list, "/dev/mqueue"), None);
        assert_eq!(options(&list, "/dev/shm"), None);
    }

    #[test]
    fn user_mounts_replace_defaults_and_come_in_order() {
        let tmpfs = SpecSource::Tmpfs { options: vec!["exec".into(), "size=1m".into()] };
        let bind = |path: &str| SpecSource::Path { path: path.to_owned(), recursive: true };
        let mut read_only = extra("/a/b", bind("/src"));
        read_only.rw = false;
        read_only.recursive_read_only = true;
        let list = mounts(&host("{}"), None, vec![read_only, extra("/a", bind("/x")), extra("/dev/shm", tmpfs)]);
        assert_eq!(options(&list, "/dev/shm").as_deref(), Some("nosuid,nodev,exec,size=1m"));
        assert_eq!(options(&list, "/a/b").as_deref(), Some("rbind,rro,ro,rprivate"));
        let position = |wanted: &str| list.iter().position(|mount| mount["destination"] == wanted);
        assert!(position("/a") < position("/a/b"));
        let list = mounts(&host("{}"), None, vec![extra("/dev", bind("/dev"))]);
        assert_eq!(options(&list, "/dev/pts"), None);
    }
}
