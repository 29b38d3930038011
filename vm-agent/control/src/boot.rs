//! The boot file: what the host tells a guest before there is a link.
//!
//! `berth/boot.json` in the initramfs (a file that only root of the guest's first namespace can read).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, ProxySettings, Result, Secret};

/// Where the boot file lies in the initramfs.
pub const BOOT_FILE: &str = "/berth/boot.json";

/// Everything a guest must know at boot. Unknown fields are ignored, missing ones take their default,
/// so that a guest and a host of neighbouring versions still meet and can refuse each other politely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootInfo {
    pub secret: Secret,
    pub hostname: String,
    pub link: LinkKind,
    /// How the guest's packets leave for elsewhere.
    #[serde(default)]
    pub network: NetworkKind,
    /// The host's clock when it wrote the file, nanoseconds since 1970 UTC; the link corrects it later.
    #[serde(default)]
    pub host_time_ns: u64,
    /// What the agent logs, a `tracing` filter; `None`: `info`.
    #[serde(default)]
    pub log: Option<String>,
    #[serde(default)]
    pub engine: EngineSettings,
}

impl BootInfo {
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(Error::BootFile)
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a boot file has only string keys")
    }

    /// The boot file of an agent that runs on the Linux host itself.
    pub fn native(hostname: &str, engine: EngineSettings) -> Result<Self> {
        Ok(BootInfo {
            secret: Secret::random()?,
            hostname: hostname.to_owned(),
            link: LinkKind::None,
            network: NetworkKind::Nic,
            host_time_ns: 0,
            log: None,
            engine,
        })
    }
}

/// What may keep the agent for minutes before there is a link. It says so on the console, where the host reads it and gives the
/// boot more time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongWork {
    CheckDisk,
    GrowDisk,
    FormatDisk,
}

impl LongWork {
    pub const ALL: [LongWork; 3] = [LongWork::CheckDisk, LongWork::GrowDisk, LongWork::FormatDisk];

    /// What the user reads meanwhile.
    pub fn words(self) -> &'static str {
        match self {
            LongWork::CheckDisk => "checking the data disk",
            LongWork::GrowDisk => "growing the data disk",
            LongWork::FormatDisk => "formatting the data disk",
        }
    }

    /// The console's line before it.
    pub fn begins(self) -> String {
        format!("berth-agent: {}", self.words())
    }

    /// The console's line after it, however it went.
    pub fn ends(self) -> String {
        format!("berth-agent: done {}", self.words())
    }
}

/// What carries the link's two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// AF_VSOCK in the guest; the host's side is vhost-vsock, a hybrid-vsock Unix socket, or Hyper-V.
    Vsock,
    /// Two virtio-serial ports.
    Serial,
    /// No host: native mode.
    None,
}

impl std::fmt::Display for LinkKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LinkKind::Vsock => "vsock",
            LinkKind::Serial => "virtio-serial",
            LinkKind::None => "none",
        })
    }
}

/// How packets of containers reach what is outside the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// By a network card: the hypervisor's, or in native mode the host's own. What a host says that knows nothing else.
    #[default]
    Nic,
    /// Over the link, connection by connection: [`crate::outside`].
    Link,
}

impl std::fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NetworkKind::Nic => "nic",
            NetworkKind::Link => "link",
        })
    }
}

/// Settings of the engine that the host decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineSettings {
    /// Registry host -> mirror URLs, tried in order before the registry itself.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Registries reached without TLS or with any certificate: `host[:port]` or CIDR.
    pub insecure_registries: Vec<String>,
    /// For `docker info`: it is the host's end of the link that goes through them. In native mode the engine does.
    #[serde(flatten)]
    pub proxies: ProxySettings,
    /// For containers and for the steps of builds, which have them as variables.
    pub container_proxies: ProxySettings,
    /// The certificate authorities that the host trusts, PEM: registries are checked by these and no others. `None`: the
    /// host has none, and the guest's own are used.
    pub ca_pem: Option<String>,
    /// Load the images that ship with the machine though they were loaded before: they went with a reset.
    pub renew_images: bool,
    /// Containers of the default bridge may not talk to each other, but for links (dockerd's `--icc=false`).
    pub without_icc: bool,
    /// How much builds keep, and what they may.
    pub builder: BuilderSettings,
    /// Paths of the engine's socket on the host: clients that run there bind them into containers that shall reach the engine.
    pub sockets: Vec<String>,
}

/// What `builder` of dockerd's configuration says. Spaces are in bytes; 0: not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuilderSettings {
    /// What builds keep stays until somebody prunes it (`gc.enabled=false`).
    pub without_gc: bool,
    /// So much stays, whatever the others say (`gc.defaultReservedSpace`, formerly `defaultKeepStorage`).
    pub reserved_space: u64,
    /// So much stays at most (`gc.defaultMaxUsedSpace`).
    pub max_used_space: u64,
    /// So much of the disk is to be free (`gc.defaultMinFreeSpace`).
    pub min_free_space: u64,
    /// Builds may ask for `--allow security.insecure` (`entitlements.security-insecure`).
    pub insecure: bool,
}

/// Of the engine's settings those that change while the machine runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Registries {
    /// As [`EngineSettings::mirrors`].
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// As [`EngineSettings::insecure_registries`].
    pub insecure: Vec<String>,
    /// As [`EngineSettings::proxies`]; those from before where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxies: Option<ProxySettings>,
}

impl EngineSettings {
    pub fn registries(&self) -> Registries {
        Registries {
            mirrors: self.mirrors.clone(),
            insecure: self.insecure_registries.clone(),
            proxies: Some(self.proxies.clone()),
        }
    }

    /// The same with other registries.
    #[must_use]
    pub fn with_registries(self, Registries { mirrors, insecure, proxies }: Registries) -> EngineSettings {
        let proxies = proxies.unwrap_or_else(|| self.proxies.clone());
        EngineSettings { mirrors, insecure_registries: insecure, proxies, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_is_enough_and_unknown_fields_pass() {
        let json = format!(r#"{{"secret":"{}","hostname":"berth","link":"serial","shoe_size":44}}"#, "0a".repeat(32));
        let boot = BootInfo::from_json(json.as_bytes()).unwrap();
        assert_eq!((boot.link, boot.host_time_ns), (LinkKind::Serial, 0));
        assert_eq!(boot.engine, EngineSettings::default());
        assert_eq!(BootInfo::from_json(&boot.to_json()).unwrap(), boot);

        let json =
            json.replace('}', r#","engine":{"https_proxy":"http://u:hunter2@p:1","insecure_registries":["r"]}}"#);
        let boot = BootInfo::from_json(json.as_bytes()).unwrap();
        assert_eq!(boot.engine.proxies.https.as_deref(), Some("http://u:hunter2@p:1"));
        assert_eq!(boot.engine.insecure_registries, ["r"]);
        assert_eq!(BootInfo::from_json(&boot.to_json()).unwrap(), boot);
        assert!(!format!("{boot:?}").contains("hunter2"));
    }
}
