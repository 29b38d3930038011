//! The types of the Docker Engine API 1.51, with the exact shapes that dockerd 28.5 puts on the wire.
//!
//! This crate owns names and shapes only: no rule of the engine, no HTTP, no I/O. Two conventions hold throughout:
//!
//! * A field that dockerd may send as `null` is an [`Option`] without `skip_serializing_if`; one that it leaves out
//!   is skipped; one that is always there is a plain value.
//! * Unknown fields of requests are ignored, known ones are known in any case (`memory`), absent ones take Go's zero value, and `null` counts as absent
//!   ([`decode`] drops nulls before it looks at types).
//!
//! Source: `api/swagger.yaml` of Docker 28.5.2; the recordings under `tests/wire` hold what the daemon really sends.

pub mod container;
pub mod decode;
pub mod event;
pub mod exec;
pub mod filters;
pub mod host_config;
pub mod image;
pub mod inspect;
pub mod mount;
mod names;
pub mod network;
pub mod progress;
pub mod registry;
pub mod stats;
pub mod str_slice;
pub mod swarm;
pub mod syntax;
pub mod system;
#[cfg(test)]
mod typescript;
pub mod volume;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use container::{
    ContainerConfig, ContainerCreateRequest, ContainerCreateResponse, ContainerPruneReport, ContainerSummary,
    ContainerTop, ContainerUpdateRequest, ContainerUpdateResponse, ContainerWaitResponse, FilesystemChange,
    Healthcheck, PathStat,
};
pub use decode::{DecodeError, decode, decode_text};
pub use event::EventMessage;
pub use exec::{ExecConfig, ExecInspect, ExecStartRequest};
pub use filters::Filters;
pub use host_config::{HostConfig, Resources};
pub use image::{ImageInspect, ImageSummary};
pub use inspect::{ContainerInspect, ContainerState};
pub use jiff::Timestamp;
pub use mount::{Mount, MountPoint};
pub use network::{EndpointSettings, NetworkCreateRequest, NetworkInspect, NetworkSettings, NetworkingConfig};
pub use progress::JsonMessage;
pub use stats::ContainerStats;
pub use str_slice::StrSlice;
pub use system::{DiskUsage, SystemInfo, SystemVersion};
pub use volume::{Volume, VolumeCreateRequest};

/// The newest API version spoken here.
pub const API_VERSION: &str = "1.51";
/// The oldest API version that is still answered.
pub const MIN_API_VERSION: &str = "1.24";

/// Go's zero `time.Time`, sent for "never": `0001-01-01T00:00:00Z`.
pub const ZERO_TIME: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// A JSON object with string keys; sorted, as Go's encoder writes maps.
pub type Map<V = String> = BTreeMap<String, V>;

/// Go's `map[string]struct{}`: the keys of a set, each with the value `{}`.
pub type Set = BTreeMap<String, Empty>;

/// An empty JSON object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Empty {}

/// The body of every error answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorBody {
    pub message: String,
}

/// The answer to exec create and commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct IdResponse {
    pub id: String,
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
