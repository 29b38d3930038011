//! Directories that clients sent before. A client that says which of its directories it is sends only what changed since.

use crate::stock::Item;
use crate::tree::Tree;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// How many are kept: those that were used last.
const KEPT: usize = 8;

/// The directories that no build uses at the moment. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contexts(Arc<Mutex<VecDeque<Kept>>>);

#[derive(Debug)]
struct Kept {
    key: String,
    tree: Tree,
    used: SystemTime,
}

impl Contexts {
    fn all(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory of that name, for a build alone.
    pub(crate) fn take(&self, key: &str) -> Option<Tree> {
        let mut all = self.all();
        let at = all.iter().position(|kept| kept.key == key)?;
        all.remove(at).map(|kept| kept.tree)
    }

    /// A build gives a directory back. Of two builds of the same one the later one's stays.
    pub(crate) fn put(&self, key: String, tree: Tree) {
        let mut all = self.all();
        all.retain(|kept| kept.key != key);
        all.push_back(Kept { key, tree, used: SystemTime::now() });
        if all.len() > KEPT {
            all.pop_front();
        }
    }

    /// A build gives back what came of a directory before its client went. What another one gave back meanwhile is more.
    pub(crate) fn put_part(&self, key: String, tree: Tree) {
        let is_there = self.all().iter().any(|kept| kept.key == key);
        if !is_there {
            self.put(key, tree);
        }
    }

    pub(crate) fn list(&self) -> Vec<Item> {
        self.all().iter().map(Kept::item).collect()
    }

    /// Removes those of these IDs; what they were.
    pub(crate) fn prune(&self, ids: &HashSet<String>) -> Vec<Item> {
        let gone: VecDeque<Kept>;
        {
            let mut all = self.all();
            (gone, *all) = all.drain(..).partition(|kept| ids.contains(&kept.id()));
        }
        gone.iter().map(Kept::item).collect()
    }
}

/// What the key of a repository's files begins with.
const REPOSITORY: &str = "git ";

/// What the files of a repository are called over several builds.
pub(crate) fn repository_key(key: &str) -> String {
    format!("{REPOSITORY}{key}")
}

impl Kept {
    fn is_repository(&self) -> bool {
        self.key.starts_with(REPOSITORY)
    }

    fn id(&self) -> String {
        self.tree.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn item(&self) -> Item {
        Item {
            id: self.id(),
            kind: if self.is_repository() { "source.git.checkout" } else { "source.local" },
            description: if self.is_repository() { "git snapshot" } else { "local source for context" },
            size: u64::try_from(self.tree.size()).unwrap_or_default(),
            used: self.used,
            in_use: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_build_at_a_time_uses_a_directory() {
        let root = tempfile::tempdir().expect("a directory");
        let contexts = Contexts::default();
        let new = || Tree::new(root.path()).expect("made");
        assert!(contexts.take("a").is_none());
        contexts.put("a".to_owned(), new());
        let newer = new();
        let path = newer.path().to_owned();
        contexts.put("a".to_owned(), newer);
        assert_eq!(contexts.list().len(), 1);
        assert_eq!(contexts.take("a").expect("there").path(), path);
        assert!(contexts.take("a").is_none(), "it is in use");
        contexts.put_part("p".to_owned(), new());
        let part = contexts.list()[0].id.clone();
        contexts.put_part("p".to_owned(), new());
        assert_eq!(contexts.list()[0].id, part);
        for key in 0..=KEPT {
            contexts.put(key.to_string(), new());
        }
        assert!(contexts.take("0").is_none() && contexts.take("1").is_some());
        assert!(contexts.prune(&HashSet::from(["x".to_owned()])).is_empty());
        let one = contexts.list().remove(0).id;
        assert_eq!(contexts.prune(&HashSet::from([one])).len(), 1);
        let rest = contexts.list();
        assert_eq!(rest.len(), KEPT - 2);
        contexts.prune(&rest.into_iter().map(|item| item.id).collect());
        assert!(contexts.list().is_empty());
    }
}
