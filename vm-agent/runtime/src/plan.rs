//! The plan: everything the first process of a container does, as data.
//!
//! [`plan`] is pure: no file is opened, nothing depends on the machine. Descriptors are named; the supervisor passes
//! them under these names and the child looks them up.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use oci_spec::runtime::{self as oci, LinuxNamespaceType};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, capabilities,
    options::{self, MountOptions},
    seccomp,
};

/// Names of the descriptors that accompany a plan.
pub mod fd {
    /// The detached mount that becomes `/`.
    pub const ROOTFS: &str = "rootfs";
    pub const STDIN: &str = "stdin";
    pub const STDOUT: &str = "stdout";
    pub const STDERR: &str = "stderr";
    /// The network namespace.
    pub const NETNS: &str = "netns";
    /// The cgroup directory that the process is born into.
    pub const CGROUP: &str = "cgroup";
    /// The pidfd of the container that an exec enters.
    pub const TARGET: &str = "target";
}

/// What the spec cannot say.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Mounts whose source is a descriptor: destination (as in the spec) -> name. It must be a *detached* mount
    /// ([`crate::mounts::detach`], `fsmount`): a descriptor of a mount in another mount namespace cannot be moved.
    pub mount_fds: BTreeMap<PathBuf, String>,
    /// Namespaces joined by descriptor. A descriptor may be a namespace file or a pidfd.
    pub namespace_fds: Vec<(Namespace, String)>,
    /// Put our reaper before the program (`--init`).
    pub init: bool,
}

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    Mount,
    Pid,
    Ipc,
    Uts,
    Cgroup,
    Network,
    User,
}

impl Namespace {
    /// The `CLONE_NEW*` bit.
    pub fn flag(self) -> i32 {
        match self {
            Namespace::Mount => libc::CLONE_NEWNS,
            Namespace::Pid => libc::CLONE_NEWPID,
            Namespace::Ipc => libc::CLONE_NEWIPC,
            Namespace::Uts => libc::CLONE_NEWUTS,
            Namespace::Cgroup => libc::CLONE_NEWCGROUP,
            Namespace::Network => libc::CLONE_NEWNET,
            Namespace::User => libc::CLONE_NEWUSER,
        }
    }
}

/// A namespace to enter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// `CLONE_NEW*` bits; several only if `source` is a pidfd.
    pub flags: i32,
    pub source: JoinSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinSource {
    Fd(String),
    Path(PathBuf),
}

/// Everything the first process of a container does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Namespaces that clone3 makes (`CLONE_NEW*`): mount, pid, ipc, uts. Never network.
    pub clone_flags: i32,
    /// Namespaces that the child makes for itself: cgroup, whose root must be the cgroup it was born into (clone3 would
    /// take the supervisor's).
    pub unshare_flags: i32,
    /// Namespaces entered before the process exists, by an intermediate process (pid needs it).
    pub join_before: Vec<Join>,
    /// Namespaces that the child enters.
    pub join: Vec<Join>,
    /// Absent for an exec, which finds everything made.
    pub setup: Option<Setup>,
    pub process: Process,
}

