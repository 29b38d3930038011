//! gRPC over a byte stream, which may have been HTTP/1 until a client upgraded it: either end of HTTP/2.

use crate::content::Content;
use crate::control::Control;
use crate::gateway::Gateway;
use crate::health::Always;
use crate::{Kit, Stream};
use bollard_buildkit_proto::health::health_server::HealthServer;
use bollard_buildkit_proto::moby::buildkit::v1::control_server::ControlServer;
use bollard_buildkit_proto::moby::buildkit::v1::frontend::llb_bridge_server::LlbBridgeServer;
use hyper::Uri;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;

/// The largest message either side takes, bytes: containerd's limit, and so BuildKit's.
pub(crate) const LARGEST: usize = 16 << 20;

/// Bytes of a call, and of all of a connection, that may be under way: contexts are large, and hosts are near. What a client tells of
/// its files comes in many small frames, of which h2 takes only so many at once, by the connection's window: a call's has to be much
/// smaller.
const CALL_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A connection, whatever it is: HTTP/2 is compiled once for all kinds.
pub(crate) type Wire = Box<dyn Stream>;

/// How the other end is asked whether it is still there: one that vanished without a word would keep its builds for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulse {
    every: Duration,
    /// For the answer.
    patience: Duration,
}

pub(crate) const PULSE: Pulse = Pulse { every: Duration::from_secs(30), patience: Duration::from_secs(30) };

/// Serves BuildKit's API to the client at the other end, until it goes. With it go the calls that are under way.
pub(crate) async fn serve(kit: Kit, stream: Wire) {
    let control = ControlServer::new(Control::new(kit.clone())).max_decoding_message_size(LARGEST);
    let content = Content::new(kit.clone());
    let gateway = LlbBridgeServer::new(Gateway::new(kit)).max_decoding_message_size(LARGEST);
    let health = HealthServer::new(Always);
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut control, mut gateway, mut health) = (control.clone(), gateway.clone(), health.clone());
        let content = content.clone();
        async move {
            if !is_grpc(request.headers()) {
                return Ok(refusal());
            }
            let path = request.uri().path();
            let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
            match service {
                name if name == name_of(&control) => control.call(request).await,
                name if name == name_of(&gateway) => gateway.call(request).await,
                name if name == name_of(&health) => health.call(request).await,
                name if name == name_of(&content) => Ok(content.call(request).await),
                other => {
                    let status = Status::unimplemented(format!("unknown service {other}"));
                    Ok::<_, Infallible>(status.into_http::<Body>())
                }
            }
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PULSE.every)
        .keep_alive_timeout(PULSE.patience)
        .initial_stream_window_size(CALL_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!("a build client's connection ended: {error}");
    }
}

/// Whether a request is gRPC's, as its servers tell.
fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Docker's API takes connections over, which HTTP/2 has no form for.
fn refusal() -> Response<Body> {
    let words = "{\"message\":\"over HTTP/2 this engine speaks BuildKit's gRPC alone: use HTTP/1.1\"}\n";
    let mut response = Response::new(Body::new(words.to_owned()));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn name_of<T: NamedService>(_: &T) -> &'static str {
    T::NAME
}

/// Calls to the services of a client. Clones share the connection.
#[derive(Debug, Clone)]
pub(crate) struct Channel(SendRequest<Body>);

impl Channel {
    /// Begins to speak over a stream; the future is the connection, which ends when it ends or is dropped.
    pub(crate) async fn open(
        stream: Wire,
        pulse: Pulse,
    ) -> hyper::Result<(Channel, impl Future<Output = hyper::Result<()>> + Send)> {
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(pulse.every)
            .keep_alive_timeout(pulse.patience)
            // Between two questions, too.
            .keep_alive_while_idle(true)
            .initial_stream_window_size(CALL_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok((Channel(sender), connection))
    }
}

/// How requests to a client call it: there is nobody else at the other end.
pub(crate) fn origin() -> Uri {
    Uri::from_static("http://localhost")
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_is_answered() {
        for (kind, expect) in [
            (Some("application/grpc"), true),
            (Some("application/grpc+proto"), true),
            (Some("application/json"), false),
            (None, false),
        ] {
            let kind = kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind)));
            assert_eq!(is_grpc(&kind.into_iter().collect()), expect);
        }
        assert_eq!(refusal().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    /// Its end of the stream is open, and nobody answers.
    #[tokio::test]
    async fn a_client_that_vanished_ends_its_session() {
        let (ours, _theirs) = tokio::io::duplex(1 << 20);
        let pulse = Pulse { every: Duration::from_millis(10), patience: Duration::from_millis(10) };
        let (_channel, connection) = Channel::open(Box::new(ours), pulse).await.expect("begun");
        assert!(connection.await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_is_silent_but_there_keeps_it() {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let pulse = Pulse { every: Duration::from_millis(10), patience: Duration::from_secs(10) };
        let (_channel, connection) = Channel::open(Box::new(ours), pulse).await.expect("begun");
        let service = service_fn(|_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let there = server.serve_connection(TokioIo::new(theirs), service);
        let some_pulses = tokio::time::sleep(pulse.every * 5);
        tokio::select! {
            ended = connection => panic!("{ended:?}"),
            ended = there => panic!("{ended:?}"),
            () = some_pulses => {}
        }
    }
}
