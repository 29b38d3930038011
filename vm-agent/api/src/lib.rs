//! HTTP only: the Docker Engine API 1.24 to 1.51 over any listener, on top of the engine's services.
//!
//! This crate decides nothing about containers, images, networks or volumes: it finds the route ([`routes`]), turns the
//! request into a call of a service, and the outcome into status, headers and body. Nothing else in the agent knows HTTP.
//!
//! ```text
//!  server    connections; hands a hijacked one over to its handler
//!  preface   which HTTP a client begins with
//!  router    version prefix, route table, error body
//!  call      one request: path name, query, JSON or streamed body
//!  reply     answers: JSON, streams of JSON, tar streams, hijacked connections
//!  routes/   one file per noun; each handler a few lines
//!  failure   every error of every service to a status, in one place
//! ```

mod backlog;
mod body;
mod call;
mod client;
mod facts;
mod failure;
mod hijack;
mod listener;
mod path;
mod preface;
mod query;
mod reply;
mod router;
mod routes;
mod server;
mod strconv;
mod version;
mod websocket;
mod work;

use std::future::Future;
use std::sync::Arc;

pub use facts::{Cgroups, Facts, RegistryFacts};
pub use listener::{Listener, Peer, Stream};
pub use work::Work;

/// Every endpoint: its method, and its path below the version with `{name}` for what is named.
pub fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    routes::TABLE.iter().map(|route| (route.method.as_str(), route.pattern))
}

/// Everything the API offers to clients.
#[derive(Debug, Clone)]
pub struct Services {
    pub builds: build::Builds,
    pub buildkit: buildkit::Kit,
    pub containers: containers::Containers,
    pub images: images::Images,
    pub networks: network::Networks,
    pub volumes: volumes::Volumes,
    pub events: events::Events,
    pub facts: Arc<Facts>,
    pub work: Work,
}

/// Answers requests on `listener` until `shutdown` resolves. Then no connection is accepted any more, idle ones are closed, and
/// the others get a second to finish what they are sending.
///
/// # Errors
///
/// When the listener fails for good.
pub async fn serve(
    listener: impl Listener,
    services: Services,
    shutdown: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    let work = services.work.clone();
    let router = router::Router::new(routes::TABLE, routes::grpc, services, &routes::SERVER, work);
    server::serve(listener, router, shutdown).await
}
