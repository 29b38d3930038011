//! Containers and images for a computer without a docker CLI: docker's verbs and flags for the common cases.

pub(crate) mod args;
mod create;
mod credentials;
mod exec;
mod files;
mod format;
mod images;
mod lists;
mod run;
mod stats;
mod streams;
mod verbs;

pub(crate) use exec::exec;
pub(crate) use files::cp;
pub(crate) use images::{pull, push, rmi};
pub(crate) use lists::{images, ps};
pub(crate) use run::run;
pub(crate) use stats::stats;
pub(crate) use verbs::{inspect, logs, rm, start, stop};

use bollard::Docker;
use host::paths::Paths;

use crate::Failure;

/// Seconds that one answer may take; long operations stream and are not bounded by it.
const ANSWER_SECONDS: u64 = 120;

/// A client of the engine, over the daemon's socket.
///
/// # Errors
/// When there is no socket: the daemon does not run.
pub(crate) fn engine(paths: &Paths) -> Result<Docker, Failure> {
    let socket = paths.engine_socket();
    if !socket.exists() {
        return Err(Failure::new(1, rust_i18n::t!("machine.not_running").into_owned()));
    }
    Docker::connect_with_unix(&socket.to_string_lossy(), ANSWER_SECONDS, bollard::API_DEFAULT_VERSION)
        .map_err(Failure::from)
}
