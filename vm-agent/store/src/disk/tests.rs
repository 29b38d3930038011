//! Power cuts after syncs that failed: whatever was answered is found, and the file is whole.

use super::*;
use crate::Store;
use crate::commit::Committer;
use crate::database::Shared;
use crate::faults::{self, Arrives, Faults};
use crate::writer::Operation;

/// A store whose writes are known, each with the first power cut that must leave it.
struct Known {
    committer: Committer,
    disk: Arc<Faults>,
    answered: Vec<(String, usize)>,
}

impl Known {
    fn open(path: &Path) -> Known {
        faults::of(path).keep_cuts();
        let (database, journal) = Shared::open(path).unwrap();
        let committer = Committer::new(Arc::new(database), journal);
        Known { committer, disk: faults::of(path), answered: Vec::new() }
    }

    fn put(&mut self, key: &str) -> crate::Result<()> {
        let json = serde_json::to_vec(&value(key)).unwrap();
        let operation = Operation { table: "texts", key: key.to_owned(), value: Some(json) };
        self.committer.write(&[&operation], true).result?;
        self.answered.push((key.to_owned(), 2 * self.disk.synced()));
        Ok(())
    }

    /// Without the journal: nothing says that it reached the disk.
    fn check_every_cut(&self, what: &str) {
        let first = self.answered[0].1;
        let cuts = self.disk.take_cuts();
        for (at, cut) in cuts.iter().enumerate().skip(first) {
            if cuts.get(at + 1) == Some(cut) {
                // That one has to have as much.
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("store.redb");
            std::fs::write(&path, cut).unwrap();
            let store = Store::open(&path).unwrap_or_else(|error| panic!("{what}, cut {at}: {error}"));
            let texts = store.table::<String>("texts");
            for (key, _) in self.answered.iter().filter(|(_, since)| *since <= at) {
                assert_eq!(texts.get(key).unwrap(), Some(value(key)), "{what}, cut {at}, {key}");
            }
        }
    }
}

/// Of several pages.
fn value(key: &str) -> String {
    key.repeat(5000)
}

/// The commit's, and one of those by which the file is opened again after that.
#[test]
fn a_power_cut_after_syncs_that_failed_costs_nothing_that_was_answered() {
    for arrives in [Arrives::Nothing, Arrives::Header, Arrives::AllButHeader] {
        for second in 0..9 {
            let what = format!("sync 0 and {second} failed with {arrives:?}");
            let dir = tempfile::tempdir().unwrap();
            let mut known = Known::open(&dir.path().join("store.redb"));
            known.put("before").unwrap();
            known.disk.fail_syncs([0, second], arrives);
            let refused = ["a", "b"].iter().filter(|key| known.put(key).is_err()).count();
            assert!(refused <= 1, "{what}");
            known.put("after").unwrap();
            known.check_every_cut(&what);
        }
    }
}

/// The next process has the same kernel with the same pages.
#[test]
fn a_process_finds_out_that_a_sync_of_the_one_before_failed() {
    for arrives in [Arrives::Nothing, Arrives::Header, Arrives::AllButHeader] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        let mark = path.with_extension("synced");
        let mut known = Known::open(&path);
        known.put("before").unwrap();
        assert!(mark.exists());
        known.disk.fail_syncs(0..100, arrives);
        known.put("failed").unwrap_err();
        assert!(!mark.exists());
        let answered = known.answered;
        drop(known.committer);
        faults::of(&path).fail_syncs(0..0, arrives);
        let mut known = Known { answered, ..Known::open(&path) };
        known.put("after").unwrap();
        assert!(mark.exists());
        known.check_every_cut(&format!("{arrives:?}"));
    }
}
