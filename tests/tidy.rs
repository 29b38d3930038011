//! The shape of the tree, checked: what the architecture page promises is true here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

/// Files under version control or about to be: what git tracks and what it would add.
fn files() -> Vec<PathBuf> {
    let out = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is needed to list the tree");
    assert!(out.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("names in this tree are UTF-8");
    // What is in the folders of the corpus is material, as users have it.
    let is_material = |line: &&str| line.strip_prefix("tests/corpus/").is_some_and(|rest| rest.contains('/'));
    text.lines().filter(|line| !is_material(line)).map(|line| root().join(line)).filter(|path| path.is_file()).collect()
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| (path.clone(), fs::read_to_string(&path).expect("a source file is UTF-8"))).collect()
}

/// `crate -> crates of this tree it may depend on`, as `docs/architecture.md` draws it.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("control", &[] as &[_]),
        ("engine-api", &[]),
        ("events", &[]),
        ("store", &[]),
        ("runtime", &[]),
        ("supervisor", &["runtime"]),
        ("layers", &["store"]),
        ("volumes", &["layers", "store"]),
        ("images", &["layers", "store"]),
        ("network", &["store", "events"]),
        (
            "containers",
            &[
                "emulation",
                "engine-api",
                "events",
                "folders",
                "images",
                "layers",
                "network",
                "runtime",
                "store",
                "supervisor",
                "volumes",
            ],
        ),
        (
            "build",
            &[
                "containers",
                "engine-api",
                "events",
                "git",
                "images",
                "layers",
                "network",
                "runtime",
                "store",
                "supervisor",
                "volumes",
            ],
        ),
        (
            "buildkit",
            &[
                "build",
                "containers",
                "emulation",
                "engine-api",
                "events",
                "images",
                "layers",
                "network",
                "runtime",
                "store",
                "supervisor",
                "volumes",
            ],
        ),
        (
            "api",
            &[
                "build",
                "buildkit",
                "containers",
                "engine-api",
                "events",
                "images",
                "layers",
                "network",
                "runtime",
                "store",
                "supervisor",
                "volumes",
            ],
        ),
        ("echo", &["control"]),
        ("emulation", &[]),
        ("folders", &[]),
        ("git", &[]),
        ("shares", &["control"]),
        ("relay", &["control", "echo"]),
        ("host", &["control", "shares"]),
        ("catalogue", &[]),
        ("credentials", &[]),
        ("cli", &["catalogue", "host"]),
        ("desktop", &["host"]),
    ])
}

/// The crates of this tree, as cargo describes them.
fn packages() -> Vec<serde_json::Value> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).expect("cargo metadata prints JSON");
    metadata["packages"].as_array().expect("a list of packages").clone()
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let allowed = allowed();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().expect("a package has a name");
        // The composition roots and the tests may use everything below them.
        let Some(may) = allowed.get(name) else { continue };
        for dependency in package["dependencies"].as_array().expect("a list of dependencies") {
            let on = dependency["name"].as_str().expect("a dependency has a name");
            // Tests of a crate may reach sideways; its product may not.
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            if ours.contains(on) && !may.contains(&on) {
                wrong.push(format!("{name} -> {on}"));
            }
        }
    }
    assert!(wrong.is_empty(), "dependencies against the direction of docs/architecture.md: {wrong:?}");
}

/// What only one part may do shows in whom it has to ask for help: `crate of others -> crates of this tree that may use it`.
///
/// Netlink has no entry: `network` speaks it without help, see [`what_only_one_part_may_do`].
fn helpers() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        // Metadata.
        ("redb", &["store"] as &[_]),
        // HTTP: in the guest only `api` serves it, and `images` asks registries; outside, the daemon and its clients, one of which carries pages.
        // `buildkit` speaks gRPC over streams that `api` hands to it.
        ("hyper", &["api", "buildkit", "host", "cli", "desktop"]),
        ("hyper-util", &["api", "buildkit", "host", "cli", "desktop"]),
        ("http-body-util", &["api", "host", "cli", "desktop"]),
        ("reqwest", &["images"]),
        ("oci-client", &["images"]),
        // Docker's API from outside: what `berth run` and its like are made of. The daemon passes its bytes on unread.
        ("bollard", &["cli"]),
        ("engine-api", &["api", "build", "buildkit", "containers"]),
        // The user's folders; `guest-image` builds the image, and keeps its downloads where the daemon finds them.
        ("directories", &["host", "guest-image"]),
        ("dirs", &[]),
        // None of these is needed, and each would be a second way to what `network` does.
        ("rtnetlink", &[]),
        ("netlink-sys", &[]),
        ("neli", &[]),
        ("nftnl", &[]),
        ("nftables", &[]),
    ])
}

