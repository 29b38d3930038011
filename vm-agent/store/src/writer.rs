//! The writer thread: the one place where transactions are made and committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use redb::Database;
use tokio::sync::oneshot;

use crate::database::Shared;
use crate::journal::Journal;
use crate::table::definition;
use crate::{Durability, Error, Result};

/// The longest time for which an [`Durability::Eventual`] write is not on disk.
pub const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// Pause between attempts to open a database that could not be opened again.
const REOPEN_EVERY: Duration = Duration::from_secs(2);

/// Most requests in one transaction, so that a flood cannot put off the answer to its first request for ever.
const GROUP: usize = 256;

/// One write: a value of `None` removes the key.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) table: &'static str,
    pub(crate) key: String,
    pub(crate) value: Option<Vec<u8>>,
}

/// The sending side of the writer thread; dropping it flushes, and waits for the thread's end.
#[derive(Debug)]
pub(crate) struct Writer {
    requests: Option<Sender<Request>>,
    thread: Option<std::thread::JoinHandle<()>>,
    flushes: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Request {
    operations: Vec<Operation>,
    durability: Durability,
    done: oneshot::Sender<Result<()>>,
}

impl Writer {
    pub(crate) fn start(database: Arc<Shared>, journal: Journal) -> std::io::Result<Writer> {
        let (requests, inbox) = mpsc::channel();
        let flushes = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&flushes);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&database, journal, &inbox, &count))?;
        Ok(Writer { requests: Some(requests), thread: Some(thread), flushes })
    }

    /// Transactions that were flushed to disk.
    pub(crate) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// Queues a batch; the receiver resolves as `durability` says.
    pub(crate) fn submit(
        &self,
        operations: Vec<Operation>,
        durability: Durability,
    ) -> Result<oneshot::Receiver<Result<()>>> {
        let (done, receiver) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(Error::Closed)?;
        requests.send(Request { operations, durability, done }).map_err(|_| Error::Closed)?;
        Ok(receiver)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was already printed by its own thread.
            let _ = thread.join();
        }
    }
}

fn run(database: &Shared, mut journal: Journal, inbox: &Receiver<Request>, flushes: &AtomicU64) {
    // When the oldest write that is not on disk must be there.
    let mut flush_at = journal.is_needed().then(|| Instant::now() + FLUSH_WITHIN);
    loop {
        let first = match flush_at {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        let mut group = Vec::new();
        match first {
            Ok(request) => group.push(request),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                if flush_at.is_some() {
                    report(commit(database, &mut journal, &[], true));
                }
                return;
            }
        }
        group.extend(inbox.try_iter().take(GROUP - 1));
        let due = flush_at.is_some_and(|at| at <= Instant::now());
        let mut durable = due || group.iter().any(|request| request.durability == Durability::Durable);
        let mut result = commit(database, &mut journal, &group, durable);
        let visible = result.is_ok();
        if !durable && result.is_ok() && !journaled(&mut journal, &group) {
            // The journal's disk is full, say: then nothing is answered before it is durable. The group once more, since memory has
            // it, and memory goes when the database has to be opened again.
            durable = true;
            result = commit(database, &mut journal, &group, durable);
        }
        if durable {
            flushes.fetch_add(1, Ordering::Relaxed);
        }
        if group.is_empty() {
            report(result.clone());
        }
        flush_at = next_flush(flush_at, visible, durable && result.is_ok(), Instant::now());
        if database.get().is_err() {
            // Readers wait for it as well.
            flush_at = Some(Instant::now() + REOPEN_EVERY);
        }
        for request in group {
            // A caller that went away does not want the answer.
            let _ = request.done.send(result.clone());
        }
    }
}

/// When the oldest write that is not on disk must be there, after a group of which readers see the outcome (`visible`) and
/// with which everything so far reached the disk (`flushed`).
fn next_flush(before: Option<Instant>, visible: bool, flushed: bool, now: Instant) -> Option<Instant> {
    match (visible, flushed) {
        (_, true) => None,
        // What readers see must come to the disk, also when its writer was told of a failure. A time that has passed means
        // that the flush of this round failed: the next one waits, without spinning on a sick disk.
        (true, false) => Some(before.filter(|at| *at > now).unwrap_or(now + FLUSH_WITHIN)),
        // Nothing of this group was kept; what memory had before still waits.
        (false, false) => before.map(|_| now + FLUSH_WITHIN),
    }
}

