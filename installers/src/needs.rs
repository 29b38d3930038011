//! What each command needs on the machine, and why.

mod crates;

use std::io;
use std::process::Command;

use crate::debian::{self, Suite};
use crate::step::follow;
use crate::words::say;

pub use crates::{cargo_bin, file_suites, rcodesign, vsock_device};

/// One Debian package and the reason it is installed.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub package: &'static str,
    pub reason: &'static str,
}

pub(crate) const fn need(package: &'static str, reason: &'static str) -> Need {
    Need { package, reason }
}

/// Needed to build the agent and the guest image.
pub const BUILD: &[Need] = &[
    need("gcc", "compiles the C parts of a few crates and links"),
    need("libc6-dev", "the static C library of the guest's agent"),
    need("erofs-utils", "makes the guest's root file system"),
    need("xz-utils", "unpacks the kernel's modules"),
    need("kmod", "writes the lists by which modprobe finds the kernel's modules"),
    need("cpio", "lists the initramfs in tests and diagnostics"),
    need("ca-certificates", "the CA roots that ship with the guest"),
];

/// Needed to build the window.
pub const WINDOW: &[Need] = &[
    need("pkg-config", "finds the libraries of the window"),
    need("libwebkit2gtk-4.1-dev", "shows the pages in the window"),
    need("libayatana-appindicator3-dev", "shows the tray"),
];

/// Needed by the test suites only.
pub const TEST: &[Need] = &[
    need("busybox-static", "the root file system of test containers"),
    need("docker-registry", "a real OCI registry on loopback"),
    need("git", "serves repositories that are built from"),
    need("iproute2", "reads back what the network crate made"),
    need("nftables", "reads back the rules of the network crate"),
    need("tmux", "drives interactive programs through a real terminal"),
    need("curl", "talks to published ports as a user would"),
    need("e2fsprogs", "file systems for full-disk tests"),
    need("openssl", "signs the tokens of the registry that wants some"),
    need("procps", "process lists"),
    need("openssh-client", "reaches an engine over ssh, as docker does"),
    need("libwrap0", "a library of the SSH server that the tests start"),
    need("libc6-dev-i386", "a 32-bit program for the seccomp tests"),
    need("xvfb", "a display for the window"),
    need("dbus-daemon", "a session bus for the window and its tray"),
    need("gnome-keyring", "a keychain for credentials"),
    need("webkit2gtk-driver", "drives the window as a person would"),
    need("rpm", "installs and reads the .rpm as its users' systems do"),
    need("7zip", "reads the disk image for macOS"),
    need("libarchive-tools", "reads the installer for macOS"),
    need("desktop-file-utils", "checks the entry of the desktop's menu"),
    need("x11-utils", "lists the windows of a display"),
    need("zsh", "begins the quickstart terminal as its users have it"),
    need("fish", "begins the quickstart terminal as its users have it"),
    need("python3-venv", "a place for schemathesis, which makes up requests"),
];

/// Needed to make a setup for Windows.
pub const SETUP: &[Need] = &[need("nsis", "makes the setup for Windows")];

/// Needed to make a disk image for macOS.
pub const DISC: &[Need] = &[need("xorriso", "makes the volume that is on the disk image for macOS")];

/// Needed by the heavy workloads of `--all` only.
pub const WORKLOADS: &[Need] = &[need("debootstrap", "makes the Debian that runs in a container")];

/// Needed to build the guest image for arm64 on another computer; `--all` does that.
pub const ARM: &[Need] = &[
    need("gcc-aarch64-linux-gnu", "compiles and links the guest's programs for arm64"),
    need("libc6-dev-arm64-cross", "the static C library of the guest's agent for arm64"),
];

/// Needed where a Debian of a newer suite is made, to run something in: by `cargo reference`, and for wine.
pub const DEBIANS: &[Need] = &[need("mmdebstrap", "makes the Debians that the reference dockerd and wine run in")];

/// What is in the Debian that wine runs in, with all that these depend on.
pub const WINE: &[Need] = &[
    need("wine64", "runs what is made for Windows"),
    need("libz-mingw-w64", "a library of wine's own, which its package does not have"),
    need("libc-bin", "has the locale by which wine knows names in other scripts"),
];

/// What installs the clients that are tried against the engine, and runs them: each with how it shows that it is there, since
/// they often come from elsewhere than Debian.
const CLIENTS: &[(&[&str], &[Need])] = &[
    (
        &["python3", "-m", "pip", "--version"],
        &[need("python3", "runs the clients in Python"), need("python3-pip", "installs the clients in Python")],
    ),
    (
        &["npm", "--version"],
        &[need("nodejs", "runs the clients in JavaScript"), need("npm", "installs the clients in JavaScript")],
    ),
];

/// The oldest QEMU that boots kernel 6.12 reliably: 7.2 has a TCG fault around cmpxchg16b.
pub const QEMU_MINIMUM: u32 = 8;

/// Installs those of `needs` that are missing; returns what it installed.
///
/// # Errors
/// When apt fails; the message names the packages.
pub fn install_missing(needs: &[Need]) -> io::Result<Vec<&'static str>> {
    let missing: Vec<&str> =
        needs.iter().map(|need| need.package).filter(|package| debian::installed(package).is_none()).collect();
    if !missing.is_empty() {
        debian::install(&missing, None)?;
    }
    Ok(missing)
}

/// Installs what the clients need and is not there.
///
/// # Errors
/// When apt fails; the message names the packages.
pub fn clients() -> io::Result<()> {
    for (probe, needs) in CLIENTS {
        let there = Command::new(probe[0]).args(&probe[1..]).output().is_ok_and(|out| out.status.success());
        if !there {
            install_missing(needs)?;
        }
    }
    Ok(())
}

