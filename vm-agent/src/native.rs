//! The role `native`: supervisor, engine and relay as root on a Linux host.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, bail};
use control::{BootInfo, EngineSettings};
use supervisor::server::Ending;

use crate::{
    handover::Handover,
    supervise::{self, Places},
};

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let mut places = Places::from_args(args)?;
    places.native = true;
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        bail!("native mode makes namespaces and mounts: run it as root");
    }
    if !supervise::is_sealed() {
        let mut all = vec!["native".to_owned()];
        all.extend(args.iter().cloned());
        return Err(supervise::exec_sealed(&all, None));
    }
    for (path, mode) in [(&places.root, 0o710), (&places.run, 0o711)] {
        fs::create_dir_all(path).with_context(|| format!("make {}", path.display()))?;
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(path, mode).with_context(|| format!("set the mode of {}", path.display()))?;
    }
    places.root = absolute(&places.root)?;
    places.run = absolute(&places.run)?;
    if places.socket.is_relative() {
        places.socket = std::env::current_dir().context("the current directory")?.join(&places.socket);
    }
    own_mounts()?;
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let boot = BootInfo::native(hostname.trim(), EngineSettings::default()).context("the secret of this run")?;
    supervise::run(&places, Handover { boot, steps: Vec::new() }, Ending::Return)
}

fn absolute(path: &Path) -> anyhow::Result<std::path::PathBuf> {
    path.canonicalize().with_context(|| format!("find {}", path.display()))
}

/// Nothing that the engine mounts is seen by the host, and the host's later unmounts reach us.
fn own_mounts() -> anyhow::Result<()> {
    runtime::sys::unshare(libc::CLONE_NEWNS).context("a mount namespace of its own")?;
    let none = std::ptr::null();
    // SAFETY: a constant string; only the propagation changes.
    let done = unsafe { libc::mount(none, c"/".as_ptr(), none, libc::MS_SLAVE | libc::MS_REC, none.cast()) };
    if done != 0 {
        return Err(std::io::Error::last_os_error()).context("make the mounts a slave of the host's");
    }
    Ok(())
}
