//! The history of builds: what is remembered of each, as long as a policy says, beyond the engine's own end.
//!
//! ```text
//!  record     what is remembered, and how it ends                          pure
//!  recording  a build that is written down while it runs
//!  store      records on the disk
//!  replay     what a build told, in a file
//!  events     what clients hear
//!  filter     which records a client wants to hear of                      pure
//!  policy     which ones go                                                pure
//!  view       a build as the engine's own clients are told of it           pure
//!  plain      what a build told, as text                                   pure
//!  asked      what the engine's own clients ask
//!  classic    builds of the classic builder, by its words
//!  redact     names and passwords in addresses                             pure
//! ```
//!
//! A build's record is written when it begins, without an end, and what it tells is written while it is told: whoever comes after an
//! engine's sudden end knows both.

pub(crate) mod asked;
pub(crate) mod classic;
mod events;
mod filter;
mod plain;
mod policy;
pub(crate) mod record;
mod recording;
pub(crate) mod redact;
mod replay;
mod store;
pub(crate) mod view;

use crate::progress::Progress;
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use events::{Event, Listeners, Wanted};
use futures_util::stream::{self, Stream, StreamExt as _};
use layers::Digest;
use policy::Candidate;
use record::{Counts, Record};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use store::Store;
use tonic::Status;

/// What a build told, from its beginning.
pub(crate) type Told = Pin<Box<dyn Stream<Item = api::StatusResponse> + Send>>;

/// Clones share one state.
#[derive(Debug, Clone)]
pub(crate) struct History(Arc<State>);

#[derive(Debug)]
struct State {
    store: Store,
    known: Mutex<Known>,
    listeners: Listeners,
    /// Held by whoever changes what has ended, on the disk and in memory.
    changes: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    active: HashMap<String, Active>,
    ended: BTreeMap<String, Ended>,
}

#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub(crate) record: Arc<Record>,
    pub(crate) progress: Arc<Progress>,
}

#[derive(Debug)]
struct Ended {
    record: Arc<Record>,
    /// Bytes on the disk.
    size: u64,
}

/// Why a record stays.
#[derive(Debug)]
pub enum NotForgotten {
    /// There is none of that reference.
    Unknown(String),
    /// Its build runs.
    Running(String),
    Disk(io::Error),
}

impl std::fmt::Display for NotForgotten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotForgotten::Unknown(reference) => write!(f, "no build record found for ref {reference}"),
            NotForgotten::Running(reference) => write!(f, "the build {reference} is running: end it first"),
            NotForgotten::Disk(error) => write!(f, "the record of the build stays: {error}"),
        }
    }
}

impl std::error::Error for NotForgotten {}

impl From<NotForgotten> for Status {
    fn from(reason: NotForgotten) -> Status {
        let words = reason.to_string();
        match reason {
            NotForgotten::Unknown(_) => Status::not_found(words),
            NotForgotten::Running(_) => Status::failed_precondition(words),
            NotForgotten::Disk(_) => Status::internal(words),
        }
    }
}

