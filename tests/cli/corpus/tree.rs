//! The files of an image: its layers, one over the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use anyhow::Context;
use sha2::{Digest as _, Sha256};

use super::build::TIME;
use super::image::plain;

/// Files by their paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree(BTreeMap<String, File>);

/// All that is compared of a file, and which other names it has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    kind: char,
    mode: u32,
    owner: (u64, u64),
    what: String,
    time: u64,
    attributes: BTreeSet<String>,
    /// The name that it was first packed by.
    first: Option<String>,
}

impl Tree {
    /// Puts a layer on top.
    pub(super) fn add(&mut self, layer: &[u8]) -> anyhow::Result<()> {
        let mut added = BTreeMap::new();
        for entry in tar::Archive::new(layer).entries()? {
            let mut entry = entry?;
            let path = String::from_utf8(entry.path_bytes().into_owned()).context("a name is UTF-8")?;
            let path = path.trim_start_matches("./").trim_matches('/').to_owned();
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if name == ".wh..wh..opq" {
                self.remove(folder, false);
            } else if let Some(gone) = name.strip_prefix(".wh.") {
                self.remove(&join(folder, gone), true);
            } else if !path.is_empty() {
                let file = File::read(&mut entry, &added, &self.0)?;
                added.insert(path, file);
            }
        }
        for (path, file) in added {
            // What is no directory any more has nothing in it.
            if file.kind != 'd' {
                self.remove(&path, true);
            }
            self.0.insert(path, file);
        }
        Ok(())
    }

    /// What is beneath a directory, and with `whole` the directory.
    fn remove(&mut self, path: &str, whole: bool) {
        let beneath = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.0.retain(|name, _| !(name.starts_with(&beneath) || (whole && name == path)));
    }

    /// What this has that another has not, and the other way round, as text. That something was done in a directory is no difference.
    pub(super) fn beyond(&self, other: &Tree) -> String {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, file) in &self.0 {
            names.entry(file.first.as_deref().unwrap_or(path)).or_default().push(path);
        }
        let mut text = String::new();
        for (path, file) in self.0.iter().filter(|(path, file)| !other.0.get(*path).is_some_and(|other| file.is(other)))
        {
            let also = names[file.first.as_deref().unwrap_or(path)].iter().filter(|name| **name != path);
            let also: String = also.map(|name| format!(" = /{}", plain(name))).collect();
            text += &format!("{}{also}\n", file.shown(path));
        }
        for path in other.0.keys().filter(|path| !self.0.contains_key(*path)) {
            text += &format!("- /{}\n", plain(path));
        }
        text
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

impl File {
    fn read(
        entry: &mut tar::Entry<'_, &[u8]>,
        added: &BTreeMap<String, File>,
        below: &BTreeMap<String, File>,
    ) -> anyhow::Result<File> {
        let link = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default();
        let kind = entry.header().entry_type();
        if kind.is_hard_link() {
            let to = link.trim_start_matches("./").trim_matches('/').to_owned();
            let found =
                added.get(&to).or_else(|| below.get(&to)).with_context(|| format!("a link to nothing: {to}"))?;
            let first = found.first.clone().or(Some(to));
            return Ok(File { first, ..found.clone() });
        }
        let mut attributes = BTreeSet::new();
        for extension in entry.pax_extensions()?.into_iter().flatten() {
            let extension = extension?;
            if let Some(name) = extension.key_bytes().strip_prefix(b"SCHILY.xattr.") {
                let value: String = extension.value_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                attributes.insert(format!(" {}={value}", String::from_utf8_lossy(name)));
            }
        }
        let header = entry.header().clone();
        let device =
            || anyhow::Ok(format!(" {}:{}", header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)));
        let (kind, what) = match kind {
            kind if kind.is_dir() => ('d', String::new()),
            kind if kind.is_symlink() => ('l', format!(" -> {}", plain(&link))),
            kind if kind.is_fifo() => ('p', String::new()),
            kind if kind.is_character_special() => ('c', device()?),
            kind if kind.is_block_special() => ('b', device()?),
            _ => ('f', content(entry)?),
        };
        // A pax header may have an owner of its own.
        let (uid, gid) = (header.uid()?, header.gid()?);
        Ok(File {
            kind,
            mode: header.mode()? & 0o7777,
            owner: (uid, gid),
            what,
            time: header.mtime()?,
            attributes,
            first: None,
        })
    }

    /// Whether nothing was done to it. Of a directory, the time says that something was done in it.
    fn is(&self, other: &File) -> bool {
        self == other || (self.kind == 'd' && *self == File { time: self.time, ..other.clone() })
    }

    fn shown(&self, path: &str) -> String {
        let File { kind, mode, owner: (uid, gid), what, time, attributes, .. } = self;
        // Later ones are of the build itself, and those of directories of whatever was done in them last.
        let time = if *time <= TIME && *kind != 'd' { format!(" @{time}") } else { String::new() };
        let attributes: String = attributes.iter().map(String::as_str).collect();
        format!("{kind} {mode:04o} {uid}:{gid} /{}{what}{time}{attributes}", plain(path))
    }
}

/// A short text as it is; of others, how long they are and their digest.
fn content(entry: &mut tar::Entry<'_, &[u8]>) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) if text.len() <= 200 => format!(" {}", serde_json::Value::from(text)),
        _ => {
            let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            format!(" {} bytes sha256:{digest}", bytes.len())
        }
    })
}
