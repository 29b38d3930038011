//! From a container's record to an OCI runtime specification, as dockerd 28 writes it for runc on cgroup v2.
//!
//! The document is put together as JSON, in the words of the specification, and then read into `oci-spec`'s types.
//! Pure but for a look at the machine's device nodes.

pub(crate) mod devices;
mod mounts;
mod resources;
pub(crate) mod security;
pub(crate) mod user;

use crate::record::Record;
use crate::{Error, Result};
use engine_api::HostConfig;
use oci_spec::runtime::Spec;
use runtime::plan::Namespace;
use serde_json::{Value, json};

pub(crate) use mounts::{SpecMount, SpecSource};
pub(crate) use resources::resources;
pub(crate) use user::User;

/// What every program finds when neither image nor request names a search path.
pub(crate) const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// runc's words around what it refuses before there is a process, as containerd and dockerd pass them on.
const RUNTIME_PREFIX: &str =
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: ";

/// The kernel's (getrlimit(2)).
const RLIMITS: [&str; 16] = [
    "RLIMIT_AS",
    "RLIMIT_CORE",
    "RLIMIT_CPU",
    "RLIMIT_DATA",
    "RLIMIT_FSIZE",
    "RLIMIT_LOCKS",
    "RLIMIT_MEMLOCK",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_NOFILE",
    "RLIMIT_NPROC",
    "RLIMIT_RSS",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
    "RLIMIT_SIGPENDING",
    "RLIMIT_STACK",
];

/// The descriptor of a joined namespace.
pub(crate) mod join {
    pub(crate) const PID: &str = "join.pid";
    pub(crate) const IPC: &str = "join.ipc";
}

/// Where a kind of namespace comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamespaceFrom {
    New,
    /// The engine's own.
    Host,
    /// By this descriptor.
    Descriptor(&'static str),
}

/// What a start found out before the document can be written.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) user: &'a User,
    pub(crate) mounts: Vec<SpecMount>,
    /// `Host` for `--network host`, else the sandbox's descriptor.
    pub(crate) network: NamespaceFrom,
    pub(crate) pid: NamespaceFrom,
    pub(crate) ipc: NamespaceFrom,
    pub(crate) hostname: &'a str,
    /// Variables that tell of the container's links.
    pub(crate) links: &'a [String],
    /// Variables that are in no record.
    pub(crate) concealed: &'a [String],
    /// Rows and columns of the client's terminal, 0 for unknown.
    pub(crate) console: (u32, u32),
}

/// A start that fails before there is a process.
pub(crate) fn refused_by_runtime(reason: &dyn std::fmt::Display) -> Error {
    Error::Start { message: format!("{RUNTIME_PREFIX}{reason}"), exit_code: 128 }
}

/// The specification of a container's first process, but for the system call filter, which `seccomp` keeps compiled.
pub(crate) fn build(record: &Record, around: Surroundings<'_>) -> Result<Spec> {
    let (config, host) = (&record.config, &record.host);
    let limits = host.resources.ulimits.iter().flatten();
    if let Some(limit) = limits.map(rlimit_name).find(|name| !RLIMITS.contains(&name.as_str())) {
        return Err(refused_by_runtime(&format_args!("wrong rlimit value: {limit}")));
    }
    let options = security::parse_options(host.security_opt.as_deref().unwrap_or_default())?;
    let capabilities = security::capabilities(host)?;
    let devices = devices::devices(host)?;
    let mut resources = resources::resources(&host.resources)?;
    resources["devices"] = json!(devices.rules);
    let mut linux = json!({
        "namespaces": namespaces(host, &around),
        "resources": resources,
        "devices": devices.nodes,
        "maskedPaths": if host.privileged { &[] } else { host.masked_paths.as_deref().unwrap_or_default() },
        "readonlyPaths": if host.privileged { &[] } else { host.readonly_paths.as_deref().unwrap_or_default() },
        "sysctl": host.sysctls.clone().unwrap_or_default(),
    });
    let any = |word: &str| around.mounts.iter().any(|mount| mount.propagation.ends_with(word));
    if any("shared") {
        linux["rootfsPropagation"] = json!("shared");
    } else if any("slave") {
        linux["rootfsPropagation"] = json!("rslave");
    }
    let mut document = json!({
        "ociVersion": "1.2.1",
        "root": {"path": "", "readonly": host.readonly_rootfs},
        "process": process(record, &around, &capabilities, options.no_new_privileges),
        "mounts": mounts::mounts(host, options.writable_cgroups, around.mounts),
        "linux": linux,
    });
    if host.uts_mode != "host" {
        document["hostname"] = json!(around.hostname);
        if !config.domainname.is_empty() {
            document["domainname"] = json!(config.domainname);
        }
    }
    serde_json::from_value(document)
        .map_err(|error| Error::Io { what: "write the container's runtime specification", source: error.into() })
}

