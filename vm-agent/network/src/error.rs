//! Everything that can go wrong, worded as dockerd words it where clients read the words.

use std::io;
use std::net::IpAddr;

use crate::{ForwardError, LanError, NameError, Protocol};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a network request failed. Comments name the HTTP status that dockerd answers; [`Error::kind`] says the same to
/// programs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 404
    #[error("network {0} not found")]
    NotFound(String),
    /// 400
    #[error("network {0} is ambiguous ({1} matches found based on ID prefix)")]
    Ambiguous(String, usize),
    /// 409
    #[error("network with name {0} already exists")]
    NameTaken(String),
    /// 403; `endpoints` is the list in parentheses: `name:"web" id:"0123456789ab"`, comma-separated.
    #[error("error while removing network: network {name} has active endpoints ({endpoints})")]
    ActiveEndpoints { name: String, endpoints: String },
    /// 403
    #[error("{0} is a pre-defined network and cannot be removed")]
    Predefined(String),
    /// 403
    #[error("operation is not permitted on predefined {0} network")]
    PredefinedName(String),
    /// 400
    #[error("invalid name: name is empty")]
    EmptyName,
    /// 404
    #[error("plugin {0:?} not found")]
    UnknownDriver(String),
    /// 403
    #[error(
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."
    )]
    NoSwarm,
    /// 403
    #[error("cannot create a swarm scoped network when swarm is not active")]
    SwarmScope,
    /// 403
    #[error("only one instance of {0:?} network is allowed")]
    OnlyOne(&'static str),
    /// 400
    #[error("Ingress network can only be global scope network")]
    Ingress,
    /// 403
    #[error("invalid pool request: Pool overlaps with other one on this address space")]
    PoolOverlaps,
    /// 403
    #[error("bridge driver doesn't support multiple subnets")]
    ManySubnets,
    /// 404
    #[error("all predefined address pools have been fully subnetted")]
    PoolsExhausted,
    /// 400; one reason a line.
    #[error("invalid network config:\n{}", .0.join("\n"))]
    InvalidConfig(Vec<String>),
    /// 400
    #[error("{option}: invalid value {value:?}: {expected}")]
    InvalidOption { option: String, value: String, expected: &'static str },
    /// 400; the reason in Go's words.
    #[error("failed to parse {option} value: {value} ({reason})")]
    OptionValue { option: String, value: String, reason: String },
    /// 400
    #[error("driver-opt {0:?} is not a valid bool")]
    OptionSwitch(&'static str),
    /// 400
    #[error("invalid MTU number: {0}")]
    NegativeMtu(i64),
    /// 500
    #[error("gateway mode 'isolated' can only be used for an internal network")]
    IsolatedOutside,
    /// 400
    #[error("IPv4 or IPv6 must be enabled")]
    NoFamily,
    /// 400
    #[error("invalid link local IP address: {0}")]
    NotLinkLocal(IpAddr),
    /// 403
    #[error("Address already in use")]
    AddressInUse,
    /// 500
    #[error("no available IPv{family} addresses on this network's address pools: {network} ({id})")]
    NoAddress { family: u8, network: String, id: String },
    /// 400; one reason a line.
    #[error("invalid endpoint settings:\n{}", reasons.join("\n"))]
    InvalidEndpoint { reasons: Vec<String> },
    /// 400
    #[error("invalid MAC address {0}")]
    InvalidMac(String),
    /// 403
    #[error("the container has an interface {0} already: give the endpoint another com.docker.network.endpoint.ifname")]
    InterfaceTaken(String),
    /// 403
    #[error("endpoint with name {name} already exists in network {network}")]
    EndpointExists { name: String, network: String },
    /// 500
    #[error("container {container} is not connected to network {network}")]
    NotConnected { container: String, network: String },
    /// 500: the same of a container that does not run.
    #[error("container {container} is not connected to the network {network}")]
    NotConfigured { container: String, network: String },
    /// 404
    #[error("endpoint {0} not found")]
    NoEndpoint(String),
    /// 400
    #[error("cannot disconnect container from host network - container was created in host network mode")]
    HostDisconnect,
    /// 403
    #[error("error while removing network: configuration network {0:?} is in use")]
    ConfigInUse(String),
    /// 409
    #[error("a prune operation is already running")]
    PruneRunning,
    /// 400
    #[error(
        "container sharing network namespace with another container or host cannot be connected to any other network"
    )]
    Shared,
    /// 400
    #[error("cannot connect container to host network - container must be created in host network mode")]
    HostMode,
    /// 400
    #[error("container cannot be connected to multiple networks with one of the networks in private (none) mode")]
    NoneMode,
    /// 403
    #[error("network {0} is config-only and cannot be used by containers")]
    ConfigOnly(String),
    /// 500
    #[error("driver failed programming external connectivity on endpoint {name} ({endpoint}): {source}")]
    Ports { name: String, endpoint: String, source: PortError },
    /// 400
    #[error("invalid proto: {0}")]
    InvalidProtocol(String),
    /// 500
    #[error("cannot {what}: {source}")]
    Kernel { what: &'static str, source: io::Error },
    /// 500; of `com.docker.network.endpoint.sysctls`.
    #[error("cannot set {path} in the container: {source}")]
    Sysctl { path: String, source: io::Error },
    /// 403
    #[error("bridge {0} exists and was not made by this engine: remove it (ip link delete {0})")]
    ForeignBridge(String),
    /// 500
    #[error("cannot read or write the network's metadata: {0}")]
    Store(#[from] store::Error),
    /// 500
    #[error(transparent)]
    Names(#[from] NameError),
    /// 500
    #[error("container {container} left the network, but not all was cleared up: {}", failures.join("; "))]
    Detach { container: String, failures: Vec<String> },
    /// 500; a published port could not be closed, or the open ones not listed (port 0).
    #[error("published port {port}: {source}")]
    Forward { port: u16, source: ForwardError },
    /// The cause's status.
    #[error("{cause}; undoing what was done failed too: {}", undo.join("; "))]
    Undo { cause: Box<Error>, undo: Vec<String> },
    /// 500; of macvlan and ipvlan networks.
    #[error(transparent)]
    Lan(#[from] LanError),
    /// 500; the process whose namespace was to be entered.
    #[error("the container has ended")]
    Ended,
    /// 503
    #[error("the engine is stopping")]
    Stopping,
}

/// What a caller can do about an error; every service of the engine sorts its errors like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 404
    NotFound,
    /// 400
    Invalid,
    /// 409
    Conflict,
    /// 403
    Forbidden,
    /// 503
    Unavailable,
    /// 500
    System,
}

impl Error {
    /// Whether the process whose namespace was to be entered has ended.
    pub fn is_gone(&self) -> bool {
        match self {
            Error::Undo { cause, .. } => cause.is_gone(),
            cause => matches!(cause, Error::Ended),
        }
    }

    /// Sorts the error as dockerd does.
    pub fn kind(&self) -> Kind {
        match self {
            Error::NotFound(_) | Error::NoEndpoint(_) | Error::UnknownDriver(_) | Error::PoolsExhausted => {
                Kind::NotFound
            }
            Error::Ambiguous(..)
            | Error::EmptyName
            | Error::Ingress
            | Error::InvalidConfig(_)
            | Error::InvalidOption { .. }
            | Error::OptionValue { .. }
            | Error::OptionSwitch(_)
            | Error::NegativeMtu(_)
            | Error::NoFamily
            | Error::NotLinkLocal(_)
            | Error::InvalidEndpoint { .. }
            | Error::InvalidMac(_)
            | Error::Shared
            | Error::HostMode
            | Error::NoneMode
            | Error::HostDisconnect
            | Error::InvalidProtocol(_) => Kind::Invalid,
            Error::NameTaken(_) | Error::PruneRunning => Kind::Conflict,
            Error::ActiveEndpoints { .. }
            | Error::Predefined(_)
            | Error::PredefinedName(_)
            | Error::NoSwarm
            | Error::SwarmScope
            | Error::OnlyOne(_)
            | Error::PoolOverlaps
            | Error::ManySubnets
            | Error::AddressInUse
            | Error::EndpointExists { .. }
            | Error::InterfaceTaken(_)
            | Error::ConfigOnly(_)
            | Error::ConfigInUse(_)
            | Error::ForeignBridge(_) => Kind::Forbidden,
            Error::Undo { cause, .. } => cause.kind(),
            Error::Stopping => Kind::Unavailable,
            Error::NoAddress { .. }
            | Error::IsolatedOutside
            | Error::NotConnected { .. }
            | Error::NotConfigured { .. }
            | Error::Ports { .. }
            | Error::Kernel { .. }
            | Error::Ended
            | Error::Lan(_)
            | Error::Sysctl { .. }
            | Error::Store(_)
            | Error::Names(_)
            | Error::Detach { .. }
            | Error::Forward { .. } => Kind::System,
        }
    }
}

/// Why a port could not be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Another container of this engine has it.
    #[error("Bind for {}:{port} failed: port is already allocated", bracketed(*ip))]
    Allocated { ip: IpAddr, port: u16 },
    /// The machine refused; `target` is the container's `address:port`.
    #[error("failed to bind host port for {}:{port}:{target}/{protocol}: {source}", bracketed(*ip))]
    Host { ip: IpAddr, port: u16, target: String, protocol: Protocol, source: ForwardError },
    /// The machine's kernel does not know SCTP.
    #[error("error starting userland proxy: failed to listen on {}:{port}: protocol not supported", bracketed(*ip))]
    NoProtocol { ip: IpAddr, port: u16 },
    #[error("all ports are allocated")]
    Exhausted,
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}
