//! The pages' requests, carried to the sockets of engine and daemon; bodies are handed over in pieces, as the page asks for them.
//!
//! A page is of one machine, and says of which with each request: what is begun over one is never done to another one, however long
//! it takes. A page that reads slowly reads the engine slowly: nothing is gathered here. What a page leaves open is closed when it is loaded
//! again or gone ([`Streams::clear`]).

mod exchange;
mod stream;
mod streams;
#[cfg(all(test, unix))]
mod tests;

use std::collections::HashMap;

use host::machines;
use serde::{Deserialize, Serialize};
use tauri::ipc::{InvokeBody, Response};
use tauri::{State, Webview};

use crate::daemon::Daemon;
use crate::error::{Error, Result};
pub(crate) use streams::Streams;

/// Whose socket a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum To {
    Engine,
    /// The control socket (`host::daemon::protocol`).
    Daemon,
}

/// A request's head; its body, if any, is the message's.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    /// The one that the page shows.
    machine: String,
    to: To,
    method: String,
    path: String,
    #[serde(default)]
    headers: HashMap<String, String>,
}

/// The head of an answer, and the number by which its body is read.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    stream: u32,
    /// Whether `stream` is a connection that was handed over.
    upgraded: bool,
}

/// So many pieces of a body may wait for the engine.
const PIECES: usize = 2;

/// The message's header that carries the request's head: the body is bytes.
const HEAD: &str = "x-berth-request";

#[tauri::command]
pub(crate) async fn request(
    daemon: State<'_, Daemon>,
    streams: State<'_, Streams>,
    message: tauri::ipc::Request<'_>,
) -> Result<Answer> {
    whole(&daemon, &streams, head(&message)?, body(&message)?).await
}

#[tauri::command]
pub(crate) async fn upgrade(
    daemon: State<'_, Daemon>,
    streams: State<'_, Streams>,
    message: tauri::ipc::Request<'_>,
) -> Result<Answer> {
    handed_over(&daemon, &streams, head(&message)?, body(&message)?).await
}

/// Begins a request whose body comes in pieces: `write` sends them, `close_write` ends it, `answer` waits for the
/// answer, which may come earlier.
#[tauri::command]
pub(crate) fn upload(daemon: State<'_, Daemon>, streams: State<'_, Streams>, head: Head) -> Result<u32> {
    in_pieces(&daemon, &streams, head)
}

#[tauri::command]
pub(crate) async fn answer(streams: State<'_, Streams>, stream: u32) -> Result<Answer> {
    let parts = streams.answer(stream).await?;
    Ok(Answer::of(&parts, stream, false))
}

/// The next bytes of a stream; none when it has ended, and it is forgotten then.
#[tauri::command]
pub(crate) async fn read(streams: State<'_, Streams>, stream: u32) -> Result<Response> {
    Ok(Response::new(streams.read(stream).await?))
}

/// The bytes of the message go into the connection that its header names.
#[tauri::command]
pub(crate) async fn write(streams: State<'_, Streams>, message: tauri::ipc::Request<'_>) -> Result<()> {
    let number = message.headers().get("x-berth-stream").and_then(|value| value.to_str().ok()?.parse().ok());
    let number = number.ok_or_else(|| Error::Malformed("no stream".to_owned()))?;
    streams.write(number, body(&message)?).await
}

#[tauri::command]
pub(crate) async fn close_write(streams: State<'_, Streams>, stream: u32) -> Result<()> {
    streams.close_write(stream).await
}

#[tauri::command]
pub(crate) fn close(streams: State<'_, Streams>, _webview: Webview, stream: u32) {
    streams.close(stream);
}

async fn whole(daemon: &Daemon, streams: &Streams, head: Head, body: bytes::Bytes) -> Result<Answer> {
    let page = streams.page();
    let answer = page.while_there(exchange::send(daemon, head, exchange::whole(body))).await?;
    let (parts, body) = answer.into_parts();
    Ok(Answer::of(&parts, page.add_body(body)?, false))
}

async fn handed_over(daemon: &Daemon, streams: &Streams, head: Head, body: bytes::Bytes) -> Result<Answer> {
    let page = streams.page();
    let (parts, carried) = page.while_there(exchange::upgrade(daemon, head, exchange::whole(body))).await?;
    Ok(match carried {
        exchange::Carried::Body(body) => Answer::of(&parts, page.add_body(body)?, false),
        exchange::Carried::Connection(connection) => Answer::of(&parts, page.add_connection(connection)?, true),
    })
}

fn in_pieces(daemon: &Daemon, streams: &Streams, head: Head) -> Result<u32> {
    let (pieces, body) = tokio::sync::mpsc::channel(PIECES);
    let daemon = daemon.clone();
    let answer =
        tauri::async_runtime::spawn(async move { exchange::send(&daemon, head, exchange::pieces(body)).await });
    streams.page().add_upload(pieces, answer)
}

/// A request of the program's own to the engine.
///
/// # Errors
/// [`Error::Unreachable`] when there is no engine; [`Error::Answer`] when it refuses.
pub(crate) async fn get(daemon: &Daemon, path: &str) -> Result<hyper::body::Incoming> {
    let machine = machines::called(&daemon.paths()).to_owned();
    let (method, path) = ("GET".to_owned(), path.to_owned());
    let head = Head { machine, to: To::Engine, method, path: path.clone(), headers: HashMap::new() };
    let answer = exchange::send(daemon, head, exchange::whole(bytes::Bytes::new())).await?;
    if !answer.status().is_success() {
        return Err(Error::Answer { path, status: answer.status().as_u16() });
    }
    Ok(answer.into_body())
}

impl Answer {
    fn of(parts: &hyper::http::response::Parts, stream: u32, upgraded: bool) -> Answer {
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Answer { status: parts.status.as_u16(), headers, stream, upgraded }
    }
}

fn head(message: &tauri::ipc::Request<'_>) -> Result<Head> {
    let text = message.headers().get(HEAD).ok_or_else(|| Error::Malformed(format!("no {HEAD}")))?;
    serde_json::from_slice(text.as_bytes()).map_err(|error| Error::Malformed(error.to_string()))
}

/// The bytes of a message. Where the web view lets no bytes through (Tauri then takes another way) they come as a list of numbers.
fn body(message: &tauri::ipc::Request<'_>) -> Result<bytes::Bytes> {
    match message.body() {
        InvokeBody::Raw(bytes) => Ok(bytes.clone().into()),
        InvokeBody::Json(json) => bytes_of(json),
    }
}

fn bytes_of(json: &serde_json::Value) -> Result<bytes::Bytes> {
    match json {
        serde_json::Value::Null => Ok(bytes::Bytes::new()),
        serde_json::Value::Object(members) if members.is_empty() => Ok(bytes::Bytes::new()),
        serde_json::Value::Array(_) => serde_json::from_value::<Vec<u8>>(json.clone())
            .map(Into::into)
            .map_err(|error| Error::Malformed(error.to_string())),
        _ => Err(Error::Malformed("a body that is no bytes".to_owned())),
    }
}

#[cfg(test)]
mod bytes_tests {
    use serde_json::json;

    use super::bytes_of;

    #[test]
    fn bytes_are_bytes_whatever_way_they_came() {
        assert_eq!(bytes_of(&json!([1, 2, 255])).unwrap().as_ref(), [1, 2, 255]);
        assert!(bytes_of(&json!({})).unwrap().is_empty() && bytes_of(&json!(null)).unwrap().is_empty());
        for other in [json!({"0": 1}), json!([256]), json!("text")] {
            assert!(bytes_of(&other).is_err(), "{other}");
        }
    }
}
