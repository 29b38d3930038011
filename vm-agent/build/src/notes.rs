//! Which containers builds have, on disk: whoever comes after an engine's sudden end removes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder with an empty file for each, named by its ID. Clones are of one folder.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    directory: Arc<PathBuf>,
}

impl Notes {
    pub(crate) fn open(directory: &Path) -> std::io::Result<Notes> {
        std::fs::create_dir_all(directory)?;
        Ok(Notes { directory: Arc::new(directory.to_owned()) })
    }

    pub(crate) fn list(&self) -> std::io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&*self.directory)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    pub(crate) fn add(&self, id: &str) -> std::io::Result<()> {
        std::fs::write(self.directory.join(id), "")
    }

    /// Somebody decided what becomes of it.
    pub(crate) fn remove(&self, id: &str) {
        if let Err(error) = std::fs::remove_file(self.directory.join(id)) {
            tracing::warn!(container = id, %error, "the note of a build's step stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_found_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("steps");
        let notes = Notes::open(&path).expect("opened");
        notes.add("a").expect("noted");
        notes.add("b").expect("noted");
        notes.remove("a");
        notes.remove("none");
        assert_eq!(Notes::open(&path).expect("opened").list().expect("listed"), ["b"]);
    }
}
