//! The agent's processes of an engine under test: the supervisor, and below it the engine and the relay.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::engine::Engine;
use crate::http::request;
use crate::wait::until;

/// Process ids, as seen where the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    pub supervisor: u32,
    pub engine: u32,
    pub relay: u32,
}

impl Engine {
    /// Runs a shell's script where the engine runs, as root; its standard output.
    ///
    /// # Errors
    /// When it does not end with 0; carries what it said.
    pub fn script(&self, script: &str) -> anyhow::Result<String> {
        let (mut command, _) = self.shell(script).context("a reference has no place to run a script in")?;
        let out = command.output()?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        ensure!(out.status.success(), "{script}: {}: {text}{}", out.status, String::from_utf8_lossy(&out.stderr));
        Ok(text)
    }

    /// The processes as they are now.
    ///
    /// # Errors
    /// When one of them is not there, as between its end and its next start.
    pub fn roles(&self) -> anyhow::Result<Roles> {
        let (_, supervisor) = self.shell("").context("a reference has other processes")?;
        // Children of the supervisor that have its program's name; the rest are containers.
        let script = format!(
            "for p in /proc/[0-9]*; do \
             grep -q '^PPid:[[:space:]]*{supervisor}$' $p/status 2>/dev/null || continue; \
             case \"$(tr '\\0' ' ' <$p/cmdline 2>/dev/null)\" in \
             'berth-agent engine '*) echo engine ${{p#/proc/}};; 'berth-agent relay '*) echo relay ${{p#/proc/}};; \
             esac; done"
        );
        let text = self.script(&script)?;
        let find = |name: &str| -> anyhow::Result<u32> {
            let pid = text.lines().find_map(|line| line.strip_prefix(name)).context("a role is missing");
            Ok(pid.with_context(|| text.clone())?.trim().parse()?)
        };
        Ok(Roles { supervisor, engine: find("engine ")?, relay: find("relay ")? })
    }

    /// Kills the engine without a warning and answers when the next one serves. `meanwhile` is a script that runs while there is none:
    /// the engine stands still before it and is dead after it.
    ///
    /// # Errors
    /// When no other engine answers in two minutes.
    pub fn kill_engine(&self, meanwhile: &str) -> anyhow::Result<()> {
        let pid = self.roles()?.engine;
        let stop = format!("kill -STOP {pid}; until grep -q '^State:.T' /proc/{pid}/status; do :; done; {meanwhile}; ");
        self.script(&format!("{}kill -9 {pid}", if meanwhile.is_empty() { "" } else { &stop }))?;
        self.next_engine(pid)
    }

    /// Answers when an engine other than `before` serves.
    ///
    /// # Errors
    /// When none does in two minutes.
    pub fn next_engine(&self, before: u32) -> anyhow::Result<()> {
        let limit = Duration::from_secs(120);
        until("another engine", limit, || self.roles().ok().filter(|roles| roles.engine != before))?;
        until("the engine's answer", limit, || {
            request(self.docker.host(), "GET", "/_ping", "").ok().filter(|answer| answer.status == 200)
        })?;
        Ok(())
    }
}