/// The container's surroundings, in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// `None`: the descriptor [`fd::ROOTFS`].
    pub rootfs: Option<PathBuf>,
    pub readonly_rootfs: bool,
    /// `MS_*` propagation of the finished tree, if the spec asks for one; private otherwise.
    pub propagation: Option<u64>,
    pub mounts: Vec<MountOp>,
    pub devices: Vec<DeviceNode>,
    /// (target, link)
    pub links: Vec<(String, PathBuf)>,
    /// Made if it does not exist.
    pub cwd: PathBuf,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    /// (`net/ipv4/ip_forward`, `1`)
    pub sysctls: Vec<(String, String)>,
    pub masked_paths: Vec<PathBuf>,
    pub readonly_paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountOp {
    pub destination: PathBuf,
    pub what: MountSource,
    pub options: MountOptions,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountSource {
    /// A new instance of a file system: its type and source name.
    New { fstype: String, source: String },
    /// A path of the supervisor's mount namespace.
    Bind { path: PathBuf, recursive: bool },
    /// A detached mount, by name.
    Detached { fd: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    pub path: PathBuf,
    /// With the `S_IF*` bits.
    pub mode: u32,
    pub major: u32,
    pub minor: u32,
    pub uid: u32,
    pub gid: u32,
}

/// The program and its rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: PathBuf,
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub umask: u32,
    pub capabilities: capabilities::Sets,
    pub no_new_privileges: bool,
    pub seccomp: Option<seccomp::Program>,
    /// (`RLIMIT_*`, soft, hard)
    pub rlimits: Vec<(u32, u64, u64)>,
    pub oom_score_adj: Option<i32>,
    pub terminal: Option<TerminalSize>,
    pub init: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// 0 leaves the kernel's default.
    pub columns: u16,
    pub rows: u16,
}

impl Plan {
    /// For the memfd that goes to the supervisor.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a plan has only string keys")
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Plan> {
        serde_json::from_slice(bytes).map_err(Error::Plan)
    }
}

impl Plan {
    /// The namespaces (`CLONE_NEW*`) that are not the machine's: made for the process, or entered by it.
    fn own(&self) -> i32 {
        let joined = self.join_before.iter().chain(&self.join).fold(0, |flags, join| flags | join.flags);
        self.clone_flags | self.unshare_flags | joined
    }
}

/// The plan of a container's first process.
pub fn plan(spec: &oci::Spec, extras: &Extras) -> Result<Plan> {
    let process = spec.process().as_ref().ok_or(Error::Missing("process"))?;
    let linux = spec.linux().as_ref().ok_or(Error::Missing("linux section"))?;
    let namespaces = namespaces(linux, extras);
    let setup = setup(spec, linux, extras, namespaces.own())?;
    let seccomp = linux.seccomp().as_ref().map(seccomp::compile).transpose()?;
    Ok(Plan { setup: Some(setup), process: plan_process(process, seccomp, extras.init)?, ..namespaces })
}

/// The plan of a further process in a running container: it enters all namespaces of [`fd::TARGET`], a pidfd.
///
/// `seccomp` is the container's, as its spec has it.
pub fn plan_exec(process: &oci::Process, seccomp: Option<&oci::LinuxSeccomp>) -> Result<Plan> {
    let all = [Namespace::Mount, Namespace::Pid, Namespace::Ipc, Namespace::Uts, Namespace::Network];
    let target = || JoinSource::Fd(fd::TARGET.to_owned());
    Ok(Plan {
        clone_flags: 0,
        unshare_flags: 0,
        join_before: vec![Join { flags: all.iter().map(|n| n.flag()).sum(), source: target() }],
        // Entered by the child, which is in the container's cgroup by then: where namespaces bound delegation, nobody
        // moves from outside a cgroup namespace into it.
        join: vec![Join { flags: Namespace::Cgroup.flag(), source: target() }],
        setup: None,
        process: plan_process(process, seccomp.map(seccomp::compile).transpose()?, false)?,
    })
}

/// Splits the namespaces by who makes or enters them; the rest of the plan is filled in by the caller.
fn namespaces(linux: &oci::Linux, extras: &Extras) -> Plan {
    let (mut clone_flags, mut unshare_flags) = (0, 0);
    let (mut join_before, mut join) = (Vec::new(), Vec::new());
    for namespace in linux.namespaces().iter().flatten() {
        let Some(kind) = kind(namespace.typ()) else { continue };
        let named = extras.namespace_fds.iter().find(|(k, _)| *k == kind);
        let source = match (named, namespace.path()) {
            (Some((_, name)), _) => Some(JoinSource::Fd(name.clone())),
            (None, Some(path)) => Some(JoinSource::Path(path.clone())),
            (None, None) => None,
        };
        match source {
            Some(source) => {
                let list = if matches!(kind, Namespace::Pid | Namespace::User) { &mut join_before } else { &mut join };
                list.push(Join { flags: kind.flag(), source });
            }
            // Made by the engine's network crate on a thread of its own and always joined.
            None if kind == Namespace::Network => {}
            None if kind == Namespace::Cgroup => unshare_flags |= kind.flag(),
            None => clone_flags |= kind.flag(),
        }
    }
    Plan { clone_flags, unshare_flags, join_before, join, setup: None, process: Process::empty() }
}

fn kind(typ: LinuxNamespaceType) -> Option<Namespace> {
    Some(match typ {
        LinuxNamespaceType::Mount => Namespace::Mount,
        LinuxNamespaceType::Pid => Namespace::Pid,
        LinuxNamespaceType::Ipc => Namespace::Ipc,
        LinuxNamespaceType::Uts => Namespace::Uts,
        LinuxNamespaceType::Cgroup => Namespace::Cgroup,
        LinuxNamespaceType::Network => Namespace::Network,
        LinuxNamespaceType::User => Namespace::User,
        // Containers of Docker have no time namespace.
        LinuxNamespaceType::Time => return None,
    })
}

fn setup(spec: &oci::Spec, linux: &oci::Linux, extras: &Extras, own: i32) -> Result<Setup> {
    let root = spec.root().as_ref();
    let rootfs = root.map(|r| r.path().clone()).filter(|p| !p.as_os_str().is_empty());
    let mut mounts = Vec::new();
    for mount in spec.mounts().iter().flatten() {
        mounts.push(mount_op(mount, extras)?);
    }
    let has_dev =
        mounts.iter().any(|m| m.destination == Path::new("/dev") && !matches!(m.what, MountSource::Bind { .. }));
    let mut devices = Vec::new();
    if has_dev {
        devices.extend(default_devices());
        for device in linux.devices().iter().flatten() {
            let node = device_node(device)?;
            devices.retain(|d: &DeviceNode| d.path != node.path);
            devices.push(node);
        }
    }
    let links = if has_dev { dev_links() } else { Vec::new() };
    let mut sysctls = Vec::new();
    for (key, value) in linux.sysctl().iter().flatten() {
        sysctls.push((sysctl_path(key, own)?, value.clone()));
    }
    sysctls.sort();
    let paths = |list: &Option<Vec<String>>| list.iter().flatten().map(PathBuf::from).collect();
    Ok(Setup {
        rootfs,
        readonly_rootfs: root.and_then(|r| r.readonly()).unwrap_or(false),
        propagation: linux.rootfs_propagation().as_deref().and_then(options::propagation),
        mounts,
        devices,
        links,
        cwd: spec.process().as_ref().map_or(PathBuf::from("/"), |p| normalise(p.cwd())),
        hostname: spec.hostname().clone(),
        domainname: spec.domainname().clone(),
        sysctls,
        masked_paths: paths(linux.masked_paths()),
        readonly_paths: paths(linux.readonly_paths()),
    })
}

fn mount_op(mount: &oci::Mount, extras: &Extras) -> Result<MountOp> {
    let destination = normalise(mount.destination());
    let options = MountOptions::parse(mount.options().iter().flatten().map(String::as_str));
    let fstype = mount.typ().as_deref().unwrap_or("");
    let what = if let Some(fd) = extras.mount_fds.get(mount.destination()) {
        MountSource::Detached { fd: fd.clone() }
    } else if options.bind || fstype == "bind" {
        let path = mount.source().clone().ok_or(Error::Mount { destination: destination.clone(), what: "source" })?;
        MountSource::Bind { path, recursive: options.recursive_bind }
    } else if fstype.is_empty() {
        return Err(Error::Mount { destination, what: "type" });
    } else {
        // The container's specs are written as for runc, where this type means "whatever the host has".
        let fstype = if fstype == "cgroup" { "cgroup2" } else { fstype };
        let source = mount.source().as_ref().map_or(fstype.to_owned(), |s| s.to_string_lossy().into_owned());
        MountSource::New { fstype: fstype.to_owned(), source }
    };
    Ok(MountOp { destination, what, options })
}

/// Absolute and without `.` and `..`, which could otherwise only mean something in the image's tree.
fn normalise(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            _ => {}
        }
    }
    clean
}

