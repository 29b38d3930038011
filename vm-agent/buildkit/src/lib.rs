//! BuildKit's protocol: gRPC with clients that build, on top of the engine's own builder.
//!
//! ```text
//!  transport   either end of gRPC over a stream that somebody opened
//!  sessions    what clients offer to their builds: files, credentials
//!  jobs        the builds that are under way, by the client's own reference
//!  progress    what a build tells of its steps, kept for whoever asks
//!  history     what is remembered of builds, beyond the engine's own end
//!  content     what records name, as containerd's clients read it
//!  cache       caches elsewhere, for steps to be taken from and written to
//!  control     the service Control: a build from request to image, workers, disk usage
//!  posted      builds by one request, with the context in it
//!  gateway     the service LLBBridge: clients that drive their build themselves
//!  frontend    a Dockerfile's build: its files, its options, its end
//!  exporters   what becomes of a result
//!  inputs      what one build came to, for another                              pure
//!  options     a frontend's attributes as a request to the builder              pure
//!  subrequests what clients ask about a Dockerfile                                 pure
//!  filesync    a client's directory, received
//!  tree        such a directory on disk
//!  filesend    an image's files, or an archive, sent to the client
//!  listing     what is in such a tree, in the order in which clients take it
//!  go_mode     modes as Go has them                                             pure
//!  contexts    such directories that are kept for the next build
//!  policy      how much of what is kept stays without a prune                   pure
//!  collect     what does not stay, removed after a build
//!  entitlements what a build may do that others may not                         pure
//!  stock       what is kept for later builds, and what of it a prune means      pure
//!  elsewhere   contexts that are no directory of the client's                     pure
//!  upload      an archive as a context
//!  auth        a client's credentials for registries
//!  secrets     a client's secrets
//!  ssh         a client's SSH agents
//!  caps        what this BuildKit can do, and its worker
//!  health      the service Health
//!  failure     why a build failed, as BuildKit's clients read it
//! ```
//!
//! `api` hands over the streams; nothing here listens. A client that goes takes its builds with it: a call's future is dropped.

mod auth;
mod cache;
mod caps;
mod collect;
mod content;
mod contexts;
mod control;
mod elsewhere;
mod entitlements;
mod exporters;
mod failure;
mod filesend;
mod filesync;
mod frontend;
mod gateway;
mod go_mode;
mod health;
mod history;
mod inputs;
mod jobs;
mod listing;
mod options;
mod policy;
mod posted;
mod progress;
mod secrets;
mod sessions;
mod ssh;
mod stock;
mod subrequests;
mod transport;
mod tree;
mod upload;

pub use history::NotForgotten;
pub use history::asked::LogOptions;
pub use history::classic::{Classic, Words};
pub use history::record::State as BuildState;
pub use history::view::{Build, Step, Steps};
pub use policy::Settings;
pub use posted::{Posted, Refused, Source};
pub use stock::{InvalidFilter, Item, Room, Which};
pub use upload::Body;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// What a client says of a session that it opens.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    pub id: String,
    pub shared_key: String,
    /// Of its services, each as `/service/method`.
    pub methods: Vec<String>,
}

/// What builds need of the engine.
#[derive(Debug, Clone)]
pub struct Services {
    pub builds: build::Builds,
    pub images: images::Images,
    /// Whose programs a build can run.
    pub emulation: emulation::Emulation,
    /// The engine's version, which images and workers tell.
    pub engine: String,
    /// The engine's own ID, which stands for its only worker.
    pub worker: String,
    /// What `host-gateway` stands for.
    pub host_gateway: std::net::IpAddr,
    /// How much builds keep, and what they may.
    pub settings: Settings,
    /// Where files lie while a build needs them. It is this crate's own, and emptied.
    pub directory: PathBuf,
    /// Where builds are remembered, which stays.
    pub history: PathBuf,
}

/// BuildKit's side of the engine. Clones share one state.
#[derive(Debug, Clone)]
pub struct Kit(Arc<State>);

#[derive(Debug)]
struct State {
    services: Services,
    sessions: sessions::Sessions,
    jobs: jobs::Jobs,
    contexts: contexts::Contexts,
    history: history::History,
    collecting: collect::Collecting,
    waiting: posted::Waiting,
    bodies: upload::Bodies,
}

impl Kit {
    /// Takes its directory; what an earlier run left there goes.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn open(services: Services) -> std::io::Result<Kit> {
        match std::fs::remove_dir_all(&services.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir(&services.directory)?;
        let history = history::History::open(services.history.clone());
        Ok(Kit(Arc::new(State {
            services,
            history,
            sessions: sessions::Sessions::default(),
            jobs: jobs::Jobs::default(),
            contexts: contexts::Contexts::default(),
            collecting: collect::Collecting::default(),
            waiting: posted::Waiting::default(),
            bodies: upload::Bodies::default(),
        })))
    }

    /// What builds keep beside images: the directories of cache mounts, and contexts that clients sent.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn stock(&self) -> build::Result<Vec<Item>> {
        let mut all = self.0.contexts.list();
        all.extend(self.0.services.builds.mount_caches().await?.into_iter().map(Item::from));
        Ok(all)
    }

    /// Removes what is meant of that, as far as no build has it; what it was.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn prune(&self, which: &Which) -> build::Result<Vec<Item>> {
        let builds = &self.0.services.builds;
        let ids = which.choose(&self.stock().await?, builds.space().await?.free);
        let mut gone = self.0.contexts.prune(&ids);
        gone.extend(builds.prune_mount_caches(ids).await?.into_iter().map(Item::from));
        Ok(gone)
    }

    /// The builds that are remembered, newest first.
    pub fn builds(&self) -> Vec<Build> {
        self.0.history.builds()
    }

    /// One of them, with its steps in the order in which they were first told.
    pub async fn build(&self, reference: &str) -> Option<(Build, Vec<Step>)> {
        self.0.history.build(reference).await
    }

    /// What a build tells, in pieces; none when no build is known by that reference.
    pub fn build_log(&self, reference: &str, options: LogOptions) -> Option<BoxStream<'static, Bytes>> {
        self.0.history.log(reference, options)
    }

    /// Forgets a build that has ended.
    ///
    /// # Errors
    ///
    /// Why it is not forgotten.
    pub async fn forget_build(&self, reference: &str) -> Result<(), NotForgotten> {
        self.0.history.delete(reference).await
    }

    /// What `host-gateway` stands for.
    pub fn host_gateway(&self) -> std::net::IpAddr {
        self.0.services.host_gateway
    }

    /// Serves BuildKit's API over a stream that begins with HTTP/2's preface, until it ends.
    pub async fn serve(self, stream: impl Stream) {
        transport::serve(self, Box::new(stream)).await;
    }

    /// Whether a session of that ID is open.
    pub fn has_session(&self, id: &str) -> bool {
        self.0.sessions.contains(id)
    }

    /// Keeps a client's session, until its stream ends.
    pub async fn keep_session(self, offer: Offer, stream: impl Stream) {
        self.0.sessions.keep(offer, Box::new(stream)).await;
    }
}
