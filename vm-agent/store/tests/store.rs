//! The store as its users see it: tables, batches, group commit, and what a kill -9 leaves.

mod room;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use store::{Batch, Durability, Error, FLUSH_WITHIN, Store};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Thing {
    number: u64,
    text: String,
}

fn thing(number: u64) -> Thing {
    Thing { number, text: "x".repeat(100) }
}

fn open() -> (tempfile::TempDir, PathBuf, Store) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = Store::open(&path).unwrap();
    (dir, path, store)
}

#[tokio::test]
async fn values_are_kept_listed_and_removed() {
    let (_dir, path, store) = open();
    let things = store.table::<Thing>("things");
    assert_eq!(things.get("a").unwrap(), None);
    assert_eq!(things.all().unwrap(), []);
    things.put("b", &thing(2), Durability::Durable).await.unwrap();
    things.put("a", &thing(1), Durability::Eventual).await.unwrap();
    things.remove("nothing", Durability::Durable).await.unwrap();
    assert_eq!(things.all().unwrap(), [("a".to_owned(), thing(1)), ("b".to_owned(), thing(2))]);
    things.remove("b", Durability::Eventual).await.unwrap();
    assert_eq!(things.get("b").unwrap(), None);
    drop((things, store));
    let things = Store::open(&path).unwrap().table::<Thing>("things");
    assert_eq!(things.all().unwrap(), [("a".to_owned(), thing(1))]);
}

#[tokio::test]
async fn a_batch_is_written_as_a_whole_or_not_at_all() {
    let (_dir, _path, store) = open();
    let (things, numbers) = (store.table::<Thing>("things"), store.table::<f64>("numbers"));
    let mut batch = Batch::new();
    batch.put(&things, "a", &thing(1));
    batch.put(&numbers, "n", &1.5);
    batch.remove(&things, "a");
    store.write(batch, Durability::Durable).await.unwrap();
    assert_eq!((things.get("a").unwrap(), numbers.get("n").unwrap()), (None, Some(1.5)));

    let unfit = store.table::<std::collections::BTreeMap<(u8, u8), u8>>("unfit");
    let mut batch = Batch::new();
    batch.put(&things, "b", &thing(2));
    batch.put(&unfit, "k", &[((1, 2), 3)].into());
    let error = store.write(batch, Durability::Durable).await.unwrap_err();
    assert!(matches!(error, Error::Shape { table: "unfit", .. }), "{error}");
    assert_eq!(things.get("b").unwrap(), None);
    let misread = store.table::<Thing>("numbers");
    assert!(matches!(misread.get("n").unwrap_err(), Error::Shape { table: "numbers", .. }));
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let (_dir, path, _store) = open();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot open the metadata store {}: ", path.display())), "{error}");
    assert!(error.contains("already open"), "{error}");
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    std::fs::write(&path, b"precious notes, not a database at all").unwrap();
    assert!(matches!(Store::open(&path), Err(Error::Open { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious notes, not a database at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_durable_puts_share_their_flushes() {
    let (_dir, _path, store) = open();
    let things = store.table::<Thing>("things");
    let before = store.flushes();
    for n in 0..10 {
        things.put(&format!("s{n}"), &thing(n), Durability::Durable).await.unwrap();
        things.put(&format!("e{n}"), &thing(n), Durability::Eventual).await.unwrap();
    }
    // One each; an eventual write may have been flushed by time in between.
    let serial = store.flushes() - before;
    assert!((10..=12).contains(&serial), "{serial} flushes");
    // On one thread all requests are queued before the first await.
    let before = store.flushes();
    let mut batches = Vec::new();
    for n in 0..50 {
        let mut batch = Batch::new();
        batch.put(&things, &format!("p{n}"), &thing(n));
        batches.push(Box::pin(store.write(batch, Durability::Durable)));
    }
    let writes: Vec<_> = batches.into_iter().map(poll_once).collect();
    for write in writes {
        write.await.unwrap();
    }
    let parallel = store.flushes() - before;
    assert!(parallel <= 10, "{parallel} flushes for 50 writes at once");
    assert_eq!(things.all().unwrap().len(), 70);
}

/// Starts a future, so that its request is on the way, and returns it to be awaited.
fn poll_once<F: Future + Unpin>(mut future: F) -> impl Future<Output = F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let first = std::pin::Pin::new(&mut future).poll(&mut context);
    async move {
        match first {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => future.await,
        }
    }
}

/// The child of the tests below: writes until it is killed, and says what it was promised.
#[test]
#[ignore = "part of another test"]
fn child_that_writes() {
    let path = std::env::var("STORE_TEST_CHILD").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&path)).unwrap();
        let things = store.table::<Thing>("things");
        let first = things.all().unwrap().iter().map(|(_, thing)| thing.number + 1).max().unwrap_or(0);
        for number in first.. {
            let durability = if number % 3 == 0 { Durability::Durable } else { Durability::Eventual };
            let mut batch = Batch::new();
            batch.put(&things, &format!("{number:08}a"), &thing(number));
            batch.put(&things, &format!("{number:08}b"), &thing(number));
            store.write(batch, durability).await.unwrap();
            println!("\nwritten {number}");
        }
    });
}

