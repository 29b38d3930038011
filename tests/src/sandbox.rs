//! Network and mounts of the run's own, so that nothing a suite does reaches the machine it runs on.

use std::fs::File;
use std::process::Command;

use anyhow::{Context, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

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

/// The network that this process had before [`enter`]: the way to registries of packages.
#[derive(Debug)]
pub struct Outside(File);

impl Outside {
    /// The network of the calling thread; to be asked before [`enter`].
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn of_this_thread() -> anyhow::Result<Self> {
        Ok(Self(File::open("/proc/thread-self/ns/net").context("/proc/thread-self/ns/net")?))
    }

    /// Runs `action` in a thread of its own in that network; so are the programs that it starts.
    ///
    /// # Errors
    /// Needs root (or CAP_SYS_ADMIN); and the action's own.
    pub fn within<T: Send>(&self, action: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).context("setns needs root")?;
                action()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}
