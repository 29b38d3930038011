//! What the engine asks of the relay over `relay.sock`, and the names it serves.
//!
//! A request is one `control::wire` message; its descriptors, if it has any, travel by SCM_RIGHTS with its first byte.
//! Answers carry the request's id and may come in any order. Everything may be repeated with the same meaning.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use control::message::BootStep;
use control::{BootInfo, Forward, ForwardFailure, Registries, ShareRefusal, ShareRequest, Shared};
use serde::{Deserialize, Serialize};

/// Engine to relay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: u64,
    /// How many descriptors came with it.
    #[serde(default)]
    pub(crate) fds: usize,
    pub(crate) ask: Ask,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Ask {
    BootInfo,
    OpenForward {
        forward: Forward,
    },
    CloseForward {
        forward_id: String,
    },
    ListForwards,
    /// Answered when they are others than these.
    RegistriesOtherThan {
        known: Registries,
    },
    /// Descriptors: none, or UDP then TCP.
    Serve {
        resolver: Resolver,
    },
    Update {
        changes: Vec<NameChange>,
    },
    DropSandbox {
        sandbox: String,
    },
    ListSandboxes,
    /// What the host would share.
    LookAtShare {
        request: ShareRequest,
    },
    /// Descriptor: the mount's `/dev/fuse`.
    ServeShare {
        request: ShareRequest,
        /// Where it is mounted.
        place: PathBuf,
    },
    /// The engine listens on its socket.
    Ready {
        steps: Vec<BootStep>,
    },
    /// Containers are stopped and the store is closed: the power may go off.
    Stopped,
}

/// Relay to engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    pub(crate) answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    Done,
    BootInfo { boot: Box<BootInfo> },
    Bound { host_port: u16 },
    NotBound { failure: ForwardFailure },
    Forwards { forwards: Vec<Forward> },
    Sandboxes { sandboxes: Vec<String> },
    Registries { registries: Registries },
    Share { shared: Shared },
    NotShared { refusal: ShareRefusal },
    Refused { text: String },
}

/// Whose names a sandbox sees, and who answers the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// The container's id.
    pub sandbox: String,
    /// Ids of the networks that the sandbox is on, in the order of attachment: the first one that knows a name wins.
    pub networks: Vec<String>,
    /// Servers for every other name; empty: the host's resolver, in native mode those of `/etc/resolv.conf`.
    pub upstream: Vec<SocketAddr>,
    /// False: names outside answer SERVFAIL, as on a sandbox that is only on internal networks.
    pub external: bool,
    /// Names that this sandbox alone has for others on its networks.
    #[serde(default)]
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
    /// The endpoint's id.
    pub endpoint: String,
    /// Lower-case names without a dot at the end. Several endpoints may share one: the answer then holds all their
    /// addresses, rotated. The first name answers reverse look-ups, as `<name>.<network name>`.
    pub names: Vec<String>,
    /// The network's name, for reverse look-ups and for `name.network` queries.
    pub network_name: String,
    pub addresses: Vec<IpAddr>,
}

/// A change of one network's names; applied in order.
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
