//! The reference: Debian's newest dockerd in namespaces of its own, to prove tests and to measure against.
//!
//! Its Debian is made once below the cache and stays as it was made: what dockerd writes goes into an overlay's upper directory.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian;
use crate::step::follow;

/// dockerd with what it calls, and the tools that its users call in its namespaces.
const PACKAGES: &[&str] = &[
    "docker.io",
    "containerd",
    "runc",
    "tini",
    "iptables",
    "nftables",
    "iproute2",
    "kmod",
    "procps",
    "git",
    "ca-certificates",
];

/// Puts the Debian together as a root for dockerd and becomes dockerd: in a mount and a network namespace of its own, with the loopback
/// interface up. `$1` is the Debian, `$2` the folder of the run, which has the same path inside.
const BEGIN: &str = r#"set -eu
debian=$1 run=$2; shift 2
root=$run/root
mkdir -p "$root" "$run/upper" "$run/work" "$run/data"
ip link set lo up
# dockerd takes a bridge of another name than its own only if it is there. `none` is its word for no bridge.
for argument in "$@"; do
    case $argument in
    --bridge=none) ;;
    --bridge=?*) ip link add "${argument#--bridge=}" type bridge ;;
    esac
done
mount -t overlay -o "lowerdir=$debian,upperdir=$run/upper,workdir=$run/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root$run" "$root/mnt"
mount --bind "$run" "$root$run"
# Where tests make the folders that they mount.
mount --rbind /tmp "$root/tmp"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cd "$root"
pivot_root . mnt
umount -l mnt
exec dockerd --host "unix://$run/docker.sock" --data-root "$run/data" --exec-root /run/docker --pidfile /run/docker.pid \
    --cgroup-parent /berth-reference --insecure-registry 127.0.0.0/8 "$@"
"#;

/// Where the reference's socket and data are while it runs.
pub fn folder() -> PathBuf {
    PathBuf::from("/var/tmp/berth-reference")
}

/// The Debian, made if it is not there yet.
///
/// # Errors
/// When a package cannot be had.
pub fn debian() -> io::Result<PathBuf> {
    let home = crate::cache().join("reference");
    let made = home.join(PACKAGES.join("+"));
    if made.is_dir() {
        return Ok(made);
    }
    fs::create_dir_all(&home)?;
    let fresh = home.join(".fresh");
    remove(&fresh)?;
    let mut bootstrap = Command::new("mmdebstrap");
    // The date of a mirror's snapshot may have passed; its signature is checked.
    bootstrap.args(["--variant=minbase", "--aptopt=Acquire::Check-Valid-Until \"false\""]);
    bootstrap.arg(format!("--include={}", PACKAGES.join(","))).arg("sid").arg(&fresh).arg(debian::mirror()?);
    follow(bootstrap, "making a Debian with dockerd")?;
    fs::rename(&fresh, &made)?;
    Ok(made)
}

/// What becomes dockerd, with further `arguments` of dockerd's own. Whatever an earlier run left is removed.
///
/// # Errors
/// When one runs already, or that cannot be removed.
pub fn command(debian: &Path, arguments: &[String]) -> io::Result<Command> {
    let run = folder();
    if UnixStream::connect(run.join("docker.sock")).is_ok() {
        return Err(io::Error::other("one runs already: end it with Ctrl-C where it was started"));
    }
    remove(&run)?;
    fs::create_dir_all(&run)?;
    let mut begin = Command::new("unshare");
    begin.args(["--mount", "--propagation", "private", "--net", "sh", "-c", BEGIN, "sh"]);
    begin.arg(debian).arg(run).args(arguments);
    Ok(begin)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
