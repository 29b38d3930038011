//! Why the guest could not be reached or asked.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(
        "the guest did not answer in time{} (`berth machine logs` shows what it did)",
        .last.as_ref().map(|error| format!(": {error}")).unwrap_or_default()
    )]
    Unreachable { last: Option<control::Error> },
    #[error("there is no connection to the guest now: try again in a moment, or run `berth machine restart`")]
    Down,
    #[error("the guest did not answer a request in time: try again in a moment, or run `berth machine restart`")]
    NoAnswer,
    #[error("the running machine is of an older berth and cannot do that: run `berth machine restart`")]
    OldGuest,
    #[error("the guest could not do it: {reason}")]
    Failed { reason: String },
    #[error(transparent)]
    Control(#[from] control::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}
