//! What engine and supervisor say to each other.
//!
//! One `SOCK_SEQPACKET` pair, one JSON packet per message, descriptors as SCM_RIGHTS in the order of their names. The engine
//! asks ([`Request`], numbered by `seq`), the supervisor answers each once ([`Reply`]); a list is several replies of one
//! number. [`Notice`]s come unasked. Nothing is lost when the engine dies: what it did not acknowledge, the next one finds in
//! the list.

use serde::{Deserialize, Serialize};

/// Raised when either side would misunderstand the other. Additions that the other side may ignore do not raise it. 2: an engine says that
/// it serves and waits for the answer. 3: when a process was made is part of the answer.
pub const VERSION: u32 = 3;

/// The descriptor on which engine and relay find their socket to the supervisor.
pub const CHANNEL_FD: i32 = 3;

/// A packet is never longer (the kernel's default socket buffer is 208 KiB).
pub const MAX_PACKET: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub seq: u64,
    pub ask: Ask,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    Hello {
        version: u32,
    },
    /// Descriptors: the plan's memfd, the status socket, then `fds`.
    Spawn {
        id: String,
        /// `CLONE_NEW*` for clone3.
        flags: i32,
        /// An intermediate enters namespaces first, then makes the process as its sibling (runtime::child).
        intermediate: bool,
        fds: Vec<String>,
        /// Which of `fds` the supervisor keeps under the id.
        keep: Vec<String>,
    },
    /// A program of the engine's own (mkfs, resize2fs). Descriptors: standard input, output and error.
    Helper {
        id: String,
        argv: Vec<String>,
        env: Vec<String>,
    },
    /// Keep the one descriptor of this message under a name. Without an id: for as long as the supervisor lives, whatever ends.
    Hold {
        id: String,
        name: String,
    },
    /// Forget a kept descriptor; what no process has goes without an id.
    Release {
        id: String,
        name: String,
    },
    /// The exit of this id is written down: forget it with all its descriptors.
    Ack {
        id: String,
    },
    List,
    /// From the relay (power button of the host) or the engine: begin an orderly end.
    Shutdown {
        mode: ShutdownMode,
    },
    /// From the engine: clients are served. One that ends before it said so has failed to start.
    Serving,
    /// From the engine: every container is stopped and the store is closed. Go.
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShutdownMode {
    PowerOff,
    Restart,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub seq: u64,
    pub answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Hello {
        version: u32,
    },
    /// With the pidfd.
    Spawned {
        pid: i32,
        /// Nanoseconds since 1970, as a list tells it later.
        started_at: i64,
    },
    Done,
    /// One of a list; descriptors: the pidfd (named `pidfd`) and the kept ones.
    Entry(EntryInfo),
    /// Of a list, too: what is kept without a process; descriptor: that one.
    Held {
        name: String,
    },
    /// After the last entry.
    End,
    Failed(Failed),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    Exists,
    Unknown,
    Clone { errno: i32 },
    NoSibling,
    Malformed { what: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryInfo {
    pub id: String,
    pub pid: i32,
    /// Nanoseconds since 1970.
    pub started_at: i64,
    pub exit: Option<Exit>,
    pub fds: Vec<String>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub id: String,
    pub pid: i32,
    /// As a shell sees it: the exit code, or 128 + signal.
    pub code: i32,
    pub signal: Option<i32>,
    /// Nanoseconds since 1970.
    pub at: i64,
}

/// To the engine, unasked; `seq` of such a packet is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    Exit(Exit),
    /// Stop the containers, close the store, answer [`Ask::Finished`]. There is a deadline of [`SHUTDOWN_SECONDS`].
    Shutdown,
}

/// How long the engine has to stop everything.
pub const SHUTDOWN_SECONDS: u64 = 30;

/// Everything the supervisor sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromSupervisor {
    Reply(Reply),
    Notice(Notice),
}

/// Asks for the orderly end over the channel of descriptor 3, from a process that has no tokio client (the relay).
pub fn request_shutdown(channel: std::os::fd::BorrowedFd<'_>, mode: ShutdownMode) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(&Request { seq: 0, ask: Ask::Shutdown { mode } })?;
    runtime::sys::send(channel, &bytes, &[], libc::MSG_DONTWAIT)
}
