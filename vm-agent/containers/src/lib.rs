//! The life of containers: create, start, exec, logs, stats, removal.
//!
//! One task owns each container (`actor`): its record, its process, its timers. What may happen when is decided by a pure
//! state machine (`state`). The rest of the crate asks these tasks ([`Containers`]'s verbs, one file per noun), reads the
//! pictures that they publish (inspect, list), or works on a run's kernel objects directly (exec, stats, cp).
//!
//! This crate never speaks HTTP, never touches netlink, never reaps a process, and writes metadata only through `store`.

mod actor;
mod archive;
mod attach;
mod attached;
pub mod changes;
mod commit;
mod create;
mod error;
mod events;
mod exec;
mod execs;
mod filters;
mod handle;
mod health;
mod inspect;
mod lifecycle;
mod links;
mod list;
mod logs;
mod names;
mod open;
mod propagation;
mod prune;
mod record;
mod requests;
mod restart;
mod sandboxes;
mod seccomp;
mod service;
pub mod signal;
mod spec;
mod state;
mod stats;
mod stdio;
mod streams;
mod top;

pub use attached::{Attached, Logs, Written};
pub use changes::{InvalidChange, change};
pub use create::mounts::Place;
pub use create::resources::InvalidResources;
pub use create::{Step, StepFiles, StepMount};
pub use error::{Error, Invalid, Kind, Result};
pub use list::Listing;
pub use logs::{
    InvalidLogOption, InvalidLogValue, InvalidSize, InvalidTime, LogOptions, LogsRequest, Tail, rfc3339, until,
};
pub use requests::{
    ArchivePut, AttachRequest, CommitRequest, Counts, ListRequest, RemoveOptions, StatsRequest, StopOptions,
    WaitCondition, Waited,
};
pub use restart::InvalidPolicy;
pub use service::{Containers, Mode, Services, Settings};
pub use signal::Signal;
pub use state::{Exit, Failure, Process, Refused, State, UnixNanos};
pub use stdio::StdinWriter;
pub use streams::{Frame, Stream};
