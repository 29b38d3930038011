//! Times of the directories of an archive: they come when nothing more is put into them, since that would change them.

use super::entry::set_time;
use super::folder::Folder;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// What may be remembered of an archive, in bytes: some hundred thousand directories.
const MOST: usize = 32 << 20;

#[derive(Debug)]
pub(super) struct Directories {
    times: BTreeMap<PathBuf, (i64, i64)>,
    bytes: usize,
    most: usize,
}

impl Directories {
    pub(super) fn new() -> Directories {
        Directories { times: BTreeMap::new(), bytes: 0, most: MOST }
    }

    /// Of more than can be remembered only those that hold this one wait for the archive's end. Archives are written folder by
    /// folder; one that comes back to a folder after so many others changes its time.
    pub(super) fn remember(&mut self, folder: &Folder, name: &Path, mtime: (i64, i64)) {
        if self.times.insert(name.to_owned(), mtime).is_none() {
            self.bytes += size(name);
        }
        if self.bytes > self.most {
            let (open, done) =
                std::mem::take(&mut self.times).into_iter().partition(|(path, _)| name.starts_with(path));
            self.times = open;
            self.bytes = self.times.keys().map(|path| size(path)).sum();
            set(folder, done);
        }
    }

    /// At the archive's end.
    pub(super) fn set(self, folder: &Folder) {
        set(folder, self.times);
    }
}

fn size(path: &Path) -> usize {
    path.as_os_str().len() + size_of::<(PathBuf, (i64, i64))>()
}

/// What a later entry replaced is no directory any more.
fn set(folder: &Folder, times: BTreeMap<PathBuf, (i64, i64)>) {
    for (path, mtime) in times {
        if let Ok(directory) = folder.directory(&path) {
            set_time(directory.as_fd(), mtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn however_many_there_are_they_have_their_times_and_are_not_all_remembered() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::find(File::open(root.path()).unwrap().as_fd(), "/").unwrap();
        let mut directories = Directories { most: 4096, ..Directories::new() };
        let mut names = Vec::new();
        let mut unpack = |name: String| {
            std::fs::create_dir(root.path().join(&name)).unwrap();
            let mtime = (1_000_000 + i64::try_from(names.len()).unwrap(), 0);
            directories.remember(&folder, Path::new(&name), mtime);
            assert!(directories.bytes <= 4096, "{}", directories.bytes);
            names.push((name, mtime.0));
        };
        for outer in 0..10 {
            unpack(format!("{outer}"));
            for inner in 0..100 {
                unpack(format!("{outer}/{inner}"));
            }
        }
        directories.set(&folder);
        for (name, mtime) in names {
            assert_eq!(root.path().join(&name).metadata().unwrap().mtime(), mtime, "{name}");
        }
    }

    #[test]
    fn one_that_comes_again_is_remembered_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::find(File::open(root.path()).unwrap().as_fd(), "/").unwrap();
        std::fs::create_dir(root.path().join("again")).unwrap();
        let mut directories = Directories::new();
        for seconds in 0..100 {
            directories.remember(&folder, Path::new("again"), (seconds, 0));
        }
        assert_eq!((directories.times.len(), directories.bytes), (1, size(Path::new("again"))));
        directories.set(&folder);
        assert_eq!(root.path().join("again").metadata().unwrap().mtime(), 99);
    }
}