#[test]
fn kill_9_loses_nothing_that_was_promised_and_halves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let mut promised = None;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes", "--ignored", "--nocapture"])
            .env("STORE_TEST_CHILD", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines.by_ref() {
            if let Some(number) = line.unwrap().strip_prefix("written ") {
                promised = Some(number.parse::<u64>().unwrap());
                seen += 1;
                if seen > round * 2 {
                    break;
                }
            }
        }
        child.kill().unwrap();
        // What it still said before it died counts too.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("written ") {
                promised = Some(number.parse::<u64>().unwrap());
            }
        }
        child.wait().unwrap();
        let all = Store::open(&path).unwrap().table::<Thing>("things").all().unwrap();
        let promised = promised.expect("the child wrote something");
        assert!(all.len() as u64 >= 2 * (promised + 1), "round {round}: {} values, {promised} promised", all.len());
        for (at, pair) in all.chunks(2).enumerate() {
            let numbers: Vec<u64> = pair.iter().map(|(_, thing)| thing.number).collect();
            assert_eq!(numbers, [at as u64, at as u64], "round {round}");
        }
    }
}

/// An eventual write reaches the disk without any further write, and is read back after a kill -9.
#[test]
fn eventual_writes_reach_the_disk_by_themselves() {
    if let Ok(path) = std::env::var("STORE_TEST_EVENTUAL") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let store = Store::open(Path::new(&path)).unwrap();
            let before = store.flushes();
            store.table::<Thing>("things").put("late", &thing(1), Durability::Eventual).await.unwrap();
            // The thing under test is that nothing else has to happen.
            let begun = Instant::now();
            while store.flushes() == before {
                assert!(begun.elapsed() < Duration::from_secs(60), "it was not flushed");
                tokio::time::sleep(FLUSH_WITHIN / 10).await;
            }
            println!("\nflushed");
            std::future::pending::<()>().await;
        });
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "eventual_writes_reach_the_disk_by_themselves", "--nocapture"])
        .env("STORE_TEST_EVENTUAL", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "flushed"));
    child.kill().unwrap();
    child.wait().unwrap();
    let things = Store::open(&path).unwrap().table::<Thing>("things");
    assert_eq!(things.get("late").unwrap(), Some(thing(1)));
}

/// Runs in the small room that the test below makes.
#[tokio::test]
#[ignore = "part of another test"]
async fn child_in_a_small_room() {
    let room = PathBuf::from(std::env::var_os(room::ROOM).unwrap());
    let store = Store::open(&room.join("store.redb")).unwrap();
    let things = store.table::<Thing>("things");
    things.put("durable", &thing(1), Durability::Durable).await.unwrap();
    things.put("eventual", &thing(2), Durability::Eventual).await.unwrap();
    for durability in [Durability::Durable, Durability::Eventual] {
        let filler = room.join("filler");
        let full = std::fs::write(&filler, vec![1; 8 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        let large = Thing { number: 3, text: "x".repeat(1 << 20) };
        let error = things.put("large", &large, durability).await.unwrap_err();
        assert!(error.to_string().contains("No space left on device"), "{error}");
        // Readers go on meanwhile.
        assert_eq!(things.all().unwrap().len(), 2, "{durability:?}");
        std::fs::remove_file(&filler).unwrap();
        assert_eq!(things.get("durable").unwrap(), Some(thing(1)), "{durability:?}");
        assert_eq!(things.get("eventual").unwrap(), Some(thing(2)), "{durability:?}");
        assert_eq!(things.get("large").unwrap(), None, "what failed is not there");
        things.put("large", &large, durability).await.unwrap();
        assert_eq!(things.get("large").unwrap(), Some(large));
        things.remove("large", Durability::Durable).await.unwrap();
    }
    drop((things, store));
    let things = Store::open(&room.join("store.redb")).unwrap().table::<Thing>("things");
    assert_eq!(things.all().unwrap(), [("durable".to_owned(), thing(1)), ("eventual".to_owned(), thing(2))]);
    println!("{}", room::DONE);
}

/// `redb` refuses every read and write after its first I/O error; the store does not.
#[test]
fn a_full_disk_is_got_over() {
    room::run("a_full_disk_is_got_over", "child_in_a_small_room", 8);
}
