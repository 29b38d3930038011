//! The writer thread: it takes what callers want written and answers them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::commit::{Committer, Outcome};
use crate::pace::{Flush, Pace};
use crate::{Durability, Error, Result};

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
    pub(crate) fn start(committer: Committer) -> std::io::Result<Writer> {
        let (requests, inbox) = mpsc::channel();
        let flushes = committer.flushes();
        let thread =
            std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || run(committer, &inbox))?;
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

fn run(mut committer: Committer, inbox: &Receiver<Request>) {
    let mut pace = Pace::new(committer.has_records(), Instant::now());
    loop {
        let first = match pace.at {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        let mut group = Vec::new();
        match first {
            Ok(request) => group.push(request),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                if pace.at.is_some()
                    && let Err(error) = write(&mut committer, &[], true).result
                {
                    tracing::error!(%error, "the metadata store ends without a last flush");
                }
                return;
            }
        }
        group.extend(inbox.try_iter().take(GROUP - 1));
        let due = pace.is_due(Instant::now());
        let result = match committer.closed() {
            // The time is not here yet at which it is opened again.
            Some(error) if !due => Err(error),
            _ => {
                let durable = due || group.iter().any(Request::is_durable);
                let outcome = write(&mut committer, &group, durable);
                pace = pace.after(outcome.visible, outcome.flush, Instant::now());
                if outcome.result.is_err() && durable {
                    // What was to be in memory only is not told of the disk.
                    let (durable, eventual) = group.into_iter().partition(Request::is_durable);
                    group = durable;
                    if committer.closed().is_none() {
                        let alone = write(&mut committer, &eventual, false);
                        pace = pace.after(alone.visible, alone.flush, Instant::now());
                        answer(eventual, &alone.result);
                    } else {
                        answer(eventual, &outcome.result);
                    }
                }
                if committer.closed().is_some() {
                    // Readers wait for it as well.
                    pace.at = Some(Instant::now() + REOPEN_EVERY);
                }
                outcome.result
            }
        };
        answer(group, &result);
    }
}

impl Request {
    fn is_durable(&self) -> bool {
        self.durability == Durability::Durable
    }
}

/// Where panics unwind (engines built for a developer's machine), one is this group's failure: whoever writes later finds a store that
/// works, since it is opened again first. The agent of the machine is built to abort: there a panic ends the engine, and the one that
/// follows opens the store.
fn write(committer: &mut Committer, group: &[Request], durable: bool) -> Outcome {
    let operations: Vec<_> = group.iter().flat_map(|request| &request.operations).collect();
    catch_unwind(AssertUnwindSafe(|| committer.write(&operations, durable))).unwrap_or_else(|_| {
        tracing::error!("the writer of the metadata store panicked; the store is opened again");
        committer.broke_off();
        let cause = "the writer panicked".to_owned();
        Outcome { result: Err(Error::Write { cause }), visible: false, flush: Flush::Failed }
    })
}

fn answer(group: Vec<Request>, result: &Result<()>) {
    for request in group {
        // A caller that went away does not want the answer.
        let _ = request.done.send(result.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use crate::faults::{self, Arrives};

    #[tokio::test]
    async fn a_panic_is_the_failure_of_one_group() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        let store = Store::open(&path).unwrap();
        let texts = store.table::<String>("texts");
        texts.put("k", &"kept".to_owned(), Durability::Durable).await.unwrap();
        for _ in 0..2 {
            faults::of(&path).panics.store(1, std::sync::atomic::Ordering::SeqCst);
            let error = texts.put("k", &"lost".to_owned(), Durability::Durable).await.unwrap_err();
            assert!(error.to_string().contains("panicked"), "{error}");
            texts.put("e", &"eventual".to_owned(), Durability::Eventual).await.unwrap();
            texts.put("k", &"written".to_owned(), Durability::Durable).await.unwrap();
            assert_eq!(texts.get("k").unwrap(), Some("written".to_owned()));
            assert_eq!(texts.get("e").unwrap(), Some("eventual".to_owned()));
        }
    }

    /// All are in the inbox when the writer looks. The durable one fails when its second try does, whichever sync that is.
    #[test]
    fn an_eventual_write_is_not_told_of_anothers_failed_flush() {
        let mut failed = 0;
        for second in 1..12 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("store.redb");
            let (database, journal) = crate::database::Shared::open(&path).unwrap();
            let committer = Committer::new(Arc::new(database), journal);
            let (requests, inbox) = mpsc::channel();
            let submit = |key: &str, durability| {
                let (done, receiver) = oneshot::channel();
                let operation = Operation { table: "texts", key: key.to_owned(), value: Some(b"1".to_vec()) };
                requests.send(Request { operations: vec![operation], durability, done }).unwrap();
                receiver
            };
            faults::of(&path).fail_syncs([0, second], Arrives::Everything);
            let eventual = [submit("a", Durability::Eventual), submit("c", Durability::Eventual)];
            let durable = submit("b", Durability::Durable);
            drop(requests);
            run(committer, &inbox);
            // Without an open database nothing can be written.
            let Err(Error::Write { .. }) = durable.blocking_recv().unwrap() else { continue };
            failed += 1;
            for answer in eventual {
                answer.blocking_recv().unwrap().unwrap();
            }
        }
        assert!(failed > 0, "no second try met a sync that fails");
    }

    #[tokio::test]
    async fn a_database_that_does_not_open_is_tried_now_and_then_and_refuses_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        let store = Store::open(&path).unwrap();
        let texts = store.table::<String>("texts");
        texts.put("k", &"kept".to_owned(), Durability::Durable).await.unwrap();
        let flushes = store.flushes();
        let disk = faults::of(&path);
        disk.fail_syncs(0..1000, Arrives::Nothing);
        let start = Instant::now();
        texts.put("k", &"lost".to_owned(), Durability::Durable).await.unwrap_err();
        let synced = disk.synced();
        for durability in [Durability::Durable, Durability::Eventual] {
            let error = texts.put("k", &"refused".to_owned(), durability).await.unwrap_err();
            assert!(matches!(error, Error::Open { .. }), "{error}");
        }
        let read = texts.get("k").unwrap_err();
        let tried = disk.synced() - synced;
        // A machine that was held up has tried again by then.
        assert!(tried == 0 || start.elapsed() >= REOPEN_EVERY, "tried {tried} times");
        assert!(matches!(read, Error::Open { .. }), "{read}");
        disk.fail_syncs([], Arrives::Everything);
        let opened = async {
            while store.flushes() == flushes {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), opened).await.expect("it is tried without a caller");
        texts.put("k", &"again".to_owned(), Durability::Durable).await.unwrap();
        assert_eq!(texts.get("k").unwrap(), Some("again".to_owned()));
    }
}
