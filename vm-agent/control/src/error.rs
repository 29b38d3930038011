//! Why the two sides could not understand each other.

use std::io;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("link: {0}")]
    Io(#[from] io::Error),
    #[error("message of {size} bytes is longer than the {limit} allowed")]
    MessageTooLong { size: usize, limit: usize },
    #[error("message is not what this side expects: {0}")]
    Message(#[source] serde_json::Error),
    #[error("the other side closed the stream before its {expected}")]
    Closed { expected: &'static str },
    #[error("boot file cannot be read as JSON")]
    BootFile(#[source] serde_json::Error),
    #[error("secret is not 64 hexadecimal digits")]
    Secret,
    #[error("no random bytes from the operating system: {0}")]
    Random(getrandom::Error),
    #[error("datagram of {0} bytes is longer than 65535")]
    DatagramTooLong(usize),
    #[error("the guest has another boot's secret: it was started by another berth; run `berth down`, then `berth up`")]
    WrongSecret,
    #[error(
        "the guest speaks version {theirs} of the link, this berth version {ours}: run `berth down`, then `berth up`"
    )]
    LinkVersion { ours: u16, theirs: u16 },
    #[error("no answer from the guest's relay within {0:?}")]
    SyncTimeout(std::time::Duration),
    #[error("{0}")]
    Refused(#[from] crate::hello::Refusal),
    #[error(transparent)]
    Frame(#[from] crate::mux::frame::FrameError),
}
