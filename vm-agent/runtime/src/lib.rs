//! From an OCI spec to a plan, and what a container's first process does with it.
//!
//! Three parties use this crate. The *engine* turns a spec into a [`Plan`] (pure, [`plan`]), compiles seccomp
//! ([`seccomp`]), writes cgroup settings ([`cgroup`]) and attaches the device filter ([`device_filter`]). The
//! *supervisor* only clones. The *child* it cloned runs the plan ([`child`]) and becomes the program.
//!
//! Nothing here talks to a network, keeps state between calls, or waits for another process.

pub mod capabilities;
pub mod cgroup;
pub mod child;
pub mod device_filter;
mod error;
mod exec_path;
mod init;
pub mod mounts;
pub mod options;
pub mod plan;
pub mod seccomp;
mod setup;
pub mod status;
pub mod sys;
mod terminal;

pub use error::{Error, Result};
pub use plan::{Extras, Plan, plan, plan_exec};
pub use status::{Failure, Outcome};