/// The devices every container has (OCI runtime spec, config-linux.md, "Default Devices").
fn default_devices() -> Vec<DeviceNode> {
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
        .into_iter()
        .map(|(name, major, minor)| DeviceNode {
            path: Path::new("/dev").join(name),
            mode: libc::S_IFCHR | 0o666,
            major,
            minor,
            uid: 0,
            gid: 0,
        })
        .collect()
}

/// OCI runtime spec, runtime-linux.md, "Dev symbolic links"; `ptmx` must lead to the container's own devpts.
fn dev_links() -> Vec<(String, PathBuf)> {
    [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
        ("/proc/kcore", "/dev/core"),
        ("pts/ptmx", "/dev/ptmx"),
    ]
    .into_iter()
    .map(|(target, link)| (target.to_owned(), PathBuf::from(link)))
    .collect()
}

fn device_node(device: &oci::LinuxDevice) -> Result<DeviceNode> {
    let kind = match device.typ() {
        oci::LinuxDeviceType::B => libc::S_IFBLK,
        oci::LinuxDeviceType::P => libc::S_IFIFO,
        _ => libc::S_IFCHR,
    };
    let number = |n: i64| u32::try_from(n).ok();
    let (Some(major), Some(minor)) = (number(device.major()), number(device.minor())) else {
        return Err(Error::Device { path: device.path().clone(), major: device.major(), minor: device.minor() });
    };
    Ok(DeviceNode {
        path: normalise(device.path()),
        mode: kind | device.file_mode().unwrap_or(0o666) & 0o7777,
        major,
        minor,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
    })
}

