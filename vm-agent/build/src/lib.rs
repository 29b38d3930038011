//! Dockerfiles: parsed, planned, and carried out step by step into images.
//!
//! ```text
//!  dockerfile   the text as data: stages and instructions, with their lines      pure
//!  arguments    what ARG declares and a request gives                            pure
//!  checks       what is better written otherwise                                 pure
//!  check        a Dockerfile's checks, with what is known of its base images
//!  ignore       patterns of `.dockerignore`                                      pure
//!  mode         `--chmod`                                                        pure
//!  context      what a client sends: unpacked, and its Dockerfile
//!  sources      what COPY and ADD take: found, listed, told apart by content     reads only
//!  digests      what files have, remembered until they change
//!  recent       a map that forgets                                               pure
//!  transfer     COPY and ADD: a plan of what goes where, then a layer from it
//!  mounts       `RUN --mount`: what it says, and what that needs
//!  outline      what a Dockerfile takes: its targets, arguments and secrets         pure
//!  marks        which images are steps, and when they were used
//!  stock        what builds keep
//!  notes        which containers would be left behind
//!  run          RUN: a container on the engine's own runtime
//!  copy         COPY and ADD in a stage: their words and where they take from
//!  command      RUN in a stage: what it depends on, and its command
//!  describe     steps without a command, and what they are made from
//!  history      how an image tells of a step                                 pure
//!  cache        where a step was made already, and what it goes by elsewhere
//!  stage        the steps of one stage, each an image that is cached under what it was made from
//!  foresee      stages that need not be built, since caches have what is copied from them
//!  plan         which stages a build needs, and which of them wait for which     pure
//!  paths        what a Dockerfile takes of its context                          pure
//!  stages       the stages of one build, side by side, and what they share
//!  turns        who does the same one after the other
//!  bases        the images that stages begin with, and those that files are taken from
//!  given        the files that a client gives to its build
//!  repository   what builds take from repositories
//!  solve        one build from its request to its image
//!  layer        a layer as it is written: links on the way are the image's
//!  files        a tree that is read: no link leads out of it
//!  output       what a build says
//!  error        what can go wrong, with the Dockerfile's lines
//!  watch        clients that follow a build step by step, and give it its files
//! ```
//!
//! Every step is an image whose parent is the step before, and records what it was made from (`container_config` of its JSON, with the
//! digest of what was copied): that is the cache of steps. Directories of `RUN --mount=type=cache`, and when a step was used, are all that is
//! kept beside them. A build
//! that ends in the middle leaves the images of its finished steps, no container, no mount and no file.
//!
//! This crate knows no HTTP, and no protocol of clients: `api` and `buildkit` do.

mod arguments;
mod bases;
mod cache;
mod check;
pub mod checks;
mod command;
mod context;
mod copy;
mod describe;
mod digests;
pub mod dockerfile;
mod error;
mod files;
mod foresee;
mod given;
mod history;
mod ignore;
mod layer;
mod marks;
mod mode;
mod mounts;
mod notes;
pub mod outline;
mod output;
mod paths;
mod plan;
mod recent;
mod repository;
mod run;
mod solve;
mod sources;
mod stage;
mod stages;
mod stock;
mod transfer;
mod turns;
mod watch;

use engine_api::HostConfig;
use images::{Auth, Platform, Reference};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cache::Steps;
pub use check::Check;
pub use context::{place_download, unpack};
pub use dockerfile::{Invalid, Reason};
pub use error::{Error, Kind, Result};
pub use git::Address;
pub use ignore::{InvalidPattern, patterns as ignore_patterns};
pub use mounts::MountCache;
use notes::Notes;
pub use output::{Output, Room};
pub use paths::context_paths;
pub use repository::Repository;
pub use solve::{Built, is_own_frontend, is_true};
pub use stock::{Space, StepImage};
pub use watch::{Agent, Later, Shown, Watch};

/// The other services that builds need.
#[derive(Debug, Clone)]
pub struct Services {
    pub containers: containers::Containers,
    pub images: images::Images,
    pub layers: layers::Layers,
    pub events: events::Events,
    /// Arguments of every build that does not give them itself: proxies.
    pub arguments: Vec<(String, String)>,
}

/// All builds. Clones share one state.
#[derive(Debug, Clone)]
pub struct Builds {
    services: Services,
    /// Contexts lie here while they are needed.
    contexts: Arc<PathBuf>,
    notes: Notes,
    marks: marks::Marks,
    caches: mounts::Caches,
    secrets: mounts::Secrets,
    /// Steps that are made: who wants the same one waits, and has it from the cache.
    making: turns::Turns,
    digests: digests::Digests,
}

/// What a client asks for.
#[derive(Debug, Default)]
pub struct Request {
    /// Where the context is downloaded from, instead of what the client sends.
    pub remote: Option<String>,
    /// The Dockerfile's path in the context; empty: `Dockerfile`.
    pub dockerfile: String,
    /// The last stage to build; empty: the last one there is.
    pub target: String,
    pub arguments: BTreeMap<String, Option<String>>,
    pub labels: BTreeMap<String, String>,
    pub tags: Vec<Reference>,
    pub no_cache: bool,
    /// Stages that are made anew all the same, in lower case.
    pub no_cache_stages: Vec<String>,
    /// Images whose steps are the cache, whoever made them; the engine's own where there are none.
    pub cache_from: Vec<String>,
    /// Ask registries for newer base images.
    pub pull: bool,
    /// Remove the containers of steps that succeeded.
    pub remove: bool,
    /// Remove them whatever comes.
    pub force_remove: bool,
    pub platform: Option<Platform>,
    /// Network, limits and the like of the steps' containers.
    pub host: HostConfig,
    /// `RUN --network=host` may be.
    pub host_network: bool,
    /// `RUN --security=insecure` may be.
    pub insecure: bool,
    /// When the image is said to be made (`SOURCE_DATE_EPOCH`), instead of now.
    pub time: Option<jiff::Timestamp>,
    /// Every stage is built, even where what is copied from it is known without: all steps are wanted.
    pub whole: bool,
    /// By registry, as clients name them.
    pub credentials: BTreeMap<String, Auth>,
    /// The engine's version, which images tell.
    pub engine: String,
}

impl Builds {
    /// Takes `directory` for contexts; what an earlier run left goes: what is in it, and the containers of builds that had not ended.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn open(services: Services, directory: &Path) -> std::io::Result<Builds> {
        let contexts = directory.join("contexts");
        match std::fs::remove_dir_all(&contexts) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(&contexts)?;
        let caches = mounts::Caches::open(directory.join("caches"))?;
        let notes = Notes::open(&directory.join("steps"))?;
        for id in notes.list()? {
            let (containers, notes, held) = (services.containers.clone(), notes.clone(), caches.hold());
            tokio::spawn(async move {
                run::abandon(&containers, &notes, &id).await;
                drop(held);
            });
        }
        let marks = marks::Marks::open(&directory.join("marks"))?;
        let secrets = mounts::Secrets::open(Path::new("/dev/shm"), directory)?;
        Ok(Builds {
            services,
            contexts: Arc::new(contexts),
            notes,
            marks,
            caches,
            secrets,
            making: turns::Turns::default(),
            digests: digests::Digests::default(),
        })
    }
}

/// Runs blocking work away from the async workers. A panic in it goes on in the caller.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopping),
        },
    }
}
