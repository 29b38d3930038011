//! What a container should be.

use serde_json::{Value, json};

/// What runs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// Ends by SIGKILL only: as the first process of a container it is spared the default action of other signals.
    Forever,
    /// Ends at once with this code.
    Ends(i64),
    /// Ends at once with this code, and is started again [`TRIES`] times, by its policy.
    Fails(i64),
}

/// How often [`Program::Fails`] is started again.
const TRIES: u64 = 2;

/// Where it is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    Created,
    Running,
    Paused,
    /// With its exit code.
    Exited(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) program: Program,
    pub(super) run: Run,
    pub(super) auto_remove: bool,
    pub(super) policy: &'static str,
}

impl Run {
    pub(super) fn is_alive(self) -> bool {
        matches!(self, Run::Running | Run::Paused)
    }

    pub(super) fn status(self) -> &'static str {
        match self {
            Run::Created => "created",
            Run::Running => "running",
            Run::Paused => "paused",
            Run::Exited(_) => "exited",
        }
    }

    fn exit_code(self) -> i64 {
        if let Run::Exited(code) = self { code } else { 0 }
    }
}

impl Container {
    /// The body of its creation.
    pub(super) fn request(&self) -> Value {
        let command = match self.program {
            Program::Forever => json!(["sleep", "100000"]),
            Program::Ends(code) | Program::Fails(code) => json!(["sh", "-c", format!("exit {code}")]),
        };
        let tries = if matches!(self.program, Program::Fails(_)) { TRIES } else { 0 };
        json!({
            "Image": "busybox", "Cmd": command,
            "HostConfig": {
                "AutoRemove": self.auto_remove, "RestartPolicy": {"Name": self.policy, "MaximumRetryCount": tries}
            },
        })
    }

    /// How often it was started again by the engine since the last start by a client.
    fn restarts(&self) -> u64 {
        if matches!((self.program, self.run), (Program::Fails(_), Run::Exited(_))) { TRIES } else { 0 }
    }

    /// Whether that is what inspect shows.
    pub(super) fn is(&self, seen: &Value) -> bool {
        let state = &seen["State"];
        let policy = &seen["HostConfig"]["RestartPolicy"]["Name"];
        state["Status"] == self.run.status()
            && state["Running"] == self.run.is_alive()
            && state["Paused"] == (self.run == Run::Paused)
            && state["Restarting"] == false
            && state["Dead"] == false
            && (state["Pid"] != 0) == self.run.is_alive()
            && state["ExitCode"] == self.run.exit_code()
            && state["Error"] == ""
            && seen["RestartCount"] == self.restarts()
            && policy == self.policy
    }
}
