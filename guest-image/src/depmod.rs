//! The lists by which modprobe(8) and its kin find modules: those that depmod(8) writes when a kernel is installed.
//!
//! The tools of kmod read binary lists only, in a format that is theirs to change (modules.dep(5)), so their own program
//! writes them; BusyBox reads the text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::MODULES;
use crate::error::{IoContext, Result};
use crate::modules::{Module, Modules};
use crate::tool;

const PACKAGE: &str = "kmod";

/// One list.
#[derive(Debug)]
pub(crate) struct List {
    /// As [`Module::origin`], or what made it.
    pub(crate) origin: String,
    pub(crate) content: Vec<u8>,
}

/// Version of the host's depmod: an input of the build, since another one may write other lists.
pub(crate) fn version() -> Result<String> {
    tool::text(Command::new("kmod").arg("--version"), PACKAGE)
}

/// The lists that belong beside `shipped` below `/lib/modules/<release>`, by name, as `modules.dep`.
pub(crate) fn lists<'a>(
    modules: &Modules,
    shipped: impl Iterator<Item = &'a Module>,
) -> Result<BTreeMap<String, List>> {
    let staging =
        tempfile::Builder::new().prefix("berth-modules-").tempdir().at("create a folder in", std::env::temp_dir())?;
    let folder = staging.path().join(&MODULES[1..]).join(modules.release());
    let mut names = BTreeSet::new();
    for module in shipped {
        let path = staging.path().join(&module.path[1..]);
        let parent = path.parent().expect("it is below the root");
        fs::create_dir_all(parent).at("create", parent)?;
        fs::write(&path, &module.content).at("write", &path)?;
        names.insert(path.strip_prefix(&folder).expect("a module of this kernel").display().to_string());
    }
    let mut lists = BTreeMap::new();
    for kind in ["builtin", "builtin.modinfo", "order"] {
        let Some((origin, mut content)) = modules.list(kind)? else { continue };
        if kind == "order" {
            content = only(&content, &names);
        }
        let name = format!("modules.{kind}");
        fs::write(folder.join(&name), &content).at("write", folder.join(&name))?;
        lists.insert(name, List { origin, content });
    }
    run(staging.path(), modules.release())?;
    for entry in fs::read_dir(&folder).at("read", &folder)? {
        let path = entry.at("read", &folder)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("modules.") && !lists.contains_key(&name) {
            let content = fs::read(&path).at("read", &path)?;
            lists.insert(name, List { origin: "depmod".into(), content });
        }
    }
    Ok(lists)
}

/// The lines of `order` that name one of `names`: a list of what is not there would only mislead.
fn only(order: &[u8], names: &BTreeSet<String>) -> Vec<u8> {
    let text = String::from_utf8_lossy(order);
    let kept = text.lines().filter(|line| names.contains(*line));
    kept.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
}

fn run(base: &Path, release: &str) -> Result<()> {
    // What the builder's own machine prefers or leaves out is no input of the image.
    let settings = base.join("settings");
    fs::create_dir(&settings).at("create", &settings)?;
    let mut command = Command::new("kmod");
    // By its own name it is in a folder that only root searches.
    command.arg0("depmod").arg("-b").arg(base).arg("-C").arg(settings).arg(release);
    tool::output(&mut command, PACKAGE).map(drop)
}
