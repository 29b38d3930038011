//! Bodies of requests about swarms and plugins: read only to refuse them as dockerd does outside of a swarm.
//!
//! What lies deeper than a request's own members is not looked at: nothing is made of it.

use serde::Deserialize;
use serde_json::{Map as Object, Value};

use crate::Map;

/// The body of `POST /swarm/init`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SwarmInitRequest {
    /// `host`, `host:port` or an interface's name.
    pub listen_addr: String,
    pub advertise_addr: String,
    pub data_path_addr: String,
    pub data_path_port: u32,
    pub force_new_cluster: bool,
    pub spec: SwarmSpec,
    pub auto_lock_managers: bool,
    pub availability: String,
    pub default_addr_pool: Option<Vec<String>>,
    pub subnet_size: u32,
}

/// The body of `POST /swarm/join`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SwarmJoinRequest {
    pub listen_addr: String,
    pub advertise_addr: String,
    pub data_path_addr: String,
    pub remote_addrs: Option<Vec<String>>,
    pub join_token: String,
    pub availability: String,
}

/// The body of `POST /swarm/update`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SwarmSpec {
    pub name: String,
    pub labels: Option<Map>,
    pub orchestration: Object<String, Value>,
    pub raft: Object<String, Value>,
    pub dispatcher: Object<String, Value>,
    #[serde(rename = "CAConfig")]
    pub ca_config: Object<String, Value>,
    pub task_defaults: Object<String, Value>,
    pub encryption_config: Object<String, Value>,
}

/// The body of `POST /swarm/unlock`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SwarmUnlockRequest {
    pub unlock_key: String,
}

/// The body of `POST /nodes/{id}/update`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodeSpec {
    pub name: String,
    pub labels: Option<Map>,
    pub role: String,
    pub availability: String,
}

/// The body of service create and update.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceSpec {
    pub name: String,
    pub labels: Option<Map>,
    pub task_template: Object<String, Value>,
    pub mode: Object<String, Value>,
    pub update_config: Object<String, Value>,
    pub rollback_config: Object<String, Value>,
    pub networks: Vec<Object<String, Value>>,
    pub endpoint_spec: Object<String, Value>,
}

/// The body of create and update of secrets and of configs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SecretSpec {
    pub name: String,
    pub labels: Option<Map>,
    /// Base64.
    pub data: String,
    pub driver: Object<String, Value>,
    /// Since 1.37.
    pub templating: Option<Object<String, Value>>,
}

/// One of what a plugin wants to be allowed, in the bodies of plugin pull and upgrade.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PluginPrivilege {
    pub name: String,
    pub description: String,
    pub value: Option<Vec<String>>,
}
