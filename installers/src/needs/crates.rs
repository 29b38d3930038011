//! Programs that Debian does not have, or not in a version that does, and cargo does: it installs them, each in one version. Nothing of them is part
//! of this tree.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step::follow;
use crate::words::say;

/// A crate whose program is kept below the cache.
struct Kept {
    /// The folder below the cache.
    place: &'static str,
    name: &'static str,
    version: &'static str,
    program: &'static str,
    /// Further words for `cargo install`.
    options: &'static [&'static str],
}

const fn suite(name: &'static str, version: &'static str) -> Kept {
    Kept { place: "suites", name, version, program: name, options: &[] }
}

/// The suites that a folder of the host's is measured by: where each one's program is to be told of.
const FILE_SUITES: [(&str, Kept); 2] =
    [("BERTH_TEST_PJDFSTEST", suite("pjdfstest", "0.2.2")), ("BERTH_TEST_FSX", suite("fsx", "0.3.2"))];

/// Signs apps for macOS on any system. Without what has Apple notarize them. Not optimised: it takes almost four minutes of a processor to
/// compile as it is, and twelve seconds to sign an app of 110 MB.
const RCODESIGN: Kept = Kept {
    place: "tools",
    name: "apple-codesign",
    version: "0.29.0",
    program: "rcodesign",
    options: &["--no-default-features", "--debug"],
};

/// Installs those suites, below the cache; the names of the variables by which tests find them, and the programs. One that cannot be had is
/// left out, and said.
pub fn file_suites() -> Vec<(&'static str, PathBuf)> {
    let there = FILE_SUITES.iter().filter_map(|(variable, suite)| {
        let installed = suite.install().inspect_err(|error| eprintln!("    no {}: {error}", suite.name));
        installed.ok().map(|program| (*variable, program))
    });
    there.collect()
}

/// Installs `rcodesign` below the cache, unless it is there; its program.
///
/// # Errors
/// When `cargo install` fails.
pub fn rcodesign() -> io::Result<PathBuf> {
    RCODESIGN.install()
}

impl Kept {
    fn install(&self) -> io::Result<PathBuf> {
        let Kept { place, name, version, program, options } = self;
        let home = crate::cache().join(place).join(format!("{name}-{version}"));
        let program = home.join("bin").join(program);
        if is_executable(&program) {
            return Ok(program);
        }
        std::fs::create_dir_all(&home)?;
        let mut install = Command::new("cargo");
        // Not this tree's settings, nor where it compiles.
        install.current_dir(&home).env_remove("CARGO_TARGET_DIR");
        // Nobody debugs it.
        install.env("CARGO_PROFILE_DEV_DEBUG", "false");
        install.args(["install", "--quiet", "--locked", "--version", version, name, "--root"]).arg(&home);
        install.args(*options);
        follow(install, &format!("installing {name}"))?;
        Ok(program)
    }
}

/// Installs the vsock device process that QEMU needs where the host has no vhost-vsock; a crate, so cargo installs it.
///
/// # Errors
/// When `cargo install` fails.
pub fn vsock_device() -> io::Result<()> {
    let program = "vhost-device-vsock";
    if Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success()) {
        return Ok(());
    }
    let bin = cargo_bin().join(program);
    if is_executable(&bin) {
        return Ok(());
    }
    let status = Command::new("cargo").args(["install", "--locked", "--version", "0.3.0", program]).status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(say("cargo install %{program} failed", &[("program", program)])))
}

/// cargo's folder for installed programs.
pub fn cargo_bin() -> PathBuf {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
        .unwrap_or_default()
        .join("bin")
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