fn journaled(journal: &mut Journal, group: &[Request]) -> bool {
    let operations = group.iter().flat_map(|request| &request.operations);
    journal.append(operations).inspect_err(|error| tracing::warn!(%error, "the journal took no record")).is_ok()
}

/// One transaction with every operation of the group.
///
/// An I/O error is the end of the open database (see [`Shared`]): it is opened again and gets the group once more. Operations say
/// what is to be, so that one whose flush failed may be applied twice.
fn commit(database: &Shared, journal: &mut Journal, group: &[Request], durable: bool) -> Result<()> {
    let mut tries = 0;
    loop {
        if let Ok(open) = database.get() {
            let error = match transact(&open, journal, group, durable) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            drop(open);
            let broken = matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo);
            if broken {
                tracing::warn!(%error, "the metadata store is opened again");
                *journal = database.reopen()?;
            }
            if !broken || tries == 1 {
                return Err(Error::Write { cause: error.to_string() });
            }
        } else {
            *journal = database.reopen()?;
        }
        tries += 1;
    }
}

fn transact(database: &Database, journal: &mut Journal, group: &[Request], durable: bool) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    if durable {
        journal.supersede(&transaction)?;
    } else {
        transaction.set_durability(redb::Durability::None)?;
    }
    for operation in group.iter().flat_map(|request| &request.operations) {
        let mut table = transaction.open_table(definition(operation.table))?;
        match &operation.value {
            Some(value) => drop(table.insert(operation.key.as_str(), value.as_slice())?),
            None => drop(table.remove(operation.key.as_str())?),
        }
    }
    transaction.commit()?;
    if durable {
        journal.committed();
    }
    Ok(())
}

/// A flush has no caller who could be told.
fn report(flushed: Result<()>) {
    if let Err(e) = flushed {
        tracing::error!("flushing the metadata store: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, Store};

    const LIMITED: &str = "STORE_TEST_LIMITED";

    /// Runs where no file may grow beyond 2 MiB: the database has its size by then, the journal has not.
    #[tokio::test]
    #[ignore = "part of another test"]
    async fn child_without_room_for_its_journal() {
        let path = std::path::PathBuf::from(std::env::var_os(LIMITED).unwrap());
        let store = Store::open(&path).unwrap();
        let numbers = store.table::<String>("numbers");
        numbers.put("before", &"kept".to_owned(), Durability::Durable).await.unwrap();
        // Written over and over: much in the journal, little in the database.
        let mut batch = Batch::new();
        (0..40).for_each(|_| batch.put(&numbers, "k", &"x".repeat(64 << 10)));
        crate::faults::of(&path).writes.store(1, Ordering::SeqCst);
        store.write(batch, Durability::Eventual).await.unwrap();
        assert_eq!(crate::faults::of(&path).writes.load(Ordering::SeqCst), 0, "the disk failed once");
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
            .arg("writer::tests::child_without_room_for_its_journal")
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
        crate::faults::of(&path).reads.store(1, Ordering::SeqCst);
        texts.get("k").unwrap_err();
        let opened = async {
            while store.flushes() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), opened).await.expect("the writer was asked");
        assert_eq!(texts.get("k").unwrap(), Some(large));
    }

    #[test]
    fn what_readers_see_is_always_on_its_way_to_the_disk() {
        let now = Instant::now();
        let (soon, later) = (now + FLUSH_WITHIN / 2, now + FLUSH_WITHIN);
        for (before, visible, flushed, expect) in [
            (None, true, true, None),
            (Some(soon), true, true, None),
            (None, true, false, Some(later)),
            (Some(soon), true, false, Some(soon)),
            (Some(now), true, false, Some(later)),
            (None, false, false, None),
            (Some(soon), false, false, Some(later)),
        ] {
            assert_eq!(next_flush(before, visible, flushed, now), expect, "{before:?} {visible} {flushed}");
        }
    }
}
