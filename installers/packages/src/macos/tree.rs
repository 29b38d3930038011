//! Folders, files and links: what is written into a package or onto a disk image, wherever it came from.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::Result;
use crate::error::IoContext;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Folder,
    /// What is in it, and its permissions.
    File(Vec<u8>, u32),
    /// Where it leads to.
    Link(String),
}

/// By path, relative to a folder that is not in it itself; a folder comes before what lies in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    pub nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// Puts a file and the folders that it lies in.
    pub fn file(&mut self, path: &str, mode: u32, bytes: Vec<u8>) {
        for (end, _) in path.match_indices('/') {
            self.nodes.insert(path[..end].to_owned(), Node::Folder);
        }
        self.nodes.insert(path.to_owned(), Node::File(bytes, mode));
    }

    /// All that is below `folder`. Who may do what is told by whether somebody may run it: programs that sign have masks of their own.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn read(folder: &Path) -> Result<Tree> {
        let mut tree = Tree::default();
        let mut waiting = vec![folder.to_path_buf()];
        while let Some(next) = waiting.pop() {
            for entry in fs::read_dir(&next).at("read", &next)? {
                let path = entry.at("read", &next)?.path();
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                let about = path.symlink_metadata().at("find", &path)?;
                let node = if about.is_dir() {
                    waiting.push(path);
                    Node::Folder
                } else if about.is_symlink() {
                    Node::Link(fs::read_link(&path).at("read", &path)?.to_string_lossy().into_owned())
                } else {
                    let mode = if about.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
                    Node::File(fs::read(&path).at("read", &path)?, mode)
                };
                tree.nodes.insert(name, node);
            }
        }
        Ok(tree)
    }

    /// Writes it into `folder`, which is there.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (path, node) in &self.nodes {
            let path = folder.join(path);
            let mode = match node {
                Node::Folder => {
                    fs::create_dir(&path).at("create the folder", &path)?;
                    0o755
                }
                Node::File(bytes, mode) => {
                    fs::write(&path, bytes).at("write", &path)?;
                    *mode
                }
                Node::Link(target) => {
                    symlink(target, &path).at("write", &path)?;
                    continue;
                }
            };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).at("change", path)?;
        }
        Ok(())
    }

    /// KiB on a disk, as installers tell it.
    pub fn size(&self) -> u64 {
        let of = |node: &Node| if let Node::File(bytes, _) = node { bytes.len().div_ceil(1024) as u64 } else { 0 };
        self.nodes.values().map(of).sum()
    }
}

/// Who owns a folder that is installed into, and what they may do with it. Nobody changes one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    pub mode: u32,
    pub group: u32,
}

/// A node as archives and lists have it. Root's, but for the folder that is installed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// `.`, `./Berth.app`.
    pub path: &'a str,
    /// With its kind.
    pub mode: u32,
    pub group: u32,
    /// What is in a file, or where a link leads to.
    pub bytes: &'a [u8],
}

impl Tree {
    /// Calls `each` for the folder itself and for all in it.
    pub fn rows(&self, root: Root, mut each: impl FnMut(Row<'_>)) {
        const FOLDER: u32 = 0o040_000;
        const FILE: u32 = 0o100_000;
        const LINK: u32 = 0o120_000;
        each(Row { path: ".", mode: FOLDER | root.mode, group: root.group, bytes: &[] });
        for (path, node) in &self.nodes {
            let path = format!("./{path}");
            let (mode, bytes): (u32, &[u8]) = match node {
                Node::Folder => (FOLDER | 0o755, &[]),
                Node::File(bytes, mode) => (FILE | mode, bytes),
                Node::Link(target) => (LINK | 0o755, target.as_bytes()),
            };
            each(Row { path: &path, mode, group: 0, bytes });
        }
    }
}
