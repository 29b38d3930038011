//! Containers: the portable configuration, create, list, and the small answers.

use serde::{Deserialize, Serialize};

use crate::decode::{DecodeError, check_at, parse_object};
use crate::host_config::{Resources, RestartPolicy};
use crate::{EndpointSettings, HostConfig, Map, MountPoint, NetworkingConfig, Set, StrSlice, is_default};

/// What a container runs, independent of the host: swagger `ContainerConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConfig {
    pub hostname: String,
    pub domainname: String,
    /// `user[:group]`, names or numbers; empty: the image's.
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    /// Keys `port[/proto]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<Set>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    /// `NAME=value`; a bare `NAME` removes the image's variable.
    pub env: Option<Vec<String>>,
    pub cmd: Option<StrSlice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    #[serde(skip_serializing_if = "is_default")]
    pub args_escaped: bool,
    /// The image as the user wrote it: a reference or an ID.
    pub image: String,
    /// Keys: paths at which anonymous volumes are mounted.
    pub volumes: Option<Set>,
    pub working_dir: String,
    pub entrypoint: Option<StrSlice>,
    #[serde(skip_serializing_if = "is_default")]
    pub network_disabled: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    pub on_build: Option<Vec<String>>,
    pub labels: Option<Map>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<StrSlice>,
}

/// A health check; durations in nanoseconds, 0 meaning "inherit".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `[]` inherit, `["NONE"]` disable, `["CMD", ...]` exec, `["CMD-SHELL", command]` through the shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub interval: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub retries: i64,
}

/// The body of `POST /containers/create`: the configuration, with two more members beside its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerCreateRequest {
    #[serde(flatten)]
    pub config: ContainerConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_config: Option<HostConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networking_config: Option<NetworkingConfig>,
    /// Not on the wire: read-only binds leave what is mounted beneath them writable, as clients before 1.44 expect.
    #[serde(skip)]
    pub read_only_non_recursive: bool,
}

impl ContainerCreateRequest {
    /// Parses a request body. The flattened parts are checked one by one first, since serde cannot name the field of a
    /// flattened struct that did not fit.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let value = parse_object(body)?;
        check_at::<ContainerConfig>(&value, &[])?;
        check_at::<Resources>(&value, &["HostConfig"])?;
        let beside = |name: &String| name == "HostConfig" || name == "NetworkingConfig";
        let empty = value.as_object().is_some_and(|members| members.keys().all(beside));
        let request = crate::decode::decode_value(value)?;
        if empty { Err(DecodeError::EmptyConfig) } else { Ok(request) }
    }
}

/// The answer to create.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerCreateResponse {
    pub id: String,
    pub warnings: Vec<String>,
}

/// The body of `POST /containers/{id}/update`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerUpdateRequest {
    #[serde(flatten)]
    pub resources: Resources,
    pub restart_policy: RestartPolicy,
}

impl ContainerUpdateRequest {
    /// Parses a request body, naming the field that does not fit.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let value = parse_object(body)?;
        check_at::<Resources>(&value, &[])?;
        crate::decode::decode_value(value)
    }
}

/// The answer to update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerUpdateResponse {
    pub warnings: Option<Vec<String>>,
}

/// One element of `GET /containers/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerSummary {
    pub id: String,
    /// With a leading slash each.
    pub names: Vec<String>,
    pub image: String,
    #[serde(rename = "ImageID")]
    pub image_id: String,
    pub command: String,
    /// Seconds since the epoch.
    pub created: i64,
    pub ports: Vec<Port>,
    #[serde(skip_serializing_if = "is_default")]
    pub size_rw: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub size_root_fs: i64,
    pub labels: Map,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub state: String,
    /// For people: `Up 5 minutes (healthy)`.
    pub status: String,
    pub host_config: HostConfigSummary,
    pub network_settings: Option<NetworkSettingsSummary>,
    pub mounts: Vec<MountPoint>,
}

/// The host configuration within a list entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct HostConfigSummary {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network_mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Map>,
}

/// The networks within a list entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkSettingsSummary {
    pub networks: Map<EndpointSettings>,
}

