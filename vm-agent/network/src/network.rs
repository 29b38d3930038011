//! A network as stored and as reported.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What connects the sandboxes of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    Bridge,
    /// The engine's own network namespace.
    Host,
    /// A sandbox with nothing but `lo`; Docker calls the network `none` and its driver `null`.
    Null,
    /// Links on a parent interface with MAC addresses of their own.
    Macvlan,
    /// Links on a parent interface that have its MAC address.
    Ipvlan,
}

impl Driver {
    /// Docker's word.
    pub fn name(self) -> &'static str {
        match self {
            Driver::Bridge => "bridge",
            Driver::Host => "host",
            Driver::Null => "null",
            Driver::Macvlan => "macvlan",
            Driver::Ipvlan => "ipvlan",
        }
    }
}

/// How far networks reach unless their maker says otherwise.
pub const LOCAL_SCOPE: &str = "local";
/// What only a swarm can make.
pub(crate) const SWARM_SCOPE: &str = "swarm";

/// A subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub subnet: IpNet,
    pub ip_range: Option<IpNet>,
    pub gateway: Option<IpAddr>,
    pub aux_addresses: BTreeMap<String, IpAddr>,
    /// True when the caller named the subnet: only then may containers ask for an address of their own.
    pub user_defined: bool,
    /// True when the engine chose the gateway.
    #[serde(default)]
    pub gateway_chosen: bool,
}

/// Address management of a network, as in Docker's `IPAM`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipam {
    /// `default`
    pub driver: String,
    pub options: Option<BTreeMap<String, String>>,
    /// Empty for `host` and `none`.
    pub config: Vec<Pool>,
}

/// One container in a network's `Containers` map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSummary {
    pub name: String,
    /// 64 hexadecimal digits.
    pub endpoint_id: String,
    /// `None` on `host` and `none`.
    pub mac: Option<[u8; 6]>,
    pub ipv4: Option<(Ipv4Addr, u8)>,
    pub ipv6: Option<(Ipv6Addr, u8)>,
}

/// A network; what `GET /networks/{id}` reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// 64 hexadecimal digits.
    pub id: String,
    pub name: String,
    pub created: SystemTime,
    /// As its maker calls it; dockerd takes any word but `swarm`, and makes the same of it.
    pub scope: String,
    pub driver: Driver,
    pub enable_ipv4: bool,
    pub enable_ipv6: bool,
    pub internal: bool,
    pub attachable: bool,
    pub config_only: bool,
    pub config_from: Option<String>,
    pub ipam: Ipam,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Running containers by id; filled in when reported, never stored.
    #[serde(skip)]
    pub containers: BTreeMap<String, EndpointSummary>,
}

/// The network of containers that name none. It is always there.
pub const DEFAULT_BRIDGE: &str = "bridge";

impl Network {
    /// True for `bridge`, `host` and `none`, which exist always and cannot be removed.
    pub fn predefined(&self) -> bool {
        matches!(self.name.as_str(), DEFAULT_BRIDGE | "host" | "none")
    }

    /// The driver as clients see it: a configuration has none, whatever it was made with.
    pub fn driver_name(&self) -> &'static str {
        if self.config_only { Driver::Null.name() } else { self.driver.name() }
    }

    /// The pools that addresses are taken from: a configuration's are not, nor those of a family that is off.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.ipam.config.iter().filter(|pool| self.uses(pool))
    }

    /// Whether addresses are taken from one of the network's pools.
    pub(crate) fn uses(&self, pool: &Pool) -> bool {
        !self.config_only && if pool.subnet.addr().is_ipv6() { self.enable_ipv6 } else { self.enable_ipv4 }
    }

    /// True where containers find each other by name: on every network of the user's.
    pub fn resolves_names(&self) -> bool {
        !self.predefined()
    }
}
