//! A daemon of the run's own, whose machine cannot start: what it says of that is what the simulated one is held to.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::ensure;
use tests::berth::Berth;
use tests::wait::until;

const LIMIT: Duration = Duration::from_secs(60);

/// Ended with the value, unless it was asked to end before.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Child,
    berth: Berth,
}

impl Daemon {
    /// # Errors
    /// When it does not listen: what it said.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let berth = Berth::new(None)?;
        let config = berth.home().join("config");
        fs::create_dir_all(&config)?;
        fs::write(config.join("settings.toml"), "qemu = \"/nowhere/qemu\"\ndocker_context = false\n")?;
        let log = berth.home().join("log");
        let file = File::create(&log)?;
        let mut command = berth.command(&["daemon"]);
        let process = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        let mut daemon = Self { process, berth };
        until("the daemon's sockets", LIMIT, || {
            let ended = daemon.process.try_wait().ok().flatten();
            (ended.is_some() || (daemon.control().exists() && daemon.engine().exists())).then_some(())
        })?;
        ensure!(daemon.process.try_wait()?.is_none(), "the daemon ended: {}", fs::read_to_string(&log)?);
        Ok(daemon)
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.berth.home().join("run/control.sock")
    }

    /// Where it says why there is no engine.
    pub(crate) fn engine(&self) -> PathBuf {
        self.berth.home().join("run/engine.sock")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
