//! Builds that are asked for by one request, with the context in its body (`POST /build?version=2`): clients that speak no gRPC, or do so for
//! the session alone. Within the engine such a build is one as by Control, and the body an archive as a client's session has it.

use crate::control::Control;
use crate::upload::{self, Body};
use crate::{Kit, Offer};
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::Message as _;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::mpsc;
use tonic::{Code, Status};

mod waiting;

pub(crate) use waiting::Waiting;

/// Bytes of the engine's own session that are under way.
const PIECE: usize = 64 << 10;

/// What is asked for.
#[derive(Debug, Default)]
pub struct Posted {
    /// The client's session; without one, or when it does not come, nothing is asked of the client.
    pub session: String,
    /// The frontend's attributes, as BuildKit has them.
    pub attributes: HashMap<String, String>,
    /// An output's type and attributes; without one the result is in the cache only.
    pub output: Option<(String, HashMap<String, String>)>,
    /// The client's name for the build, by which it is cancelled and by which its context may come in a request of its own.
    pub name: String,
    pub context: Source,
    pub host_network: bool,
    /// The result's image is a cache for others.
    pub inline_cache: bool,
}

/// Where the context is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the request.
    #[default]
    Body,
    /// In another one, which names the build.
    OtherRequest,
    /// In the session, or where the attributes say.
    Elsewhere,
}

/// Why there is no image.
#[derive(Debug)]
pub struct Refused {
    pub message: String,
    pub kind: build::Kind,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Refused {
        let kind = match status.code() {
            Code::Unimplemented => build::Kind::NotImplemented,
            Code::InvalidArgument => build::Kind::Invalid,
            _ => build::Kind::System,
        };
        Refused { message: status.message().to_owned(), kind }
    }
}

impl Kit {
    /// Builds. `told` gets what the build tells, each a `moby.buildkit.v1.StatusResponse`; the answer is the image's ID, if an image is an output.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn post(&self, posted: Posted, body: Body, told: mpsc::Sender<Bytes>) -> Result<Option<String>, Refused> {
        let waiting = self.0.waiting.of(&posted.name);
        tokio::select! {
            image = self.build_posted(posted, body, &waiting, told) => image,
            () = waiting.cancelled() => Err(Status::cancelled("context canceled").into()),
        }
    }

    /// Lends a build of that name its context, until it was read.
    ///
    /// # Errors
    ///
    /// When no build wants it.
    pub async fn lend(&self, name: &str, body: Body) -> Result<(), Refused> {
        Ok(self.0.waiting.of(name).lend(body).await?)
    }

    /// Ends the build of that name, if there is one.
    pub fn cancel(&self, name: &str) {
        self.0.waiting.of(name).cancel();
    }

    async fn build_posted(
        &self,
        posted: Posted,
        body: Body,
        waiting: &waiting::Build,
        told: mpsc::Sender<Bytes>,
    ) -> Result<Option<String>, Refused> {
        let body = match posted.context {
            Source::Body => Some(body),
            Source::OtherRequest => Some(waiting.borrow().await?),
            Source::Elsewhere => None,
        };
        let reference = reference();
        let mut attributes = posted.attributes;
        if body.is_some() {
            attributes.insert("context".to_owned(), upload::address(&reference));
        }
        let body = body.map(|body| self.0.bodies.keep(&reference, body));
        let has_session = !posted.session.is_empty() && self.0.sessions.get(&posted.session).await.is_ok();
        let own = (!has_session).then(|| OwnSession::open(self, &reference));
        let (is_image, exporters) = match posted.output {
            None => (false, Vec::new()),
            Some((r#type, attrs)) => {
                (matches!(r#type.as_str(), "moby" | "image"), vec![api::Exporter { r#type, attrs }])
            }
        };
        let inline = || api::CacheOptionsEntry { r#type: "inline".to_owned(), ..Default::default() };
        let request = api::SolveRequest {
            r#ref: reference.clone(),
            exporters,
            frontend: "dockerfile.v0".to_owned(),
            frontend_attrs: attributes,
            session: if has_session { posted.session } else { reference.clone() },
            entitlements: posted
                .host_network
                .then(|| crate::entitlements::HOST_NETWORK.to_owned())
                .into_iter()
                .collect(),
            cache: Some(api::CacheOptions {
                exports: posted.inline_cache.then(inline).into_iter().collect(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let control = Control::new(self.clone());
        let telling = async {
            // It has begun: both are polled in this order.
            let Ok(job) = self.0.jobs.known(&reference).await else { return };
            let mut progress = std::pin::pin!(Arc::clone(&job.progress).follow());
            while let Some(status) = progress.next().await {
                // Who does not listen any more is about to end all of this.
                if told.send(status.encode_to_vec().into()).await.is_err() {
                    return;
                }
            }
        };
        let (exported, ()) = tokio::join!(biased; control.build(request), telling);
        drop((own, body));
        let mut exported = exported?;
        Ok(is_image.then(|| exported.remove("containerimage.config.digest")).flatten())
    }
}

/// A name that no other build of this engine has, nor one that is remembered.
fn reference() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let now = jiff::Timestamp::now().as_nanosecond();
    format!("{now:x}{:04x}", NUMBER.fetch_add(1, Ordering::Relaxed) & 0xffff)
}

/// A session of the engine's own, which offers nothing: for builds whose client has none.
#[derive(Debug)]
struct OwnSession([tokio::task::AbortHandle; 2]);

impl OwnSession {
    fn open(kit: &Kit, id: &str) -> OwnSession {
        let offer = Offer { id: id.to_owned(), ..Offer::default() };
        let (ours, theirs) = tokio::io::duplex(PIECE);
        let (keeping, answering) = (kit.clone().keep_session(offer, ours), kit.clone().serve(theirs));
        OwnSession([tokio::spawn(keeping).abort_handle(), tokio::spawn(answering).abort_handle()])
    }
}

impl Drop for OwnSession {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::AbortHandle::abort);
    }
}
