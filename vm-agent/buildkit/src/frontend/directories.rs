//! The client's directories: what of them a build receives, and what they leave out.

use super::Client;
use super::dockerfile::read;
use crate::filesync::{self, Into, Wanted};
use crate::sessions::Session;
use crate::tree::Tree;
use std::sync::PoisonError;
use tonic::Status;

impl Client {
    /// Fetches a directory, as a step of its own.
    pub(super) async fn fetch(
        &self,
        step: &str,
        id: &str,
        from: &Session,
        wanted: Wanted,
        into: Into,
    ) -> Result<Tree, Status> {
        self.fetch_known(step, id, from, wanted, into, None).await
    }

    /// `key`: what the directory is over several builds, for which what came of it is kept even if the rest does not.
    async fn fetch_known(
        &self,
        step: &str,
        id: &str,
        from: &Session,
        wanted: Wanted,
        into: Into,
        key: Option<String>,
    ) -> Result<Tree, Status> {
        let step = self.progress.begin(step.to_owned());
        let mut last = 0;
        let told = |bytes| {
            last = bytes;
            self.progress.transfer(step, id, bytes, 0, false);
        };
        let known = self.known.clone();
        let given_up = move |tree| {
            if let Some(key) = key {
                known.put_part(key, tree);
            }
        };
        let tree = filesync::fetch(from, wanted, into, given_up, told).await;
        self.progress.transfer(step, id, last, 0, true);
        self.progress.end(step, tree.as_ref().err().map(Status::message));
        tree
    }

    /// What the context leaves out.
    pub(super) async fn ignored(&self) -> Result<&Vec<String>, Status> {
        self.exclude.get_or_try_init(|| self.receive_ignored()).await
    }

    async fn receive_ignored(&self) -> Result<Vec<String>, Status> {
        // As in BuildKit, what comes from elsewhere comes whole.
        if self.options.elsewhere.is_some() {
            return Ok(Vec::new());
        }
        let own = self.ignored.lock().unwrap_or_else(PoisonError::into_inner).take();
        let text = match own {
            Some(text) => Some(text),
            None => {
                let directory = &self.options.context_in;
                self.ignore_file("[internal] load .dockerignore", &self.contexts, directory).await?
            }
        };
        patterns(text)
    }

    /// The ignore file that lies in a directory.
    async fn ignore_file(&self, step: &str, from: &Session, directory: &str) -> Result<Option<String>, Status> {
        let name = ".dockerignore".to_owned();
        let wanted = Wanted { name: directory.to_owned(), follow: vec![name.clone()], ..Wanted::default() };
        let tree = self.fetch(step, "transferring context:", from, wanted, self.new_tree()).await?;
        read(tree.path().to_owned(), name).await
    }

    /// A directory of the client's beside the context.
    pub(super) async fn receive_other(&self, name: &str) -> Result<(Option<String>, Tree), Status> {
        let id = self.options.sessions.get(name).unwrap_or(&self.own_id);
        let from = self.sessions.get(id).await?;
        let text = self.ignore_file(&format!("[context {name}] load .dockerignore"), &from, name).await?;
        let wanted = Wanted { name: name.to_owned(), exclude: patterns(text)?, ..Wanted::default() };
        let key = (!from.shared_key.is_empty()).then(|| format!("{} {name}", from.shared_key));
        let known = key.as_ref().and_then(|key| self.known.take(key));
        let into = known.map_or_else(|| self.new_tree(), Into::Known);
        let step = format!("[context {name}] load from client");
        let id = format!("transferring {name}:");
        let tree = self.fetch_known(&step, &id, &from, wanted, into, key.clone()).await?;
        Ok((key, tree))
    }

    /// The context, with at least what is wanted of it.
    pub(super) async fn context(&self, wanted: &[String]) -> Result<&Tree, Status> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        if let Some(elsewhere) = &self.options.elsewhere {
            return self.context.get_or_try_init(|| self.receive_elsewhere(elsewhere)).await;
        }
        let follow = match &self.taken {
            None => Vec::new(),
            Some(taken) if wanted.iter().all(|path| taken.contains(path)) => taken.iter().cloned().collect(),
            Some(_) => return self.whole.get_or_try_init(|| self.receive_context(Vec::new())).await,
        };
        self.context.get_or_try_init(|| self.receive_context(follow)).await
    }

    /// `follow`: only that; everything where there is none.
    async fn receive_context(&self, follow: Vec<String>) -> Result<Tree, Status> {
        let exclude = self.ignored().await?.clone();
        let wanted = Wanted { name: self.options.context_in.clone(), exclude, follow };
        let key = self.context_key();
        let known = key.as_ref().and_then(|key| self.known.take(key));
        let into = known.map_or_else(|| self.new_tree(), Into::Known);
        let (step, id) = ("[internal] load build context", "transferring context:");
        self.fetch_known(step, id, &self.contexts, wanted, into, key).await
    }

    pub(super) fn new_tree(&self) -> Into {
        Into::New(self.root.clone())
    }

    /// Which directory the context is, if the client says so.
    pub(super) fn context_key(&self) -> Option<String> {
        if self.options.elsewhere.is_some() {
            return self.repository.get().cloned();
        }
        let key = &self.contexts.shared_key;
        (!key.is_empty()).then(|| format!("{key} {}", self.options.context_in))
    }
}

/// What a directory leaves out, by the text of its ignore file.
fn patterns(text: Option<String>) -> Result<Vec<String>, Status> {
    let patterns = build::ignore_patterns(&text.unwrap_or_default());
    patterns.map_err(|error| Status::invalid_argument(format!("cannot read .dockerignore: {error}")))
}
