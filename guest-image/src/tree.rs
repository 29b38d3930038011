//! The root file system as data: every path with its content, its origin and its reason.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::error::{Error, IoContext, Result};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Directory,
    File(Vec<u8>),
    Link(String),
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Package and path, or what made it.
    pub origin: String,
    pub reason: String,
}

/// Paths (absolute, sorted, parents first) and what stands there.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// Adds a path; its missing parents become plain directories.
    pub fn add(&mut self, path: &str, node: Node) -> Result<()> {
        let bad = |problem: String| Error::Entry { entry: path.to_owned(), problem };
        for (at, _) in path.match_indices('/').skip(1) {
            let parent = &path[..at];
            match self.nodes.get(parent).map(|node| &node.content) {
                Some(Content::Directory) => {}
                Some(_) => return Err(bad(format!("its parent {parent} is not a directory"))),
                None => {
                    let reason = format!("holds {path}");
                    let node = Node { content: Content::Directory, mode: 0o755, origin: "parent".into(), reason };
                    self.nodes.insert(parent.to_owned(), node);
                }
            }
        }
        match self.nodes.get(path) {
            // A directory that was made as a parent takes the mode and reason of its own entry.
            Some(old) if old.origin == "parent" && node.content == Content::Directory => {}
            Some(_) => return Err(bad("something else already makes this path".into())),
            None => {}
        }
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// Whether something stands at `path`.
    pub fn contains(&self, path: &str) -> bool {
        self.nodes.contains_key(path)
    }

    /// All paths, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Writes the tree into the existing directory `root`. Owners are the caller's; the file system's maker sets them.
    pub fn write(&self, root: &Path) -> Result<()> {
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).at("set the mode of", root)?;
        for (path, node) in self.iter() {
            let target = root.join(&path[1..]);
            match &node.content {
                Content::Directory => fs::create_dir(&target).at("create", &target)?,
                Content::File(bytes) => fs::write(&target, bytes).at("write", &target)?,
                Content::Link(to) => symlink(to, &target).at("link", &target)?,
            }
            if !matches!(node.content, Content::Link(_)) {
                fs::set_permissions(&target, fs::Permissions::from_mode(node.mode)).at("set the mode of", &target)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(content: Content) -> Node {
        Node { content, mode: 0o700, origin: "test".into(), reason: "test".into() }
    }

    #[test]
    fn parents_come_first_and_by_themselves() {
        let mut tree = Tree::default();
        tree.add("/a/b/c", node(Content::File(vec![1]))).unwrap();
        tree.add("/a", node(Content::Directory)).unwrap();
        let found: Vec<_> = tree.iter().map(|(path, node)| (path, node.mode)).collect();
        assert_eq!(found, [("/a", 0o700), ("/a/b", 0o755), ("/a/b/c", 0o700)]);
    }

    #[test]
    fn collisions_are_refused() {
        let mut tree = Tree::default();
        tree.add("/a", node(Content::Link("b".into()))).unwrap();
        assert!(tree.add("/a/x", node(Content::File(vec![]))).is_err());
        assert!(tree.add("/a", node(Content::File(vec![]))).is_err());
    }

    #[test]
    fn written_as_described() {
        let directory = tempfile::tempdir().unwrap();
        let mut tree = Tree::default();
        tree.add("/d/f", node(Content::File(b"x".to_vec()))).unwrap();
        tree.add("/l", node(Content::Link("d/f".into()))).unwrap();
        tree.write(directory.path()).unwrap();
        assert_eq!(fs::read(directory.path().join("l")).unwrap(), b"x");
        assert_eq!(fs::metadata(directory.path().join("d/f")).unwrap().permissions().mode() & 0o7777, 0o700);
    }
}
