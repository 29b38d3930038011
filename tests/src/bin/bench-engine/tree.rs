//! A tree of files as an archive tells it, and the first difference between two.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

/// `security.capability` version 2 with CAP_NET_BIND_SERVICE permitted and effective: linux/capability.h.
pub(crate) const CAPABILITY: (&str, &[u8]) =
    ("security.capability", &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File { size: u64, sha256: [u8; 32] },
    Symlink(String),
}

impl Kind {
    /// A regular file with what `content` reads.
    pub(crate) fn file(mut content: impl Read) -> std::io::Result<Self> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut size = 0;
        loop {
            match content.read(&mut buffer)? {
                0 => return Ok(Kind::File { size, sha256: hash.finalize().into() }),
                n => {
                    hash.update(&buffer[..n]);
                    size += n as u64;
                }
            }
        }
    }
}

/// One file, folder or symbolic link, with everything that must survive the way through a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    kind: Kind,
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    attributes: BTreeMap<String, Vec<u8>>,
}

impl Entry {
    pub(crate) fn new(kind: Kind, mode: u32, owner: (u64, u64), mtime: u64) -> Self {
        Self { kind, mode, owner, mtime, attributes: BTreeMap::new() }
    }

    /// A folder of root's.
    pub(crate) fn folder(mode: u32, mtime: u64) -> Self {
        Self::new(Kind::Folder, mode, (0, 0), mtime)
    }

    pub(crate) fn add_attribute(&mut self, name: &str, value: &[u8]) {
        self.attributes.insert(name.to_owned(), value.to_vec());
    }
}

/// Paths and what stands there. A further name of a file points to its first one.
#[derive(Default)]
pub(crate) struct Tree {
    entries: BTreeMap<String, Entry>,
    links: BTreeMap<String, String>,
}

impl Tree {
    pub(crate) fn insert(&mut self, path: &str, entry: Entry) {
        self.entries.insert(path.trim_end_matches('/').to_owned(), entry);
    }

    /// `path` is one more name of the file `target`.
    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.links.insert(path.to_owned(), target.to_owned());
    }

    /// Takes one item of an archive.
    pub(crate) fn read<R: Read>(&mut self, path: &str, item: &mut tar::Entry<'_, R>) -> anyhow::Result<()> {
        let mut attributes = BTreeMap::new();
        for extension in item.pax_extensions()?.into_iter().flatten() {
            let extension = extension?;
            if let Some(name) = extension.key()?.strip_prefix("SCHILY.xattr.") {
                attributes.insert(name.to_owned(), extension.value_bytes().to_vec());
            }
        }
        let target = item.link_name()?.map(|link| link.to_string_lossy().into_owned());
        let kind = match (item.header().entry_type(), target) {
            (tar::EntryType::Link, Some(target)) => {
                self.link(path, &target);
                return Ok(());
            }
            (tar::EntryType::Symlink, Some(target)) => Kind::Symlink(target),
            (tar::EntryType::Directory, None) => Kind::Folder,
            (tar::EntryType::Regular, None) => Kind::file(&mut *item)?,
            (other, _) => bail!("an entry of type {other:?} was never put in"),
        };
        let header = item.header();
        let owner = (header.uid()?, header.gid()?);
        let entry = Entry { kind, mode: header.mode()? & 0o7777, owner, mtime: header.mtime()?, attributes };
        self.insert(path, entry);
        Ok(())
    }

    /// What stands at every path, further names of a file included.
    fn flat(&self) -> anyhow::Result<BTreeMap<&str, &Entry>> {
        let mut all: BTreeMap<&str, &Entry> = self.entries.iter().map(|(path, entry)| (path.as_str(), entry)).collect();
        for (path, target) in &self.links {
            let entry = self.entries.get(target).with_context(|| format!("{path} is linked to {target}, a nothing"))?;
            all.insert(path, entry);
        }
        Ok(all)
    }

    /// Names that are one file, in sets: which of them an archive gives first is the archiver's choice.
    fn sets(&self) -> BTreeSet<BTreeSet<&str>> {
        let mut sets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (path, target) in &self.links {
            sets.entry(target).or_insert_with(|| [target.as_str()].into()).insert(path);
        }
        sets.into_values().collect()
    }

    /// Whether `found` is this tree; the error names the first difference.
    pub(crate) fn compare(&self, found: &Tree) -> anyhow::Result<()> {
        let (wanted, found_flat) = (self.flat()?, found.flat()?);
        for (path, wanted) in &wanted {
            let got = found_flat.get(path).with_context(|| format!("{path} is missing"))?;
            ensure!(got == wanted, "{path}: {got:?}, wanted {wanted:?}");
        }
        if let Some(path) = found_flat.keys().find(|path| !wanted.contains_key(*path)) {
            bail!("{path} was never put in");
        }
        let (wanted, got) = (self.sets(), found.sets());
        if let Some(set) = wanted.symmetric_difference(&got).next() {
            let where_ = if wanted.contains(set) { "are different files now" } else { "are one file now" };
            bail!("{set:?} {where_}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(change: impl FnOnce(&mut Tree)) -> Tree {
        let mut tree = Tree::default();
        tree.insert("fat/", Entry::folder(0o755, 1));
        for name in ["fat/a", "fat/b"] {
            tree.insert(name, Entry::new(Kind::file(&b"text"[..]).unwrap(), 0o644, (0, 0), 7));
        }
        tree.link("fat/c", "fat/a");
        change(&mut tree);
        tree
    }

    fn difference(change: impl FnOnce(&mut Tree)) -> String {
        tree(|_| {}).compare(&tree(change)).expect_err("they differ").to_string()
    }

    #[test]
    fn first_names_are_the_archivers_choice() {
        let mut other = tree(|tree| tree.links.clear());
        let file = other.entries.remove("fat/a").unwrap();
        other.insert("fat/c", file);
        other.link("fat/a", "fat/c");
        tree(|_| {}).compare(&other).unwrap();
    }

    #[test]
    fn every_difference_is_seen() {
        let content = |tree: &mut Tree| {
            let kind = Kind::file(&b"tex!"[..]).unwrap();
            tree.entries.get_mut("fat/b").unwrap().kind = kind;
        };
        assert!(difference(content).starts_with("fat/b: "));
        assert!(difference(|tree| tree.entries.get_mut("fat").unwrap().mtime = 2).starts_with("fat: "));
        let attribute = |tree: &mut Tree| tree.entries.get_mut("fat/b").unwrap().add_attribute("user.x", b"1");
        assert!(difference(attribute).starts_with("fat/b: "));
        assert_eq!(difference(|tree| drop(tree.entries.remove("fat/b"))), "fat/b is missing");
        assert_eq!(difference(|tree| tree.insert("fat/d", Entry::folder(0o755, 1))), "fat/d was never put in");
        let unlinked = |tree: &mut Tree| {
            tree.links.clear();
            let file = tree.entries["fat/a"].clone();
            tree.insert("fat/c", file);
        };
        assert_eq!(difference(unlinked), "{\"fat/a\", \"fat/c\"} are different files now");
    }
}