/// `kernel.msgmax` -> `kernel/msgmax`; refused unless the kernel keeps it in one of the container's `own` namespaces
/// (`CLONE_NEW*`): any other would change the machine. The rules and the words are those of runc's validator.
fn sysctl_path(key: &str, own: i32) -> Result<String> {
    // Both separators are accepted by sysctl(8); with slashes, dots belong to interface names.
    let dotted = match (key.find('.'), key.find('/')) {
        (Some(dot), Some(slash)) => dot < slash,
        (_, slash) => slash.is_none(),
    };
    let path: String = if dotted {
        key.chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect()
    } else {
        key.to_owned()
    };
    const IPC: [&str; 9] = [
        "kernel/msgmax",
        "kernel/msgmnb",
        "kernel/msgmni",
        "kernel/sem",
        "kernel/shmall",
        "kernel/shmmax",
        "kernel/shmmni",
        "kernel/shm_rmid_forced",
        "kernel/auto_msgmni",
    ];
    let has = |namespace: Namespace| own & namespace.flag() != 0;
    let refused = |reason| Err(Error::Sysctl { key: key.to_owned(), reason });
    const FOREIGN: &str = "is not in a separate kernel namespace";
    if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return refused(FOREIGN);
    }
    if IPC.contains(&path.as_str()) || path.starts_with("fs/mqueue/") {
        if !has(Namespace::Ipc) {
            return refused("is not allowed in the hosts ipc namespace");
        }
    } else if path.starts_with("net/") {
        if !has(Namespace::Network) {
            return refused("not allowed in host network namespace");
        }
    } else if path == "kernel/hostname" && has(Namespace::Uts) {
        return refused("is not allowed as it conflicts with the OCI \"hostname\" field");
    } else if !(path == "kernel/domainname" && has(Namespace::Uts)) {
        return refused(FOREIGN);
    }
    Ok(path)
}

fn plan_process(process: &oci::Process, seccomp: Option<seccomp::Program>, init: bool) -> Result<Process> {
    let args = process.args().clone().unwrap_or_default();
    if args.is_empty() {
        return Err(Error::Missing("process.args"));
    }
    let user = process.user();
    let terminal = process.terminal().unwrap_or(false).then(|| {
        let size = process.console_size();
        let clamp = |n: u64| u16::try_from(n).unwrap_or(0);
        TerminalSize {
            columns: size.as_ref().map_or(0, |s| clamp(s.width())),
            rows: size.as_ref().map_or(0, |s| clamp(s.height())),
        }
    });
    Ok(Process {
        args,
        env: process.env().clone().unwrap_or_default(),
        cwd: normalise(process.cwd()),
        uid: user.uid(),
        gid: user.gid(),
        groups: user.additional_gids().clone().unwrap_or_default(),
        umask: user.umask().unwrap_or(0o022),
        capabilities: capabilities::Sets::from_spec(process.capabilities().as_ref()),
        no_new_privileges: process.no_new_privileges().unwrap_or(false),
        seccomp,
        rlimits: process
            .rlimits()
            .iter()
            .flatten()
            .map(|limit| (rlimit(limit.typ()), limit.soft(), limit.hard()))
            .collect(),
        oom_score_adj: process.oom_score_adj(),
        terminal,
        init,
    })
}

fn rlimit(typ: oci::PosixRlimitType) -> u32 {
    use oci::PosixRlimitType as T;
    match typ {
        T::RlimitCpu => libc::RLIMIT_CPU,
        T::RlimitFsize => libc::RLIMIT_FSIZE,
        T::RlimitData => libc::RLIMIT_DATA,
        T::RlimitStack => libc::RLIMIT_STACK,
        T::RlimitCore => libc::RLIMIT_CORE,
        T::RlimitRss => libc::RLIMIT_RSS,
        T::RlimitNproc => libc::RLIMIT_NPROC,
        T::RlimitNofile => libc::RLIMIT_NOFILE,
        T::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        T::RlimitAs => libc::RLIMIT_AS,
        T::RlimitLocks => libc::RLIMIT_LOCKS,
        T::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        T::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        T::RlimitNice => libc::RLIMIT_NICE,
        T::RlimitRtprio => libc::RLIMIT_RTPRIO,
        T::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}

impl Process {
    fn empty() -> Process {
        Process {
            args: Vec::new(),
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            umask: 0o022,
            capabilities: capabilities::Sets::default(),
            no_new_privileges: false,
            seccomp: None,
            rlimits: Vec::new(),
            oom_score_adj: None,
            terminal: None,
            init: false,
        }
    }
}

#[cfg(test)]
mod tests;
