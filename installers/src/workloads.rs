//! What the tests of heavy workloads run: a Debian with systemd and an engine of its own, a BuildKit, a 32-bit busybox, and kind.
//!
//! Made once below the cache, and again when [`PACKAGES`] changes. Nothing of it is installed on this machine.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, Suite};
use crate::step::follow;
use crate::words::say;

/// What the Debian of the tests has beyond the least that Debian can be.
const PACKAGES: &[&str] = &["systemd", "systemd-sysv", "dbus", "iproute2", "iptables", "docker.io", "procps", "kmod"];

/// What a BuildKit is made from: it is in dockerd, runs its steps by containerd and runc, and perl connects clients to it.
const BUILDER: &[&str] = &[
    "docker.io",
    "containerd",
    "runc",
    "perl-base",
    "busybox-static",
    "libc6",
    "libcrypt1",
    "libseccomp2",
    "libsystemd0",
];

/// Where its parts are.
#[derive(Debug, Clone)]
pub struct Workloads {
    folder: PathBuf,
}

impl Workloads {
    /// The folder of all of them, `BERTH_TEST_WORKLOADS` of the tests.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A root file system with systemd and dockerd, as a tar archive.
    pub fn system(&self) -> PathBuf {
        self.folder.join("system.tar")
    }

    /// A root file system with dockerd 28 or newer and little beside it, as a tar archive.
    pub fn builder(&self) -> PathBuf {
        self.folder.join(format!("{}.tar", BUILDER.join("+")))
    }

    /// A busybox for i386, statically linked.
    pub fn busybox_i386(&self) -> PathBuf {
        self.folder.join("i386/bin/busybox")
    }

    /// kind, "Kubernetes in Docker".
    pub fn kind(&self) -> PathBuf {
        self.folder.join("kind/usr/bin/kind")
    }

    /// Those that [`prepare`] made in `folder`.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }
}

/// Makes what is not there yet.
///
/// # Errors
/// When a package cannot be had; says which.
pub fn prepare() -> io::Result<Workloads> {
    let key: String = PACKAGES.join("+");
    let made = Workloads::at(crate::cache().join("workloads").join(key));
    fs::create_dir_all(made.folder())?;
    if !made.system().is_file() {
        system(&made)?;
    }
    if !made.builder().is_file() {
        builder(&made)?;
    }
    if !made.busybox_i386().is_file() {
        debian::unpack_for("busybox-static", "i386", Suite::Backports, &made.folder().join("i386"))?;
    }
    if !made.kind().is_file() {
        debian::unpack_for("kind", "amd64", Suite::Sid, &made.folder().join("kind"))?;
    }
    Ok(made)
}

fn system(made: &Workloads) -> io::Result<()> {
    let root = made.folder().join(".system");
    remove(&root)?;
    let mut bootstrap = Command::new("debootstrap");
    bootstrap.arg("--variant=minbase").arg(format!("--include={}", PACKAGES.join(",")));
    bootstrap.arg("bookworm").arg(&root).arg(debian::mirror()?);
    follow(bootstrap, &say("making a Debian for the tests", &[]))?;
    let fresh = made.folder().join(".system.tar");
    let mut tar = Command::new("tar");
    // Devices are the engine's to make; packages and papers would only make it larger.
    tar.args(["--exclude=./dev/*", "--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*"]);
    tar.args(["--exclude=./usr/share/doc", "--exclude=./usr/share/man", "--exclude=./usr/share/locale"]);
    tar.arg("-C").arg(&root).arg("-cf").arg(&fresh).arg(".");
    follow(tar, &say("packing the Debian for the tests", &[]))?;
    remove(&root)?;
    fs::rename(fresh, made.system())
}

fn builder(made: &Workloads) -> io::Result<()> {
    let root = made.folder().join(".builder");
    remove(&root)?;
    fs::create_dir(&root)?;
    // Packages of today have everything below `usr`, and count on these.
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(Path::new("usr").join(name), root.join(name))?;
    }
    debian::unpack_all(BUILDER, Suite::Sid, &root)?;
    symlink("busybox", root.join("usr/bin/sh"))?;
    for name in ["run", "tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    let fresh = made.folder().join(".builder.tar");
    let mut tar = Command::new("tar");
    tar.args(["--exclude=./usr/share/doc", "--exclude=./usr/share/man", "--exclude=./usr/share/locale"]);
    tar.arg("-C").arg(&root).arg("-cf").arg(&fresh).arg(".");
    follow(tar, &say("packing a BuildKit for the tests", &[]))?;
    remove(&root)?;
    fs::rename(fresh, made.builder())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
