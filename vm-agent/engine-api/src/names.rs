//! The members of request bodies, in whatever case a client writes them: Go's decoder takes `memory` for `Memory`.
//!
//! The names come from the types themselves: what a type asks its deserialiser for.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::de::{self, Deserialize, Visitor};

use crate::host_config::{
    DeviceMapping, DeviceRequest, LogConfig, PortBinding, RestartPolicy, ThrottleDevice, Ulimit, WeightDevice,
};
use crate::image::{ImageConfig, Platform};
use crate::mount::{BindOptions, ImageOptions, TmpfsOptions, VolumeDriver, VolumeOptions};
use crate::network::{
    ConfigReference, EndpointIpamConfig, Ipam, IpamConfig, NetworkConnectRequest, NetworkDisconnectRequest,
};
use crate::registry::AuthConfig;
use crate::swarm::{
    NodeSpec, PluginPrivilege, SecretSpec, ServiceSpec, SwarmInitRequest, SwarmJoinRequest, SwarmSpec,
    SwarmUnlockRequest,
};
use crate::{
    ContainerConfig, EndpointSettings, ExecConfig, ExecStartRequest, Healthcheck, HostConfig, Map, Mount,
    NetworkCreateRequest, NetworkingConfig, Resources, VolumeCreateRequest,
};

/// From a member's name in lower case to how it is spelt here. One for all types: no two spell a name differently.
static NAMES: LazyLock<HashMap<String, &'static str>> =
    LazyLock::new(|| all().into_iter().map(|name| (name.to_lowercase(), name)).collect());

/// How the member is spelt here; `None` when it is spelt so already, or is none of ours.
pub(crate) fn canonical(name: &str) -> Option<&'static str> {
    NAMES.get(&name.to_lowercase()).copied().filter(|known| *known != name)
}

fn all() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = [
        members::<AuthConfig>(),
        members::<BindOptions>(),
        members::<ConfigReference>(),
        members::<ContainerConfig>(),
        members::<DeviceMapping>(),
        members::<DeviceRequest>(),
        members::<EndpointIpamConfig>(),
        members::<EndpointSettings>(),
        members::<ExecConfig>(),
        members::<ExecStartRequest>(),
        members::<Healthcheck>(),
        members::<ImageConfig>(),
        members::<ImageOptions>(),
        members::<Ipam>(),
        members::<IpamConfig>(),
        members::<LogConfig>(),
        members::<Mount>(),
        members::<NetworkConnectRequest>(),
        members::<NetworkCreateRequest>(),
        members::<NetworkDisconnectRequest>(),
        members::<NetworkingConfig>(),
        members::<NodeSpec>(),
        members::<Platform>(),
        members::<PluginPrivilege>(),
        members::<PortBinding>(),
        members::<Resources>(),
        members::<RestartPolicy>(),
        members::<SecretSpec>(),
        members::<ServiceSpec>(),
        members::<SwarmInitRequest>(),
        members::<SwarmJoinRequest>(),
        members::<SwarmSpec>(),
        members::<SwarmUnlockRequest>(),
        members::<ThrottleDevice>(),
        members::<TmpfsOptions>(),
        members::<Ulimit>(),
        members::<VolumeCreateRequest>(),
        members::<VolumeDriver>(),
        members::<VolumeOptions>(),
        members::<WeightDevice>(),
    ]
    .concat();
    // Types with a flattened part do not ask for their members by name.
    names.extend(["HostConfig", "NetworkingConfig", "RestartPolicy"]);
    names.extend(of_host_config());
    names
}

/// What a host configuration writes when nothing of it is left out.
fn of_host_config() -> Vec<&'static str> {
    static WRITTEN: LazyLock<Vec<String>> = LazyLock::new(|| {
        let full = HostConfig {
            annotations: Some(Map::new()),
            storage_opt: Some(Map::new()),
            tmpfs: Some(Map::new()),
            sysctls: Some(Map::new()),
            runtime: "runc".to_owned(),
            mounts: Some(Vec::new()),
            init: Some(true),
            ..HostConfig::default()
        };
        let value = serde_json::to_value(full).unwrap_or_default();
        value.as_object().into_iter().flat_map(|members| members.keys().cloned()).collect()
    });
    WRITTEN.iter().map(String::as_str).collect()
}

/// The members that a struct without a flattened part asks for.
pub(crate) fn members<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut found: &[&str] = &[];
    // Ends at once: the probe has nothing to give.
    let _ = T::deserialize(Probe(&mut found));
    found
}

/// Hears what is asked for.
struct Probe<'a>(&'a mut &'static [&'static str]);

impl<'de> de::Deserializer<'de> for Probe<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("a probe has no values"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_spelt_in_one_way() {
        let names = all();
        assert!(names.len() > 200, "{}", names.len());
        for name in &names {
            assert_eq!(NAMES[&name.to_lowercase()], *name);
        }
        for known in ["Memory", "NetworkMode", "Sysctls", "Runtime", "EndpointsConfig", "IPv4Address", "serveraddress"]
        {
            assert!(names.contains(&known), "{known}");
        }
    }
}
