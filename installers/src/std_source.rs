//! The source of the standard library, from which cargo makes that library for systems that the toolchain has none for.
//!
//! Nothing of the toolchain is changed: a folder below the cache stands in for its root, with that source in it, a link to what the
//! toolchain has for this system, and a script that calls the toolchain's compiler.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, Suite};

/// A toolchain's root with the source of the standard library in it.
#[derive(Debug)]
pub struct StdSource {
    root: PathBuf,
}

impl StdSource {
    /// Finds the source of this toolchain's standard library: in the toolchain, or Debian's package of just that version, unpacked below
    /// the cache.
    ///
    /// # Errors
    /// When there is no such package any more, or nothing can be fetched.
    pub fn prepare() -> io::Result<StdSource> {
        let toolchain = PathBuf::from(rustc(&["--print", "sysroot"])?);
        if source(&toolchain).is_dir() {
            return Ok(StdSource { root: toolchain });
        }
        let release = rustc(&["-vV"])?;
        let release = release.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or_default();
        let root = debian::keep_of("rust-src", release, Suite::Trixie, &crate::cache(), |unpacked, kept| {
            let place = source(kept);
            fs::create_dir_all(place.parent().expect("it is not at the top"))?;
            fs::rename(unpacked.join(format!("usr/src/rustc-{release}/library")), place)
        })?;
        let host = PathBuf::from("lib/rustlib").join(rustc(&["--print", "host-tuple"])?);
        link(&toolchain, &root, &host)?;
        compiler(&toolchain, &root)?;
        Ok(StdSource { root })
    }

    /// What stands in for the toolchain's root, or is it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Sets cargo, whose compiler of the workspace is clippy's driver, to make the library from this source. Before the subcommand: behind it cargo
    /// would forget what else it is configured by.
    pub(crate) fn set(&self, cargo: &mut Command) {
        cargo.arg("-Zbuild-std=std,panic_abort");
        // What runs while it is compiled runs little: optimised as the tests' libraries are it would take twice as long.
        cargo.args(["--config", "profile.dev.package.\"*\".opt-level=0"]);
        // A toolchain that was released makes a standard library only when it is told that it may.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        // Where clippy's driver, and by it cargo, takes the toolchain's root to be.
        cargo.env("SYSROOT", self.root());
    }

    /// The compiler, which takes [`StdSource::root`] for its own.
    pub fn rustc(&self) -> PathBuf {
        self.root.join(RUSTC)
    }
}

/// Has cargo, which is set to compile for `system`, fetch what it needs for that.
///
/// # Errors
/// When something is not there and cannot be fetched; the message is cargo's.
pub(crate) fn fetch(cargo: &mut Command, system: &str) -> io::Result<()> {
    let out = cargo.args(["fetch", "--quiet", "--locked"]).output()?;
    if out.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&out.stderr);
    Err(io::Error::other(format!("cargo cannot fetch what is compiled for {system}: {}", said.trim())))
}

const RUSTC: &str = "bin/rustc";

/// Where cargo looks for the standard library's source.
fn source(root: &Path) -> PathBuf {
    root.join("lib/rustlib/src/rust/library")
}

/// Links `toolchain`'s `part` into `root`; anew when it led to another toolchain.
fn link(toolchain: &Path, root: &Path, part: &Path) -> io::Result<()> {
    let (target, link) = (toolchain.join(part), root.join(part));
    if fs::read_link(&link).is_ok_and(|there| there == target) {
        return Ok(());
    }
    match fs::remove_file(&link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(link.parent().expect("it is below the root"))?;
    symlink(target, link)
}

/// Writes the script that calls `toolchain`'s compiler with `root`; anew when it says something else.
fn compiler(toolchain: &Path, root: &Path) -> io::Result<()> {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let text = format!("#!/bin/sh\nexec {} --sysroot {} \"$@\"\n", quoted(&toolchain.join(RUSTC)), quoted(root));
    let script = root.join(RUSTC);
    if fs::read_to_string(&script).is_ok_and(|there| there == text) {
        return Ok(());
    }
    // Renamed, since another build may be calling it.
    let fresh = root.join(format!(".rustc-{}", std::process::id()));
    fs::write(&fresh, text)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
    fs::create_dir_all(script.with_file_name(""))?;
    fs::rename(fresh, script)
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
        let dir = std::env::temp_dir().join(format!("berth-std-source-{}", std::process::id()));
        let root = dir.join("root");
        let part = Path::new("lib/rustlib/x86_64-unknown-linux-gnu");
        for name in ["one", "one", "two"] {
            let toolchain = dir.join(name);
            fs::create_dir_all(toolchain.join(part)).unwrap();
            link(&toolchain, &root, part).unwrap();
            assert_eq!(root.join(part).canonicalize().unwrap(), toolchain.canonicalize().unwrap().join(part));
            let rustc = toolchain.join(RUSTC);
            fs::create_dir_all(rustc.parent().unwrap()).unwrap();
            fs::write(&rustc, format!("#!/bin/sh\necho {name} \"$@\"\n")).unwrap();
            fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).unwrap();
            compiler(&toolchain, &root).unwrap();
            let said = Command::new(root.join(RUSTC)).args(["-x", "a b"]).output().unwrap();
            assert_eq!(
                String::from_utf8(said.stdout).unwrap(),
                format!("{name} --sysroot {} -x a b\n", root.display())
            );
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
