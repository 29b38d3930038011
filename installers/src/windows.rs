//! What compiles and lints the host's programs for Windows: the standard library's source, from which cargo makes that library.
//!
//! Nothing of the toolchain is changed: a folder below the cache stands in for its root, with that source in it and a link to what the
//! toolchain has for this system.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, Suite};
use crate::needs::{self, Need, need};

/// Linked with what mingw has, whose headers and libraries Debian packages.
pub const TARGET: &str = "x86_64-pc-windows-gnu";

/// What compiles the C parts of a few crates.
pub(crate) const NEEDS: &[Need] =
    &[need("gcc-mingw-w64-x86-64-posix", "compiles the C parts of a few crates for Windows")];

/// The programs of the host that Windows has.
const PACKAGES: [&str; 4] = ["catalogue", "cli", "credentials", "host"];

/// Adds what compiles and runs the units of those programs; what else lies in `tests` is for systems with Unix' sockets.
pub fn units(cargo: &mut Command) {
    cargo.args(["test", "--lib", "--bins"]);
    cargo.args(PACKAGES.into_iter().flat_map(|package| ["--package", package]));
}

/// Adds what compiles and links the programs themselves.
pub fn programs(cargo: &mut Command) {
    cargo.args(["build", "--bins"]);
    cargo.args(PACKAGES.into_iter().flat_map(|package| ["--package", package]));
}

/// Sets cargo to run what it compiles for Windows under wine, by `program`, which is this tree's `windows`. Before the subcommand.
pub fn run_by(program: &Path, cargo: &mut Command) {
    cargo.args(["--config", &format!("target.{TARGET}.runner=[{program:?}, \"wine\"]")]);
}

/// A toolchain's root with the source of the standard library in it.
#[derive(Debug)]
pub struct Windows {
    root: PathBuf,
}

impl Windows {
    /// Installs the C compiler, and finds the source of this toolchain's standard library: in the toolchain, or Debian's package of just
    /// that version, unpacked below the cache.
    ///
    /// # Errors
    /// When there is no such package any more, or nothing can be fetched.
    pub fn prepare() -> io::Result<Windows> {
        needs::install_missing(NEEDS)?;
        let toolchain = PathBuf::from(rustc(&["--print", "sysroot"])?);
        if source(&toolchain).is_dir() {
            return Ok(Windows { root: toolchain });
        }
        let release = rustc(&["-vV"])?;
        let release = release.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or_default();
        let root = debian::keep_of("rust-src", release, Suite::Trixie, &crate::cache(), |unpacked, kept| {
            let place = source(kept);
            fs::create_dir_all(place.parent().expect("it is not at the top"))?;
            fs::rename(unpacked.join(format!("usr/src/rustc-{release}/library")), place)
        })?;
        link(&toolchain, &root, &rustc(&["--print", "host-tuple"])?)?;
        Ok(Windows { root })
    }

    /// Sets cargo, whose compiler of the workspace is clippy's driver, to make the standard library for Windows. Before the subcommand:
    /// behind it cargo would forget what else it is configured by.
    pub fn set(&self, cargo: &mut Command) {
        cargo.arg("-Zbuild-std=std,panic_abort");
        // What runs while it is compiled runs little: optimised as the tests' libraries are it would take twice as long.
        cargo.args(["--config", "profile.dev.package.\"*\".opt-level=0"]);
        cargo.env("CARGO_BUILD_TARGET", TARGET);
        // Build scripts that look at the next variable would run again, and all that needs their crates, for each of the two systems.
        cargo.env("CARGO_TARGET_DIR", "target/windows");
        // A toolchain that was released makes a standard library only when it is told that it may.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        // Where clippy's driver, and by it cargo, takes the toolchain's root to be.
        cargo.env("SYSROOT", &self.root);
    }

    /// Has cargo fetch what Windows' programs and the standard library are made of, as far as it is not there: the library's own
    /// dependencies are none of this tree's, so that a computer without a network may have everything but them. Cargo's compiler of the
    /// workspace must be clippy's driver, as for [`Windows::set`].
    ///
    /// # Errors
    /// When something is not there and cannot be fetched; the message is cargo's.
    pub fn fetch(&self, cargo: &mut Command) -> io::Result<()> {
        self.set(cargo);
        let out = cargo.args(["fetch", "--quiet", "--locked"]).output()?;
        if out.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&out.stderr);
        Err(io::Error::other(format!("cargo cannot fetch what is compiled for Windows: {}", said.trim())))
    }
}

/// Where cargo looks for the standard library's source.
fn source(root: &Path) -> PathBuf {
    root.join("lib/rustlib/src/rust/library")
}

/// Links what `toolchain` has for the system `host` into `root`; anew when it led to another toolchain.
fn link(toolchain: &Path, root: &Path, host: &str) -> io::Result<()> {
    let (target, link) = (toolchain.join("lib/rustlib").join(host), root.join("lib/rustlib").join(host));
    if fs::read_link(&link).is_ok_and(|there| there == target) {
        return Ok(());
    }
    match fs::remove_file(&link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, link)
}

/// What the compiler says, without the end of its last line.
fn rustc(arguments: &[&str]) -> io::Result<String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let out = Command::new(program).args(arguments).current_dir(crate::workspace()).output()?;
    let text = String::from_utf8_lossy(&out.stdout).trim_end().to_owned();
    if out.status.success() && !text.is_empty() {
        return Ok(text);
    }
    Err(io::Error::other(format!("rustc does not say what it is: {}", String::from_utf8_lossy(&out.stderr))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_toolchain_is_linked_anew() {
        let dir = std::env::temp_dir().join(format!("berth-windows-{}", std::process::id()));
        let root = dir.join("root");
        fs::create_dir_all(root.join("lib/rustlib")).unwrap();
        for name in ["one", "one", "two"] {
            let toolchain = dir.join(name);
            fs::create_dir_all(toolchain.join("lib/rustlib/x86_64-unknown-linux-gnu")).unwrap();
            link(&toolchain, &root, "x86_64-unknown-linux-gnu").unwrap();
            let leads = root.join("lib/rustlib/x86_64-unknown-linux-gnu").canonicalize().unwrap();
            assert_eq!(leads, toolchain.canonicalize().unwrap().join("lib/rustlib/x86_64-unknown-linux-gnu"));
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
