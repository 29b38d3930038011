//! Network and mounts of the run's own, so that nothing a suite does reaches the machine it runs on.

use std::process::Command;

use anyhow::{Context, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Moves this thread, and what it starts from now on, into fresh network and mount namespaces with loopback up.
///
/// # Errors
/// Needs root (or CAP_SYS_ADMIN).
pub fn enter() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("unshare needs root")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    ensure!(up.success(), "ip link set lo up failed");
    Ok(())
}
