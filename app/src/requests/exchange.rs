//! One HTTP exchange on a connection of its own.

use std::io;

use bytes::Bytes;
use futures_util::stream::unfold;
use host::heard::Heard;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::http::response::Parts;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use super::{Head, To};
use crate::daemon::Daemon;
use crate::error::{Error, Result};

/// Looks that start a daemon: a person waits for what they say. That at the machine starts one only where there is a machine.
const SETTINGS: &str = "/settings?start=true";
const MACHINE: &str = "/watch?start=true";

/// What comes behind the head of an answer to a request for a connection.
pub(super) enum Carried {
    Body(Incoming),
    Connection(TokioIo<hyper::upgrade::Upgraded>),
}

/// What a request brings: all at once, or in pieces as the page sends them.
pub(super) type Body = BoxBody<Bytes, io::Error>;

pub(super) fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// Ends with an empty piece. When the sender goes without one the request breaks off: half a body must not pass for a whole one.
pub(super) fn pieces(from: mpsc::Receiver<Bytes>) -> Body {
    let frames = unfold(Some(from), |from| async move {
        let mut from = from?;
        match from.recv().await {
            Some(bytes) if bytes.is_empty() => None,
            Some(bytes) => Some((Ok(Frame::data(bytes)), Some(from))),
            None => Some((Err(io::ErrorKind::BrokenPipe.into()), None)),
        }
    });
    BodyExt::boxed(StreamBody::new(frames))
}

/// Resolves when the head of the answer is there.
///
/// # Errors
/// [`Error::Turned`] when the page is of another machine than the one that is shown, [`Error::Unreachable`] when there is no engine or
/// it broke off.
pub(super) async fn send(daemon: &Daemon, head: Head, body: Body) -> Result<Response<Incoming>> {
    // It stays that one's, whatever is shown before the connection is made.
    let daemon = daemon.of_shown(&head.machine)?;
    let stream = match head.to {
        To::Engine => daemon.engine().await?,
        To::Daemon if starts(&head, || daemon.paths().has_a_machine()) => daemon.control_of_a_started().await?,
        To::Daemon => daemon.control().await?,
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(Heard::new(stream))).await.map_err(broken)?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(http(head, body)?).await.map_err(broken)
}

/// Who only looks starts no daemon: the window would bring one back that somebody ended, and one that ends at once again and again.
fn starts(head: &Head, has_a_machine: impl FnOnce() -> bool) -> bool {
    match (head.method.as_str(), head.path.as_str()) {
        ("GET", SETTINGS) => true,
        ("GET", MACHINE) => has_a_machine(),
        ("GET", _) => false,
        _ => true,
    }
}

/// As [`send`], for a request that the engine may answer by handing the connection over.
///
/// # Errors
/// As [`send`].
pub(super) async fn upgrade(daemon: &Daemon, mut head: Head, body: Body) -> Result<(Parts, Carried)> {
    head.headers.insert(CONNECTION.to_string(), "Upgrade".to_owned());
    head.headers.insert(UPGRADE.to_string(), "tcp".to_owned());
    let mut answer = send(daemon, head, body).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (parts, body) = answer.into_parts();
        return Ok((parts, Carried::Body(body)));
    }
    let connection = hyper::upgrade::on(&mut answer).await.map_err(broken)?;
    Ok((answer.into_parts().0, Carried::Connection(TokioIo::new(connection))))
}

fn http(head: Head, body: Body) -> Result<Request<Body>> {
    let mut request = Request::builder().method(head.method.as_str()).uri(&head.path).header(HOST, "berth");
    for (name, value) in &head.headers {
        request = request.header(name, value);
    }
    request.body(body).map_err(|error| Error::Malformed(error.to_string()))
}

fn broken(error: hyper::Error) -> Error {
    Error::Unreachable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_starts_a_daemon_and_a_look_only_where_it_says_so() {
        let starts = |method: &str, path: &str, has_a_machine: bool| {
            let head = serde_json::json!({ "machine": "default", "to": "daemon", "method": method, "path": path, "headers": {} });
            starts(&serde_json::from_value(head).unwrap(), || has_a_machine)
        };
        for (method, path) in [("POST", "/up"), ("PUT", "/settings"), ("POST", "/reset"), ("GET", SETTINGS)] {
            assert!(starts(method, path, false), "{method} {path}");
        }
        for path in ["/version", "/status", "/watch", "/settings", "/logs?source=console&follow=true"] {
            assert!(!starts("GET", path, true), "{path}");
        }
        assert_eq!([true, false].map(|has_a_machine| starts("GET", MACHINE, has_a_machine)), [true, false]);
    }
}
