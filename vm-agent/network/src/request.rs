//! What a caller asks for when it makes a network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// A network to make, as `POST /networks/create` describes it. `Default` is a bridge with a pool of dockerd's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkCreate {
    pub name: String,
    /// Empty means `bridge`.
    pub driver: String,
    /// `None` means yes.
    pub enable_ipv4: Option<bool>,
    /// `None` means no.
    pub enable_ipv6: Option<bool>,
    /// No way out and no way in.
    pub internal: bool,
    pub attachable: bool,
    /// Refused when true: swarm's own.
    pub ingress: bool,
    /// Empty means `local`.
    pub scope: String,
    pub config_only: bool,
    /// Name of a config-only network to copy the configuration from.
    pub config_from: Option<String>,
    pub ipam: IpamRequest,
    /// `com.docker.network.*` of the driver; unknown ones are kept and reported.
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// The request's `IPAM`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpamRequest {
    /// Empty or `default`; anything else is refused.
    pub driver: String,
    /// Kept and reported; `None` stays null in the answer.
    pub options: Option<BTreeMap<String, String>>,
    pub config: Vec<PoolRequest>,
}

/// One entry of the request's `IPAM.Config`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolRequest {
    /// `None`: chosen from the default address pools.
    pub subnet: Option<IpNet>,
    /// Addresses are handed out from here only; inside `subnet`.
    pub ip_range: Option<IpNet>,
    /// `None`: the first free address.
    pub gateway: Option<IpAddr>,
    /// Addresses never handed out, by name.
    pub aux_addresses: BTreeMap<String, IpAddr>,
}
