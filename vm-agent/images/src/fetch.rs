//! Fetching layers: each is downloaded once, however many pulls want it, and unpacked while it downloads.
//!
//! ```text
//! registry --> channel --> writer thread: file, SHA-256 --> (follows the file) inflate, SHA-256, unpack
//! ```
//!
//! The file is the buffer between the two halves, so that a slow disk never holds the connection up for long and memory stays
//! bounded. When the last pull that waits for a layer goes away, its work stops.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use layers::{DiffId, Digest, Layers};
use sha2::{Digest as _, Sha256};
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
    /// By what is verified together: one blob may be claimed to be several layers, and one layer to come as several blobs.
    jobs: Mutex<HashMap<(Digest, DiffId), Weak<Job>>>,
    downloads: Arc<Semaphore>,
    /// Unpacking is bound by the processors, not by the registry.
    unpacking: Arc<Semaphore>,
}

/// One layer's work; it stops when nobody waits any more.
#[derive(Debug)]
struct Job {
    phase: watch::Receiver<Phase>,
    task: tokio::task::AbortHandle,
    abandoned: Arc<AtomicBool>,
}

impl Drop for Job {
    fn drop(&mut self) {
        // Before the pull that gave up collects what it left: see `Work::leave`.
        self.abandoned.store(true, Ordering::SeqCst);
        self.task.abort();
    }
}

/// Where a layer is on its way. The order is that of time.
#[derive(Debug, Clone)]
enum Phase {
    Asked,
    /// For others' downloads to end.
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
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) content: Content,
    pub(crate) layers: Layers,
    pub(crate) session: Session,
    /// Blobs and what they unpack to, of the images that were here when the pull began.
    pub(crate) recorded: Arc<HashSet<(Digest, DiffId)>>,
    /// Called when work ended after everybody had given it up: what it put in place is garbage.
    pub(crate) abandoned: Arc<dyn Fn() + Send + Sync>,
}

impl Tools {
    /// True when blob and layer are here and were verified to belong together.
    pub(crate) fn has(&self, blob: &Descriptor, diff_id: &DiffId) -> bool {
        self.recorded.contains(&(blob.digest, *diff_id))
            && self.layers.contains(diff_id)
            && self.content.contains(&blob.digest, blob.size)
    }
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
        let key = (descriptor.digest, diff_id);
        let running = jobs.get(&key).and_then(Weak::upgrade);
        if let Some(job) = running.filter(|job| !matches!(&*job.phase.borrow(), Phase::Done(Err(_)))) {
            return job;
        }
        let (phases, phase) = watch::channel(Phase::Asked);
        let abandoned = Arc::new(AtomicBool::new(false));
        let work = Work {
            tools: tools.clone(),
            descriptor: descriptor.clone(),
            diff_id,
            phases,
            downloads: Arc::clone(&self.downloads),
            unpacking: Arc::clone(&self.unpacking),
            abandoned: Arc::clone(&abandoned),
        };
        let task = tokio::spawn(async move {
            let result = work.run().await;
            leave(&work.abandoned, &work.tools);
            work.phases.send_replace(Phase::Done(result.map_err(Arc::new)));
        });
        let job = Arc::new(Job { phase, task: task.abort_handle(), abandoned });
        jobs.insert(key, Arc::downgrade(&job));
        job
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<(Digest, DiffId), Weak<Job>>> {
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
    /// Nobody waits any more.
    abandoned: Arc<AtomicBool>,
}

impl Work {
    async fn run(&self) -> Result<()> {
        let Tools { content, .. } = &self.tools;
        if self.tools.has(&self.descriptor, &self.diff_id) {
            return Ok(());
        }
        if !content.contains(&self.descriptor.digest, self.descriptor.size) {
            return self.download_and_unpack().await;
        }
        let file = content.file(&self.descriptor.digest)?;
        self.phase(Phase::Extracting { current: 0 });
        let _unpacking = self.unpacking.acquire().await.expect("never closed");
        self.unpack(file).await
    }

    /// Makes the blob a layer; of a layer that is here already it only checks that the blob is that layer.
    fn unpack<R: Read + Send + 'static>(&self, blob: R) -> impl Future<Output = Result<()>> + Send + use<R> {
        let (tools, abandoned, diff_id) = (self.tools.clone(), Arc::clone(&self.abandoned), self.diff_id);
        let digest = self.descriptor.digest;
        let blob = Wanted { source: blob, abandoned: Arc::clone(&abandoned) };
        blocking(move || {
            let result = if tools.layers.contains(&diff_id) {
                verify(blob, &diff_id)
            } else {
                unpack(&tools.layers, blob, &diff_id)
            };
            leave(&abandoned, &tools);
            result.map_err(|source| Error::Unpack { blob: digest, source })
        })
    }