/// Installs QEMU from backports unless one of at least [`QEMU_MINIMUM`] is there; returns its version.
///
/// # Errors
/// When apt fails, or the installed QEMU still does not answer `--version`.
pub fn qemu() -> io::Result<String> {
    newest_qemu("qemu-system-x86_64", &["qemu-system-x86", "qemu-utils"])
}

/// As [`qemu`], the one that runs guests for arm64: only tests need it.
///
/// # Errors
/// When apt fails, or the installed QEMU still does not answer `--version`.
pub fn qemu_for_arm() -> io::Result<String> {
    newest_qemu("qemu-system-aarch64", &["qemu-system-arm"])
}

fn newest_qemu(program: &str, packages: &[&str]) -> io::Result<String> {
    match qemu_version(program) {
        Some((version, major)) if major >= QEMU_MINIMUM => return Ok(version),
        _ => debian::install(packages, Some(Suite::Backports))?,
    }
    qemu_version(program)
        .map(|(version, _)| version)
        .ok_or_else(|| io::Error::other(say("%{program} was installed but does not run", &[("program", program)])))
}

fn qemu_version(program: &str) -> Option<(String, u32)> {
    let out = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let version = text.split_whitespace().nth(3)?.to_owned();
    let major = version.split('.').next()?.parse().ok()?;
    Some((version, major))
}

/// The stock docker CLI: the one on PATH when it is at least version 28, else Debian's newest, unpacked and not installed
/// (Debian 12's own is 20.10 and would bring a daemon).
///
/// # Errors
/// When there is none and none can be fetched.
pub fn docker_cli() -> io::Result<std::path::PathBuf> {
    if let Ok(out) = Command::new("docker").arg("--version").output() {
        let text = String::from_utf8_lossy(&out.stdout);
        let major: Option<u32> = text.split_whitespace().nth(2).and_then(|v| v.split('.').next()?.parse().ok());
        if major.is_some_and(|major| major >= 28) {
            return Ok("docker".into());
        }
    }
    Ok(debian::unpack("docker-cli", Suite::Sid, &crate::cache())?.join("usr/bin/docker"))
}

/// Debian's SSH server, unpacked and not installed: nothing of it runs but while a test does.
///
/// # Errors
/// When it cannot be fetched.
pub fn sshd() -> io::Result<std::path::PathBuf> {
    Ok(debian::unpack("openssh-server", Suite::Backports, &crate::cache())?.join("usr/sbin/sshd"))
}

/// Docker's specification of its API (`swagger.yaml`), unpacked from Debian's newest sources of dockerd and not installed.
///
/// # Errors
/// When it cannot be fetched.
pub fn specification() -> io::Result<std::path::PathBuf> {
    let sources = debian::unpack("golang-github-docker-docker-dev", Suite::Sid, &crate::cache())?;
    Ok(sources.join("usr/share/gocode/src/github.com/docker/docker/api/swagger.yaml"))
}

/// schemathesis, which makes up requests from that specification: from PyPI, in the versions that the tests name, in an environment of
/// its own below the cache.
///
/// # Errors
/// When it is not there and cannot be fetched.
pub fn schemathesis() -> io::Result<std::path::PathBuf> {
    Ok(python("schemathesis", "tests/endurance/fuzz/requirements.txt")?.join("bin/schemathesis"))
}

/// An environment of Python's below the cache, for the program `name`: with what `requirements`, a file of this tree, names from PyPI.
///
/// # Errors
/// When it is not there and cannot be fetched.
pub(crate) fn python(name: &str, requirements: &str) -> io::Result<std::path::PathBuf> {
    if let Some(home) = python_there(name, requirements) {
        return Ok(home);
    }
    let (versions, home) = (crate::workspace().join(requirements), python_home(name));
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&home);
    follow(make, &format!("making an environment for {name}"))?;
    let mut pip = Command::new(home.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&versions);
    follow(pip, &format!("installing {name}"))?;
    // Written last: an installation that was cut off is begun again.
    std::fs::copy(&versions, home.join(INSTALLED))?;
    Ok(home)
}

/// That environment, if it is there and has just that.
pub(crate) fn python_there(name: &str, requirements: &str) -> Option<std::path::PathBuf> {
    let (wanted, home) = (std::fs::read(crate::workspace().join(requirements)).ok()?, python_home(name));
    let installed = std::fs::read(home.join(INSTALLED)).ok()?;
    (installed == wanted).then_some(home)
}

/// What is in an environment of Python's.
const INSTALLED: &str = "requirements.txt";

fn python_home(name: &str) -> std::path::PathBuf {
    crate::cache().join("python").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_has_a_reason_and_is_named_once() {
        let clients = CLIENTS.iter().flat_map(|(_, needs)| *needs);
        let browser = crate::front_end::BROWSER;
        let all: Vec<&Need> = BUILD
            .iter()
            .chain(WINDOW)
            .chain(TEST)
            .chain(SETUP)
            .chain(DISC)
            .chain(WORKLOADS)
            .chain(ARM)
            .chain(DEBIANS)
            .chain(WINE)
            .chain(browser)
            .chain(crate::windows::NEEDS)
            .chain(clients)
            .collect();
        for need in &all {
            assert!(!need.reason.is_empty(), "{} needs a reason", need.package);
            assert_eq!(all.iter().filter(|other| other.package == need.package).count(), 1, "{}", need.package);
        }
    }
}
