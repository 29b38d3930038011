//! Fetching layers: each is downloaded once, however many pulls want it, and unpacked while it downloads.
//!
//! ```text
//! registry --> channel --> writer thread: file, SHA-256 --> (follows the file) inflate, SHA-256, unpack
//! ```
//!
//! The file is the buffer between the two halves, so that a slow disk never holds the connection up for long and memory stays
//! bounded. When the last pull that waits for a layer goes away, its work stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use layers::{DiffId, Digest, Layers};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::compression::decompress;
use crate::content::{Content, Ingest};
use crate::follow::{Position, Writer, follow};
use crate::image::short;
use crate::manifest::Descriptor;
use crate::progress::{Limit, Sink};
use crate::registry::{RegistryConfig, Session};
use crate::{Error, Result, blocking};

/// Pieces between the connection and the writer thread.
const PIECES: usize = 16;
const DOWNLOADS: usize = 3;

/// Layers that are being fetched.
#[derive(Debug)]
pub(crate) struct Fetches {
    jobs: Mutex<HashMap<Digest, Weak<Job>>>,
    downloads: Arc<Semaphore>,
    /// Unpacking is bound by the processors, not by the registry.
    unpacking: Arc<Semaphore>,
}

/// One layer's work; it stops when nobody waits any more.
#[derive(Debug)]
struct Job {
    phase: watch::Receiver<Phase>,
    task: tokio::task::AbortHandle,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where a layer is on its way. The order is that of time.
#[derive(Debug, Clone)]
enum Phase {
    Waiting,
    Downloading {
        current: u64,
    },
    /// Seconds until the next try.
    Retrying(u64),
    Verifying,
    Downloaded,
    Extracting {
        current: u64,
    },
    Done(Result<(), Arc<Error>>),
}

/// What a job works with.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) content: Content,
    pub(crate) layers: Layers,
    pub(crate) session: Session,
}

