//! Images as canonical text: what they say about themselves, and what they add to the image that they are built on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use anyhow::{Context, ensure};
use serde_json::{Map, Value};
use tests::docker::Docker;
use tests::limit;

use super::tree::Tree;

/// What all are built on.
const BASE: &str = "busybox:latest";

/// The text of each image, by name.
pub(super) fn shown(docker: &Docker, images: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    if images.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut command = docker.command(["save", BASE]);
    let out = limit::output(command.args(images))?;
    ensure!(out.status.success(), "docker save: {}", String::from_utf8_lossy(&out.stderr));
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(&out.stdout[..]).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.insert(name, bytes);
    }
    let file = |name: &Value| {
        let name = name.as_str().context("a file has a name")?;
        files.get(name).with_context(|| format!("{name} was not saved"))
    };
    let manifest: Vec<Value> = serde_json::from_slice(file(&"manifest.json".into())?)?;
    let is_called =
        |image: &Value, name: &str| image["RepoTags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == name));
    let layers_of = |image: &Value| image["Layers"].as_array().cloned().unwrap_or_default();
    let base = manifest.iter().find(|image| is_called(image, BASE)).context("the base was not saved")?;
    let base = layers_of(base);
    let mut texts = BTreeMap::new();
    for name in images {
        let image =
            manifest.iter().find(|image| is_called(image, name)).with_context(|| format!("{name} was not saved"))?;
        let description: Value = serde_json::from_slice(file(&image["Config"])?)?;
        let layers = layers_of(image);
        let (mut beneath, mut tree) = (Tree::default(), Tree::default());
        let is_on_base = layers.starts_with(&base);
        for (number, layer) in layers.iter().enumerate() {
            tree.add(&unpacked(file(layer)?)?).with_context(|| format!("{name}: {layer}"))?;
            if is_on_base && number + 1 == base.len() {
                beneath = tree.clone();
            }
        }
        texts.insert(name.clone(), configuration(&description) + &tree.beyond(&beneath));
    }
    Ok(texts)
}

/// A layer, however an engine keeps it.
fn unpacked(layer: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match layer {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(layer).read_to_end(&mut bytes)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::Decoder::new(layer)?.read_to_end(&mut bytes)?,
        _ => return Ok(layer.to_vec()),
    };
    Ok(bytes)
}

/// Each member on a line of its own; of lists and maps, each of theirs. What is empty is not there.
fn configuration(description: &Value) -> String {
    let mut lines = BTreeSet::new();
    for key in ["architecture", "os", "variant", "author"] {
        lines.extend(description[key].as_str().filter(|value| !value.is_empty()).map(|value| format!("{key} {value}")));
    }
    let empty = Map::new();
    let mut text: String = lines.into_iter().map(|line| line + "\n").collect();
    for (key, value) in description["config"].as_object().unwrap_or(&empty) {
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::String(value) if value.is_empty() => {}
            Value::String(value) => text += &format!("{key} {}\n", plain(value)),
            // In the order that they have: a later one of the same name counts.
            Value::Array(values) if key == "Env" || key == "OnBuild" => {
                text.extend(values.iter().filter_map(Value::as_str).map(|value| format!("{key} {}\n", plain(value))));
            }
            Value::Object(values) if key != "Healthcheck" => {
                text.extend(values.iter().map(|(name, value)| match value.as_str() {
                    Some(value) => format!("{key} {} = {}\n", plain(name), plain(value)),
                    None => format!("{key} {}\n", plain(name)),
                }));
            }
            Value::Array(values) if values.is_empty() && key != "Cmd" && key != "Entrypoint" => {}
            value => text += &format!("{key} {value}\n"),
        }
    }
    text
}

/// As it is where that is one line of text; else as in JSON.
pub(super) fn plain(text: &str) -> String {
    let is_plain =
        !text.is_empty() && text.trim() == text && !text.starts_with('"') && !text.contains(char::is_control);
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}
