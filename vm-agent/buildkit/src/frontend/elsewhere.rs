//! Contexts that are no directory of the client's: an archive of its, a repository, what is at an address.

use super::Client;
use crate::contexts::repository_key;
use crate::elsewhere::{Elsewhere, shown};
use crate::failure;
use crate::tree::Tree;
use crate::upload;
use build::{Address, Error, Kind};
use images::{Sink, redact};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::io::SyncIoBridge;
use tonic::Status;

/// What a file is called that is downloaded as a context.
pub(super) const DOWNLOAD: &str = "context";

/// What is told of while it comes.
const TRANSFER: &str = "transferring context:";

impl Client {
    pub(super) async fn receive_elsewhere(&self, elsewhere: &Elsewhere) -> Result<Tree, Status> {
        let step = self.progress.begin(elsewhere.step());
        let last = Arc::new(AtomicU64::new(0));
        let told = {
            let (progress, last) = (Arc::clone(&self.progress), Arc::clone(&last));
            move |bytes| {
                last.store(bytes, Ordering::Relaxed);
                progress.transfer(step, TRANSFER, bytes, 0, false);
            }
        };
        let received = match elsewhere {
            Elsewhere::Archive(name) => {
                upload::fetch(&self.bodies, &self.contexts, name, self.root.clone(), told).await
            }
            Elsewhere::Repository(address) => match self.receive_repository(step, address, told).await {
                Ok((key, tree)) => {
                    self.repository.set(key).map(|()| tree).map_err(|_| Status::internal("fetched twice"))
                }
                Err(error) => Err(status(&error)),
            },
            Elsewhere::Download(url) => match self.receive_download(url, true, told).await {
                Ok((tree, is_archive)) => {
                    self.is_alone.store(!is_archive, Ordering::Relaxed);
                    Ok(tree)
                }
                Err(error) => Err(status(&error)),
            },
        };
        self.progress.transfer(step, TRANSFER, last.load(Ordering::Relaxed), 0, true);
        self.progress.end(step, received.as_ref().err().map(Status::message));
        received
    }

    /// What `--build-context NAME=ADDRESS` says. What is downloaded is a file.
    pub(super) async fn receive_address(&self, given: &str) -> build::Result<(Option<String>, Tree)> {
        let refused = || Error::NotYet(format!("the build context {given}: this builder does not have it yet"));
        let elsewhere =
            Elsewhere::parse(given).map_err(|status| Error::Context(io::Error::other(status.message().to_owned())))?;
        let name = self.options.contexts.iter().find(|(_, said)| *said == given).map_or("", |(name, _)| name);
        let elsewhere = elsewhere.ok_or_else(refused)?;
        let of = match &elsewhere {
            Elsewhere::Repository(address) => shown(address),
            Elsewhere::Archive(_) | Elsewhere::Download(_) => redact::address(given),
        };
        let step = self.progress.begin(format!("[context {name}] {of}"));
        let progress = Arc::clone(&self.progress);
        let told = move |bytes| progress.transfer(step, TRANSFER, bytes, 0, false);
        let received = match &elsewhere {
            Elsewhere::Archive(_) => Err(refused()),
            Elsewhere::Repository(address) => {
                self.receive_repository(step, address, told).await.map(|(key, tree)| (Some(key), tree))
            }
            Elsewhere::Download(url) => self.receive_download(url, false, told).await.map(|(tree, _)| (None, tree)),
        };
        self.progress.end(step, received.as_ref().err().map(failure::words).as_deref());
        received
    }

    /// The files of a commit, which are here already if they were fetched before, and what they go by over several builds.
    async fn receive_repository(
        &self,
        step: usize,
        address: &Address,
        told: impl FnMut(u64) + Send + 'static,
    ) -> build::Result<(String, Tree)> {
        let repository = self.builds.find_repository(address, Some(self)).await?;
        let key = repository_key(&repository.key());
        if let Some(tree) = self.known.take(&key) {
            self.progress.cached(step);
            return Ok((key, tree));
        }
        let tree = self.new_directory().await?;
        repository.fetch(tree.path().to_owned(), tree.hold(), told).await?;
        let weighed = blocking(move || {
            let mut tree = tree;
            tree.weigh().map(|()| tree)
        });
        Ok((key, weighed.await?))
    }

    /// What is at an address, and whether it was unpacked.
    async fn receive_download(
        &self,
        url: &str,
        unpacks: bool,
        told: impl FnMut(u64) + Send + 'static,
    ) -> build::Result<(Tree, bool)> {
        let failed = |cause| Error::Remote { url: redact::address(url), cause: Box::new(cause) };
        let source = self.images.download(url, &Sink::silent()).await.map_err(failed)?;
        let tree = self.new_directory().await?;
        let content = Counted { content: SyncIoBridge::new(source.into_reader()), count: 0, told };
        blocking(move || {
            let is_archive = build::place_download(content, tree.path(), DOWNLOAD, unpacks)?;
            Ok((tree, is_archive))
        })
        .await
    }

    async fn new_directory(&self) -> build::Result<Tree> {
        let root = self.root.clone();
        blocking(move || Tree::new(&root)).await
    }
}

/// Tells how much was read.
struct Counted<R, F> {
    content: R,
    count: u64,
    told: F,
}

impl<R: Read, F: FnMut(u64)> Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.count += count as u64;
        (self.told)(self.count);
        Ok(count)
    }
}

fn status(error: &Error) -> Status {
    match error.kind() {
        Kind::NotImplemented => Status::unimplemented(failure::words(error)),
        Kind::Invalid | Kind::System => Status::unknown(failure::words(error)),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> build::Result<T> {
    let worked = tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopping)?;
    worked.map_err(Error::Context)
}
