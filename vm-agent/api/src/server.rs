//! Connections.
//!
//! hyper reads requests and writes responses. A handler that wants the connection itself answers [`Outcome::Hijack`]: hyper,
//! which has written nothing for that request, is taken off the stream, and the handler gets it with the bytes that were
//! read too far. So 101 and the older plain 200 are the same mechanism.
//!
//! A client that begins with HTTP/2 speaks gRPC: its connection is handed over as a whole.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::body::Body;
use crate::client;
use crate::hijack::Hijack;
use crate::listener::{Listener, Stream};
use crate::preface;
use crate::reply::{Endless, Outcome};
use crate::router::Router;

/// The most that a request's head may take, bytes.
const HEAD_LIMIT: usize = 128 * 1024;

/// How long connections may go on after a shutdown.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) async fn serve<S: Clone + Send + Sync + 'static>(
    mut listener: impl Listener,
    router: Router<S>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let router = Arc::new(router);
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    let result = loop {
        tokio::select! {
            () = &mut shutdown => break Ok(()),
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    connections.spawn(connection(stream, Arc::clone(&router), end.clone()));
                }
                Err(error) if is_passing(&error) => {
                    tracing::warn!("connection not accepted: {error}");
                    // Out of descriptors or memory: accepting again at once would spin.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => break Err(error),
            },
            Some(_) = connections.join_next() => {}
        }
    };
    // No receiver means that there is no connection.
    let _ = ending.send(true);
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    result
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, OutOfMemory};
    // EMFILE and ENFILE have no kind of their own.
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | OutOfMemory)
        || matches!(error.raw_os_error(), Some(23 | 24))
}

async fn connection<T, S>(stream: T, router: Arc<Router<S>>, mut end: watch::Receiver<bool>)
where
    T: Stream,
    S: Clone + Send + Sync + 'static,
{
    let (hijack, mut hijacked) = mpsc::channel::<Hijack>(1);
    let begun = tokio::select! {
        begun = preface::begin(stream) => begun,
        // One that asked for nothing so far waits for nothing.
        _ = end.wait_for(|ends| *ends) => return,
    };
    let stream = match begun {
        Ok((stream, true)) => return router.hand_over(stream).await,
        Ok((stream, false)) => stream,
        Err(error) => return tracing::debug!("connection ended: {error}"),
    };
    let peer = stream.peer();
    let mut silent = peer.silent();
    let (client, presence) = client::pair();
    let mut telling = Box::pin(presence.tell(peer.gone()));
    // Whether the latest response has no end of its own.
    let (endless, mut is_endless) = watch::channel(false);
    let endless = Arc::new(endless);
    let service = service_fn(move |request: Request<Incoming>| {
        endless.send_replace(false);
        answer(router.route(request, client.clone()), hijack.clone(), Arc::clone(&endless))
    });
    let mut http = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        // As Go writes them: scripts compare.
        .title_case_headers(true)
        // `docker system dial-stdio` ends its direction with its standard input, and reads on.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut ending = false;
    loop {
        let ends_with_client = *is_endless.borrow_and_update();
        tokio::select! {
            biased;
            taken = hijacked.recv() => {
                let Some(taken) = taken else { return };
                drop((silent, telling, peer));
                let parts = http.into_parts();
                return taken.take_over(parts.io.into_inner(), parts.read_buf).await;
            }
            result = &mut http => {
                if let Err(error) = result {
                    tracing::debug!("connection ended: {error}");
                }
                return;
            }
            () = &mut silent, if ends_with_client => return,
            never = &mut telling => match never {},
            // The service, and with it the sender, goes with `http` only.
            _ = is_endless.changed() => {}
            _ = end.changed(), if !ending => {
                ending = true;
                std::pin::Pin::new(&mut http).graceful_shutdown();
            }
        }
    }
}

/// A hijacked request has no response: its future waits until the connection is taken away under it.
async fn answer(
    outcome: impl Future<Output = Outcome>,
    hijack: mpsc::Sender<Hijack>,
    endless: Arc<watch::Sender<bool>>,
) -> Result<Response<Body>, Infallible> {
    match outcome.await {
        Outcome::Reply(response) => {
            if response.extensions().get::<Endless>().is_some() {
                endless.send_replace(true);
            }
            Ok(response)
        }
        Outcome::Hijack(taken) => {
            // One request at a time is served, and the receiver lives as long as the connection.
            let _ = hijack.send(taken).await;
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests;