fn process(record: &Record, around: &Surroundings<'_>, capabilities: &[String], no_new_privileges: bool) -> Value {
    let (config, host) = (&record.config, &record.host);
    let mut process = json!({
        "terminal": config.tty,
        "user": {"uid": around.user.uid, "gid": around.user.gid, "additionalGids": around.user.groups},
        "args": crate::create::merge::command(config),
        "env": environment(record, around),
        "cwd": if config.working_dir.is_empty() { "/" } else { &config.working_dir },
        "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        "rlimits": rlimits(host),
        // Always written: what a child inherits is the supervisor's protection from the OOM killer.
        "oomScoreAdj": host.oom_score_adj,
        "noNewPrivileges": no_new_privileges,
    });
    if config.tty && around.console != (0, 0) {
        process["consoleSize"] = json!({"height": around.console.0, "width": around.console.1});
    }
    process
}

/// `--ulimit`.
pub(crate) fn rlimits(host: &HostConfig) -> Vec<Value> {
    host.resources.ulimits.iter().flatten().map(rlimit).collect()
}

fn rlimit_name(limit: &engine_api::host_config::Ulimit) -> String {
    format!("RLIMIT_{}", limit.name.to_ascii_uppercase())
}

/// -1 is "unlimited", which the specification writes as the largest number.
fn rlimit(limit: &engine_api::host_config::Ulimit) -> Value {
    let number = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    json!({
        "type": rlimit_name(limit),
        "soft": number(limit.soft), "hard": number(limit.hard),
    })
}

/// The default path, HOSTNAME, TERM and what tells of links, overridden by the configuration; HOME when nobody set it (runc does that).
fn environment(record: &Record, around: &Surroundings<'_>) -> Vec<String> {
    let config = &record.config;
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={}", around.hostname)];
    if config.tty {
        env.push("TERM=xterm".to_owned());
    }
    env.extend_from_slice(around.links);
    override_env(&mut env, config.env.as_deref().unwrap_or_default());
    override_env(&mut env, around.concealed);
    default_home(&mut env, &around.user.home);
    env
}

/// Later values replace earlier ones in place; a bare name removes.
pub(crate) fn override_env(env: &mut Vec<String>, with: &[String]) {
    for variable in with {
        let (name, valued) = match variable.split_once('=') {
            Some((name, _)) => (name, true),
            None => (variable.as_str(), false),
        };
        let position = env.iter().position(|given| given.split_once('=').is_some_and(|(known, _)| known == name));
        match (position, valued) {
            (Some(at), true) => env[at].clone_from(variable),
            (Some(at), false) => {
                env.remove(at);
            }
            (None, true) => env.push(variable.clone()),
            (None, false) => {}
        }
    }
}

pub(crate) fn default_home(env: &mut Vec<String>, home: &str) {
    if !env.iter().any(|variable| variable.starts_with("HOME=")) {
        env.push(format!("HOME={home}"));
    }
}

fn namespaces(host: &HostConfig, around: &Surroundings<'_>) -> Vec<Value> {
    let mut list = vec![json!({"type": "mount"})];
    if host.uts_mode != "host" {
        list.push(json!({"type": "uts"}));
    }
    for (kind, from) in [("network", around.network), ("pid", around.pid), ("ipc", around.ipc)] {
        match from {
            NamespaceFrom::New | NamespaceFrom::Descriptor(_) => list.push(json!({"type": kind})),
            NamespaceFrom::Host => {}
        }
    }
    if host.cgroupns_mode != "host" {
        list.push(json!({"type": "cgroup"}));
    }
    list
}

/// The descriptors that `runtime::plan` is to use for joined namespaces.
pub(crate) fn namespace_fds(around: &Surroundings<'_>) -> Vec<(Namespace, String)> {
    [(Namespace::Network, around.network), (Namespace::Pid, around.pid), (Namespace::Ipc, around.ipc)]
        .into_iter()
        .filter_map(|(kind, from)| match from {
            NamespaceFrom::Descriptor(name) => Some((kind, name.to_owned())),
            NamespaceFrom::New | NamespaceFrom::Host => None,
        })
        .collect()
}

/// What dockerd hides (`oci.DefaultSpec`, 28.5): with the thermal counters of every CPU that has them.
pub(crate) fn masked_paths() -> Vec<String> {
    let mut paths: Vec<String> = [
        "/proc/asound",
        "/proc/acpi",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ]
    .map(str::to_owned)
    .to_vec();
    for cpu in 0.. {
        let directory = format!("/sys/devices/system/cpu/cpu{cpu}");
        if !std::path::Path::new(&directory).exists() {
            break;
        }
        let throttle = format!("{directory}/thermal_throttle");
        if std::path::Path::new(&throttle).exists() {
            paths.push(throttle);
        }
    }
    paths
}

