//! The supervisor: PID 1 in the machine, a subreaper in native mode.
//!
//! [`server`] starts and restarts engine and relay, clones every container process, and is the only caller of wait. It never
//! mounts, writes a file, makes a network namespace, or waits for another process. [`Supervisor`] is the engine's side.
//! [`protocol`] is what the two say, versioned on its own, because they can be of different builds during an upgrade.

mod client;
mod entries;
mod error;
pub mod protocol;
mod roles;
pub mod server;
mod shutdown;

pub use client::{Entry, Exec, Helper, Notices, Spawn, Spawned, Supervisor};
pub use error::{Error, Result};
pub use protocol::{Exit, Notice};
