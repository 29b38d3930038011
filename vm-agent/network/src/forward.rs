//! Published ports as seen from outside: what the engine asks of whoever listens on the user's machine.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// A transport protocol that a port can be published for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// The protocol's number in the IP header (IANA "Assigned Internet Protocol Numbers").
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "" | "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            "sctp" => Ok(Protocol::Sctp),
            _ => Err(crate::Error::InvalidProtocol(text.to_owned())),
        }
    }
}

/// Names one forward for its whole life; chosen by the engine, so that it can close a forward whose answer it lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ForwardId(pub String);

/// One port to listen on, and where its connections or datagrams go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    pub id: ForwardId,
    pub protocol: Protocol,
    /// The address to listen on; unspecified (`0.0.0.0`, `::`) means every address of that family.
    pub host_ip: IpAddr,
    /// Never 0: the engine chooses ephemeral ports itself and tries the next one after [`ForwardError::InUse`].
    pub host_port: u16,
    /// The container's address and port, reachable from the engine's network namespace.
    pub target: SocketAddr,
}

/// What was really opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub host_ip: IpAddr,
    pub host_port: u16,
}

/// Why a port could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// Another program listens there (EADDRINUSE).
    #[error("address already in use")]
    InUse,
    /// The machine has no such address, or no IPv6 at all (EADDRNOTAVAIL, EAFNOSUPPORT).
    #[error("cannot assign requested address")]
    NoAddress,
    /// The host's user may not listen there (EACCES: a port below 1024).
    #[error("permission denied")]
    Denied,
    /// This forwarder cannot carry the protocol.
    #[error("{0} ports cannot be published here")]
    Unsupported(Protocol),
    /// The forwarder itself is out of order: the host cannot be reached, or it failed otherwise.
    #[error("{0}")]
    Failed(String),
}

/// Opens and closes listeners for published ports. Implemented by the agent: through the link the host listens; in
/// native mode the relay does.
///
/// Order and concurrency: calls may run at the same time for different ids; for one id `open` comes first and ends
/// before `close` starts. Both are idempotent: a second `open` of the same [`Published`] answers as the first did, and
/// a `close` of an unknown id succeeds.
pub trait Forwarder: Send + Sync {
    /// Resolves once connections to the port reach `target`.
    fn open<'a>(&'a self, port: &'a Published) -> BoxFuture<'a, Result<Binding, ForwardError>>;

    /// Resolves once the port is free again.
    fn close<'a>(&'a self, id: &'a ForwardId) -> BoxFuture<'a, Result<(), ForwardError>>;

    /// The forwards that are open now: after a restart of the engine those of dead containers are closed.
    fn list(&self) -> BoxFuture<'_, Result<Vec<ForwardId>, ForwardError>>;
}
