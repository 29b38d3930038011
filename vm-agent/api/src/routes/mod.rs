//! The route table, and the handlers by noun.

mod attach;
mod build;
mod buildkit;
mod builds;
mod checkpoints;
mod commit;
mod containers;
mod create;
mod events;
mod exec;
mod files;
mod images;
mod import;
mod names;
mod networks;
mod observe;
mod pattern;
mod plugins;
mod posted;
mod registry;
mod swarm;
mod system;
mod transfer;
mod volumes;
mod work;

use engine_api::{Filters, Map};
use hyper::Method;
use hyper::header::HeaderValue;

use crate::Services;
use crate::failure::Failure;
use crate::router::Route;

/// What a client that speaks HTTP/2 wants.
pub(crate) use self::buildkit::direct as grpc;

/// A request to the engine.
type Call = crate::call::Call<Services>;

/// The `Server` header.
pub(crate) static SERVER: HeaderValue =
    HeaderValue::from_static(concat!("Berth/", env!("CARGO_PKG_VERSION"), " (linux)"));

macro_rules! route {
    ($method:ident $pattern:literal $handler:path) => {
        Route { method: Method::$method, pattern: $pattern, handler: |call| Box::pin($handler(call)) }
    };
}

/// Every route, first match first: fixed paths stand before those with a name at the same place.
#[rustfmt::skip]
pub(crate) static TABLE: &[Route<Services>] = &[
    route!(GET    "/_ping"                          system::ping),
    route!(HEAD   "/_ping"                          system::ping),
    route!(GET    "/version"                        system::version),
    route!(GET    "/info"                           system::info),
    route!(GET    "/system/df"                      system::disk_usage),
    route!(GET    "/events"                         events::events),
    route!(POST   "/auth"                           transfer::auth),

    route!(GET    "/containers/json"                containers::list),
    route!(POST   "/containers/create"              create::create),
    route!(POST   "/containers/prune"               containers::prune),
    route!(GET    "/containers/{name}/json"         containers::inspect),
    route!(GET    "/containers/{name}/top"          observe::top),
    route!(GET    "/containers/{name}/logs"         observe::logs),
    route!(GET    "/containers/{name}/stats"        observe::stats),
    route!(GET    "/containers/{name}/changes"      files::changes),
    route!(GET    "/containers/{name}/export"       files::export),
    route!(GET    "/containers/{name}/attach/ws"    attach::websocket),
    route!(HEAD   "/containers/{name}/archive"      files::stat),
    route!(GET    "/containers/{name}/archive"      files::get),
    route!(PUT    "/containers/{name}/archive"      files::put),
    route!(POST   "/containers/{name}/start"        containers::start),
    route!(POST   "/containers/{name}/stop"         containers::stop),
    route!(POST   "/containers/{name}/restart"      containers::restart),
    route!(POST   "/containers/{name}/kill"         containers::kill),
    route!(POST   "/containers/{name}/pause"        containers::pause),
    route!(POST   "/containers/{name}/unpause"      containers::unpause),
    route!(POST   "/containers/{name}/rename"       containers::rename),
    route!(POST   "/containers/{name}/update"       containers::update),
    route!(POST   "/containers/{name}/resize"       containers::resize),
    route!(POST   "/containers/{name}/wait"         containers::wait),
    route!(POST   "/containers/{name}/attach"       attach::attach),
    route!(POST   "/containers/{name}/exec"         exec::create),
    route!(GET    "/containers/{name}/checkpoints"  checkpoints::experimental),
    route!(POST   "/containers/{name}/checkpoints"  checkpoints::experimental),
    route!(DELETE "/containers/{id}/checkpoints/{id}" checkpoints::experimental),
    route!(DELETE "/containers/{name}"              containers::remove),
    route!(POST   "/commit"                         commit::commit),

    route!(GET    "/exec/{name}/json"               exec::inspect),
    route!(POST   "/exec/{name}/start"              exec::start),
    route!(POST   "/exec/{name}/resize"             exec::resize),

    route!(GET    "/images/json"                    images::list),
    route!(GET    "/images/search"                  registry::search),
    route!(GET    "/images/get"                     transfer::save_many),
    route!(POST   "/images/create"                  transfer::create),
    route!(POST   "/images/load"                    transfer::load),
    route!(POST   "/images/prune"                   images::prune),
    route!(GET    "/images/{name}/json"             images::inspect),
    route!(GET    "/images/{name}/history"          images::history),
    route!(GET    "/images/{name}/get"              transfer::save),
    route!(POST   "/images/{name}/push"             transfer::push),
    route!(POST   "/images/{name}/tag"              images::tag),
    route!(DELETE "/images/{name}"                  images::remove),
    route!(GET    "/distribution/{name}/json"       registry::distribution),

    route!(GET    "/networks"                       networks::list),
    route!(GET    "/networks/"                      networks::list),
    route!(POST   "/networks/create"                networks::create),
    route!(POST   "/networks/prune"                 networks::prune),
    route!(POST   "/networks/{name}/connect"        networks::connect),
    route!(POST   "/networks/{name}/disconnect"     networks::disconnect),
    route!(GET    "/networks/{name}"                networks::inspect),
    route!(DELETE "/networks/{name}"                networks::remove),

    route!(GET    "/volumes"                        volumes::list),
    route!(POST   "/volumes/create"                 volumes::create),
    route!(POST   "/volumes/prune"                  volumes::prune),
    route!(GET    "/volumes/{name}"                 volumes::inspect),
    route!(PUT    "/volumes/{name}"                 volumes::update),
    route!(DELETE "/volumes/{name}"                 volumes::remove),

    route!(POST   "/build"                          build::build),
    route!(POST   "/build/prune"                    build::prune),
    route!(POST   "/build/cancel"                   build::cancel),
    route!(POST   "/session"                        buildkit::session),
    route!(POST   "/grpc"                           buildkit::grpc),

    // Not dockerd's.
    route!(GET    "/berth/builds"                   builds::list),
    route!(GET    "/berth/builds/{id}"              builds::inspect),
    route!(GET    "/berth/builds/{id}/logs"         builds::logs),
    route!(DELETE "/berth/builds/{id}"              builds::remove),
    route!(GET    "/berth/work"                     work::work),

    route!(GET    "/plugins"                        plugins::list),
    route!(GET    "/plugins/privileges"             plugins::privileges),
    route!(POST   "/plugins/pull"                   plugins::pull),
    route!(POST   "/plugins/create"                 plugins::create),
    route!(GET    "/plugins/{name}/json"            plugins::named),
    route!(POST   "/plugins/{name}/enable"          plugins::enable),
    route!(POST   "/plugins/{name}/disable"         plugins::named),
    route!(POST   "/plugins/{name}/push"            plugins::named),
    route!(POST   "/plugins/{name}/upgrade"         plugins::upgrade),
    route!(POST   "/plugins/{name}/set"             plugins::set),
    route!(DELETE "/plugins/{name}"                 plugins::named),

    route!(GET    "/swarm"                          swarm::inactive),
    route!(GET    "/swarm/unlockkey"                swarm::inactive),
    route!(POST   "/swarm/init"                     swarm::init),
    route!(POST   "/swarm/join"                     swarm::join),
    route!(POST   "/swarm/leave"                    swarm::leave),
    route!(POST   "/swarm/update"                   swarm::update),
    route!(POST   "/swarm/unlock"                   swarm::unlock),
    route!(GET    "/nodes"                          swarm::list),
    route!(GET    "/nodes/{id}"                     swarm::inactive),
    route!(POST   "/nodes/{id}/update"              swarm::update_node),
    route!(DELETE "/nodes/{id}"                     swarm::inactive),
    route!(GET    "/services"                       swarm::services),
    route!(GET    "/services/{id}"                  swarm::service),
    route!(GET    "/services/{id}/logs"             swarm::logs),
    route!(POST   "/services/create"                swarm::create_service),
    route!(POST   "/services/{id}/update"           swarm::update_service),
    route!(DELETE "/services/{id}"                  swarm::inactive),
    route!(GET    "/tasks"                          swarm::list),
    route!(GET    "/tasks/{id}"                     swarm::inactive),
    route!(GET    "/tasks/{id}/logs"                swarm::logs),
    route!(GET    "/secrets"                        swarm::list),
    route!(GET    "/secrets/{id}"                   swarm::inactive),
    route!(POST   "/secrets/create"                 swarm::create_secret),
    route!(POST   "/secrets/{id}/update"            swarm::update_secret),
    route!(DELETE "/secrets/{id}"                   swarm::inactive),
    route!(GET    "/configs"                        swarm::list),
    route!(GET    "/configs/{id}"                   swarm::inactive),
    route!(POST   "/configs/create"                 swarm::create_config),
    route!(POST   "/configs/{id}/update"            swarm::update_config),
    route!(DELETE "/configs/{id}"                   swarm::inactive),

    route!(OPTIONS "/{name}"                        system::options),
];

/// The `until` filter of a prune: only what is older, nanoseconds since the epoch. A duration counts back from now.
fn until(filters: &Filters) -> Result<Option<i64>, Failure> {
    match filters.values("until").collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [text] => point_in_time(text).map(Some),
        _ => Err(Failure::bad_request("more than one until filter specified")),
    }
}

/// A time that dockerd takes for an error of its own if it is none.
fn by_dockerd(failure: Failure) -> Failure {
    Failure::internal(failure.message)
}

/// Nanoseconds since the epoch. A duration counts back from now.
fn point_in_time(text: &str) -> Result<i64, Failure> {
    ::containers::until(text).map_err(|error| Failure::bad_request(error.to_string()))
}

/// The filters `label` and `label!` of a prune: what has all of the ones is taken, what has all of the others is not.
fn labels_chosen(filters: &Filters, labels: &Map) -> bool {
    let spared = filters.values("label!").next().is_some() && filters.labels_match("label!", labels);
    filters.labels_match("label", labels) && !spared
}

#[cfg(test)]
mod tests;
