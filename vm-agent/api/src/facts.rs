//! What does not change while the engine runs: the machine under it and how it was set up. For `version` and `info`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

/// The dockerd whose behaviour the engine follows: what clients are told where they look for Docker's version
/// (docs/decisions/0014-the-version-that-clients-see.md).
pub(crate) const DOCKER_VERSION: &str = "28.5.2";

/// The machine and the engine's settings, as clients see them.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The engine's own identity, kept across restarts.
    pub id: String,
    pub hostname: String,
    /// Where the engine keeps its data.
    pub root: PathBuf,
    /// The engine's own version: `0.1.0`.
    pub version: String,
    /// The commit it was built from; may be empty.
    pub commit: String,
    /// When it was built, RFC 3339; may be empty.
    pub built: String,
    pub kernel_version: String,
    pub operating_system: String,
    pub os_version: String,
    /// As `uname -m` has it: `x86_64`.
    pub machine: String,
    pub cpus: usize,
    /// Bytes.
    pub memory: u64,
    pub cgroups: Cgroups,
    /// Lines of `docker info` about the storage driver.
    pub storage: Vec<[String; 2]>,
    pub registry: Arc<RwLock<RegistryFacts>>,
    /// Variables of every container whose client does not set them itself: proxies.
    pub container_env: Vec<(String, String)>,
    /// `name=seccomp,profile=builtin` and the like.
    pub security_options: Vec<String>,
    /// Told by `docker info`, each after `WARNING: `.
    pub warnings: Vec<String>,
}

/// Which limits the machine can keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cgroups {
    pub memory: bool,
    pub swap: bool,
    pub cpu: bool,
    pub cpuset: bool,
    pub io: bool,
    pub pids: bool,
}

/// How registries are spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryFacts {
    /// Networks, in CIDR notation, whose registries may speak plain HTTP; 127.0.0.0/8 and ::1/128 are added.
    pub insecure_networks: Vec<String>,
    /// Registries, `host[:port]`, that may speak plain HTTP.
    pub insecure_hosts: Vec<String>,
    /// Mirrors of the default registry.
    pub mirrors: Vec<String>,
    /// By which they are reached, without passwords; empty without one.
    pub http_proxy: String,
    pub https_proxy: String,
    pub no_proxy: String,
}

impl Facts {
    /// Looks at the machine. `version` is the engine's own; the settings keep their defaults.
    pub fn probe(root: &Path, id: String, version: &str) -> Self {
        let uname = rustix::system::uname();
        let text = |field: &std::ffi::CStr| field.to_string_lossy().into_owned();
        let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self {
            id,
            hostname: text(uname.nodename()),
            root: root.to_owned(),
            version: version.to_owned(),
            kernel_version: text(uname.release()),
            operating_system: os_field(&os_release, "PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
            os_version: os_field(&os_release, "VERSION_ID").unwrap_or_default(),
            machine: text(uname.machine()),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: memory_total(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            cgroups: Cgroups::probe(),
            storage: vec![
                ["Backing Filesystem".to_owned(), backing_filesystem(root)],
                ["Supports d_type".to_owned(), "true".to_owned()],
                ["Using metacopy".to_owned(), "false".to_owned()],
                ["Native Overlay Diff".to_owned(), "true".to_owned()],
                ["userxattr".to_owned(), "false".to_owned()],
            ],
            security_options: vec!["name=seccomp,profile=builtin".to_owned(), "name=cgroupns".to_owned()],
            ..Self::default()
        }
    }

    /// Go's name of the architecture: `amd64`, `arm64`.
    pub(crate) fn architecture(&self) -> &str {
        match self.machine.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    }
}

impl Cgroups {
    /// The controllers of the cgroup v2 tree, wherever the machine has mounted it (cgroups(7)).
    fn probe() -> Self {
        let controllers = ["/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/unified/cgroup.controllers"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        Self::from_controllers(&controllers, Path::new("/proc/swaps").exists())
    }

    fn from_controllers(controllers: &str, swap: bool) -> Self {
        let has = |name: &str| controllers.split_ascii_whitespace().any(|controller| controller == name);
        Self {
            memory: has("memory"),
            swap: has("memory") && swap,
            cpu: has("cpu"),
            cpuset: has("cpuset"),
            io: has("io"),
            pids: has("pids"),
        }
    }

    /// dockerd's warnings about what is missing, in its order.
    pub(crate) fn warnings(self) -> Vec<String> {
        let mut missing = Vec::new();
        let mut lines = |there: bool, texts: &[&str]| {
            if !there {
                missing.extend(texts.iter().map(|text| format!("WARNING: {text}")));
            }
        };
        lines(self.memory, &["No memory limit support"]);
        lines(self.swap, &["No swap limit support"]);
        lines(self.cpu, &["No cpu cfs quota support", "No cpu cfs period support", "No cpu shares support"]);
        lines(self.cpuset, &["No cpuset support"]);
        lines(
            self.io,
            &[
                "No io.weight support",
                "No io.weight (per device) support",
                "No io.max (rbps) support",
                "No io.max (wbps) support",
                "No io.max (riops) support",
                "No io.max (wiops) support",
            ],
        );
        missing
    }
}

/// A field of os-release(5).
fn os_field(os_release: &str, name: &str) -> Option<String> {
    os_release.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    })
}

fn memory_total(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

/// dockerd's names of file systems by their magic numbers (statfs(2)).
fn backing_filesystem(path: &Path) -> String {
    let name = match rustix::fs::statfs(path).map(|statfs| statfs.f_type as u64 & 0xffff_ffff) {
        Ok(0xef53) => "extfs",
        Ok(0x5846_5342) => "xfs",
        Ok(0x9123_683e) => "btrfs",
        Ok(0x0102_1994) => "tmpfs",
        Ok(0xf2f5_2010) => "f2fs",
        Ok(0x2fc1_2fc1) => "zfs",
        Ok(0x794c_7630) => "overlayfs",
        Ok(_) | Err(_) => "<unknown>",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_controllers_are_named() {
        let all = Cgroups::from_controllers("cpuset cpu io memory hugetlb pids", true);
        assert!(all.warnings().is_empty());
        let none = Cgroups::from_controllers("hugetlb", true);
        assert_eq!(none.warnings()[0], "WARNING: No memory limit support");
        assert_eq!(none.warnings().len(), 12);
        let no_swap = Cgroups::from_controllers("cpuset cpu io memory pids", false);
        assert_eq!(no_swap.warnings(), ["WARNING: No swap limit support"]);
    }

    #[test]
    fn machine_files_are_read() {
        assert_eq!(os_field("ID=x\nPRETTY_NAME=\"Berth 1\"\n", "PRETTY_NAME").as_deref(), Some("Berth 1"));
        assert_eq!(memory_total("MemFree: 1 kB\nMemTotal:       24684096 kB\n"), 24_684_096 * 1024);
    }
}