/// One exposed or published port within a list entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct Port {
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
    pub ip: String,
    pub private_port: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub public_port: u16,
    #[serde(rename = "Type")]
    pub protocol: String,
}

/// The answer to top: a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerTop {
    pub processes: Vec<Vec<String>>,
    pub titles: Vec<String>,
}

/// The answer to wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerWaitResponse {
    pub status_code: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitError>,
}

/// Why a wait ended without an exit code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitError {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One element of `GET /containers/{id}/changes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct FilesystemChange {
    pub path: String,
    /// 0 modified, 1 added, 2 deleted.
    pub kind: u8,
}

/// What the header `X-Docker-Container-Path-Stat` holds (base64 of this JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PathStat {
    pub name: String,
    pub size: i64,
    /// Go's `os.FileMode`: permission bits, with the type in the high bits (see [`PathStat::go_mode`]).
    pub mode: u32,
    pub mtime: crate::Timestamp,
    pub link_target: String,
}

impl PathStat {
    /// Translates `st_mode` of stat(2) into Go's `os.FileMode` (Go's `io/fs` documentation, "FileMode").
    pub fn go_mode(st_mode: u32) -> u32 {
        const DIR: u32 = 1 << 31;
        const SYMLINK: u32 = 1 << 27;
        const DEVICE: u32 = 1 << 26;
        const NAMED_PIPE: u32 = 1 << 25;
        const SOCKET: u32 = 1 << 24;
        const SETUID: u32 = 1 << 23;
        const SETGID: u32 = 1 << 22;
        const CHAR_DEVICE: u32 = 1 << 21;
        const STICKY: u32 = 1 << 20;
        let kind = match st_mode & 0o170_000 {
            0o040_000 => DIR,
            0o120_000 => SYMLINK,
            0o060_000 => DEVICE,
            0o020_000 => DEVICE | CHAR_DEVICE,
            0o010_000 => NAMED_PIPE,
            0o140_000 => SOCKET,
            _ => 0,
        };
        let flag = |bit: u32, go: u32| if st_mode & bit == 0 { 0 } else { go };
        kind | flag(0o4000, SETUID) | flag(0o2000, SETGID) | flag(0o1000, STICKY) | (st_mode & 0o777)
    }
}

/// The answer to container prune.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerPruneReport {
    pub containers_deleted: Option<Vec<String>>,
    pub space_reclaimed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_become_gos() {
        let check = |st_mode, expect| assert_eq!(PathStat::go_mode(st_mode), expect, "{st_mode:o}");
        check(0o100_644, 0o644);
        check(0o040_755, (1 << 31) | 0o755);
        check(0o041_777, (1 << 31) | (1 << 20) | 0o777);
        check(0o120_777, (1 << 27) | 0o777);
        check(0o104_755, (1 << 23) | 0o755);
        check(0o020_620, (1 << 26) | (1 << 21) | 0o620);
    }

    #[test]
    fn create_names_the_field_that_does_not_fit() {
        let check = |body: &str, field: &str| {
            let error = ContainerCreateRequest::decode(body.as_bytes()).expect_err(body);
            assert!(error.to_string().contains(field), "{body}: {error}");
        };
        check(r#"{"Tty": "yes"}"#, "Tty");
        check(r#"{"Healthcheck": {"Retries": "x"}}"#, "Healthcheck.Retries");
        check(r#"{"HostConfig": {"Memory": "1g"}}"#, "HostConfig.Memory");
        check(r#"{"HostConfig": {"Binds": "/a:/b"}}"#, "HostConfig.Binds");
        check(r#"{"HostConfig": {"Ulimits": [{"Soft": true}]}}"#, "HostConfig.Ulimits[0].Soft");
        check(r#"{"NetworkingConfig": {"EndpointsConfig": []}}"#, "NetworkingConfig.EndpointsConfig");
    }

    #[test]
    fn create_ignores_unknown_fields_and_nulls() {
        let body = br#"{"Image": "busybox", "Tty": null, "Future": {"a": 1}, "HostConfig": {"Memory": 5, "Later": 1, "Binds": null}}"#;
        let request = ContainerCreateRequest::decode(body).expect("decodes");
        assert_eq!(request.config.image, "busybox");
        assert_eq!(request.host_config.expect("given").resources.memory, 5);
    }
}