#[test]
fn helpers_are_asked_by_their_one_part_only() {
    let helpers = helpers();
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for package in packages() {
        let name = package["name"].as_str().expect("a package has a name");
        // Tests, and what installs and verifies, look at all sides from outside.
        if ["tests", "installers"].contains(&name) {
            continue;
        }
        for dependency in package["dependencies"].as_array().expect("a list of dependencies") {
            let on = dependency["name"].as_str().expect("a dependency has a name");
            let Some(may) = helpers.get(on).filter(|_| dependency["kind"].as_str() != Some("dev")) else { continue };
            used.insert((on.to_owned(), name.to_owned()));
            if !may.contains(&name) {
                wrong.push(format!("{name} -> {on}"));
            }
        }
    }
    assert!(wrong.is_empty(), "used by others than docs/architecture.md says: {wrong:?}");
    let allowed = helpers.iter().flat_map(|(on, may)| may.iter().map(|name| ((*on).to_owned(), (*name).to_owned())));
    let idle: Vec<_> = allowed.filter(|pair| !used.contains(pair)).collect();
    assert!(idle.is_empty(), "allowed and not used (any more): {idle:?}");
}

/// What needs no helper shows in the sources: `word -> files and folders in which it may be`.
#[test]
fn what_only_one_part_may_do() {
    let rules: [(&str, &str, &[&str]); 3] = [
        // Halves, so that this file does not find itself. The second place waits for the kernel's word about disks at boot,
        // before there is an engine; the third one hears that the host's network changed.
        (
            concat!("NET", "LINK"),
            "",
            &["vm-agent/network/", "vm-agent/src/init/disks.rs", "app/host/src/sys/unix/network.rs"],
        ),
        // The second place looks for somebody else's program.
        (concat!("director", "ies::"), "app/", &["app/host/src/paths.rs", "app/host/src/driver/qemu/vsock_device.rs"]),
        (concat!("(\"BERTH_", "HOME\")"), "app/", &["app/host/src/paths.rs"]),
    ];
    let mut wrong = Vec::new();
    for (word, beneath, places) in rules {
        let mut found = BTreeSet::new();
        for (path, text) in rust_files() {
            let path = path.strip_prefix(root()).expect("git lists files of this tree").display().to_string();
            // A crate's tests may set up what its product may not touch.
            if !path.starts_with(beneath) || path.contains("/tests/") || !text.contains(word) {
                continue;
            }
            match places.iter().find(|place| path.starts_with(**place)) {
                Some(place) => drop(found.insert(*place)),
                None => wrong.push(format!("{word} in {path}")),
            }
        }
        assert_eq!(found.len(), places.len(), "{word} is only in {found:?} any more");
    }
    assert!(wrong.is_empty(), "done elsewhere than docs/architecture.md says: {wrong:?}");
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for manifest in files().iter().filter(|path| path.ends_with("Cargo.toml") && **path != root().join("Cargo.toml")) {
        let text = fs::read_to_string(manifest).expect("a manifest is UTF-8");
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{} does not take the workspace's lints",
            manifest.display()
        );
    }
}

#[test]
fn files_stay_readable() {
    let long: Vec<String> = rust_files()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 1000)
        .map(|(path, lines)| format!("{} ({lines})", path.display()))
        .collect();
    assert!(long.is_empty(), "files over 1000 lines: {long:?}");
}

#[test]
fn every_source_file_says_what_it_is() {
    let mute: Vec<String> = rust_files()
        .iter()
        .filter(|(_, text)| !text.lines().any(|line| line.starts_with("//!")))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(mute.is_empty(), "files without a module comment: {mute:?}");
}

#[test]
fn nothing_is_left_undone_in_the_sources() {
    // Spelt in halves, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
    ];
    let mut found = Vec::new();
    for (path, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "unfinished work is marked in {found:?}");
}

