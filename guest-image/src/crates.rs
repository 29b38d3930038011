//! Notices of the crates that are compiled into the agent: their licences ask for their text beside the program.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::architecture::Architecture;
use crate::error::Result;
use crate::tool;

/// The text of `/usr/share/doc/berth/crates.txt`: every crate with its licence, then each licence text once with the
/// crates that carry it.
pub(crate) fn notices(workspace: &Path, architecture: Architecture) -> Result<String> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["tree", "--package", "berth-agent", "--locked", "--edges", "normal", "--prefix", "none"]);
    command.args(["--target", architecture.target(), "--no-dedupe", "--format", "{p}|{l}|{r}"]);
    let tree = tool::text(command.current_dir(workspace), "cargo (by rustup)")?;
    let crates = parse(&tree);

    let mut text = String::from("Crates in the agent of Berth\n============================\n\n");
    let mut licences: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (crate_name, licence, repository) in &crates {
        text.push_str(&format!("{crate_name}: {licence}  {repository}\n"));
        for licence in texts(crate_name) {
            licences.entry(licence).or_default().insert(crate_name.clone());
        }
    }
    for (licence, names) in licences {
        let names: Vec<String> = names.into_iter().collect();
        text.push_str(&format!("\n{}\n{}\n\n{}\n", "-".repeat(100), names.join(", "), licence.trim()));
    }
    Ok(text)
}

/// `name version (source)|licence|repository` a line; crates of the workspace (which have a path) are ours and left out.
fn parse(tree: &str) -> BTreeSet<(String, String, String)> {
    tree.lines()
        .filter_map(|line| {
            let mut fields = line.split('|');
            let (package, licence, repository) = (fields.next()?, fields.next()?, fields.next()?);
            let mut words = package.split_whitespace();
            let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
            let ours = words.any(|word| word.starts_with("(/"));
            (!ours).then(|| (format!("{name}-{version}"), licence.to_owned(), repository.to_owned()))
        })
        .collect()
}

/// The licence files of a crate in cargo's registry folder, `name-version`.
fn texts(crate_name: &str) -> Vec<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let Some(registries) = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok()) else {
        return Vec::new();
    };
    let Some(files) = registries.flatten().find_map(|registry| fs::read_dir(registry.path().join(crate_name)).ok())
    else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).filter(|path| is_licence(path)).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).map(|text| text.replace("\r\n", "\n")).collect()
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_uppercase();
    path.is_file()
        && ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"].iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_tree() {
        let tree = "berth-agent v0.1.0 (/w/vm-agent)|Apache-2.0|\n\
                    serde v1.0.1|MIT OR Apache-2.0|https://example.org/serde\n\
                    serde_derive v1.0.1 (proc-macro)|MIT|\n\
                    serde v1.0.1|MIT OR Apache-2.0|https://example.org/serde\n";
        let names: Vec<String> = parse(tree).into_iter().map(|(name, _, _)| name).collect();
        assert_eq!(names, ["serde-1.0.1", "serde_derive-1.0.1"]);
    }
}
