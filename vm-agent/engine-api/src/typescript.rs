//! The types as TypeScript, for the pages in `ui/`: written by a test, so that nothing of it is in the product.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use schemars::generate::SchemaGenerator;
use typescript::Declaration;

macro_rules! add {
    ($generator:ident: $($type:ty),* $(,)?) => { $($generator.subschema_for::<$type>();)* };
}

/// What the pages read.
fn answers() -> SchemaGenerator {
    let mut generator = typescript::answers();
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
    generator
}

/// What the pages send.
fn requests() -> SchemaGenerator {
    let mut generator = typescript::requests();
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
    generator
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

/// The text of every file, by its name.
fn files() -> BTreeMap<String, String> {
    let (declarations, homes) = (typescript::declarations(answers(), requests()), homes());
    let places: BTreeMap<&str, &str> = declarations
        .iter()
        .map(|one| (one.name.as_str(), homes.get(&one.rust_name).unwrap_or_else(|| panic!("where is {}?", one.name))))
        .map(|(name, home)| (name, home.as_str()))
        .collect();
    let head = typescript::head("engine-api");
    let modules: BTreeSet<&str> = places.values().copied().collect();
    let text = |module: &str| {
        let here: Vec<&Declaration> = declarations.iter().filter(|one| places[one.name.as_str()] == module).collect();
        typescript::module(&head, here, |name| {
            let home = *places.get(name).unwrap_or_else(|| panic!("{name} is used and not declared"));
            (home != module).then_some(home)
        })
    };
    let mut files: BTreeMap<String, String> =
        modules.iter().map(|module| (format!("{module}.ts"), text(module))).collect();
    let all = modules.iter().map(|module| format!("export type * from \"./{module}\";\n"));
    files.insert("index.ts".to_owned(), format!("{head}\n{}", all.collect::<String>()));
    files
}

#[test]
fn the_pages_have_the_types_as_they_are_here() {
    // The daemon's are those of `host`.
    typescript::keep(&files(), |name| name != "daemon.ts");
}