#[test]
fn the_top_level_is_the_agreed_one() {
    let agreed =
        ["app", "vm-agent", "guest-image", "ui", "installers", "tests", "docs", "Cargo.toml", "Cargo.lock", "LICENSE"];
    let mut names: BTreeSet<String> = BTreeSet::new();
    for file in files() {
        let inside = file.strip_prefix(root()).expect("git lists files of this tree");
        let first = inside.components().next().expect("a relative path has a first part");
        names.insert(first.as_os_str().to_string_lossy().into_owned());
    }
    let strange: Vec<&String> = names
        .iter()
        .filter(|name| !agreed.contains(&name.as_str()) && !name.starts_with('.'))
        .filter(|name| !(name.starts_with("README") && name.ends_with(".md")))
        .collect();
    assert!(strange.is_empty(), "not part of the agreed layout: {strange:?}");
}

#[test]
fn no_vague_names() {
    let vague = ["util", "utils", "common", "helpers", "manager", "misc"];
    let found: Vec<String> = files()
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .filter(|path| path.file_stem().is_some_and(|stem| vague.iter().any(|word| stem == *word)))
        .map(|path| path.display().to_string())
        .collect();
    assert!(found.is_empty(), "name these for what they hold: {found:?}");
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(file).expect("a document is UTF-8");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !file.parent().expect("a file has a folder").join(path).exists() {
                broken.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links to nowhere: {broken:?}");
}

/// Whether a licence expression (SPDX 2.3, annex D) leaves a choice that is permissive throughout. What is not understood is not.
fn permits(licence: &str, permissive: &[&str]) -> bool {
    // Old manifests write "A/B" for a choice.
    let spaced = licence.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    choice(&mut rest, permissive) && rest.is_empty()
}

/// `A OR B` needs one permissive side; both are read.
fn choice(words: &mut &[&str], permissive: &[&str]) -> bool {
    let mut fine = all(words, permissive);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        fine |= all(words, permissive);
    }
    fine
}

/// `A AND B` needs each.
fn all(words: &mut &[&str], permissive: &[&str]) -> bool {
    let mut fine = one(words, permissive);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        fine &= one(words, permissive);
    }
    fine
}

/// A name, perhaps with an exception, which only ever allows more; or an expression in parentheses.
fn one(words: &mut &[&str], permissive: &[&str]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let fine = choice(words, permissive);
            let [")", rest @ ..] = *words else { return false };
            *words = rest;
            fine
        }
        [name, "WITH", _, rest @ ..] | [name, rest @ ..] => {
            *words = rest;
            permissive.iter().any(|known| name.starts_with(known))
        }
        [] => false,
    }
}

#[test]
fn a_licence_is_read_as_an_expression() {
    let check = |licence, expected| assert_eq!(permits(licence, &["MIT", "Apache-2.0"]), expected, "{licence}");
    for good in
        ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-2.0", "(GPL-2.0 AND LGPL-2.1) OR (MIT AND Apache-2.0 WITH LLVM-exception)"]
    {
        check(good, true);
    }
    for bad in [
        "",
        "GPL-3.0",
        "(MIT OR Apache-2.0) AND GPL-3.0",
        "GPL-3.0 AND (MIT OR Apache-2.0)",
        "MIT AND GPL-2.0 OR GPL-3.0",
        "(MIT",
        "MIT Apache-2.0",
        "OR MIT",
    ] {
        check(bad, false);
    }
}

#[test]
fn licences_of_linked_crates_are_permissive() {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&out.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).expect("cargo metadata prints JSON");
    let permissive = [
        "MIT",
        "Apache-2.0",
        "BSD",
        "ISC",
        "Zlib",
        "0BSD",
        "Unicode",
        "CC0",
        "Unlicense",
        "BSL-1.0",
        "CDLA-Permissive-2.0",
        "MPL-2.0",
        "NCSA",
        // libbz2's own: BSD's terms in other words.
        "bzip2-1.0.6",
    ];
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().expect("a list of packages") {
        let licence = package["license"].as_str().unwrap_or_default();
        if !permits(licence, &permissive) {
            refused.push(format!("{} ({licence})", package["name"]));
        }
    }
    assert!(refused.is_empty(), "licences that may not be linked: {refused:?}");
}