/// What dockerd makes read-only.
pub(crate) fn readonly_paths() -> Vec<String> {
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    fn record(config: &str, host: &str) -> Record {
        let mut host: HostConfig = serde_json::from_str(host).expect("valid JSON");
        host.shm_size = 67_108_864;
        host.masked_paths = Some(vec!["/proc/kcore".to_owned()]);
        host.readonly_paths = Some(readonly_paths());
        Record {
            id: "0123456789abcdef".repeat(4),
            name: "web".to_owned(),
            created: 0,
            image: String::new(),
            chain: Vec::new(),
            config: serde_json::from_str(config).expect("valid JSON"),
            host,
            endpoints: engine_api::Map::new(),
            links: Vec::new(),
            mounts: Vec::new(),
            state: State::Created(None),
            backoff: crate::restart::Backoff::default(),
            stopped_by_user: false,
            health: None,
            held: false,
        }
    }

    fn spec(config: &str, host: &str) -> Value {
        let user = User { uid: 0, gid: 0, groups: vec![0], home: "/root".to_owned() };
        let around = Surroundings {
            user: &user,
            mounts: Vec::new(),
            network: NamespaceFrom::Descriptor("netns"),
            pid: NamespaceFrom::New,
            ipc: NamespaceFrom::New,
            hostname: "0123456789ab",
            links: &[],
            concealed: &["SECRET=s".to_owned(), "A=over".to_owned()],
            console: (0, 0),
        };
        let spec = build(&record(config, host), around).expect("a valid record");
        serde_json::to_value(spec).expect("a specification is JSON")
    }

    #[test]
    fn a_plain_run() {
        let spec = spec(r#"{"Cmd": ["true"], "Env": ["A=b"]}"#, "{}");
        let process = &spec["process"];
        assert_eq!(process["args"], json!(["true"]));
        assert_eq!(process["env"], json!([DEFAULT_PATH, "HOSTNAME=0123456789ab", "A=over", "SECRET=s", "HOME=/root"]));
        assert_eq!(process["cwd"], "/");
        assert_eq!(process["user"], json!({"uid": 0, "gid": 0, "additionalGids": [0]}));
        assert_eq!(process["noNewPrivileges"], false);
        assert_eq!(process["capabilities"]["bounding"].as_array().map(Vec::len), Some(14));
        assert_eq!(spec["hostname"], "0123456789ab");
        let kinds: Vec<_> =
            spec["linux"]["namespaces"].as_array().expect("a list").iter().map(|n| n["type"].clone()).collect();
        assert_eq!(kinds, ["mount", "uts", "network", "pid", "ipc", "cgroup"]);
        assert_eq!(spec["linux"]["maskedPaths"], json!(["/proc/kcore"]));
        assert_eq!(spec["linux"]["resources"]["devices"][0], json!({"allow": false, "access": "rwm"}));
    }

    #[test]
    fn a_privileged_run() {
        let spec = spec(r#"{"Cmd": ["sh"], "Tty": true}"#, r#"{"Privileged": true, "OomScoreAdj": -5}"#);
        assert_eq!(spec["process"]["terminal"], true);
        assert_eq!(spec["process"]["oomScoreAdj"], -5);
        assert_eq!(spec["process"]["capabilities"]["effective"].as_array().map(Vec::len), Some(41));
        assert_eq!(spec["process"]["env"][2], "TERM=xterm");
        assert_eq!(spec["linux"]["maskedPaths"], json!([]));
        assert_eq!(spec["linux"]["resources"]["devices"], json!([{"allow": true, "access": "rwm"}]));
    }

    #[test]
    fn limits_and_modes() {
        let spec = spec(
            r#"{"Entrypoint": ["/bin/e"], "Cmd": ["x"], "WorkingDir": "/w", "Domainname": "lan"}"#,
            r#"{"Memory": 67108864, "PidsLimit": 10, "UTSMode": "", "CgroupnsMode": "host",
                "Ulimits": [{"Name": "nofile", "Soft": 5, "Hard": -1}], "Sysctls": {"net.core.somaxconn": "9"}}"#,
        );
        assert_eq!(spec["process"]["args"], json!(["/bin/e", "x"]));
        assert_eq!(spec["process"]["cwd"], "/w");
        assert_eq!(spec["process"]["rlimits"][0], json!({"type": "RLIMIT_NOFILE", "soft": 5, "hard": u64::MAX}));
        assert_eq!(spec["domainname"], "lan");
        assert_eq!(spec["linux"]["resources"]["memory"]["limit"], 67_108_864);
        assert_eq!(spec["linux"]["resources"]["pids"]["limit"], 10);
        assert_eq!(spec["linux"]["sysctl"], json!({"net.core.somaxconn": "9"}));
        let kinds: Vec<_> =
            spec["linux"]["namespaces"].as_array().expect("a list").iter().map(|n| n["type"].clone()).collect();
        assert!(!kinds.contains(&json!("cgroup")));
    }

    #[test]
    fn environment_overrides() {
        let mut env = vec!["A=1".to_owned(), "B=2".to_owned()];
        override_env(&mut env, &["A=3".to_owned(), "B".to_owned(), "C=".to_owned(), "D".to_owned()]);
        assert_eq!(env, ["A=3", "C="]);
    }
}
