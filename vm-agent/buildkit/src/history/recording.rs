//! A build that is written down while it runs, up to its end.

use super::events::Event;
use super::record::{CANCELED, Counts, End, Record};
use super::{Active, History, replay, warn};
use crate::progress::Progress;
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Status;

/// A build that is written down. Dropping it means that the build was given up.
#[derive(Debug)]
pub(crate) struct Recording {
    ended: oneshot::Sender<End>,
    task: JoinHandle<()>,
}

impl Recording {
    /// The build has ended, and its progress is closed: clients that ask from now on find its record.
    pub(crate) async fn finish(self, end: End) {
        // Whoever writes it down is there until it is told.
        let _ = self.ended.send(end);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "a build is not remembered as it should");
        }
    }
}

impl History {
    /// A build begins; it is remembered from now on, in the place of an earlier one of that reference. Its progress has to be closed.
    /// `folder`: what its client's folder is called, as far as that is known.
    pub(crate) fn begin(
        &self,
        record: Record,
        progress: &Arc<Progress>,
        folder: impl Fn() -> String + Send + 'static,
    ) -> Recording {
        let record = Arc::new(record);
        {
            let mut known = self.known();
            let active = Active { record: Arc::clone(&record), progress: Arc::clone(progress) };
            known.active.insert(record.shown.r#ref.clone(), active);
            known.ended.remove(&record.shown.r#ref);
        }
        self.0.listeners.tell(Event::Started(Arc::clone(&record)));
        let (ended, end) = oneshot::channel();
        let (history, progress) = (self.clone(), Arc::clone(progress));
        Recording { ended, task: tokio::spawn(async move { history.record(record, progress, folder, end).await }) }
    }

    /// Writes down a build until it has ended. What the disk does not take is said and given up, never the build.
    async fn record(
        self,
        mut record: Arc<Record>,
        progress: Arc<Progress>,
        folder: impl Fn() -> String + Send,
        end: oneshot::Receiver<End>,
    ) {
        let reference = record.shown.r#ref.clone();
        let mut file = {
            let _changes = self.0.changes.lock().await;
            // Its client may have gone and come again with the same reference: what is there now is that build's.
            if !self.is_active(&reference, &progress) {
                return;
            }
            let (reference, record) = (reference.clone(), Arc::clone(&record));
            let begun = self.on_disk(move |store| {
                store.remove(&reference)?;
                store.put(&record)?;
                store.create_told(&reference)
            });
            begun.await.map_err(warn).ok()
        };
        let mut counts = Counts::default();
        let mut told = Box::pin(Arc::clone(&progress).follow());
        while let Some(message) = told.next().await {
            counts.add(&message);
            if record.folder.is_empty() {
                record = self.name(record, &progress, folder()).await;
            }
            let Some(mut open) = file.take() else { continue };
            let written = self.on_disk(move |_| replay::append(&mut open, &message).map(|()| open));
            file = written.await.map_err(warn).ok();
        }
        drop(file);
        if record.folder.is_empty() {
            record = self.name(record, &progress, folder()).await;
        }
        // Nobody says how it ended when its client went away.
        let end = end.await.unwrap_or_else(|_| End::Failed(Status::cancelled(CANCELED)));
        let mut record = Arc::unwrap_or_clone(record);
        let failure = record.end(end, &counts);
        let record = Arc::new(record);
        let changes = self.0.changes.lock().await;
        if !self.is_active(&reference, &progress) {
            return;
        }
        let written = {
            let (reference, record) = (reference.clone(), Arc::clone(&record));
            self.on_disk(move |store| {
                failure.map_or(Ok(()), |failure| store.put_failure(&reference, &failure))?;
                store.put(&record)
            })
        };
        written.await.unwrap_or_else(warn);
        let beyond = {
            let mut known = self.known();
            known.active.remove(&reference);
            known.remember(&self.0.store, Arc::clone(&record));
            known.beyond(SystemTime::now())
        };
        self.0.listeners.tell(Event::Complete(record));
        for reference in beyond {
            self.forget(reference).await.unwrap_or_else(warn);
        }
        drop(changes);
    }

    /// Whether that is the build under way: one that was given up may have made way for another of its reference.
    fn is_active(&self, reference: &str, progress: &Arc<Progress>) -> bool {
        self.active(reference).is_some_and(|active| Arc::ptr_eq(&active.progress, progress))
    }

    /// Takes down the folder of a build under way; empty: not yet.
    async fn name(&self, record: Arc<Record>, progress: &Arc<Progress>, folder: String) -> Arc<Record> {
        // Most often: nobody is held up for it.
        if folder.is_empty() {
            return record;
        }
        let _changes = self.0.changes.lock().await;
        if !self.is_active(&record.shown.r#ref, progress) {
            return record;
        }
        let record = Arc::new(Record { folder, ..Arc::unwrap_or_clone(record) });
        if let Some(active) = self.known().active.get_mut(&record.shown.r#ref) {
            active.record = Arc::clone(&record);
        }
        let named = Arc::clone(&record);
        self.on_disk(move |store| store.put(&named)).await.unwrap_or_else(warn);
        record
    }
}
