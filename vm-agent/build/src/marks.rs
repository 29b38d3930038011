//! Which images are steps of builds and when they were used last, and which of them somebody was told of as a build's result.

use images::ImageId;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A file for each image, named by its ID: its time is when it was used last, and the one of a result is not empty. Clones are of one folder.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    directory: Arc<PathBuf>,
}

/// What is known of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) used: SystemTime,
    pub(crate) is_result: bool,
}

impl Marks {
    pub(crate) fn open(directory: &Path) -> io::Result<Marks> {
        std::fs::create_dir_all(directory)?;
        Ok(Marks { directory: Arc::new(directory.to_owned()) })
    }

    /// A build made it, or found it. What cannot be marked stays as long as images do.
    pub(crate) fn used(&self, id: &ImageId) {
        self.write(id, b"");
    }

    /// It is somebody's from now on, who may know it by its ID alone.
    pub(crate) fn result(&self, id: &ImageId) {
        self.write(id, b"result\n");
    }

    fn write(&self, id: &ImageId, words: &[u8]) {
        let path = self.directory.join(id.hex());
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let written = opened.and_then(|mut file| {
            // Once is enough.
            if file.metadata()?.len() == 0 {
                file.write_all(words)?;
            }
            file.set_modified(SystemTime::now())
        });
        if let Err(error) = written {
            tracing::warn!(image = %id, %error, "it is not remembered when a step was used");
        }
    }

    /// All of them; blocking.
    pub(crate) fn list(&self) -> io::Result<HashMap<ImageId, Mark>> {
        let mut all = HashMap::new();
        for entry in std::fs::read_dir(&*self.directory)? {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().and_then(ImageId::from_hex) else { continue };
            match entry.metadata() {
                // Gone meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => {
                    let found = found?;
                    all.insert(id, Mark { used: found.modified()?, is_result: found.len() > 0 });
                }
            }
        }
        Ok(all)
    }

    /// What is known of one now; blocking.
    pub(crate) fn get(&self, id: &ImageId) -> Option<Mark> {
        let found = std::fs::metadata(self.directory.join(id.hex())).ok()?;
        Some(Mark { used: found.modified().ok()?, is_result: found.len() > 0 })
    }

    /// Forgets an image that is not there any more.
    pub(crate) fn forget(&self, id: &ImageId) {
        match std::fs::remove_file(self.directory.join(id.hex())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(image = %id, %error, "a step that is gone stays marked");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_stays_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("marks");
        let marks = Marks::open(&path).expect("opened");
        let [step, result] = [b"a", b"b"].map(|name| ImageId::of(name));
        marks.used(&step);
        marks.result(&result);
        marks.used(&result);
        let list = Marks::open(&path).expect("opened").list().expect("listed");
        assert_eq!((list.len(), list[&step].is_result, list[&result].is_result), (2, false, true));
        assert!(list[&step].used <= list[&result].used);
        assert_eq!(marks.get(&result), Some(list[&result]));
        marks.forget(&step);
        marks.forget(&step);
        assert_eq!(marks.get(&step), None);
        assert_eq!(marks.list().expect("listed").into_keys().collect::<Vec<_>>(), [result]);
    }
}
