//! A Dockerfile's build for a client: its files from the client's session, its steps to the client's screen.

use crate::contexts::Contexts;
use crate::failure::{self, Source};
use crate::filesync::{self, Into, Wanted};
use crate::jobs::{Job, Solved};
use crate::options::{self, Options};
use crate::progress::Progress;
use crate::sessions::{Session, Sessions};
use crate::subrequests::Answer;
use crate::tree::Tree;
use crate::{Kit, auth, secrets, ssh};
use build::{Agent, Builds, Built, Error, Later, Shown, Watch};
use images::cache::Cache;
use images::{Auth, Images, Reference};
use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tonic::{Code, Status};

mod caches;
mod elsewhere;
mod questions;

/// What a client says to let its build into the engine's own network.
pub(crate) const HOST_NETWORK: &str = "network.host";

/// Bytes of a Dockerfile.
const LARGEST: u64 = 16 << 20;

/// The frontend solves a Dockerfile. Dropping the future ends the build.
pub(crate) async fn solve(
    kit: &Kit,
    job: &Arc<Job>,
    frontend: &str,
    attributes: &HashMap<String, String>,
) -> Result<Outcome, Status> {
    options::check_frontend(frontend, attributes)?;
    let services = &kit.0.services;
    let mut options = options::read(attributes, &services.engine)?;
    options.request.whole = job.whole;
    options.request.host_network = job.allowed.iter().any(|name| name == HOST_NETWORK);
    if options.request.host.network_mode == "host" && !options.request.host_network {
        return Err(Status::permission_denied(format!("{HOST_NETWORK} is not allowed")));
    }
    let mut client = Client::meet(kit, job, options).await?;
    let source = client.dockerfile().await?;
    client.source = Some(source.clone());
    let client = Arc::new(client);
    if let Some(subrequest) = client.options.subrequest {
        return client.answer(&services.builds, &source, subrequest).await.map(Outcome::Answer);
    }
    let told = client.check(&services.builds, &source, &[]).await?;
    let watch = Arc::clone(&client) as Arc<dyn Watch>;
    let built = services.builds.build_for(&client.options.request, source.text.clone(), watch).await;
    // Now it is known what the base images have.
    let checked = client.check(&services.builds, &source, &told).await;
    let Built { image, kept, steps } = built.map_err(|error| client.status(&error))?;
    checked?;
    let (time, steps) = (client.options.request.time, Arc::new(steps));
    Ok(Outcome::Image(Solved { image, time, kept, steps }))
}

/// What came of a request to the frontend.
#[derive(Debug)]
pub(crate) enum Outcome {
    Image(Solved),
    /// What was asked about the Dockerfile.
    Answer(Answer),
}

/// The client of one build.
#[derive(Debug)]
struct Client {
    options: Options,
    progress: Arc<Progress>,
    /// Who asked for the build: whose secrets and credentials are wanted.
    own: Arc<Session>,
    /// Whose the Dockerfile and the context are.
    session: Arc<Session>,
    contexts: Arc<Session>,
    /// Files lie beneath it.
    root: PathBuf,
    images: Images,
    /// Those that steps may be taken from, once they are looked for.
    caches: OnceCell<Vec<Cache>>,
    source: Option<Source>,
    context: OnceCell<Tree>,
    /// What the context is over several builds, if it is of a repository.
    repository: OnceCell<String>,
    /// The context is a Dockerfile without files.
    is_alone: AtomicBool,
    builds: Builds,
    /// Directories beside the context, by the client's names, and what they are over several builds.
    others: tokio::sync::Mutex<BTreeMap<String, (Option<String>, Tree)>>,
    /// Where the sessions are that have them.
    sessions: Sessions,
    own_id: String,
    known: Contexts,
    /// The patterns of the Dockerfile's own ignore file, if it has one.
    ignored: Mutex<Option<String>>,
    exclude: OnceCell<Vec<String>>,
    steps: Mutex<Steps>,
}

/// Where the Dockerfile says what the steps do, and which of them failed.
#[derive(Debug, Default)]
struct Steps {
    lines: HashMap<usize, RangeInclusive<usize>>,
    failed: Option<usize>,
}

impl Client {
    /// Finds the sessions that a build needs.
    async fn meet(kit: &Kit, job: &Job, options: Options) -> Result<Client, Status> {
        let sessions = &kit.0.sessions;
        let of = |name: &str| options.sessions.get(name).unwrap_or(&job.session).clone();
        let session = sessions.get(&of(&options.dockerfile_in)).await?;
        let contexts = sessions.get(&of(&options.context_in)).await?;
        // Those of folders that several targets share offer files alone.
        let own = sessions.get(&job.session).await?;
        Ok(Client {
            progress: Arc::clone(&job.progress),
            own,
            session,
            contexts,
            root: kit.0.services.directory.clone(),
            images: kit.0.services.images.clone(),
            caches: OnceCell::new(),
            source: None,
            context: OnceCell::new(),
            repository: OnceCell::new(),
            is_alone: AtomicBool::new(false),
            builds: kit.0.services.builds.clone(),
            others: tokio::sync::Mutex::default(),
            sessions: sessions.clone(),
            own_id: job.session.clone(),
            known: kit.0.contexts.clone(),
            ignored: Mutex::default(),
            exclude: OnceCell::new(),
            steps: Mutex::default(),
            options,
        })
    }

