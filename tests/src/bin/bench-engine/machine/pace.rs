//! The measuring program, `fixtures/pace.rs`: the same one in the container and on this computer.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use super::{Samples, samples};

pub(super) struct Pace(PathBuf);

/// A server of this computer's; it ends with this value.
pub(super) struct Server(Child);

impl Pace {
    pub(super) fn compile() -> anyhow::Result<Self> {
        tests::fixture::program("pace").map(Self)
    }

    pub(super) fn program(&self) -> &Path {
        &self.0
    }

    /// Runs it on this computer.
    pub(super) fn here(&self, words: &[&str]) -> anyhow::Result<Samples> {
        let out = Command::new(&self.0).args(words).output()?;
        ensure!(out.status.success(), "pace {words:?}: {}", String::from_utf8_lossy(&out.stderr));
        samples(&String::from_utf8_lossy(&out.stdout))
    }

    /// Has it serve at `port` of this computer.
    pub(super) fn server(&self, port: u16) -> anyhow::Result<Server> {
        let words = ["serve", &port.to_string(), "/"];
        let mut child = Command::new(&self.0).args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout was piped")?).read_line(&mut line)?;
        let server = Server(child);
        ensure!(line == "ready\n", "the server at port {port} did not begin");
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
