//! What the builder tells the client of a build, and asks it for.

use super::Client;
use crate::tree::Tree;
use crate::{auth, failure, secrets, ssh};
use build::{Agent, Error, Later, Shown, Watch};
use images::cache::Cache;
use images::{Auth, Reference};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tonic::Status;

impl Watch for Client {
    fn begin(&self, step: Shown) -> usize {
        let number = self.progress.begin(step.name);
        if let Some(lines) = step.lines {
            self.steps().lines.insert(number, lines);
        }
        number
    }

    fn cached(&self, step: usize) {
        self.progress.cached(step);
    }

    fn say(&self, step: usize, bytes: &[u8], is_error: bool) {
        self.progress.say(step, bytes, is_error);
    }

    fn progress(&self, step: usize, progress: images::Progress) {
        if let images::Progress::Status { id: Some(id), status, detail } = progress {
            let detail = detail.unwrap_or_default();
            let id = format!("{} {id}", status.to_lowercase());
            let (current, total) = (detail.current.unwrap_or_default(), detail.total.unwrap_or_default());
            self.progress.transfer(step, &id, current, total, current == total);
        }
    }

    fn end(&self, step: usize, error: Option<&Error>) {
        if error.is_some() {
            self.steps().failed = Some(step);
        }
        self.progress.end(step, error.map(failure::words).as_deref());
    }

    fn warn(&self, step: usize, text: &str) {
        self.tell_of(step, text);
    }

    fn caches(&self) -> Later<'_, &[Cache]> {
        Box::pin(async { self.caches.get_or_init(|| self.import()).await.as_slice() })
    }

    fn context<'a>(&'a self, wanted: &'a [String]) -> Later<'a, build::Result<PathBuf>> {
        Box::pin(async move {
            let tree = Client::context(self, wanted).await;
            let failed = |status: Status| Error::Context(std::io::Error::other(status.message().to_owned()));
            tree.map(|tree| tree.path().to_owned()).map_err(failed)
        })
    }

    fn named(&self, name: &str) -> Option<String> {
        if self.options.contexts.is_empty() {
            return None;
        }
        let familiar = Reference::parse(name).map(|reference| reference.familiar());
        let familiar = familiar.as_deref().unwrap_or(name);
        let bare = familiar.strip_suffix(":latest").unwrap_or(familiar);
        self.options.contexts.get(bare).cloned()
    }

    fn directory<'a>(&'a self, given: &'a str) -> Later<'a, build::Result<PathBuf>> {
        Box::pin(async move {
            let mut others = self.others.lock().await;
            if let Some((_, tree)) = others.get(given) {
                return Ok(tree.path().to_owned());
            }
            let failed = |status: Status| Error::Context(std::io::Error::other(status.message().to_owned()));
            let received = match given.strip_prefix("local:") {
                Some(name) => self.receive_other(name).await.map_err(failed)?,
                None => self.receive_address(given).await?,
            };
            let path = received.1.path().to_owned();
            others.insert(given.to_owned(), received);
            Ok(path)
        })
    }

    fn is_kept<'a>(&'a self, path: &'a Path) -> Later<'a, bool> {
        Box::pin(async move {
            let is_it = |tree: &Tree| tree.path() == path;
            if self.context.get().is_some_and(is_it) || self.whole.get().is_some_and(is_it) {
                return self.context_key().is_some();
            }
            self.others.lock().await.values().any(|(key, tree)| key.is_some() && is_it(tree))
        })
    }

    fn secret<'a>(&'a self, id: &'a str) -> Later<'a, build::Result<Option<Vec<u8>>>> {
        Box::pin(async move {
            let failed = |status: Status| Error::Secret { id: id.to_owned(), reason: status.message().to_owned() };
            secrets::secret(&self.own, id).await.map_err(failed)
        })
    }

    fn agent<'a>(&'a self, id: &'a str) -> Later<'a, build::Result<Arc<dyn Agent>>> {
        Box::pin(ssh::agent(&self.own, id))
    }

    fn credentials<'a>(&'a self, reference: &'a Reference) -> Later<'a, Auth> {
        Box::pin(auth::credentials(&self.own, &reference.domain))
    }
}
