//! The container's surroundings: its mounts, devices, kernel parameters and names.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime as oci;
use serde::{Deserialize, Serialize};

use super::{Extras, Namespace};
use crate::{
    Error, Result,
    options::{self, MountOptions},
};

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

pub(super) fn setup(spec: &oci::Spec, linux: &oci::Linux, extras: &Extras, own: i32) -> Result<Setup> {
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
pub(super) fn normalise(path: &Path) -> PathBuf {
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

/// OCI runtime spec, runtime-linux.md, "Dev symbolic links"; `ptmx` must lead to the container's own devpts. A kernel may have no
/// `/proc/kcore`; a link that leads nowhere would be found by whoever walks `/dev`.
fn dev_links() -> Vec<(String, PathBuf)> {
    let has_core = Path::new("/proc/kcore").exists();
    [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
        ("/proc/kcore", "/dev/core"),
        ("pts/ptmx", "/dev/ptmx"),
    ]
    .into_iter()
    .filter(|(target, _)| has_core || *target != "/proc/kcore")
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
pub(super) fn sysctl_path(key: &str, own: i32) -> Result<String> {
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
