//! Container networking: networks, endpoints, address management, packet filter, published ports and names.
//!
//! The only crate of the agent that talks to netlink and to nftables. It owns the bridges it makes (`docker0`,
//! `br-<id>`), the veth pairs on them, the nftables table `inet berth`, and the network namespaces (`Sandbox`) that
//! containers live in. It never starts a process, never opens a port on the user's machine (it asks a [`Forwarder`])
//! and never answers a DNS query (it hands sockets and records to a [`NameService`]).

mod adopt;
mod announce;
mod attach;
mod conntrack;
mod create;
mod detach;
mod dns;
mod endpoint;
mod error;
mod files;
mod forward;
mod ipam;
mod kernel;
mod lan;
mod link;
mod links;
mod listening;
mod making;
mod names;
mod netlink;
mod network;
mod networks;
mod nft;
mod opening;
mod options;
mod outside;
mod plan;
mod ports;
mod procfs;
mod republish;
mod request;
mod retire;
mod sandbox;
mod state;
mod stats;
mod warnings;
mod wish;

pub use endpoint::{Attachment, Endpoint, EndpointRequest, Families, PortBinding, PortRequest};
pub use error::{Error, Kind, PortError, Result};
pub use files::{HostsFile, ResolvConf};
pub use forward::{Binding, ForwardError, ForwardId, Forwarder, Protocol, Published};
pub use lan::LanError;
pub use listening::{Listening, listening};
pub use names::{EndpointNames, NameChange, NameError, NameLink, NameService, NameSockets, Resolver};
pub use network::{DEFAULT_BRIDGE, Driver, EndpointSummary, Ipam, LOCAL_SCOPE, Network, Pool};
pub use networks::{Created, Networks, Settings};
pub use options::parse_bool;
pub use outside::Outside;
pub use request::{IpamRequest, NetworkCreate, PoolRequest};
pub use sandbox::Sandbox;
pub use stats::InterfaceStats;
pub use wish::{EndpointWish, Understood};
