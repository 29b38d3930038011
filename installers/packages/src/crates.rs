//! The crates that are compiled into the programs and into the guest's agent, as cargo tells.
//!
//! Cargo tells the features that the whole workspace asks for, so that a crate may be named here that only another program would need.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::Path;
use std::process::Command;

use guest_image::Architecture;
use serde_json::Value;

use crate::components::{Component, Origin, texts};
use crate::error::IoContext;
use crate::{Error, Result, tool};

pub(crate) const LINUX: &str = "x86_64-unknown-linux-gnu";
/// Both kinds of Mac.
pub(crate) const MACOS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-apple-darwin"];
pub(crate) const WINDOWS: &str = installers::windows::TARGET;

/// The target of a guest's agent.
pub(crate) fn guest(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => LINUX,
        Architecture::Aarch64 => "aarch64-unknown-linux-gnu",
    }
}

/// The components of our packages `roots` for the system `target`, and which of them our own crates name.
///
/// # Errors
/// When cargo does not tell, as where crates are not downloaded.
pub fn collect(workspace: &Path, target: &str, roots: &[&str]) -> Result<(Vec<Component>, BTreeSet<String>)> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version", "1", "--offline", "--locked"]);
    cargo.args(["--filter-platform", target]).current_dir(workspace);
    let metadata = read("what cargo told", &tool::text(&mut cargo)?)?;
    let lock = workspace.join("Cargo.lock");
    let checksums = checksums(&std::fs::read_to_string(&lock).at("read", &lock)?)?;
    let (mut components, mut direct) = from(&metadata, roots, &checksums);
    let version = tool::text(Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version"))?;
    let rust = rust(version.split_whitespace().nth(1).unwrap_or_default());
    direct.insert(rust.reference());
    components.push(rust);
    Ok((components, direct))
}

fn read(what: &str, json: &str) -> Result<Value> {
    serde_json::from_str(json).map_err(|error| Error::Unreadable { what: what.to_owned(), problem: error.to_string() })
}

/// Digests of the crates' archives, by name and version.
fn checksums(lock: &str) -> Result<BTreeMap<(String, String), String>> {
    let unreadable =
        |problem: toml::de::Error| Error::Unreadable { what: "Cargo.lock".to_owned(), problem: problem.to_string() };
    let lock: toml::Table = toml::from_str(lock).map_err(unreadable)?;
    let packages = lock.get("package").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |package: &toml::Value| {
        let word = |key: &str| package.get(key)?.as_str().map(str::to_owned);
        Some(((word("name")?, word("version")?), word("checksum")?))
    };
    Ok(packages.iter().filter_map(one).collect())
}

fn from(
    metadata: &Value,
    roots: &[&str],
    checksums: &BTreeMap<(String, String), String>,
) -> (Vec<Component>, BTreeSet<String>) {
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).filter_map(|package| Some((package["id"].as_str()?, package))).collect();
    let needs: BTreeMap<&str, Vec<&str>> = list(&metadata["resolve"]["nodes"])
        .filter_map(|node| Some((node["id"].as_str()?, compiled_in(node))))
        .collect();
    let roots = packages.iter().filter(|(_, package)| roots.iter().any(|root| package["name"] == **root));
    let (mut waiting, mut seen): (Vec<&str>, BTreeSet<&str>) = (roots.map(|(id, _)| *id).collect(), BTreeSet::new());
    while let Some(id) = waiting.pop() {
        if seen.insert(id) {
            waiting.extend(needs.get(id).into_iter().flatten());
        }
    }
    let reference = |id: &str| component(packages.get(id)?, checksums).map(|component| component.reference());
    let (mut components, mut direct) = (Vec::new(), BTreeSet::new());
    for id in seen {
        let below = needs.get(id).into_iter().flatten().filter_map(|id| reference(id));
        match packages.get(id).and_then(|package| component(package, checksums)) {
            Some(mut component) => {
                component.needs = below.collect();
                component.texts = packages[id]["manifest_path"]
                    .as_str()
                    .map(Path::new)
                    .and_then(Path::parent)
                    .map(texts)
                    .unwrap_or_default();
                components.push(component);
            }
            None => direct.extend(below),
        }
    }
    (components, direct)
}

/// What a crate needs to run, not to be built or tested.
fn compiled_in(node: &Value) -> Vec<&str> {
    let is_normal = |dependency: &&Value| list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
    list(&node["deps"]).filter(is_normal).filter_map(|dependency| dependency["pkg"].as_str()).collect()
}

/// Without texts and needs; `None` for our own crates, which have no source but this tree.
fn component(package: &Value, checksums: &BTreeMap<(String, String), String>) -> Option<Component> {
    package["source"].as_str()?;
    let word = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let (name, version) = (word("name"), word("version"));
    Some(Component {
        origin: Origin::Crate,
        sha256: checksums.get(&(name.clone(), version.clone())).cloned(),
        name,
        version,
        // Old manifests write a choice so.
        licence: word("license").replace(" / ", " OR ").replace('/', " OR "),
        repository: word("repository"),
        authors: list(&package["authors"]).filter_map(|author| author.as_str().map(str::to_owned)).collect(),
        needs: BTreeSet::new(),
        texts: Vec::new(),
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The standard library, which is in every program.
fn rust(version: &str) -> Component {
    Component {
        origin: Origin::Rust,
        name: "rust-std".to_owned(),
        version: version.to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        repository: "https://github.com/rust-lang/rust".to_owned(),
        authors: vec!["the Rust project's contributors".to_owned()],
        sha256: None,
        needs: BTreeSet::new(),
        texts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_in_is_found_and_what_only_tests_need_is_not() {
        let dependency = |on: &str, kind: Value| serde_json::json!({ "pkg": on, "dep_kinds": [{ "kind": kind }] });
        let package = |name: &str, source: Option<&str>| serde_json::json!({ "id": name, "name": name, "version": "1.0.0", "source": source, "license": "MIT/Apache-2.0" });
        let metadata = serde_json::json!({
            "packages": [package("cli", None), package("host", None), package("serde", Some("r")), package("below", Some("r")), package("tempfile", Some("r"))],
            "resolve": { "nodes": [
                { "id": "cli", "deps": [dependency("host", Value::Null), dependency("tempfile", "dev".into())] },
                { "id": "host", "deps": [dependency("serde", Value::Null)] },
                { "id": "serde", "deps": [dependency("below", Value::Null)] },
            ] },
        });
        let lock = "[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n";
        let (components, direct) = from(&metadata, &["cli"], &checksums(lock).unwrap());
        let names: Vec<&str> = components.iter().map(|component| &*component.name).collect();
        assert_eq!(names, ["below", "serde"]);
        assert_eq!(direct.into_iter().collect::<Vec<_>>(), ["pkg:cargo/serde@1.0.0"]);
        let serde = &components[1];
        assert_eq!((serde.sha256.as_deref(), &*serde.licence), (Some("00ff"), "MIT OR Apache-2.0"));
        assert!(serde.needs.contains("pkg:cargo/below@1.0.0"), "{serde:?}");
    }
}
