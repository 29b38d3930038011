//! Images of a test's own: another one's layers under another configuration, as an archive for `docker load`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};

use crate::archive::append;
use crate::docker::Docker;

/// `base` with the members of `config` in its configuration, called `reference`.
///
/// # Errors
/// When `base` cannot be saved or the result not be loaded.
pub fn derive(docker: &Docker, base: &str, reference: &str, config: &Value) -> anyhow::Result<()> {
    let config = config.as_object().context("a configuration is an object")?;
    remake(docker, base, reference, |description| {
        for (key, value) in config {
            description["config"][key] = value.clone();
        }
    })
}

/// `base` as an image that says that it is made for another processor, called `reference`.
///
/// # Errors
/// When `base` cannot be saved or the result not be loaded.
pub fn foreign(docker: &Docker, base: &str, reference: &str, architecture: &str) -> anyhow::Result<()> {
    remake(docker, base, reference, |description| description["architecture"] = architecture.into())
}

fn remake(docker: &Docker, base: &str, reference: &str, change: impl FnOnce(&mut Value)) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let saved = dir.path().join("base.tar");
    docker.ok(&["save", "-o", &saved.display().to_string(), base])?;
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for entry in tar::Archive::new(std::fs::File::open(&saved)?).entries()? {
        let mut entry = entry?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.insert(entry.path()?.into_owned(), bytes);
    }
    let read = |name: &str| files.get(&PathBuf::from(name)).with_context(|| format!("{base} was saved without {name}"));
    let manifest: Value = serde_json::from_slice(read("manifest.json")?)?;
    let mut description: Value = serde_json::from_slice(read(manifest[0]["Config"].as_str().context("a Config")?)?)?;
    change(&mut description);
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| append(&mut archive, name, bytes);
    let mut layers = Vec::new();
    for layer in manifest[0]["Layers"].as_array().context("Layers")? {
        let name = format!("layer{}.tar", layers.len());
        add(&name, read(layer.as_str().context("a layer's name")?)?)?;
        layers.push(name);
    }
    add("config.json", description.to_string().as_bytes())?;
    let list = json!([{ "Config": "config.json", "RepoTags": [reference], "Layers": layers }]);
    add("manifest.json", list.to_string().as_bytes())?;
    let said = docker.fed(&archive.into_inner()?, &["load", "-q"])?;
    anyhow::ensure!(said.code == 0, "docker load: {said:?}");
    Ok(())
}
