//! Records on the disk: for each build a file with its record, one with what it told, and one with its failure, if it failed.

use super::record::Record;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a record's file begins with, before its digest.
const MAGIC: &[u8] = b"berth build 1\n";
const DIGEST: usize = 32;

const RECORD: &str = "record";
const TOLD: &str = "told";
const FAILURE: &str = "failure";
/// What is being written.
const PART: &str = "part";

/// A directory of records. It is told one thing at a time.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens the directory, making it when it is not there, with every record in it that can be read. What belongs to none goes. A
    /// directory that cannot be opened has none.
    pub(crate) fn open(directory: PathBuf) -> (Store, Vec<Record>) {
        let store = Store { directory };
        let paths = store.paths().unwrap_or_else(|error| {
            tracing::warn!(path = %store.directory.display(), %error, "the builds of before are not remembered");
            Vec::new()
        });
        let mut records = Vec::new();
        let mut rest = Vec::new();
        for path in paths {
            if path.extension().is_some_and(|extension| extension == RECORD) {
                match store.read(&path) {
                    Ok(record) => records.push(record),
                    Err(error) => {
                        tracing::warn!(path = %path.display(), %error, "the record of a build is skipped");
                        // One that is damaged is said so of once; what a disk does not give today it may give tomorrow.
                        if error.kind() == io::ErrorKind::InvalidData {
                            rest.push(path);
                        }
                    }
                }
            } else {
                rest.push(path);
            }
        }
        for path in rest {
            let is_of = |record: &Record| store.name(&record.shown.r#ref) == path.with_extension("");
            let is_part = path.extension().is_some_and(|extension| extension == PART || extension == RECORD);
            let has_record = !is_part && (path.with_extension(RECORD).exists() || records.iter().any(is_of));
            if !has_record && let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "a file of no build stays");
            }
        }
        (store, records)
    }

    /// All files of the directory, which is made when it is not there.
    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        fs::read_dir(&self.directory)?.map(|entry| Ok(entry?.path())).collect()
    }

    /// Clients choose references as they like: a digest of them is a file's name.
    fn name(&self, reference: &str) -> PathBuf {
        let hex: String = Sha256::digest(reference).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(hex)
    }

    fn read(&self, path: &Path) -> io::Result<Record> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let bytes = fs::read(path)?;
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| invalid("it does not begin as one"))?;
        let (digest, content) = rest.split_at_checked(DIGEST).ok_or_else(|| invalid("it is cut off"))?;
        if Sha256::digest(content)[..] != *digest {
            return Err(invalid("its digest is another"));
        }
        let record = Record::decode(content).map_err(|error| invalid(&error.to_string()))?;
        if self.name(&record.shown.r#ref) != path.with_extension("") {
            return Err(invalid("it has the name of another"));
        }
        Ok(record)
    }

    /// Writes a record, in the place of an earlier one of that reference.
    pub(crate) fn put(&self, record: &Record) -> io::Result<()> {
        let content = record.encode_to_vec();
        let bytes = [MAGIC, &Sha256::digest(&content)[..], &content].concat();
        self.replace(&self.name(&record.shown.r#ref).with_extension(RECORD), &bytes)
    }

    /// A reader sees all of it or what was there before.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let part = path.with_extension(PART);
        let written = private(&part).and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&part, path));
        written.inspect_err(|_| drop(fs::remove_file(&part)))
    }

    /// The file for what a build tells, empty.
    pub(crate) fn create_told(&self, reference: &str) -> io::Result<File> {
        private(&self.told(reference))
    }

    pub(crate) fn told(&self, reference: &str) -> PathBuf {
        self.name(reference).with_extension(TOLD)
    }

    pub(crate) fn put_failure(&self, reference: &str, failure: &[u8]) -> io::Result<()> {
        self.replace(&self.name(reference).with_extension(FAILURE), failure)
    }

    pub(crate) fn failure(&self, reference: &str) -> io::Result<Vec<u8>> {
        fs::read(self.name(reference).with_extension(FAILURE))
    }

    /// When a build last told something.
    pub(crate) fn last_told(&self, reference: &str) -> Option<SystemTime> {
        fs::metadata(self.told(reference)).and_then(|metadata| metadata.modified()).ok()
    }

    /// Bytes that a build takes.
    pub(crate) fn size(&self, reference: &str) -> u64 {
        let name = self.name(reference);
        let size = |extension| fs::metadata(name.with_extension(extension)).map_or(0, |metadata| metadata.len());
        [RECORD, TOLD, FAILURE].into_iter().map(size).sum()
    }

    /// The record goes first: without it the others are nothing's.
    pub(crate) fn remove(&self, reference: &str) -> io::Result<()> {
        let name = self.name(reference);
        for extension in [RECORD, TOLD, FAILURE] {
            match fs::remove_file(name.with_extension(extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// A file of the engine's alone, empty.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn record(reference: &str) -> Record {
        let mut record = Record::default();
        reference.clone_into(&mut record.shown.r#ref);
        record
    }

    fn names(records: Vec<Record>) -> Vec<String> {
        let mut names: Vec<String> = records.into_iter().map(|record| record.shown.r#ref).collect();
        names.sort();
        names
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        fs::read_dir(directory).expect("listed").map(|entry| entry.expect("an entry").path()).collect()
    }

    #[test]
    fn records_are_found_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("history");
        let (store, records) = Store::open(path.clone());
        assert!(records.is_empty());
        for reference in ["a", "../../b", ""] {
            store.put(&record(reference)).expect("put");
            store.create_told(reference).expect("made").write_all(b"12345").expect("written");
        }
        store.put_failure("a", b"why").expect("put");
        let mut changed = record("a");
        changed.shown.pinned = true;
        store.put(&changed).expect("put");
        let size = fs::metadata(store.name("a").with_extension(RECORD)).expect("there").len() + 5 + 3;
        assert_eq!(store.size("a"), size);
        for file in files(&path) {
            assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600, "{file:?}");
        }
        let (store, records) = Store::open(path.clone());
        assert!(records.iter().any(|record| record.shown.pinned), "the later one is there");
        assert_eq!(names(records), ["", "../../b", "a"]);
        assert_eq!(store.failure("a").expect("kept"), b"why");
        for reference in ["a", "", "none"] {
            store.remove(reference).expect("removed");
        }
        assert_eq!(files(&path).len(), 2);
        assert_eq!(names(Store::open(path).1), ["../../b"]);
    }

    #[test]
    fn what_is_damaged_is_skipped_and_goes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_owned();
        let (store, _) = Store::open(path.clone());
        store.put(&record("whole")).expect("put");
        store.create_told("whole").expect("made");
        type Damage = fn(&mut Vec<u8>);
        let damage: [(&str, Damage); 3] = [
            ("flipped", |bytes| *bytes.last_mut().expect("not empty") ^= 1),
            ("cut", |bytes| bytes.truncate(20)),
            ("foreign", |bytes| *bytes = b"{}".to_vec()),
        ];
        for (reference, change) in damage {
            store.put(&record(reference)).expect("put");
            store.create_told(reference).expect("made");
            let file = store.name(reference).with_extension(RECORD);
            let mut bytes = fs::read(&file).expect("read");
            change(&mut bytes);
            fs::write(&file, bytes).expect("written");
        }
        fs::copy(store.name("whole").with_extension(RECORD), store.name("moved").with_extension(RECORD))
            .expect("copied");
        store.create_told("never begun").expect("made");
        fs::write(path.join("x.part"), "").expect("written");
        // The files beside a damaged record go with it, or the next time.
        for _ in 0..2 {
            assert_eq!(names(Store::open(path.clone()).1), ["whole"]);
        }
        assert_eq!(files(&path).len(), 2, "{:?}", files(&path));
    }
}
