//! Why the relay, or the engine's request to it, failed.

use std::io;
use std::path::PathBuf;

use control::{ForwardFailure, ShareRefusal};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {path}: {source}")]
    Listen { path: PathBuf, source: io::Error },
    #[error("cannot listen on vsock port {port}: {source}")]
    Vsock { port: u32, source: io::Error },
    #[error("cannot accept on vsock port {port}: {source}")]
    Accept { port: u32, source: io::Error },
    #[error("cannot listen for dial-out on {address}: {source}")]
    Socks { address: std::net::SocketAddr, source: io::Error },
    #[error("the machine's way out, the link {link}, cannot be served: {source}")]
    Outside { link: &'static str, source: io::Error },
    #[error("no virtio-serial port is named {0}: the machine was started without the link")]
    NoSerialPort(&'static str),
    #[error("cannot open {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot reach the relay at {path}: {source}")]
    Connect { path: PathBuf, source: io::Error },
    #[error("the connection to the relay ended")]
    RelayGone,
    #[error("the relay refused: {0}")]
    Refused(String),
    #[error("the relay's answer does not fit the request")]
    WrongAnswer,
    #[error(transparent)]
    Forward(#[from] ForwardFailure),
    #[error(transparent)]
    Share(#[from] ShareRefusal),
    #[error(transparent)]
    Control(#[from] control::Error),
    #[error("relay: {0}")]
    Io(#[from] io::Error),
}
