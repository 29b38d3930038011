//! A folder of the host's that the guest mounts: what is said before FUSE's own messages.

use serde::{Deserialize, Serialize};

/// The longest message of FUSE's either way, in bytes: a megabyte of data, and what is in front of it.
pub const REQUEST_MAX: usize = (1 << 20) + 4096;
/// Bytes in front of each answer (`fuse_out_header`).
pub const ANSWER_HEADER: usize = 16;

/// First on a stream of a share, from the guest. Any number of streams may carry one share's messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRequest {
    /// The mount's own, random: streams of one mount find what the kernel knows by number, across lost links.
    pub mount: String,
    /// As the client wrote it: a path of the host's system.
    pub path: String,
    pub read_only: bool,
    /// A folder that is not there is made, as `-v` asks for.
    #[serde(default)]
    pub create: bool,
    /// Only the answer is wanted: the stream ends behind it.
    #[serde(default)]
    pub only_look: bool,
    /// This stream carries what changes on the host, too.
    #[serde(default)]
    pub changes: bool,
}

/// The host's answer; after `Opened` messages of FUSE go both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum ShareReply {
    Opened(Shared),
    Refused(ShareRefusal),
}

/// What is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The file type's four bits of a mode, with the numbers of Linux: a directory's, or a file's.
    pub kind: u32,
    /// The settings let containers read it, no more.
    pub read_only: bool,
}

/// Why a folder is not shared. The words are for whoever asked for the mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum ShareRefusal {
    #[error(
        "Mounts denied: the path {path} is not shared with the machine. Share it with \
         `berth config set shares \"{shared}{path}\"`, or use a path within what is shared"
    )]
    NotShared {
        path: String,
        /// What is shared now, as the setting has it; ends in a comma unless it is empty.
        shared: String,
    },
    #[error("bind source path does not exist: {path}")]
    Missing { path: String },
    #[error("{text}")]
    Failed { text: String },
}
