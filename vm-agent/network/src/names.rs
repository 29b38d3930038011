//! Names on user-defined networks: what the engine asks of whoever answers DNS queries.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// Where containers on user-defined networks ask for names; dockerd's address, which software knows.
pub(crate) const EMBEDDED_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The two sockets of a sandbox's embedded DNS server, made inside the sandbox and bound to 127.0.0.11 on a port of
/// the kernel's choice; packets for 127.0.0.11:53 are translated to it, so a container may use port 53 itself.
#[derive(Debug)]
pub struct NameSockets {
    /// Bound datagram socket.
    pub udp: OwnedFd,
    /// Listening stream socket.
    pub tcp: OwnedFd,
}

/// Whose names a sandbox sees, and who answers the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// The container's id.
    pub sandbox: String,
    /// Ids of the networks that the sandbox is on, the one with its default route first: the first one that knows a
    /// name wins.
    pub networks: Vec<String>,
    /// Servers for every other name (the container's `--dns`, else the engine's own); empty: the relay's default way.
    pub upstream: Vec<SocketAddr>,
    /// False on a sandbox that is only on internal networks: names outside answer SERVFAIL, as dockerd does.
    pub external: bool,
    /// Names that this sandbox alone has for others on its networks.
    pub links: Vec<NameLink>,
}

/// A sandbox's own name for an endpoint of one of its networks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameLink {
    /// The network's id.
    pub network: String,
    /// Lower case.
    pub alias: String,
    /// What the endpoint is called on the network, lower case. While nobody has the name, nobody has the alias.
    pub name: String,
}

/// What one endpoint is called on its network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointNames {
    /// 64 hexadecimal digits.
    pub endpoint: String,
    /// Lower-case names without a dot at the end: container name, short id, aliases. Several endpoints may share one:
    /// the answer then holds all their addresses, rotated. The first name answers reverse look-ups, as
    /// `<name>.<network name>`.
    pub names: Vec<String>,
    /// The network's name, for reverse look-ups and for `name.network` queries.
    pub network_name: String,
    pub addresses: Vec<IpAddr>,
}

/// A change of one network's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum NameChange {
    /// Adds the endpoint's names, replacing what this endpoint had.
    Put { network: String, names: EndpointNames },
    /// Forgets the endpoint; unknown ones are ignored.
    Remove { network: String, endpoint: String },
    /// Forgets a whole network.
    Clear { network: String },
}

/// The name service did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("name service: {0}")]
pub struct NameError(pub String);

/// Answers DNS queries of sandboxes. Implemented by the agent's connection to the relay, which outlives the engine.
///
/// `serve` comes first for a sandbox, `drop_sandbox` last; `update` may come at any time and concerns a network, not a
/// sandbox. Everything may be repeated with the same meaning, so a restarted relay is brought up to date by
/// [`crate::Networks::replay_names`].
pub trait NameService: Send + Sync {
    /// Takes the sockets (`None`: the ones given before stay) and answers by `resolver` from then on.
    fn serve(&self, resolver: Resolver, sockets: Option<NameSockets>) -> BoxFuture<'_, Result<(), NameError>>;

    /// Applies changes in their order.
    fn update(&self, changes: Vec<NameChange>) -> BoxFuture<'_, Result<(), NameError>>;

    /// Closes the sandbox's sockets.
    fn drop_sandbox<'a>(&'a self, sandbox: &'a str) -> BoxFuture<'a, Result<(), NameError>>;
}
