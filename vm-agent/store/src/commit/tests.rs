//! Disks that fail under the transactions, and what is counted and logged of that.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::faults;
use crate::{Batch, Durability, Store};

const LIMITED: &str = "STORE_TEST_LIMITED";

/// Runs where no file may grow beyond 2 MiB: the database has its size by then, the journal has not.
#[tokio::test]
#[ignore = "part of another test"]
async fn child_without_room_for_its_journal() {
    let path = PathBuf::from(std::env::var_os(LIMITED).unwrap());
    let store = Store::open(&path).unwrap();
    let numbers = store.table::<String>("numbers");
    numbers.put("before", &"kept".to_owned(), Durability::Durable).await.unwrap();
    // Written over and over: much in the journal, little in the database.
    let mut batch = Batch::new();
    (0..40).for_each(|_| batch.put(&numbers, "k", &"x".repeat(64 << 10)));
    faults::of(&path).writes.store(1, Ordering::SeqCst);
    store.write(batch, Durability::Eventual).await.unwrap();
    assert_eq!(faults::of(&path).writes.load(Ordering::SeqCst), 0, "the disk failed once");
    assert!(numbers.get("k").unwrap().is_some(), "what was answered is there");
    assert!(numbers.get("before").unwrap().is_some());
    println!("the child is done");
}

/// The journal takes no record and the flush in its place meets a failing disk: the group is not in memory any more.
#[test]
fn a_group_without_a_record_is_written_again_with_the_database_opened_anew() {
    let dir = tempfile::tempdir().unwrap();
    // In units of 512 bytes; what goes beyond is an error (EFBIG) where its signal is ignored.
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact \"$1\" --ignored --nocapture";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg("commit::tests::child_without_room_for_its_journal")
        .env(LIMITED, dir.path().join("store.redb"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let cause = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("the child is done"), "{said}{cause}");
}

/// Nobody writes: it is the reader that has the database opened anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_failed_fails_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let large = "x".repeat(4 << 20);
    let texts = Store::open(&path).unwrap().table::<String>("texts");
    texts.put("k", &large, Durability::Durable).await.unwrap();
    drop(texts);
    let store = Store::open(&path).unwrap();
    let texts = store.table::<String>("texts");
    faults::of(&path).reads.store(1, Ordering::SeqCst);
    texts.get("k").unwrap_err();
    let opened = async {
        while store.flushes() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), opened).await.expect("the writer was asked");
    assert_eq!(texts.get("k").unwrap(), Some(large));
}

fn committer(path: &Path) -> Committer {
    let (database, journal) = Shared::open(path).unwrap();
    Committer::new(Arc::new(database), journal)
}

fn put(key: &str) -> Operation {
    Operation { table: "texts", key: key.to_owned(), value: Some(b"\"kept\"".to_vec()) }
}

/// Counts what the log gets.
#[derive(Default)]
struct Log(AtomicUsize);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// A disk may be full for days.
#[test]
fn a_failing_disk_is_logged_when_it_begins_and_when_it_ends_and_counts_no_flushes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let mut committer = committer(&path);
    let flushes = committer.flushes();
    let log = Arc::new(Log::default());
    let _guard = tracing::subscriber::set_default(Arc::clone(&log));
    faults::of(&path).writes.store(usize::MAX, Ordering::SeqCst);
    for _ in 0..3 {
        let outcome = committer.write(&[&put("k")], true);
        outcome.result.unwrap_err();
        assert_eq!(outcome.flush, Flush::Failed);
    }
    assert_eq!((log.0.load(Ordering::SeqCst), flushes.load(Ordering::SeqCst)), (1, 0));
    faults::of(&path).writes.store(0, Ordering::SeqCst);
    assert_eq!(committer.write(&[&put("k")], false).flush, Flush::Untried);
    assert_eq!((log.0.load(Ordering::SeqCst), flushes.load(Ordering::SeqCst)), (1, 0), "memory is no disk");
    for _ in 0..3 {
        committer.write(&[&put("k")], true).result.unwrap();
    }
    assert_eq!((log.0.load(Ordering::SeqCst), flushes.load(Ordering::SeqCst)), (2, 3));
}

/// A commit that ended halfway, whatever ended it, costs `redb` its list of free pages.
#[test]
fn a_database_that_lost_its_free_pages_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let mut committer = committer(&path);
    faults::of(&path).panics.store(1, Ordering::SeqCst);
    let mut transact = |key| {
        let open = committer.database.get().unwrap();
        catch_unwind(AssertUnwindSafe(|| super::transact(&open, &mut committer.journal, &[&put(key)], true)))
    };
    transact("halfway").unwrap_err();
    let refused = transact("refused").unwrap().unwrap_err();
    assert!(refused.to_string().contains("reopen the database to repair it"), "{refused}");
    committer.write(&[&put("k")], true).result.unwrap();
}
