//! Messages on the control stream after hello.
//!
//! Each is one length-prefixed JSON value (`wire`). Requests carry an id that the answer repeats; ids are
//! the sender's own and never reused within a session. Unknown fields are ignored.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::boot::Registries;
use crate::forward::{Forward, ForwardFailure};

/// Host to guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HostMessage {
    /// The host's clock; the guest steps its own when it is off by more than a fraction of a second.
    Time {
        host_time_ns: u64,
    },
    /// Stop the containers, flush the data disk, power off. Answered by [`GuestMessage::Stopping`] and
    /// [`GuestMessage::Stopped`]. Each container gets its own time to stop, as with `docker stop`, but no more than
    /// 20 s; `grace_ms`, after which the host ends the machine by force, is for the guest's log.
    Shutdown {
        id: u64,
        grace_ms: u64,
    },
    Status {
        id: u64,
    },
    ForwardOpened {
        id: u64,
        answer: Result<Opened, ForwardFailure>,
    },
    ForwardClosed {
        id: u64,
    },
    Resolved {
        id: u64,
        answer: Result<Vec<IpAddr>, ResolveError>,
    },
    /// Are you there? Answered by [`GuestMessage::Pong`].
    Ping {
        id: u64,
    },
    /// How registries are reached from now on, whatever the boot file said, and by which proxies. Since version 2 of the protocol.
    Registries {
        registries: Registries,
    },
    /// Tell the data disk's host what is free on it. Answered by [`GuestMessage::Trimmed`]; since protocol 2.
    Trim {
        id: u64,
    },
    /// The data disk is this long now: let its file system take all of it. Answered by [`GuestMessage::DiskGrown`]; since protocol 2.
    GrowDisk {
        id: u64,
        bytes: u64,
    },
}

/// Guest to host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GuestMessage {
    /// Listen for a published port; answered by [`HostMessage::ForwardOpened`].
    OpenForward {
        id: u64,
        forward: Forward,
    },
    /// Stop listening; answered by [`HostMessage::ForwardClosed`] once the port is free.
    CloseForward {
        id: u64,
        forward_id: String,
    },
    /// Look a name up with the host's resolver; answered by [`HostMessage::Resolved`].
    Resolve {
        id: u64,
        name: String,
        family: Family,
    },
    /// The engine answers on its socket (again, after a crash).
    EngineReady,
    /// The engine's socket went away.
    EngineGone,
    Status {
        id: u64,
        status: Status,
    },
    /// Shutdown was understood and begins.
    Stopping {
        id: u64,
    },
    /// Containers are stopped; the power goes off next.
    Stopped {
        id: u64,
    },
    Pong {
        id: u64,
    },
    /// How many bytes the host was told of, or why it was not.
    Trimmed {
        id: u64,
        answer: Result<u64, String>,
    },
    /// The size of the file system, in bytes, or why it did not grow.
    DiskGrown {
        id: u64,
        answer: Result<u64, String>,
    },
}

/// A forward that the host listens for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub host_port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    Ipv4,
    Ipv6,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ResolveError {
    #[error("no such name")]
    NotFound,
    #[error("the resolver failed")]
    Failed,
}

/// How the guest is. Sizes in bytes, times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "GuestStatus"))]
#[serde(default)]
pub struct Status {
    pub uptime_ms: u64,
    pub kernel: String,
    pub memory_total: u64,
    pub memory_available: u64,
    /// The data disk's file system.
    pub disk_total: u64,
    pub disk_available: u64,
    pub cpus: u32,
    pub load: [f64; 3],
    pub engine: EngineState,
    pub forwards: u32,
    /// Named steps of this boot and the guest clock (since kernel start) at which each was done.
    pub boot: Vec<BootStep>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EngineState {
    /// Its socket does not answer yet.
    #[default]
    Starting,
    Ready,
    /// It was ready and its socket went away; the supervisor restarts it.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BootStep {
    pub name: String,
    pub at_ms: u64,
}
