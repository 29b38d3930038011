//! A Dockerfile's build for a client: its files from the client's session, its steps to the client's screen.

use crate::Kit;
use crate::contexts::Contexts;
use crate::entitlements::{HOST_NETWORK, INSECURE};
use crate::failure::{self, Source};
use crate::jobs::{Job, Solved};
use crate::options::{self, Options};
use crate::progress::Progress;
use crate::sessions::{Session, Sessions};
use crate::subrequests::Answer;
use crate::tree::Tree;
use crate::upload::Bodies;
use build::{Builds, Built, Error, Watch};
use images::Images;
use images::cache::Cache;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tonic::Status;

mod caches;
mod directories;
mod dockerfile;
mod elsewhere;
mod questions;
mod watch;

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
    options.request.insecure = job.allowed.iter().any(|name| name == INSECURE);
    if options.request.host.network_mode == "host" && !options.request.host_network {
        return Err(Status::permission_denied(format!("{HOST_NETWORK} is not allowed")));
    }
    let mut client = Client::meet(kit, job, options).await?;
    let source = client.dockerfile().await?;
    client.source = Some(source.clone());
    client.taken = build::context_paths(&source.text, &client.options.request);
    let client = Arc::new(client);
    if let Some(subrequest) = client.options.subrequest {
        return client.answer(&services.builds, &source, subrequest).await.map(Outcome::Answer);
    }
    let told = client.check(&services.builds, &source, &[]).await?;
    let watch = Arc::clone(&client) as Arc<dyn Watch>;
    let built = services.builds.build_for(&client.options.request, source.text.clone(), watch).await;
    // Now it is known what the base images have.
    let checked = client.check(&services.builds, &source, &told).await;
    let Built { image, kept, steps, inherited } = built.map_err(|error| client.status(&error))?;
    checked?;
    let (time, steps) = (client.options.request.time, Arc::new(steps));
    Ok(Outcome::Image(Solved { image, time, kept, steps, inherited }))
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
    /// What the Dockerfile seems to take of the context; all of it, if that is not known.
    taken: Option<BTreeSet<String>>,
    /// The context, as far as the Dockerfile seems to take it.
    context: OnceCell<Tree>,
    /// All of the context, where a step takes something else.
    whole: OnceCell<Tree>,
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
    /// Archives that came with requests.
    bodies: Bodies,
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
            taken: None,
            context: OnceCell::new(),
            whole: OnceCell::new(),
            repository: OnceCell::new(),
            is_alone: AtomicBool::new(false),
            builds: kit.0.services.builds.clone(),
            others: tokio::sync::Mutex::default(),
            sessions: sessions.clone(),
            own_id: job.session.clone(),
            known: kit.0.contexts.clone(),
            bodies: kit.0.bodies.clone(),
            ignored: Mutex::default(),
            exclude: OnceCell::new(),
            steps: Mutex::default(),
            options,
        })
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
        if let Some(key) = self.context_key() {
            for tree in [self.context.take(), self.whole.take()].into_iter().flatten() {
                self.known.put(key.clone(), tree);
            }
        }
        for (key, tree) in std::mem::take(self.others.get_mut()).into_values() {
            if let Some(key) = key {
                self.known.put(key, tree);
            }
        }
    }
}
