//! The machine's emulators of other processors, which the kernel learns of once the engine answers, or sooner if somebody waits for them
//! (decision 0073).

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context;
use emulation::{BINFMT_MISC, PROCESSORS};

use crate::init::{modules, mount};

/// Registers the emulators that the root file system has. One that cannot be is only missed by who wants it.
pub(super) fn register() {
    if let Err(error) = prepare() {
        tracing::warn!("programs of other processors do not run: {error:#}");
        return;
    }
    for processor in PROCESSORS {
        let emulator = emulator(processor.qemu);
        if !emulator.exists() {
            continue;
        }
        let line = emulation::registration(&processor, &emulator.to_string_lossy());
        match fs::write(Path::new(BINFMT_MISC).join("register"), line) {
            // An engine before this one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => tracing::warn!("programs for {} do not run: {error}", processor.oci),
            Ok(()) => tracing::debug!("programs for {} run by {}", processor.oci, emulator.display()),
        }
    }
}

fn prepare() -> anyhow::Result<()> {
    modules::load_before_its_turn("binfmt_misc")?;
    if Path::new(BINFMT_MISC).join("register").exists() {
        return Ok(());
    }
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount::mount("binfmt_misc", BINFMT_MISC, "binfmt_misc", flags, None).with_context(|| format!("mount {BINFMT_MISC}"))
}

/// Where the guest image has it (guest-image/rootfs.toml).
fn emulator(name: &str) -> PathBuf {
    Path::new("/usr/bin").join(format!("qemu-{name}"))
}
