//! Programs whose words are waited for while they run.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::limit;

/// More than any line of a test takes to come, on a slow machine under emulation.
const LIMIT: Duration = Duration::from_secs(600);

/// A program that runs, and what it says on stderr. Dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Telling {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Telling {
    /// Starts it; its stdout is thrown away.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> anyhow::Result<Telling> {
        Self::begin(command.stdout(Stdio::null()))
    }

    /// Likewise; nobody reads its stdout.
    ///
    /// # Errors
    /// As [`Telling::start`].
    pub fn unread(command: &mut Command) -> anyhow::Result<Telling> {
        Self::begin(command.stdout(Stdio::piped()))
    }

    fn begin(command: &mut Command) -> anyhow::Result<Telling> {
        let mut child = limit::grouped(command.stderr(Stdio::piped())).spawn()?;
        let lines = BufReader::new(child.stderr.take().context("stderr was piped")?).lines();
        let (tell, told) = channel();
        // Reads on when nobody listens any more, or the program would wait for somebody who does.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Ok(Telling { child, lines: told, said: String::new() })
    }

    /// Waits for a line.
    ///
    /// # Errors
    /// When it does not come within ten minutes, or the program ends; carries what it had said.
    pub fn until(&mut self, is_it: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let late = Instant::now() + LIMIT;
        loop {
            let line = self.lines.recv_timeout(late.saturating_duration_since(Instant::now()));
            let line = line.with_context(|| format!("what is waited for was not said: {}", self.said))?;
            self.said.push_str(&format!("{line}\n"));
            if is_it(&line) {
                return Ok(());
            }
        }
    }

    /// Asks it to end, as Ctrl-C does.
    ///
    /// # Errors
    /// When it has ended, and was waited for.
    pub fn interrupt(&self) -> anyhow::Result<()> {
        Ok(kill(self.pid(), Signal::SIGINT)?)
    }

    /// Waits for its end, and for that of who else says something there; all that was said.
    ///
    /// # Errors
    /// When that takes more than ten minutes; carries what was said.
    pub fn ended(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let late = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(late.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push_str(&format!("{line}\n")),
                Err(error) if Instant::now() >= late => {
                    return Err(error).with_context(|| format!("it did not end: {}", self.said));
                }
                // Nobody is left who could say something.
                Err(_) => break,
            }
        }
        Ok((self.child.wait()?, std::mem::take(&mut self.said)))
    }

    /// Of the program, which is the first of a process group.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        // It was waited for where it ended by itself; its number may be another's then.
        if let Ok(None) = self.child.try_wait() {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}
