//! BuildKit's protocol: connections that clients turn into gRPC, or that are gRPC from their first word. What is said on them is
//! `buildkit`'s.

use super::Call;
use crate::Services;
use crate::failure::Failure;
use crate::hijack::{Connection, Hijack};
use crate::reply::{Answer, Outcome};
use crate::router::Wire;
use ::buildkit::Offer;
use futures_util::future::BoxFuture;
use hyper::header::UPGRADE;

/// The client asks.
pub(super) async fn grpc(call: Call) -> Answer {
    check_upgrade(&call)?;
    let kit = call.services.buildkit;
    Ok(hijack(move |connection| Box::pin(kit.serve(tokio::io::join(connection.reader, connection.writer)))))
}

/// The client asks, and its connection was gRPC from the beginning.
pub(crate) fn direct(services: Services, stream: Wire) -> BoxFuture<'static, ()> {
    Box::pin(services.buildkit.serve(stream))
}

/// The client offers: files, credentials, secrets.
pub(super) async fn session(call: Call) -> Answer {
    check_upgrade(&call)?;
    let all = |name: &str| {
        let values = call.headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect::<Vec<_>>()
    };
    let one = |name: &str| all(name).into_iter().next().unwrap_or_default();
    let offer = Offer {
        id: one("x-docker-expose-session-uuid"),
        shared_key: one("x-docker-expose-session-sharedkey"),
        methods: all("x-docker-expose-session-grpc-method"),
    };
    let kit = call.services.buildkit;
    if kit.has_session(&offer.id) {
        return Err(Failure::internal(format!("session {} already exists", offer.id)));
    }
    Ok(hijack(move |connection| {
        Box::pin(kit.keep_session(offer, tokio::io::join(connection.reader, connection.writer)))
    }))
}

fn check_upgrade(call: &Call) -> Result<(), Failure> {
    match call.headers.get(UPGRADE).map(|value| value.to_str().unwrap_or_default()) {
        Some("h2c") => Ok(()),
        Some(other) if !other.is_empty() => Err(Failure::internal(format!("protocol {other} not supported"))),
        Some(_) | None => Err(Failure::internal("no upgrade proto in request")),
    }
}

fn hijack(run: impl FnOnce(Connection) -> BoxFuture<'static, ()> + Send + 'static) -> Outcome {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".to_owned();
    Outcome::Hijack(Hijack { head, run: Box::new(run) })
}
