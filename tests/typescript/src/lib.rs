//! Rust types as TypeScript, for the pages in `ui/`: used by tests only, so that nothing of it is in the product.
//!
//! What a type looks like on the wire comes from its own `serde` attributes, through `schemars`. Answers and requests are
//! two views of it: an answer has all but what is skipped when empty, a request may leave out whatever has a default.

mod declaration;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::Value;

pub use declaration::Declaration;

/// Gathers what the pages read.
pub fn answers() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// Gathers what the pages send.
pub fn requests() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_deserialize().into_generator()
}

/// All that was gathered, as declarations. What looks different as an answer and in a request is declared twice, the second time as `...Input`.
pub fn declarations(answers: SchemaGenerator, requests: SchemaGenerator) -> Vec<Declaration> {
    let (answers, requests) = (definitions(answers), definitions(requests));
    let mut differing = BTreeSet::new();
    // A type differs also by what it is made of: until no more are found.
    loop {
        let found: BTreeSet<String> = requests
            .iter()
            .filter_map(|(name, schema)| Some((name, answers.get(name)?, schema)))
            .filter(|(name, answer, request)| {
                Declaration::answer(name, answer).text != Declaration::request(name, request, &differing).text
            })
            .map(|(name, ..)| name.clone())
            .collect();
        if found == differing {
            break;
        }
        differing = found;
    }
    let new = |name: &String| differing.contains(name) || !answers.contains_key(name);
    let read = answers.iter().map(|(name, schema)| Declaration::answer(name, schema));
    let sent = requests.iter().filter(|(name, _)| new(name));
    read.chain(sent.map(|(name, schema)| Declaration::request(name, schema, &differing))).collect()
}

fn definitions(mut generator: SchemaGenerator) -> BTreeMap<String, Value> {
    generator.take_definitions(true).into_iter().collect()
}

/// The first line of a file that is written for `crate_name`.
pub fn head(crate_name: &str) -> String {
    format!(
        "// Written from the Rust types of `{crate_name}` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.\n"
    )
}

/// The text of one file. `home` is the file of a type that is declared elsewhere; `None`: it is declared in this one.
pub fn module<'a>(head: &str, mut here: Vec<&Declaration>, home: impl Fn(&str) -> Option<&'a str>) -> String {
    here.sort_by(|one, other| one.name.cmp(&other.name));
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in here.iter().flat_map(|one| &one.uses) {
        if let Some(home) = home(name) {
            imports.entry(home).or_default().insert(name);
        }
    }
    let mut text = head.to_owned();
    if !imports.is_empty() {
        text.push('\n');
    }
    for (home, names) in imports {
        let names: Vec<&str> = names.into_iter().collect();
        text.push_str(&format!("import type {{ {} }} from \"./{home}\";\n", names.join(", ")));
    }
    for one in here {
        text.push('\n');
        text.push_str(&one.text);
    }
    text
}

/// Holds the pages' files to `written`, by their names; with `BERTH_WRITE_PAGES` it writes them first. `owns` tells which files are
/// those of the crate that asks, so that one that it no longer writes is found.
///
/// # Panics
/// When a file differs: this is a test.
pub fn keep(written: &BTreeMap<String, String>, owns: impl Fn(&str) -> bool) {
    if std::env::var_os("BERTH_WRITE_PAGES").is_some() {
        fs::create_dir_all(folder()).expect("the folder is made");
        for gone in committed(&owns).keys().filter(|name| !written.contains_key(*name)) {
            fs::remove_file(folder().join(gone)).expect("the old file goes");
        }
        for (name, text) in written {
            fs::write(folder().join(name), text).expect("the file is written");
        }
    }
    let committed = committed(&owns);
    let names: BTreeSet<&String> = written.keys().chain(committed.keys()).collect();
    let old: Vec<_> = names.into_iter().filter(|name| written.get(*name) != committed.get(*name)).collect();
    assert!(old.is_empty(), "ui/src/lib/api/generated is out of date, run this test with BERTH_WRITE_PAGES=1: {old:?}");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/lib/api/generated")
}

fn committed(owns: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder()) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.expect("readable").path());
    let read = |path: PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("names in this tree are UTF-8").to_owned();
        owns(&name).then(|| (name, fs::read_to_string(&path).expect("a TypeScript file is UTF-8")))
    };
    paths.filter_map(read).collect()
}
