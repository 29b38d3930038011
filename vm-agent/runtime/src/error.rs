//! What can be wrong with a spec or a host, before a process exists.

use std::{io, path::PathBuf};

pub type Result<T> = std::result::Result<T, Error>;

/// Errors of planning and of the engine's side. Failures of the child travel as [`crate::status::Failure`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the spec has no {0}")]
    Missing(&'static str),
    #[error("mount at {destination} has no {what}")]
    Mount { destination: PathBuf, what: &'static str },
    /// Worded as runc words it.
    #[error("sysctl {key:?} {reason}")]
    Sysctl { key: String, reason: &'static str },
    #[error("device {path} has number {major}:{minor}, outside what the kernel knows")]
    Device { path: PathBuf, major: i64, minor: i64 },
    #[error("device access {0:?} is not made of r, w and m")]
    DeviceAccess(String),
    #[error("seccomp action {0} needs a listener, which is not supported")]
    SeccompNotify(String),
    #[error("seccomp condition of {syscall} is on argument {index}, there are six")]
    SeccompArgument { syscall: String, index: usize },
    #[error("the seccomp filter needs {0} instructions, the kernel takes 4096")]
    SeccompTooLong(usize),
    #[error("{0}")]
    SeccompProfile(#[source] serde_json::Error),
    /// A word of a profile that this engine does not know; in runc's words, which the start's failure has.
    #[error("string {word} is not a valid {what} for seccomp")]
    SeccompWord { word: String, what: &'static str },
    #[error("unknown capability {0:?}")]
    Capability(String),
    #[error("cgroup setting {key} cannot be {value:?}")]
    CgroupValue { key: String, value: String },
    #[error("cannot write {value:?} to {path}")]
    CgroupWrite {
        path: PathBuf,
        value: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot {action} the cgroup {path}")]
    Cgroup {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("this host has no cgroup2 tree")]
    NoCgroup2,
    #[error("the kernel refused the device filter: {log}")]
    DeviceFilter {
        log: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot open {path} as a mount")]
    Detach {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the plan cannot be read")]
    Plan(#[source] serde_json::Error),
}
