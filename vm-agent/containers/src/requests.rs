//! What callers ask for, where `engine-api` has no type of its own for it.

use engine_api::Filters;
use std::str::FromStr;

/// When a wait ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// At once when it does not run, else when it ends.
    #[default]
    NotRunning,
    /// When it ends the next time.
    NextExit,
    /// When it is gone.
    Removed,
}

impl FromStr for WaitCondition {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" | "not-running" => Ok(WaitCondition::NotRunning),
            "next-exit" => Ok(WaitCondition::NextExit),
            "removed" => Ok(WaitCondition::Removed),
            other => Err(crate::Invalid::WaitCondition(other.to_owned()).into()),
        }
    }
}

/// What `wait` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited {
    pub code: i32,
    /// Why the last start failed; empty otherwise.
    pub error: String,
}

/// How to stop: `docker stop` and `docker restart`.
#[derive(Debug, Clone, Default)]
pub struct StopOptions {
    /// Seconds until SIGKILL; `None`: the container's own `StopTimeout`, else 10; negative: never.
    pub timeout: Option<i64>,
    /// As the client wrote it: only a container that runs is told that it is none. `None`: the container's own `StopSignal`,
    /// else SIGTERM.
    pub signal: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    /// Kill it first when it runs.
    pub force: bool,
    /// Remove its anonymous volumes too.
    pub volumes: bool,
}

/// `GET /containers/json`.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Not only the running ones.
    pub all: bool,
    /// The newest so many, of all states; 0: no limit.
    pub limit: usize,
    /// Measure `SizeRw` and `SizeRootFs`.
    pub size: bool,
    pub filters: Filters,
}

/// `POST /containers/{id}/attach`.
#[derive(Debug, Clone, Default)]
pub struct AttachRequest {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// Replay what was logged first.
    pub logs: bool,
    /// Go on with what comes.
    pub stream: bool,
    /// `ctrl-p,ctrl-q` when `None`.
    pub detach_keys: Option<String>,
}

/// `GET /containers/{id}/stats`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatsRequest {
    /// A sample a second until the receiver is dropped; otherwise one.
    pub stream: bool,
    /// Answer at once, with an empty `precpu_stats`.
    pub one_shot: bool,
}

/// How many containers are in which state, for `docker info`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub running: usize,
    pub paused: usize,
    /// All others.
    pub stopped: usize,
}

/// `PUT /containers/{id}/archive`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArchivePut {
    /// Refuse to replace a directory by something else and the reverse.
    pub no_overwrite_dir_non_dir: bool,
    /// Give everything to the container's own user instead of the archive's owners.
    pub copy_uid_gid: bool,
}

/// What `docker commit` asks for.
#[derive(Debug, Clone, Default)]
pub struct CommitRequest {
    /// The container stands still meanwhile.
    pub pause: bool,
    /// The image's name.
    pub reference: Option<images::Reference>,
    pub author: String,
    pub comment: String,
    /// Instead of the container's own.
    pub config: Option<engine_api::ContainerConfig>,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// The engine's version, which the image tells.
    pub engine: String,
}
