//! What is said on the control socket: HTTP/1.1 with JSON bodies.
//!
//! | request | answer |
//! |---|---|
//! | `GET /version` | [`DaemonVersion`] |
//! | `GET /status` | [`DaemonStatus`] |
//! | `GET /watch` | lines of [`crate::machine::MachineStatus`]: that of now, and each later one |
//! | `POST /up`, `/down`, `/restart` | lines of [`crate::machine::MachineStatus`], the last one settled |
//! | `POST /reset` with [`ResetRequest`] | the same |
//! | `GET /settings` | list of [`crate::settings::Entry`] |
//! | `PUT /settings` with [`SettingChange`] | the changed [`crate::settings::Entry`] |
//! | `GET /disk` | [`DiskReport`] |
//! | `POST /disk/grow` with [`GrowRequest`] | [`Grown`] |
//! | `POST /disk/compact` | [`crate::machine::Trimmed`] |
//! | `GET /updates` | [`UpdateReport`] |
//! | `POST /updates` | the same, after a look now |
//! | `GET /logs?source=console&follow=true` | text |
//! | `POST /shell` with `Upgrade: berth-shell` | 101, then the frames of `control::shell` |
//! | `POST /quit` | empty; the daemon ends, the machine goes on |
//! | `POST /quit?unless=open` | the same, but 409 while containers have files of shared folders open |
//!
//! An error is a status of 400 or more with an [`ErrorBody`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::machine::{Held, MachineStatus};
use crate::paths::Paths;
use crate::proxies::ProxyReport;
use crate::updates::UpdateReport;

/// The protocol of the `Upgrade` header on `/shell`.
pub const SHELL_PROTOCOL: &str = "berth-shell";

/// The query of a `/quit` for the sake of another program. Daemons that do not know it end as for any other.
pub const UNLESS_OPEN: &str = "unless=open";

/// Read by clients of all versions: fields are only ever added, with a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DaemonVersion {
    pub version: String,
    pub pid: u32,
    /// The program and what its file looked like when the daemon started: tells a client that it was replaced since.
    #[serde(default)]
    pub program: Program,
    /// Files and folders of this computer's that containers have open: they are taken away if this daemon ends.
    #[serde(default)]
    pub open_files: usize,
}

/// A program's file, as it was at some moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Program {
    pub path: PathBuf,
    /// Length, time of change in ns, inode.
    pub fingerprint: (u64, u128, u64),
}

impl Program {
    /// The file at `path` as it is now.
    pub fn at(path: PathBuf) -> Program {
        let fingerprint =
            std::fs::metadata(&path).map(|metadata| crate::sys::fingerprint(&metadata)).unwrap_or_default();
        Program { path, fingerprint }
    }

    /// Whether another one is in its place now.
    pub fn was_replaced(&self) -> bool {
        let now = Program::at(self.path.clone());
        now.fingerprint != <_>::default() && now != *self
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DaemonStatus {
    pub daemon: DaemonVersion,
    /// Seconds since 1970 UTC.
    pub daemon_started_at: u64,
    pub engine_socket: PathBuf,
    /// Where the engine is offered over TCP, as `tcp://ADDRESS:PORT`.
    #[serde(default)]
    pub listening: Vec<String>,
    /// Where running containers are found by name, with `NAME` for a container's; `None` while they are not.
    #[serde(default)]
    pub web: Option<String>,
    pub machine: MachineStatus,
    /// What the guest says about itself; absent while there is no link to it.
    pub guest: Option<control::message::Status>,
    /// What of this computer the machine really holds.
    #[serde(default)]
    pub held: Held,
    /// Ports published on the host.
    pub forwards: Vec<control::Forward>,
    /// By which proxies registries are reached; `None` while there is no link to the guest.
    #[serde(default)]
    pub proxies: Option<ProxyReport>,
    /// Whether there is a newer Berth; `None` of daemons that did not look for one.
    #[serde(default)]
    pub updates: Option<UpdateReport>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ResetRequest {
    /// Keep named volumes; containers, images and networks go.
    #[serde(default)]
    pub keep_volumes: bool,
}

/// The data disk as this computer and the machine see it. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiskReport {
    pub path: PathBuf,
    /// How large it is for the machine; `None` when there is none yet: the first start makes it.
    pub size: Option<u64>,
    /// What its file takes of this computer's disk.
    pub held: Option<u64>,
    /// How large the settings want it.
    pub wanted: u64,
    /// What is free on this computer's disk.
    pub host_free: u64,
    /// What the machine has in use; absent while it cannot be asked.
    pub used: Option<u64>,
    /// What containers can still write; likewise.
    pub available: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GrowRequest {
    pub gib: u64,
}

/// A data disk that is larger now, or will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Grown {
    pub disk: DiskReport,
    /// Else the next start does it.
    pub at_once: bool,
    /// Why a machine that runs has to be started again for it.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SettingChange {
    pub name: String,
    /// `None` takes the setting back to its default.
    pub value: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub message: String,
}

/// Which log `GET /logs` sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogSource {
    /// The guest's serial console: its kernel, and the agent in all its roles.
    Console,
    Daemon,
    /// What QEMU itself wrote.
    Qemu,
    /// What the vsock device process wrote; there is none with another link.
    Vsock,
}

impl LogSource {
    pub const ALL: [LogSource; 4] = [LogSource::Console, LogSource::Daemon, LogSource::Qemu, LogSource::Vsock];

    pub fn name(self) -> &'static str {
        match self {
            LogSource::Console => "console",
            LogSource::Daemon => "daemon",
            LogSource::Qemu => "qemu",
            LogSource::Vsock => "vsock",
        }
    }

    pub fn file(self, paths: &Paths) -> PathBuf {
        match self {
            LogSource::Console => paths.console_log(),
            LogSource::Daemon => paths.daemon_log(),
            LogSource::Qemu => paths.qemu_log(),
            LogSource::Vsock => paths.vsock_device_log(),
        }
    }
}
