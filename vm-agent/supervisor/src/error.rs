//! What can go wrong between the engine and its supervisor.

use std::io;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the supervisor speaks protocol {theirs}, this engine {ours}; restart the machine to bring both to one version"
    )]
    Version { ours: u32, theirs: u32 },
    #[error("the supervisor's socket failed")]
    Socket(#[source] io::Error),
    #[error("the supervisor is gone")]
    Gone,
    #[error("the supervisor sent a message that cannot be read")]
    Malformed(#[source] serde_json::Error),
    #[error("the supervisor answered {0:?}, which does not fit the question")]
    Unexpected(String),
    #[error("{id} exists already at the supervisor")]
    Exists { id: String },
    #[error("the supervisor knows no {id}")]
    Unknown { id: String },
    #[error("cannot clone a process for {id}")]
    Clone {
        id: String,
        #[source]
        source: io::Error,
    },
    #[error("the process that enters the container {id} ended before it made another")]
    NoSibling { id: String },
    #[error("{count} descriptors are too many for one message")]
    TooManyDescriptors { count: usize },
    #[error("cannot start as supervisor: {step}")]
    Start {
        step: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the engine ended with {code} at its start; what it said above is the reason")]
    EngineFailed { code: i32 },
}