    async fn download_and_unpack(&self) -> Result<()> {
        if self.downloads.available_permits() == 0 {
            self.phase(Phase::Waiting);
        }
        let downloading = self.downloads.acquire().await.expect("never closed");
        self.phase(Phase::Downloading { current: 0 });
        let ingest = self.tools.content.ingest()?;
        let (writer, reader) = follow(ingest.reader()?);
        let position = writer.position();
        // Dropping the set, with this future, stops what waits in it; a thread that reads fails when the writer goes.
        let mut unpacking = JoinSet::new();
        let permits = Arc::clone(&self.unpacking);
        let work = self.unpack(reader);
        unpacking.spawn(async move {
            let _permit = permits.acquire_owned().await.expect("never closed");
            work.await
        });
        let (ingest, writer, unreadable) = self.download(ingest, writer, &mut unpacking).await?;
        drop(downloading);
        self.phase(Phase::Verifying);
        if ingest.digest() != self.descriptor.digest {
            return Err(Error::Corrupt(format!(
                "filesystem layer verification failed for digest {}",
                self.descriptor.digest
            )));
        }
        if let Some(unreadable) = unreadable {
            return Err(unreadable);
        }
        writer.finish();
        self.phase(Phase::Downloaded);
        self.await_unpacking(&mut unpacking, &position).await?;
        ingest.commit()?;
        Ok(())
    }

    /// Downloads into `ingest`; fails early when unpacking fails meanwhile.
    ///
    /// Except when the blob cannot be inflated, which is returned: bytes that changed on the way are the likely cause, and only
    /// the whole blob's digest tells.
    async fn download(
        &self,
        mut ingest: Ingest,
        writer: Writer,
        unpacking: &mut JoinSet<Result<()>>,
    ) -> Result<(Ingest, Writer, Option<Error>)> {
        let expected = self.descriptor.size;
        let (pieces, mut inbox) = mpsc::channel::<Bytes>(PIECES);
        let writing = tokio::task::spawn_blocking(move || -> Result<(Ingest, Writer)> {
            while let Some(piece) = inbox.blocking_recv() {
                ingest.append(&piece)?;
                writer.advance(ingest.size());
            }
            Ok((ingest, writer))
        });
        let mut download = self.tools.session.blob(&self.descriptor.digest, expected);
        let mut current = 0;
        let mut limit = Limit::default();
        let mut unreadable = None;
        loop {
            let piece = tokio::select! {
                piece = download.next(|seconds| self.phase(Phase::Retrying(seconds))) => {
                    piece.map_err(|failure| failure.into_error())?
                }
                Some(result) = unpacking.join_next(), if !unpacking.is_empty() => {
                    match blocking_result(result) {
                        Err(e @ Error::Unpack { source: layers::Error::Read(_), .. }) => unreadable = Some(e),
                        other => other?,
                    }
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
        Ok((ingest, writer, unreadable))
    }

    async fn await_unpacking(&self, unpacking: &mut JoinSet<Result<()>>, position: &Position) -> Result<()> {
        while !unpacking.is_empty() {
            self.phase(Phase::Extracting { current: position.get() });
            tokio::select! {
                Some(result) = unpacking.join_next() => blocking_result(result)?,
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
pub(crate) fn unpack(layers: &Layers, blob: impl Read + Send, diff_id: &DiffId) -> layers::Result<()> {
    let tar = decompress(blob).map_err(layers::Error::Read)?;
    layers.apply(tar, diff_id)?;
    Ok(())
}

/// Checks that a blob inflates to a layer that is here already; blocking.
pub(crate) fn verify(blob: impl Read + Send, diff_id: &DiffId) -> layers::Result<()> {
    let mut tar = decompress(blob).map_err(layers::Error::Read)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match tar.read(&mut buffer).map_err(layers::Error::Read)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    match Digest::from(hasher) {
        actual if actual == *diff_id => Ok(()),
        actual => Err(layers::Error::DiffId { expected: *diff_id, actual }),
    }
}

/// After work that may have put something in place. Who gave it up has collected before, perhaps too early for this.
fn leave(abandoned: &AtomicBool, tools: &Tools) {
    if abandoned.load(Ordering::SeqCst) {
        (tools.abandoned)();
    }
}

/// Reads as long as somebody waits.
struct Wanted<R> {
    source: R,
    abandoned: Arc<AtomicBool>,
}

impl<R: Read> Read for Wanted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.abandoned.load(Ordering::SeqCst) {
            return Err(io::Error::other("nobody waits for the layer any more"));
        }
        self.source.read(buffer)
    }
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
            // As in dockerd nothing is told before there is something to count.
            Phase::Asked | Phase::Waiting | Phase::Downloading { current: 0 } => {}
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
