//! The two images that come with the guest: `hello-world` and `busybox`.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{IoContext, Result};
use crate::oci::{Image, Tar};
use crate::tool;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program rustc that cargo uses, or the one in PATH.
pub(crate) fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// The `hello-world:latest` archive. `source` is `hello/hello.rs`.
pub(crate) fn hello_world(source: &Path) -> Result<Vec<u8>> {
    let directory = tempfile::tempdir().at("create a folder in", env::temp_dir())?;
    let target: PathBuf = directory.path().join("hello");
    let mut command = Command::new(rustc());
    command.args(["--edition=2024", "--crate-name=hello", "--crate-type=bin", "--target=x86_64-unknown-linux-gnu"]);
    for option in ["opt-level=z", "panic=abort", "strip=symbols", "relocation-model=static"] {
        command.args(["-C", option]);
    }
    // One page-aligned read-only segment is enough for a program without data; build ids would differ by linker version.
    for option in ["-nostartfiles", "-nostdlib", "-static", "-Wl,-z,noseparate-code", "-Wl,--build-id=none"] {
        command.arg("-C").arg(format!("link-arg={option}"));
    }
    command.arg("-C").arg("target-feature=+crt-static").arg("-o").arg(&target).arg(source);
    // Flags meant for the agent or for the workspace must not reach this program.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    tool::output(&mut command, "rustc (by rustup)")?;
    let program = fs::read(&target).at("read", &target)?;

    let mut layer = Tar::default();
    layer.file("hello", 0o755, &program);
    let image = Image {
        reference: "hello-world:latest",
        command: &["/hello"],
        environment: &[PATH],
        labels: &[("org.opencontainers.image.title", "hello-world"), ("org.opencontainers.image.vendor", "Berth")],
        layer: layer.finish(),
        created_by: "berth: hello.rs, compiled without a standard library",
    };
    Ok(image.archive())
}

/// The names under which busybox answers, sorted.
pub(crate) fn applets(busybox: &Path) -> Result<Vec<String>> {
    let list = tool::text(Command::new(busybox).arg("--list"), "busybox-static")?;
    let mut names: Vec<String> =
        list.lines().filter(|name| !name.is_empty() && *name != "busybox").map(str::to_owned).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// The `busybox:latest` archive from Debian's static busybox.
pub(crate) fn busybox(program: &Path, version: &str) -> Result<Vec<u8>> {
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
