//! The two images that come with the guest: `hello-world` and `busybox`.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use installers::cargo::cargo;

use crate::architecture::Architecture;
use crate::cross::Compiler;
use crate::error::{Error, IoContext, Result};
use crate::oci::{Image, Tar};
use crate::tool;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program rustc that cargo uses, or the one in PATH.
pub(crate) fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

const RUSTUP: &str = "rustc (by rustup)";

/// The `hello-world:latest` archive. `source` is `hello/hello.rs`.
pub(crate) fn hello_world(source: &Path, compiler: &Compiler) -> Result<Vec<u8>> {
    let directory = tempfile::tempdir().at("create a folder in", env::temp_dir())?;
    let program = if compiler.makes_std() {
        hello_by_cargo(source, compiler, directory.path())?
    } else {
        hello_by_rustc(source, compiler, directory.path())?
    };
    let program = fs::read(&program).at("read", &program)?;

    let mut layer = Tar::default();
    layer.file("hello", 0o755, &program);
    let image = Image {
        reference: "hello-world:latest",
        architecture: compiler.architecture(),
        command: &["/hello"],
        environment: &[PATH],
        labels: &[("org.opencontainers.image.title", "hello-world"), ("org.opencontainers.image.vendor", "Berth")],
        layer: layer.finish(),
        created_by: "berth: hello.rs, compiled without a standard library",
    };
    Ok(image.archive())
}

/// How the program is compiled.
const OPTIONS: [&str; 4] = ["opt-level=z", "panic=abort", "strip=symbols", "relocation-model=static"];

/// How it is linked. One page-aligned read-only segment is enough for a program without data; build ids would differ by linker version.
const LINK: [&str; 5] = ["-nostartfiles", "-nostdlib", "-static", "-Wl,-z,noseparate-code", "-Wl,--build-id=none"];

/// Compiles the program below `folder`; returns its path.
fn hello_by_rustc(source: &Path, compiler: &Compiler, folder: &Path) -> Result<PathBuf> {
    let program = folder.join("hello");
    let mut command = Command::new(compiler.rustc());
    command.args(["--edition=2024", "--crate-name=hello", "--crate-type=bin"]);
    command.args(["--target", compiler.architecture().target()]);
    for option in OPTIONS {
        command.args(["-C", option]);
    }
    for option in LINK {
        command.arg("-C").arg(format!("link-arg={option}"));
    }
    command.arg("-C").arg("target-feature=+crt-static").arg("-o").arg(&program).arg(source);
    // Flags meant for the agent or for the workspace must not reach this program.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    tool::output(&mut command, RUSTUP)?;
    Ok(program)
}

/// As [`hello_by_rustc`], where even the library `core` must be compiled first: that only cargo does, and for packages alone.
fn hello_by_cargo(source: &Path, compiler: &Compiler, folder: &Path) -> Result<PathBuf> {
    let manifest = folder.join("Cargo.toml");
    let text = "[package]\nname = \"hello\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[[bin]]\nname = \"hello\"\npath = \"hello.rs\"\n\
                [profile.release]\nopt-level = \"z\"\npanic = \"abort\"\n[workspace]\n";
    fs::write(&manifest, text).at("write", &manifest)?;
    fs::copy(source, folder.join("hello.rs")).at("copy", source)?;
    let mut command = cargo();
    command.args(["rustc", "--quiet", "--release", "--bin", "hello", "--target-dir"]).arg(folder.join("target"));
    compiler.set(&mut command, "core");
    command.arg("--");
    for option in OPTIONS {
        command.args(["-C", option]);
    }
    for option in LINK {
        command.arg("-C").arg(format!("link-arg={option}"));
    }
    command.current_dir(folder).env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static").env_remove("RUSTFLAGS");
    tool::output(&mut command, RUSTUP)?;
    Ok(folder.join("target").join(compiler.architecture().target()).join("release/hello"))
}

/// The names under which busybox answers, sorted: read from the program, which may be for another processor.
pub(crate) fn applets(busybox: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(busybox).at("read", busybox)?;
    let names = applet_names(&bytes).ok_or_else(|| Error::NotInPackage {
        package: "busybox-static".into(),
        path: "a list of applets in /bin/busybox".into(),
    })?;
    let mut names: Vec<String> = names.into_iter().filter(|name| name != "busybox").collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// The names in the program's table (`applet_names` in include/applet_tables.h): each with a NUL behind it, `[` and `[[` first, an empty one
/// last.
fn applet_names(program: &[u8]) -> Option<Vec<String>> {
    const START: &[u8] = b"\0[\0[[\0";
    let start = program.windows(START.len()).position(|window| window == START)? + 1;
    let names = program[start..].split(|byte| *byte == 0).take_while(|name| !name.is_empty());
    names.map(|name| String::from_utf8(name.to_vec()).ok()).collect()
}

/// The `busybox:latest` archive from Debian's static busybox.
pub(crate) fn busybox(program: &Path, architecture: Architecture, version: &str) -> Result<Vec<u8>> {
    let bytes = fs::read(program).at("read", program)?;
    let names = applets(program)?;
    let mut layer = Tar::default();
    let directories: BTreeMap<&str, u32> = [
        ("bin", 0o755),
        ("dev", 0o755),
        ("etc", 0o755),
        ("home", 0o755),
        ("proc", 0o755),
        ("root", 0o700),
        ("sys", 0o755),
        ("tmp", 0o1777),
        ("usr", 0o755),
        ("usr/bin", 0o755),
        ("usr/sbin", 0o755),
        ("var", 0o755),
        ("var/spool", 0o755),
        ("var/spool/mail", 0o755),
        ("var/www", 0o755),
    ]
    .into();
    for (path, mode) in directories {
        layer.directory(path, mode);
    }
    layer.file("bin/busybox", 0o755, &bytes);
    for name in &names {
        layer.hard_link(&format!("bin/{name}"), "bin/busybox", 0o755);
    }
    layer.file("etc/group", 0o644, b"root:x:0:\ndaemon:x:1:\nbin:x:2:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n");
    layer.file("etc/nsswitch.conf", 0o644, b"passwd: files\ngroup: files\nhosts: files dns\n");
    layer.file(
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nbin:x:2:2:bin:/bin:/bin/false\n\
          www-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
    );
    layer.file(
        "var/www/index.html",
        0o644,
        b"<!doctype html><title>busybox</title><p>Hello from a container of Berth.\n",
    );
    layer.file("etc/shadow", 0o600, b"root:*:20089:0:99999:7:::\n");
    // Scripts start with "#!/usr/bin/env".
    layer.link("usr/bin/env", "../../bin/env");
    let image = Image {
        reference: "busybox:latest",
        architecture,
        command: &["sh"],
        environment: &[PATH],
        labels: &[
            ("org.opencontainers.image.licenses", "GPL-2.0-only"),
            ("org.opencontainers.image.title", "busybox"),
            ("org.opencontainers.image.vendor", "Berth"),
            ("org.opencontainers.image.version", version),
        ],
        layer: layer.finish(),
        created_by: "berth: busybox-static of Debian with a link for each applet",
    };
    Ok(image.archive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applets_are_read_from_the_table() {
        let names = applet_names(b"\x7fELF..[\0x\0[\0[[\0acpid\0zcat\0\0\x01[\0").unwrap();
        assert_eq!(names, ["[", "[[", "acpid", "zcat"]);
        assert_eq!(applet_names(b"no table"), None);
    }
}
