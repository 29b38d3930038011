//! Builds that are asked for by one request, with the context in its body (`POST /build?version=2`): clients that speak no gRPC, or do so for
//! the session alone. Within the engine such a build is one as by Control, and the body an archive that a client has.

use crate::control::Control;
use crate::transport::LARGEST;
use crate::{Kit, Offer, upload};
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use bollard_buildkit_proto::moby::upload::v1::BytesMessage;
use bollard_buildkit_proto::moby::upload::v1::upload_server::{Upload, UploadServer};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tonic::codegen::Service as _;
use tonic::{Code, Request, Response, Status, Streaming};

mod waiting;

pub(crate) use waiting::Waiting;

/// Bytes of a body in one message.
const PIECE: usize = 64 << 10;

/// A context as it comes.
pub type Body = Box<dyn AsyncRead + Send + Unpin>;

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
            attributes.insert("local-sessionid:context".to_owned(), reference.clone());
        }
        let own = OwnSession::open(self, &reference, body);
        let has_session = !posted.session.is_empty() && self.0.sessions.get(&posted.session).await.is_ok();
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
            entitlements: posted.host_network.then(|| crate::entitlements::HOST_NETWORK.to_owned()).into_iter().collect(),
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
        drop(own);
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

/// A session of the engine's own: what the request brought, as a client's session has it.
#[derive(Debug)]
struct OwnSession(Vec<tokio::task::AbortHandle>);

impl OwnSession {
    fn open(kit: &Kit, id: &str, body: Option<Body>) -> OwnSession {
        let methods = body.is_some().then(|| upload::METHOD.to_owned()).into_iter().collect();
        let offer = Offer { id: id.to_owned(), shared_key: String::new(), methods };
        let (ours, theirs) = tokio::io::duplex(PIECE);
        let service = UploadServer::new(Lent(Mutex::new(body))).max_encoding_message_size(LARGEST);
        let service = service_fn(move |request| service.clone().call(request));
        let lending = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(theirs), service);
        let kit = kit.clone();
        let keeping = tokio::spawn(async move { kit.keep_session(offer, ours).await });
        OwnSession(vec![keeping.abort_handle(), tokio::spawn(lending).abort_handle()])
    }
}

impl Drop for OwnSession {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

/// A body, for whoever asks first.
struct Lent(Mutex<Option<Body>>);

#[tonic::async_trait]
impl Upload for Lent {
    type PullStream = BoxStream<'static, Result<BytesMessage, Status>>;

    async fn pull(&self, _: Request<Streaming<BytesMessage>>) -> Result<Response<Self::PullStream>, Status> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let body = body.ok_or_else(|| Status::not_found("the context was sent already"))?;
        let pieces = stream::try_unfold(body, |mut body| async move {
            let mut data = vec![0; PIECE];
            let length = body.read(&mut data).await.map_err(|error| Status::aborted(error.to_string()))?;
            data.truncate(length);
            Ok((length > 0).then_some((BytesMessage { data }, body)))
        });
        Ok(Response::new(Box::pin(pieces)))
    }
}
