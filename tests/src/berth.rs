//! The `berth` command with folders of its own, pointed at an engine without a machine.
//!
//! The engine's socket is linked to where the daemon's would be. There is no record of a machine, so the command starts no daemon.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::docker::{Said, said};
use crate::{binary, limit};

/// With nothing configured, a helper that is installed on this computer would be given the credentials of the tests.
const NO_HELPER: &str = r#"{"credHelpers":{"no.example":"none"}}"#;

#[derive(Debug)]
pub struct Berth {
    program: PathBuf,
    home: TempDir,
}

impl Berth {
    /// `host` is the engine's address, `unix://…`; `None`: neither daemon nor engine.
    ///
    /// # Errors
    /// When `berth` is not built, or the engine is not on a socket.
    pub fn new(host: Option<&str>) -> anyhow::Result<Self> {
        // A short path: Unix socket names have 108 bytes.
        let home = tempfile::Builder::new().prefix("bc").tempdir_in("/tmp")?;
        if let Some(host) = host {
            let socket = host.strip_prefix("unix://").context("the engine is not on a Unix socket")?;
            std::fs::create_dir(home.path().join("run"))?;
            std::os::unix::fs::symlink(socket, home.path().join("run/engine.sock"))?;
        }
        let berth = Self { program: binary("berth")?, home };
        std::fs::create_dir(berth.docker_config())?;
        std::fs::write(berth.docker_config().join("config.json"), NO_HELPER)?;
        Ok(berth)
    }

    /// A folder that goes with the value.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where its docker configuration is: not the user's.
    pub fn docker_config(&self) -> PathBuf {
        self.home.path().join("docker")
    }

    /// A command ready to be given more arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("BERTH_HOME", self.home.path()).env("DOCKER_CONFIG", self.docker_config());
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// Runs to the end, whatever the outcome.
    ///
    /// # Errors
    /// When it cannot be started, was killed by a signal, or does not end ([`limit`]).
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Said> {
        said(limit::output(&mut self.command(arguments))?)
    }

    /// Runs and expects success; the output without its last line end.
    ///
    /// # Errors
    /// When the exit code is not 0; carries what it said.
    pub fn ok(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let said = self.run(arguments)?;
        if said.code != 0 {
            bail!("berth {} ended with {}: {}{}", arguments.join(" "), said.code, said.out, said.err);
        }
        Ok(said.out.trim_end_matches('\n').to_owned())
    }

    /// Starts with all three streams piped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn piped(&self, arguments: &[&str]) -> anyhow::Result<Child> {
        let mut command = self.command(arguments);
        Ok(limit::grouped(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped())).spawn()?)
    }
}
