//! Proof that an image depends on its sources only: builds it twice, in two folders, with nothing cached, and compares.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::Options;
use crate::error::{Error, IoContext, Result};
use crate::manifest::Manifest;
use crate::tool;

/// Folders that are results or history, not sources.
const SKIPPED: [&str; 4] = ["target", ".git", ".cache", "node_modules"];

/// Builds twice by starting `program` (this crate's binary), agent and downloads included, and returns the common
/// manifest. The two source trees have names of different length, and each build has its own cargo home.
pub fn check(program: &Path, options: &Options) -> Result<Manifest> {
    let scratch =
        tempfile::Builder::new().prefix("berth-reproducible-").tempdir().at("create a folder in", env::temp_dir())?;
    let mut manifests = Vec::new();
    for place in ["a", "the second/and longer place"] {
        let home = scratch.path().join(place);
        (options.progress)(&format!("building in {}", home.display()));
        manifests.push(build_in(program, options, &home)?);
    }
    let (second, first) = (manifests.pop().expect("two were built"), manifests.pop().expect("two were built"));
    match difference(&first, &second) {
        None => Ok(first),
        Some(difference) => Err(Error::NotReproducible(difference)),
    }
}

fn build_in(program: &Path, options: &Options, home: &Path) -> Result<Manifest> {
    let (sources, out, cargo_home) = (home.join("sources"), home.join("out"), home.join("cargo-home"));
    copy(&options.workspace, &sources)?;
    fs::create_dir_all(&cargo_home).at("create", &cargo_home)?;
    // Where crates come from is a setting of the user; it must not be lost with the cache.
    let user = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    if let Some(settings) = user.map(|user| user.join("config.toml")).filter(|path| path.is_file()) {
        fs::copy(&settings, cargo_home.join("config.toml")).at("copy", &settings)?;
    }
    let mut command = Command::new(program);
    command.arg("--workspace").arg(&sources).arg("--cache").arg(home.join("cache")).arg("--out").arg(&out);
    command.args(["--arch", options.architecture.name()]);
    command.env("CARGO_HOME", &cargo_home).env("CARGO_TARGET_DIR", home.join("target"));
    tool::output(&mut command, "guest-image")?;
    Manifest::read(&out)
}

/// The first thing that differs, in words.
fn difference(first: &Manifest, second: &Manifest) -> Option<String> {
    if first.agent.sha256 != second.agent.sha256 {
        return Some(format!(
            "the agent is {} in one folder and {} in the other",
            first.agent.sha256, second.agent.sha256
        ));
    }
    let paths: BTreeMap<_, _> = first.files.iter().map(|file| ((file.part as u8, &file.path), file)).collect();
    for file in &second.files {
        match paths.get(&(file.part as u8, &file.path)) {
            None => return Some(format!("{} is in one image only", file.path)),
            Some(other) if *other != file => return Some(format!("{} differs", file.path)),
            Some(_) => {}
        }
    }
    let names = first.artefacts.iter().zip(&second.artefacts);
    let different = names.filter(|(a, b)| a != b).map(|((name, _), _)| name.as_str()).next();
    different
        .map(|name| format!("{name} differs, though it holds the same files"))
        .or_else(|| (first != second).then(|| "the manifests differ, though the artefacts do not".into()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).at("create", to)?;
    for entry in fs::read_dir(from).at("read", from)? {
        let entry = entry.at("read", from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if SKIPPED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let kind = entry.file_type().at("read", &source)?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&source).at("read", &source)?;
            std::os::unix::fs::symlink(link, &target).at("link", &target)?;
        } else {
            fs::copy(&source, &target).at("copy", &source)?;
        }
    }
    Ok(())
}
