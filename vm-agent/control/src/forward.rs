//! Published ports and dialling out: the headers that open such streams.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// One published port: what to listen on, and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forward {
    /// Chosen by the engine, unique among open forwards.
    pub id: String,
    pub proto: Protocol,
    pub host_ip: IpAddr,
    /// 0 asks for any free port; the answer names it, and so does every later list.
    pub host_port: u16,
    pub target_ip: IpAddr,
    pub target_port: u16,
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, target) =
            (SocketAddr::new(self.host_ip, self.host_port), SocketAddr::new(self.target_ip, self.target_port));
        write!(f, "{host} -> {target}/{}", self.proto)
    }
}

impl Forward {
    /// Where its connections go.
    pub fn target(&self) -> Target {
        let address = SocketAddr::new(self.target_ip, self.target_port);
        match self.proto {
            Protocol::Tcp => Target::Tcp { address },
            Protocol::Udp => Target::Udp { address },
        }
    }
}

/// Why a published port is not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "failure", rename_all = "snake_case")]
pub enum ForwardFailure {
    /// Another program listens there (EADDRINUSE).
    #[error("address already in use")]
    InUse,
    /// The machine has no such address, or not its family (EADDRNOTAVAIL, EAFNOSUPPORT).
    #[error("cannot assign requested address")]
    NoAddress,
    /// The user may not listen there (EACCES: mostly a port below 1024).
    #[error("permission denied")]
    Denied,
    #[error("{text}")]
    Failed { text: String },
}

impl From<&io::Error> for ForwardFailure {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => ForwardFailure::InUse,
            io::ErrorKind::AddrNotAvailable => ForwardFailure::NoAddress,
            io::ErrorKind::PermissionDenied => ForwardFailure::Denied,
            _ => ForwardFailure::Failed { text: error.to_string() },
        }
    }
}

/// First message on a [`crate::Port::Forward`] stream: what the guest must reach. A target that cannot be
/// reached resets the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proto", rename_all = "lowercase")]
pub enum Target {
    Tcp {
        address: SocketAddr,
    },
    /// The stream then carries [`crate::datagram`]s both ways.
    Udp {
        address: SocketAddr,
    },
    Unix {
        path: PathBuf,
    },
}

/// First message on a [`crate::Port::Dial`] stream: what the host must reach for the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialRequest {
    /// A name, resolved by the host, or an address.
    pub host: String,
    pub port: u16,
    /// For whom, and what follows.
    #[serde(default)]
    pub kind: DialKind,
}

/// What a dial stream carries behind its reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialKind {
    /// Bytes of the engine's own traffic, which takes the user's proxies and may go to the host itself.
    #[default]
    Engine,
    /// Bytes of a connection from inside the machine. `host` is an address, as in the next two.
    Tcp,
    /// [`crate::datagram`]s of one flow. The host refuses the stream when it hears that nobody listens there.
    Udp,
    /// ICMP echo: each [`crate::datagram`] is a request's or an answer's sequence number in two bytes, then its data.
    Echo,
    /// DNS messages as [`crate::datagram`]s: queries for the host's name servers, and their answers in any order. `host` and
    /// `port` mean nothing.
    Names,
}

/// The host's answer; bytes follow only after `Connected`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum DialReply {
    Connected { local: Option<SocketAddr> },
    Failed { error: DialError, text: String },
}

/// Why the host could not reach it, as far as SOCKS (RFC 1928, section 6) can tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialError {
    HostNotFound,
    HostUnreachable,
    NetworkUnreachable,
    Refused,
    TimedOut,
    NotAllowed,
    /// The user's proxy, on the way there, did not do it.
    Proxy,
    #[serde(other)]
    Failed,
}
