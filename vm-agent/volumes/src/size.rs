//! The size of a directory tree.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Bytes of all files below `root`, hard links once, links not followed. What cannot be read (files come and go while a
/// container runs) counts nothing.
pub(crate) fn of_tree(root: &Path) -> u64 {
    let mut total = 0;
    let mut linked = HashSet::new();
    let mut pending: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                pending.push(entry.path());
            } else if metadata.nlink() < 2 || linked.insert((metadata.dev(), metadata.ino())) {
                total += metadata.len();
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    #[test]
    fn hard_links_count_once() {
        let root = tempfile::tempdir().expect("a directory");
        let sub = root.path().join("sub");
        std::fs::create_dir(&sub).expect("made");
        std::fs::write(sub.join("a"), [0; 1000]).expect("written");
        std::fs::hard_link(sub.join("a"), root.path().join("b")).expect("linked");
        std::fs::write(root.path().join("c"), [0; 10]).expect("written");
        assert_eq!(super::of_tree(root.path()), 1010);
    }
}
