//! The types as TypeScript, for the pages in `ui/`: written by a test, so that nothing of it is in the product.
//!
//! What a type looks like on the wire comes from its own `serde` attributes, through `schemars`. Answers and requests are
//! two views of it: an answer has all but what is skipped when empty, a request may leave out whatever has a default.

mod declaration;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::Value;

use declaration::Declaration;

macro_rules! add {
    ($generator:ident: $($type:ty),* $(,)?) => { $($generator.subschema_for::<$type>();)* };
}

/// What the pages read.
fn answers() -> BTreeMap<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    add!(generator:
        crate::ErrorBody,
        crate::IdResponse,
        crate::ContainerSummary,
        crate::ContainerInspect,
        crate::ContainerCreateResponse,
        crate::ContainerUpdateResponse,
        crate::ContainerTop,
        crate::ContainerWaitResponse,
        crate::FilesystemChange,
        crate::PathStat,
        crate::ContainerPruneReport,
        crate::ContainerStats,
        crate::ExecInspect,
        crate::ImageSummary,
        crate::ImageInspect,
        crate::image::ImageHistoryItem,
        crate::image::ImageDeleteItem,
        crate::image::ImagePruneReport,
        crate::JsonMessage,
        crate::Volume,
        crate::volume::VolumeList,
        crate::volume::VolumePruneReport,
        crate::NetworkInspect,
        crate::network::NetworkCreateResponse,
        crate::network::NetworkPruneReport,
        crate::EventMessage,
        crate::SystemInfo,
        crate::SystemVersion,
        crate::DiskUsage,
        crate::registry::AuthResponse,
        crate::registry::DistributionInspect,
        crate::registry::SearchResult,
    );
    definitions(generator)
}

/// What the pages send.
fn requests() -> BTreeMap<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    add!(generator:
        crate::ContainerCreateRequest,
        crate::ContainerUpdateRequest,
        crate::ExecConfig,
        crate::ExecStartRequest,
        crate::VolumeCreateRequest,
        crate::NetworkCreateRequest,
        crate::network::NetworkConnectRequest,
        crate::network::NetworkDisconnectRequest,
        crate::registry::AuthConfig,
    );
    definitions(generator)
}

fn definitions(mut generator: SchemaGenerator) -> BTreeMap<String, Value> {
    generator.take_definitions(true).into_iter().collect()
}

/// All declarations. What looks different as an answer and in a request is declared twice, the second time as `...Input`.
fn declarations() -> Vec<Declaration> {
    let (answers, requests) = (answers(), requests());
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

/// The source file a type is in, by the type's Rust name: its declaration goes to the file of that name.
fn homes() -> BTreeMap<String, String> {
    let sources = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("the sources are there");
    let mut homes = BTreeMap::new();
    for path in sources.map(|entry| entry.expect("readable").path()).filter(|path| path.is_file()) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let stem = if stem == "lib" { "shapes" } else { stem };
        let text = fs::read_to_string(&path).expect("a source file is UTF-8");
        for line in text.lines().filter_map(|line| line.strip_prefix("pub struct ")) {
            let name = line.split([' ', '(', '{', '<', ';']).next().unwrap_or_default();
            let before = homes.insert(name.to_owned(), stem.to_owned());
            assert_eq!(before, None, "two types have the name {name}");
        }
    }
    homes
}

const HEAD: &str =
    "// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.\n";

/// The text of every file, by its name.
fn files() -> BTreeMap<String, String> {
    let (declarations, homes) = (declarations(), homes());
    let places: BTreeMap<&str, &str> = declarations
        .iter()
        .map(|one| (one.name.as_str(), homes.get(&one.rust_name).unwrap_or_else(|| panic!("where is {}?", one.name))))
        .map(|(name, home)| (name, home.as_str()))
        .collect();
    let mut files = BTreeMap::new();
    let modules: BTreeSet<&str> = places.values().copied().collect();
    for module in &modules {
        let mut here: Vec<&Declaration> =
            declarations.iter().filter(|one| places[one.name.as_str()] == *module).collect();
        here.sort_by(|one, other| one.name.cmp(&other.name));
        let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for name in here.iter().flat_map(|one| &one.uses) {
            let home = places.get(name.as_str()).unwrap_or_else(|| panic!("{name} is used and not declared"));
            if home != module {
                imports.entry(home).or_default().insert(name);
            }
        }
        let mut text = HEAD.to_owned();
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
        files.insert(format!("{module}.ts"), text);
    }
    let all = modules.iter().map(|module| format!("export type * from \"./{module}\";\n"));
    files.insert("index.ts".to_owned(), format!("{HEAD}\n{}", all.collect::<String>()));
    files
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/lib/api/generated")
}

fn committed() -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder()) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.expect("readable").path());
    let read = |path: PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("names in this tree are UTF-8");
        (name.to_owned(), fs::read_to_string(&path).expect("a TypeScript file is UTF-8"))
    };
    paths.map(read).collect()
}

#[test]
fn the_pages_have_the_types_as_they_are_here() {
    let written = files();
    if std::env::var_os("BERTH_WRITE_PAGES").is_some() {
        fs::create_dir_all(folder()).expect("the folder is made");
        for gone in committed().keys().filter(|name| !written.contains_key(*name)) {
            fs::remove_file(folder().join(gone)).expect("the old file goes");
        }
        for (name, text) in &written {
            fs::write(folder().join(name), text).expect("the file is written");
        }
    }
    let committed = committed();
    let names: BTreeSet<&String> = written.keys().chain(committed.keys()).collect();
    let old: Vec<_> = names.into_iter().filter(|name| written.get(*name) != committed.get(*name)).collect();
    assert!(old.is_empty(), "ui/src/lib/api/generated is out of date, run this test with BERTH_WRITE_PAGES=1: {old:?}");
}
