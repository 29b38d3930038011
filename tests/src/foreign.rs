//! Images for other processors, of Debian's busybox for them.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use installers::debian::{self, Suite};

use crate::archive;
use crate::docker::Docker;

/// A processor that container images are made for.
#[derive(Debug, Clone, Copy)]
pub struct Processor {
    /// As images have it.
    pub platform: &'static str,
    pub debian: &'static str,
    /// As `uname -m` has it there.
    pub machine: &'static str,
}

/// That of most computers.
pub const AMD64: Processor = Processor { platform: "linux/amd64", debian: "amd64", machine: "x86_64" };

/// The other one of today's computers', which the machine runs programs of.
pub const OTHER: Processor = if cfg!(target_arch = "aarch64") {
    AMD64
} else {
    Processor { platform: "linux/arm64", debian: "arm64", machine: "aarch64" }
};

/// One that the machine does not run programs of.
pub const STRANGE: Processor = Processor { platform: "linux/s390x", debian: "s390x", machine: "s390x" };

/// Debian's busybox for `processor`, statically linked. To be asked for first where there is a network.
///
/// # Errors
/// When it is not there and cannot be fetched.
pub fn busybox(processor: Processor) -> anyhow::Result<PathBuf> {
    let suite = Suite::Backports;
    let folder = crate::cache().join("packages").join(suite.newest()).join(format!("busybox-{}", processor.debian));
    let program = folder.join("bin/busybox");
    if program.is_file() {
        return Ok(program);
    }
    std::fs::create_dir_all(folder.with_file_name(""))?;
    let fetched = debian::unpack_for("busybox-static", processor.debian, suite, &folder);
    // Another run may have been first.
    ensure!(program.is_file(), "busybox-static:{} could not be fetched: {fetched:?}", processor.debian);
    Ok(program)
}

/// Loads an image for `processor` with busybox's commands in it, as `reference`. Nobody in it has a password, and `su` is root's
/// with the set-user-ID bit.
///
/// # Errors
/// As [`busybox`], and when it cannot be loaded.
pub fn image(docker: &Docker, reference: &str, processor: Processor) -> anyhow::Result<()> {
    let program = std::fs::read(busybox(processor)?)?;
    let mut layer = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8], mode| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        layer.append_data(&mut header, name, bytes)
    };
    add("bin/busybox", &program, 0o755)?;
    add("bin/su", &program, 0o4755)?;
    add("etc/passwd", b"root::0:0:root:/:/bin/sh\nuser::1000:1000:user:/:/bin/sh\n", 0o644)?;
    for name in ["sh", "cat", "id", "ls", "mount", "readlink", "sleep", "uname"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{name}"), "busybox")?;
    }
    let config = serde_json::json!({ "Env": ["PATH=/bin"], "Cmd": ["sh"], "Labels": { "name": reference } });
    let archive = archive::docker_for(processor.platform, reference, &[layer.into_inner()?], &config)?;
    let said = docker.fed(&archive, &["load", "-q"])?;
    ensure!(said.code == 0, "docker load: {said:?}");
    let made_for = docker.ok(&["inspect", "-f", "{{.Os}}/{{.Architecture}}", reference])?;
    ensure!(made_for == processor.platform, "{made_for}");
    Ok(())
}

/// The platforms in `docker buildx inspect`'s answer.
///
/// # Errors
/// When it names none.
pub fn platforms(inspected: &str) -> anyhow::Result<Vec<&str>> {
    let line = inspected.lines().find_map(|line| line.strip_prefix("Platforms:")).context(inspected.to_owned())?;
    Ok(line.split(',').map(str::trim).collect())
}
