//! An SSH agent with one key, as a person who builds has one.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use tempfile::TempDir;

use crate::wait::until;

/// A running agent; ends with its value.
#[derive(Debug)]
pub struct SshAgent {
    process: Child,
    home: TempDir,
}

impl SshAgent {
    /// Starts one, and gives it a new key of that name.
    ///
    /// # Errors
    /// When OpenSSH's programs are missing or fail.
    pub fn start(key: &str) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let missing = "OpenSSH's client is missing: `cargo verify` installs it";
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(home.path().join("key"));
        ensure!(keygen.status().context(missing)?.success());
        let mut agent = Command::new("ssh-agent");
        agent.args(["-D", "-a"]).arg(home.path().join("agent")).stdin(Stdio::null()).stdout(Stdio::null());
        let process = agent.spawn().context(missing)?;
        let mut agent = Self { process, home };
        until("the SSH agent's first connection", Duration::from_secs(120), || {
            if let Ok(Some(ended)) = agent.process.try_wait() {
                return Some(Err(anyhow!("it ended with {ended}")));
            }
            UnixStream::connect(agent.socket()).ok().map(Ok)
        })??;
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(agent.key()).env("SSH_AUTH_SOCK", agent.socket()).stdin(Stdio::null());
        ensure!(add.status().context(missing)?.success());
        Ok(agent)
    }

    pub fn socket(&self) -> PathBuf {
        self.home.path().join("agent")
    }

    /// The file of its key.
    pub fn key(&self) -> PathBuf {
        self.home.path().join("key")
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