impl History {
    /// Opens the directory of records. A build that had not ended when an engine before this one did has failed. What the disk does not
    /// give or take is said in the log: an engine begins without it.
    pub(crate) fn open(directory: PathBuf) -> History {
        let (store, records) = Store::open(directory);
        let mut known = Known::default();
        for mut record in records {
            if record.completed().is_none() {
                let reference = record.shown.r#ref.clone();
                let mut counts = Counts::default();
                let read = replay::each(&store.told(&reference), |told| {
                    counts.add(&told);
                    true
                });
                if let Err(error) = read {
                    tracing::warn!(reference, %error, "what a build told cannot be read");
                }
                record.cut_off(store.last_told(&reference).unwrap_or_else(SystemTime::now), &counts);
                store.put(&record).unwrap_or_else(warn);
            }
            known.remember(&store, Arc::new(record));
        }
        for reference in known.beyond(SystemTime::now()) {
            store.remove(&reference).unwrap_or_else(warn);
            known.ended.remove(&reference);
        }
        let state = State {
            store,
            known: Mutex::new(known),
            listeners: Listeners::default(),
            changes: tokio::sync::Mutex::default(),
        };
        History(Arc::new(state))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the disk, where it holds nobody up.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let history = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&history.0.store)).await;
        done.map_err(|_| io::Error::other("the engine is stopping"))?
    }

    /// Removes a record; by whoever holds the changes.
    async fn forget(&self, reference: String) -> io::Result<()> {
        self.known().ended.remove(&reference);
        self.0.listeners.tell(Event::Deleted(reference.clone()));
        self.on_disk(move |store| store.remove(&reference)).await
    }

    /// Removes the record of a build that has ended.
    pub(crate) async fn delete(&self, reference: &str) -> Result<(), NotForgotten> {
        let _changes = self.0.changes.lock().await;
        {
            let known = self.known();
            if known.active.contains_key(reference) {
                return Err(NotForgotten::Running(reference.to_owned()));
            }
            if !known.ended.contains_key(reference) {
                return Err(NotForgotten::Unknown(reference.to_owned()));
            }
        }
        self.forget(reference.to_owned()).await.map_err(NotForgotten::Disk)
    }

    /// Keeps a record whatever the policy says, or no longer.
    pub(crate) async fn pin(&self, reference: &str, pinned: bool) -> Result<(), Status> {
        let _changes = self.0.changes.lock().await;
        let record = self.ended(reference).ok_or_else(|| NotForgotten::Unknown(reference.to_owned()))?;
        let mut record = Arc::unwrap_or_clone(record);
        record.shown.pinned = pinned;
        record.shown.generation += 1;
        let record = Arc::new(record);
        let written = {
            let record = Arc::clone(&record);
            self.on_disk(move |store| store.put(&record))
        };
        written.await.map_err(|error| Status::internal(error.to_string()))?;
        self.known().remember(&self.0.store, Arc::clone(&record));
        self.0.listeners.tell(Event::Complete(record));
        Ok(())
    }

    /// The record of a build that has ended.
    pub(crate) fn ended(&self, reference: &str) -> Option<Arc<Record>> {
        self.known().ended.get(reference).map(|ended| Arc::clone(&ended.record))
    }

    pub(crate) fn active(&self, reference: &str) -> Option<Active> {
        self.known().active.get(reference).cloned()
    }

    /// All builds: those under way, and those that have ended.
    pub(crate) fn all(&self) -> (Vec<Active>, Vec<Arc<Record>>) {
        let known = self.known();
        let ended = known.ended.values().map(|ended| Arc::clone(&ended.record));
        (known.active.values().cloned().collect(), ended.collect())
    }

    /// What a build told that has ended, if it is known.
    pub(crate) fn replay(&self, reference: &str) -> Option<Told> {
        self.ended(reference)?;
        Some(Box::pin(replay::replay(self.0.store.told(reference))))
    }

    /// What a client wants to hear, with what happens later, if it wants that.
    pub(crate) fn listen(
        &self,
        request: api::BuildHistoryRequest,
    ) -> Result<impl Stream<Item = Result<Event, Status>> + Send + use<>, Status> {
        let wanted = Wanted::of(request)?;
        let known = self.known();
        // Nothing happens between what is known and what comes later.
        let events = self.0.listeners.hear();
        let active = known.active.values().map(|active| &active.record);
        let told = wanted.known(active, known.ended.values().map(|ended| &ended.record));
        drop(known);
        let later = if wanted.early_exit { None } else { Some(wanted.later(events)) };
        Ok(stream::iter(told.into_iter().map(Ok)).chain(stream::iter(later).flatten()))
    }

    /// All of a failure, by the digest that a record names.
    pub(crate) async fn failure(&self, digest: &str) -> Option<Vec<u8>> {
        let reference = {
            let known = self.known();
            let named =
                |ended: &&Ended| ended.record.shown.external_error.as_ref().is_some_and(|error| error.digest == digest);
            known.ended.values().find(named)?.record.shown.r#ref.clone()
        };
        let read = self.on_disk(move |store| store.failure(&reference)).await;
        read.ok().filter(|content| Digest::of(content).to_string() == digest)
    }
}

impl Known {
    fn remember(&mut self, store: &Store, record: Arc<Record>) {
        let reference = record.shown.r#ref.clone();
        let size = store.size(&reference);
        self.ended.insert(reference, Ended { record, size });
    }

    fn beyond(&self, now: SystemTime) -> Vec<String> {
        policy::beyond(self.ended.values().map(|ended| Candidate { record: &ended.record, size: ended.size }), now)
    }
}

/// The disk took less than there was.
fn warn(error: io::Error) {
    tracing::warn!(%error, "a build is not remembered as it should");
}

#[cfg(test)]
mod tests;