    /// Fetches a directory, as a step of its own.
    async fn fetch(&self, step: &str, id: &str, from: &Session, wanted: Wanted, into: Into) -> Result<Tree, Status> {
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

    /// Fetches the Dockerfile, and the ignore file that is its own.
    async fn dockerfile(&self) -> Result<Source, Status> {
        let name = &self.options.dockerfile;
        let own = format!("{name}.dockerignore");
        let mut follow = vec![name.clone(), own.clone()];
        let (folder, file) = name.rsplit_once('/').map_or(("", name.as_str()), |(folder, file)| (folder, file));
        // As dockerd does where nobody chose the name.
        let other = (file == "Dockerfile").then(|| match folder {
            "" => file.to_lowercase(),
            folder => format!("{folder}/{}", file.to_lowercase()),
        });
        follow.extend(other.clone());
        if self.options.elsewhere.is_some() && !self.options.has_dockerfile {
            let loaded = self.context.get_or_try_init(|| self.receive_context()).await;
            let tree = loaded.map_err(|status| match status.code() {
                Code::Unknown => Status::unknown(format!("failed to read dockerfile: {}", status.message())),
                _ => status,
            })?;
            if self.is_alone.load(Ordering::Relaxed) {
                return self.read_dockerfile(tree, elsewhere::DOWNLOAD, None).await;
            }
            return self.read_dockerfile(tree, name, other).await;
        }
        let wanted = Wanted { name: self.options.dockerfile_in.clone(), follow, ..Wanted::default() };
        let step = self.definition();
        let tree = self.fetch(&step, "transferring dockerfile:", &self.session, wanted, self.new_tree()).await?;
        let ignored = read(tree.path().to_owned(), own).await?;
        *self.ignored.lock().unwrap_or_else(PoisonError::into_inner) = ignored;
        self.read_dockerfile(&tree, name, other).await
    }

    /// `other`: what it may be called, too.
    async fn read_dockerfile(&self, tree: &Tree, name: &str, other: Option<String>) -> Result<Source, Status> {
        let read = |name: String| {
            let path = tree.path().to_owned();
            async move { read(path, name).await }
        };
        let text = match read(name.to_owned()).await? {
            Some(text) => Some(text),
            None => match other {
                Some(other) => read(other).await?,
                None => None,
            },
        };
        let missing = || Status::unknown(format!("failed to read dockerfile: open {name}: no such file or directory"));
        Ok(Source { name: name.to_owned(), text: text.ok_or_else(missing)? })
    }

    /// The step that reads the Dockerfile.
    fn definition(&self) -> String {
        match self.options.elsewhere.as_ref().filter(|_| !self.options.has_dockerfile) {
            Some(elsewhere) => elsewhere.step(),
            None => format!("[internal] load build definition from {}", self.options.dockerfile),
        }
    }

    /// What the context leaves out.
    async fn ignored(&self) -> Result<&Vec<String>, Status> {
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
    async fn receive_other(&self, name: &str) -> Result<(Option<String>, Tree), Status> {
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

    async fn receive_context(&self) -> Result<Tree, Status> {
        if let Some(elsewhere) = &self.options.elsewhere {
            return self.receive_elsewhere(elsewhere).await;
        }
        let exclude = self.ignored().await?.clone();
        let wanted = Wanted { name: self.options.context_in.clone(), exclude, ..Wanted::default() };
        let key = self.context_key();
        let known = key.as_ref().and_then(|key| self.known.take(key));
        let into = known.map_or_else(|| self.new_tree(), Into::Known);
        let (step, id) = ("[internal] load build context", "transferring context:");
        self.fetch_known(step, id, &self.contexts, wanted, into, key).await
    }

    fn new_tree(&self) -> Into {
        Into::New(self.root.clone())
    }

    /// Which directory the context is, if the client says so.
    fn context_key(&self) -> Option<String> {
        if self.options.elsewhere.is_some() {
            return self.repository.get().cloned();
        }
        let key = &self.contexts.shared_key;
        (!key.is_empty()).then(|| format!("{key} {}", self.options.context_in))
    }

    fn steps(&self) -> std::sync::MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failure with the place in the Dockerfile that it came from.
    fn status(&self, error: &Error) -> Status {
        let steps = self.steps();
        let lines = match error {
            Error::Invalid(invalid) => invalid.lines.as_ref(),
            Error::Step { lines, .. } => Some(lines),
            _ => steps.failed.and_then(|step| steps.lines.get(&step)),
        };
        let digest = steps.failed.map(|step| self.progress.digest(step));
        failure::status(error, self.source.as_ref(), lines, digest.as_deref())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let (Some(tree), Some(key)) = (self.context.take(), self.context_key()) {
            self.known.put(key, tree);
        }
        for (key, tree) in std::mem::take(self.others.get_mut()).into_values() {
            if let Some(key) = key {
                self.known.put(key, tree);
            }
        }
    }
}

/// What a directory leaves out, by the text of its ignore file.
fn patterns(text: Option<String>) -> Result<Vec<String>, Status> {
    let patterns = build::ignore_patterns(&text.unwrap_or_default());
    patterns.map_err(|error| Status::invalid_argument(format!("cannot read .dockerignore: {error}")))
}

/// A file's text; none when there is no such file.
async fn read(root: PathBuf, name: String) -> Result<Option<String>, Status> {
    let reading = tokio::task::spawn_blocking(move || read_beneath(&root, &name));
    let read = reading.await.map_err(|_| Status::aborted("the engine is stopping"))?;
    read.map_err(|error| Status::unknown(error.to_string()))
}

fn read_beneath(root: &Path, name: &str) -> std::io::Result<Option<String>> {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // The client sent what its links lead to, too.
    let opened = rustix::fs::openat2(&root, name, flags, Mode::empty(), ResolveFlags::IN_ROOT);
    let file = match opened {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other(format!("{name} is not a file")));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other(format!("{name} is larger than {LARGEST} bytes")));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

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

    fn context(&self) -> Later<'_, build::Result<PathBuf>> {
        Box::pin(async {
            let tree = self.context.get_or_try_init(|| self.receive_context()).await;
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
