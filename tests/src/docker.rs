//! The stock docker CLI, unmodified, pointed at the engine under test.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::limit;

/// For a line that a container is to say at once, on a slow machine under emulation.
const LINE: Duration = Duration::from_secs(300);

/// A docker CLI with a configuration folder of its own and one engine to talk to.
#[derive(Debug)]
pub struct Docker {
    program: PathBuf,
    host: String,
    config: TempDir,
    variables: Vec<(String, OsString)>,
}

/// What a command printed, and its exit code.
#[derive(Debug, Clone)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Docker {
    /// # Errors
    /// When no configuration folder can be made.
    pub fn new(host: impl Into<String>) -> anyhow::Result<Self> {
        let program = std::env::var_os("BERTH_TEST_DOCKER").map_or_else(|| "docker".into(), PathBuf::from);
        Ok(Self { program, host: host.into(), config: tempfile::tempdir()?, variables: Vec::new() })
    }

    /// With one more environment variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// A command ready to be given more arguments.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("DOCKER_HOST", &self.host).env("DOCKER_CONFIG", self.config.path());
        command.env_remove("DOCKER_CONTEXT").envs(self.variables.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Runs to the end, whatever the outcome.
    ///
    /// # Errors
    /// When the CLI cannot be started, was killed by a signal, or does not end ([`limit`]).
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Said> {
        let output = limit::output(&mut self.command(arguments));
        said(output.with_context(|| format!("docker {}", arguments.join(" ")))?)
    }

    /// Runs and expects success; the output without its last line end.
    ///
    /// # Errors
    /// When the exit code is not 0; carries what the CLI said.
    pub fn ok(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let said = self.run(arguments)?;
        if said.code != 0 {
            bail!("docker {} ended with {}: {}{}", arguments.join(" "), said.code, said.out, said.err);
        }
        Ok(said.out.trim_end_matches('\n').to_owned())
    }

    /// Runs with `input` on standard input, then its end.
    ///
    /// # Errors
    /// As [`Docker::run`].
    pub fn fed(&self, input: &[u8], arguments: &[&str]) -> anyhow::Result<Said> {
        let mut child = self.piped(arguments)?;
        let mut stdin = child.stdin.take().expect("stdin was piped");
        let input = input.to_vec();
        // A thread of its own: the CLI may write before it has read everything.
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = limit::ended(child).with_context(|| format!("docker {}", arguments.join(" ")))?;
        // A command may end without reading all; what it said decides.
        let _ = writer.join();
        said(output)
    }

    /// Waits until a container has said `line` on its standard output.
    ///
    /// # Errors
    /// When it ends without, or says nothing for five minutes; carries what it said instead.
    pub fn says(&self, container: &str, line: &str) -> anyhow::Result<()> {
        let mut logs = self.piped(&["logs", "--follow", container])?;
        let out = logs.stdout.take().expect("stdout was piped");
        let mut err = logs.stderr.take().expect("stderr was piped");
        // Unread, it would stop the CLI once the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
        let (heard, lines) = channel();
        std::thread::spawn(move || {
            // The other end is gone once the line is found.
            BufReader::new(out).lines().map_while(Result::ok).all(|line| heard.send(line).is_ok())
        });
        let mut others = Vec::new();
        let end = loop {
            match lines.recv_timeout(LINE) {
                Ok(said) if said == line => break None,
                Ok(said) => others.push(said),
                Err(end) => break Some(end),
            }
        };
        // It may have ended with its container.
        let _ = logs.kill();
        logs.wait()?;
        match end {
            None => Ok(()),
            Some(end) => bail!("{container} did not say {line}, but {others:?}: {end}"),
        }
    }

    /// Starts with all three streams piped.
    ///
    /// # Errors
    /// When the CLI cannot be started.
    pub fn piped(&self, arguments: &[&str]) -> anyhow::Result<Child> {
        let mut command = self.command(arguments);
        Ok(limit::grouped(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped())).spawn()?)
    }
}

/// # Errors
/// When the program was killed by a signal.
pub fn said(output: Output) -> anyhow::Result<Said> {
    let code = output.status.code().context("the program was killed by a signal")?;
    Ok(Said {
        code,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