impl Fetches {
    pub(crate) fn new(config: &RegistryConfig) -> Fetches {
        let downloads = if config.concurrent_downloads == 0 { DOWNLOADS } else { config.concurrent_downloads };
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Fetches {
            jobs: Mutex::new(HashMap::new()),
            downloads: Arc::new(Semaphore::new(downloads)),
            unpacking: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Brings a layer and its blob here. The caller has pinned both.
    pub(crate) async fn layer(
        &self,
        tools: &Tools,
        descriptor: &Descriptor,
        diff_id: DiffId,
        progress: &Sink,
    ) -> Result<()> {
        let job = self.join(tools, descriptor, diff_id);
        let mut phases = job.phase.clone();
        let mut steps = Steps::new(descriptor, progress);
        loop {
            let phase = phases.borrow_and_update().clone();
            steps.show(&phase);
            if let Phase::Done(result) = phase {
                return result.map_err(|e| e.share());
            }
            if phases.changed().await.is_err() {
                // The task was aborted with the runtime, or panicked.
                return Err(Error::Unavailable(format!("fetching layer {} stopped", short(&descriptor.digest))));
            }
        }
    }

    /// The work on this blob that is under way, or new work.
    fn join(&self, tools: &Tools, descriptor: &Descriptor, diff_id: DiffId) -> Arc<Job> {
        let mut jobs = self.jobs();
        jobs.retain(|_, job| job.strong_count() > 0);
        let running = jobs.get(&descriptor.digest).and_then(Weak::upgrade);
        if let Some(job) = running.filter(|job| !matches!(&*job.phase.borrow(), Phase::Done(Err(_)))) {
            return job;
        }
        let (phases, phase) = watch::channel(Phase::Waiting);
        let work = Work {
            tools: tools.clone(),
            descriptor: descriptor.clone(),
            diff_id,
            phases,
            downloads: Arc::clone(&self.downloads),
            unpacking: Arc::clone(&self.unpacking),
        };
        let task = tokio::spawn(async move {
            let result = work.run().await;
            work.phases.send_replace(Phase::Done(result.map_err(Arc::new)));
        });
        let job = Arc::new(Job { phase, task: task.abort_handle() });
        jobs.insert(descriptor.digest, Arc::downgrade(&job));
        job
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<Digest, Weak<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Work {
    tools: Tools,
    descriptor: Descriptor,
    diff_id: DiffId,
    phases: watch::Sender<Phase>,
    downloads: Arc<Semaphore>,
    unpacking: Arc<Semaphore>,
}

impl Work {
    async fn run(&self) -> Result<()> {
        let Tools { content, layers, .. } = &self.tools;
        if !content.contains(&self.descriptor.digest) {
            return self.download_and_unpack().await;
        }
        if layers.contains(&self.diff_id) {
            return Ok(());
        }
        let file = content.file(&self.descriptor.digest)?;
        let (layers, diff_id) = (layers.clone(), self.diff_id);
        self.phase(Phase::Extracting { current: 0 });
        let _unpacking = self.unpacking.acquire().await.expect("never closed");
        blocking(move || unpack(&layers, file, &diff_id)).await
    }

    async fn download_and_unpack(&self) -> Result<()> {
        let downloading = self.downloads.acquire().await.expect("never closed");
        self.phase(Phase::Downloading { current: 0 });
        let ingest = self.tools.content.ingest()?;
        let (writer, reader) = follow(ingest.reader()?);
        let position = writer.position();
        // Dropping the set, with this future, stops what waits in it; a thread that reads fails when the writer goes.
        let mut unpacking = JoinSet::new();
        if !self.tools.layers.contains(&self.diff_id) {
            let permits = Arc::clone(&self.unpacking);
            let (layers, diff_id) = (self.tools.layers.clone(), self.diff_id);
            unpacking.spawn(async move {
                let _permit = permits.acquire_owned().await.expect("never closed");
                blocking(move || unpack(&layers, reader, &diff_id)).await
            });
        }
        let (ingest, writer) = self.download(ingest, writer, &mut unpacking).await?;
        drop(downloading);
        self.phase(Phase::Verifying);
        if ingest.digest() != self.descriptor.digest {
            return Err(Error::Corrupt(format!(
                "filesystem layer verification failed for digest {}",
                self.descriptor.digest
            )));
        }
        writer.finish();
        self.phase(Phase::Downloaded);
        self.await_unpacking(&mut unpacking, &position).await?;
        ingest.commit()?;
        Ok(())
    }

    /// Downloads into `ingest`; fails early when unpacking fails meanwhile.
    async fn download(
        &self,
        mut ingest: Ingest,
        writer: Writer,
        unpacking: &mut JoinSet<Result<()>>,
    ) -> Result<(Ingest, Writer)> {
        let expected = self.descriptor.size;
        let (pieces, mut inbox) = mpsc::channel::<Bytes>(PIECES);
        let writing = tokio::task::spawn_blocking(move || -> Result<(Ingest, Writer)> {
            while let Some(piece) = inbox.blocking_recv() {
                ingest.append(&piece)?;
                writer.advance(ingest.size());
            }
            Ok((ingest, writer))
        });
        let mut download = self.tools.session.blob(&self.descriptor.digest);
        let mut current = 0;
        let mut limit = Limit::default();
        loop {
            let piece = tokio::select! {
                piece = download.next(|seconds| self.phase(Phase::Retrying(seconds))) => {
                    piece.map_err(|failure| failure.into_error())?
                }
                Some(result) = unpacking.join_next(), if !unpacking.is_empty() => {
                    joined(result)?;
                    continue;
                }
            };
            let Some(piece) = piece else { break };
            current += piece.len() as u64;
            if current > expected {
                return Err(self.wrong_size(current));
            }
            if pieces.send(piece).await.is_err() {
                // The writer thread failed; its error is below.
                break;
            }
            if limit.pass() {
                self.phase(Phase::Downloading { current });
            }
        }
        drop(pieces);
        let (ingest, writer) = blocking_result(writing.await)?;
        if ingest.size() != expected {
            return Err(self.wrong_size(ingest.size()));
        }
        self.phase(Phase::Downloading { current });
        Ok((ingest, writer))
    }

    async fn await_unpacking(&self, unpacking: &mut JoinSet<Result<()>>, position: &Position) -> Result<()> {
        while !unpacking.is_empty() {
            self.phase(Phase::Extracting { current: position.get() });
            tokio::select! {
                Some(result) = unpacking.join_next() => joined(result)?,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
        self.phase(Phase::Extracting { current: self.descriptor.size });
        Ok(())
    }

    fn wrong_size(&self, found: u64) -> Error {
        Error::Corrupt(format!(
            "filesystem layer verification failed for digest {}: the registry sent {found} bytes, {} were announced",
            self.descriptor.digest, self.descriptor.size
        ))
    }

    fn phase(&self, phase: Phase) {
        self.phases.send_replace(phase);
    }
}

/// Inflates and unpacks one layer; blocking.
pub(crate) fn unpack(layers: &Layers, blob: impl std::io::Read + Send, diff_id: &DiffId) -> Result<()> {
    let tar = decompress(blob).map_err(layers::Error::Read)?;
    layers.apply(tar, diff_id)?;
    Ok(())
}

fn joined(result: Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    blocking_result(result)
}

fn blocking_result<T>(result: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    match result {
        Ok(result) => result,
        Err(e) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Store(store::Error::Closed)),
        },
    }
}

/// Turns phases into `dockerd`'s lines. A watcher may miss phases: what comes before is said first.
struct Steps<'a> {
    id: String,
    total: u64,
    progress: &'a Sink,
    downloaded: bool,
    verified: bool,
    waiting: bool,
}

impl<'a> Steps<'a> {
    fn new(descriptor: &Descriptor, progress: &'a Sink) -> Steps<'a> {
        Steps {
            id: short(&descriptor.digest),
            total: descriptor.size,
            progress,
            downloaded: false,
            verified: false,
            waiting: false,
        }
    }

    fn show(&mut self, phase: &Phase) {
        match phase {
            Phase::Waiting if !self.waiting => {
                self.waiting = true;
                self.progress.about(&self.id, "Waiting");
            }
            Phase::Waiting => {}
            Phase::Downloading { current } => self.progress.count(&self.id, "Downloading", *current, self.total),
            Phase::Retrying(seconds) => {
                let plural = if *seconds == 1 { "" } else { "s" };
                self.progress.about(&self.id, format!("Retrying in {seconds} second{plural}"));
            }
            Phase::Verifying => self.verifying(),
            Phase::Downloaded => self.download_complete(),
            Phase::Extracting { current } => {
                self.download_complete();
                self.progress.count(&self.id, "Extracting", *current, self.total);
            }
            Phase::Done(Ok(())) => {
                self.download_complete();
                self.progress.about(&self.id, "Pull complete");
            }
            Phase::Done(Err(_)) => {}
        }
    }

    fn verifying(&mut self) {
        if !self.verified {
            self.verified = true;
            self.progress.about(&self.id, "Verifying Checksum");
        }
    }

    fn download_complete(&mut self) {
        self.verifying();
        if !self.downloaded {
            self.downloaded = true;
            self.progress.about(&self.id, "Download complete");
        }
    }
}
