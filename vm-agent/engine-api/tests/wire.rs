//! What a dockerd 28.5.2 really sent (`tests/wire/*.json`: one body each, sorted keys) must pass through our types without
//! loss: every member known, every `null`, empty list and left-out field the same.

use engine_api::container::NetworkSettingsSummary;
use engine_api::image::{ImageDeleteItem, ImageHistoryItem, ImagePruneReport};
use engine_api::network::{NetworkCreateResponse, NetworkPruneReport};
use engine_api::volume::{VolumeList, VolumePruneReport};
use engine_api::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn round_trip<T: Serialize + DeserializeOwned>(name: &str) {
    let path = format!("{}/tests/wire/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    let sent: Value = serde_json::from_str(&text).expect(name);
    let ours: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let back = serde_json::to_value(&ours).expect(name);
    let mut differences = Vec::new();
    compare("", &sent, &back, &mut differences);
    assert!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
}

fn compare(path: &str, sent: &Value, back: &Value, differences: &mut Vec<String>) {
    match (sent, back) {
        (Value::Object(sent), Value::Object(back)) => {
            for (key, value) in sent {
                match back.get(key) {
                    Some(other) => compare(&format!("{path}.{key}"), value, other, differences),
                    None => differences.push(format!("{path}.{key} is lost: {value}")),
                }
            }
            for (key, value) in back.iter().filter(|(key, _)| !sent.contains_key(*key)) {
                differences.push(format!("{path}.{key} is not sent by dockerd: {value}"));
            }
        }
        (Value::Array(sent), Value::Array(back)) if sent.len() == back.len() => {
            for (index, (value, other)) in sent.iter().zip(back).enumerate() {
                compare(&format!("{path}[{index}]"), value, other, differences);
            }
        }
        _ if sent == back => {}
        _ => differences.push(format!("{path}: {sent} became {back}")),
    }
}

#[test]
fn containers() {
    for state in ["created", "running", "minimal", "exited", "bridge", "paused"] {
        round_trip::<ContainerInspect>(&format!("container-inspect-{state}"));
    }
    round_trip::<Vec<ContainerSummary>>("container-list");
    round_trip::<Vec<ContainerSummary>>("container-list-bridge");
    round_trip::<ContainerCreateResponse>("container-create");
    round_trip::<ContainerCreateResponse>("container-create-minimal");
    round_trip::<ContainerUpdateResponse>("container-update");
    round_trip::<ContainerWaitResponse>("container-wait");
    round_trip::<ContainerTop>("container-top");
    round_trip::<Vec<FilesystemChange>>("container-changes");
    round_trip::<ContainerStats>("container-stats");
    round_trip::<ContainerStats>("container-stats-one-shot");
    round_trip::<ContainerPruneReport>("prune-containers");
}

#[test]
fn execs() {
    round_trip::<IdResponse>("exec-create");
    for state in ["created", "running", "done"] {
        round_trip::<ExecInspect>(&format!("exec-inspect-{state}"));
    }
}

#[test]
fn images() {
    round_trip::<Vec<ImageSummary>>("image-list");
    round_trip::<ImageInspect>("image-inspect");
    round_trip::<Vec<ImageHistoryItem>>("image-history");
    round_trip::<Vec<ImageDeleteItem>>("image-delete");
    round_trip::<ImagePruneReport>("prune-images");
    round_trip::<IdResponse>("commit");
}

#[test]
fn progress() {
    for name in ["image-import", "image-load", "image-load-quiet", "image-pull", "image-push"] {
        round_trip::<Vec<JsonMessage>>(name);
    }
}

#[test]
fn networks() {
    round_trip::<Vec<NetworkInspect>>("network-list");
    round_trip::<NetworkInspect>("network-inspect");
    round_trip::<NetworkInspect>("network-inspect-empty");
    round_trip::<NetworkCreateResponse>("network-create");
    round_trip::<NetworkPruneReport>("prune-networks");
}

#[test]
fn volumes() {
    for name in ["volume-create", "volume-create-options", "volume-create-anonymous", "volume-inspect"] {
        round_trip::<Volume>(name);
    }
    round_trip::<VolumeList>("volume-list");
    round_trip::<VolumePruneReport>("prune-volumes");
}

#[test]
fn system() {
    round_trip::<SystemVersion>("version");
    round_trip::<SystemInfo>("info");
    round_trip::<DiskUsage>("system-df");
    round_trip::<DiskUsage>("system-df-volumes");
    round_trip::<Vec<EventMessage>>("events");
}

#[test]
fn list_networks_keep_their_names() {
    let settings: NetworkSettingsSummary = serde_json::from_str(r#"{"Networks":{"web":{}}}"#).expect("decodes");
    assert!(settings.networks.contains_key("web"));
}
