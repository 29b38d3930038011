//! The packages of npm's that are bundled into the window's pages.
//!
//! By the lock file: what the pages depend on, and the library part of svelte, which their compiler brings. Of svelte all that it needs itself is
//! named, also what only its compiler uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::components::{Component, Origin, texts};
use crate::error::IoContext;
use crate::{Error, Result};

/// Bundled although it is a dependency of development.
const COMPILED: &str = "svelte";
const FOLDER: &str = "node_modules/";

/// The components, and which of them the pages name. `ui` is the folder with `package-lock.json`, in which `npm ci` was run.
///
/// # Errors
/// When the lock file cannot be read.
pub fn collect(ui: &Path) -> Result<(Vec<Component>, BTreeSet<String>)> {
    let path = ui.join("package-lock.json");
    let text = std::fs::read_to_string(&path).at("read", &path)?;
    let unreadable =
        |error: serde_json::Error| Error::Unreadable { what: path.display().to_string(), problem: error.to_string() };
    let lock: Value = serde_json::from_str(&text).map_err(unreadable)?;
    let mut components = BTreeMap::new();
    let own = &lock["packages"][""]["dependencies"];
    let named: Vec<String> = names(own).chain([COMPILED.to_owned()]).collect();
    let mut waiting: Vec<String> = named.iter().map(|name| format!("{FOLDER}{name}")).collect();
    while let Some(place) = waiting.pop() {
        let package = &lock["packages"][&place];
        // A dependency for another system is not installed.
        if package.is_null() || components.contains_key(&place) {
            continue;
        }
        let below: Vec<String> =
            names(&package["dependencies"]).filter_map(|name| found_from(&lock, &place, &name)).collect();
        let mut component = component(&place, package);
        component.needs =
            below.iter().map(|place| self::component(place, &lock["packages"][place]).reference()).collect();
        component.texts = texts(&ui.join(&place));
        waiting.extend(below);
        components.insert(place, component);
    }
    let direct = named.iter().filter_map(|name| components.get(&format!("{FOLDER}{name}"))).map(Component::reference);
    let direct = direct.collect();
    Ok((components.into_values().collect(), direct))
}

fn names(dependencies: &Value) -> impl Iterator<Item = String> {
    dependencies.as_object().into_iter().flat_map(|names| names.keys().cloned())
}

/// Where the package at `place` finds `name`: in its own folder, or in one further up.
fn found_from(lock: &Value, place: &str, name: &str) -> Option<String> {
    let mut from = Some(place);
    while let Some(folder) = from {
        let candidate = format!("{folder}/{FOLDER}{name}");
        if !lock["packages"][&candidate].is_null() {
            return Some(candidate);
        }
        from = folder.rfind(&format!("/{FOLDER}")).map(|end| &folder[..end]);
    }
    let top = format!("{FOLDER}{name}");
    (!lock["packages"][&top].is_null()).then_some(top)
}

fn component(place: &str, package: &Value) -> Component {
    let word = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    Component {
        origin: Origin::Npm,
        name: place.rsplit(FOLDER).next().unwrap_or(place).to_owned(),
        version: word("version"),
        licence: word("license"),
        repository: String::new(),
        authors: Vec::new(),
        sha256: None,
        needs: BTreeSet::new(),
        texts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_beside_and_above() {
        let ui = tempfile::tempdir().unwrap();
        let package = |version: &str, needs: &[&str]| {
            let needs: BTreeMap<&str, &str> = needs.iter().map(|name| (*name, "*")).collect();
            serde_json::json!({ "version": version, "license": "MIT", "dependencies": needs })
        };
        let lock = serde_json::json!({ "packages": {
            "": { "dependencies": { "@a/b": "*" }, "devDependencies": { "svelte": "*", "vite": "*" } },
            "node_modules/@a/b": package("1.0.0", &["c"]),
            "node_modules/@a/b/node_modules/c": package("2.0.0", &["d"]),
            "node_modules/c": package("1.0.0", &[]),
            "node_modules/d": package("4.0.0", &["@a/b", "absent"]),
            "node_modules/svelte": package("5.0.0", &["c"]),
            "node_modules/vite": package("8.0.0", &[]),
        } });
        std::fs::write(ui.path().join("package-lock.json"), lock.to_string()).unwrap();
        let licence = ui.path().join("node_modules/@a/b");
        std::fs::create_dir_all(&licence).unwrap();
        std::fs::write(licence.join("LICENSE"), "as you like").unwrap();
        let (components, direct) = collect(ui.path()).unwrap();
        let names: Vec<String> = components.iter().map(Component::reference).collect();
        let expected = ["%40a/b@1.0.0", "c@2.0.0", "c@1.0.0", "d@4.0.0", "svelte@5.0.0"];
        assert_eq!(names, expected.map(|name| format!("pkg:npm/{name}")));
        assert_eq!(components[0].texts, ["as you like"]);
        assert_eq!(components[0].needs.iter().next().unwrap(), "pkg:npm/c@2.0.0");
        assert_eq!(direct.into_iter().collect::<Vec<_>>(), ["pkg:npm/%40a/b@1.0.0", "pkg:npm/svelte@5.0.0"]);
    }
}
