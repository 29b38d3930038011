//! The engine as the container verbs see it: a client of its API over the daemon's socket.

use std::io;
use std::path::{Path, PathBuf};

use bollard::{BollardRequest, Docker};
use bytes::Bytes;
use host::paths::Paths;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Builder;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;

use crate::{Failure, language, machine};

/// Seconds that an answer may take: as good as for ever, since `stop`, `wait` and `cp` take as long as what they wait for, and
/// docker's own client sets no limit either.
const ANSWER_SECONDS: u64 = 366 * 24 * 3600;

/// A client with typed answers, and the socket for those that are printed as they come.
pub(crate) struct Engine {
    docker: Docker,
    socket: PathBuf,
}

impl Engine {
    /// Where a machine outlived its daemon, a new daemon is started first.
    ///
    /// # Errors
    /// When neither runs.
    pub(crate) async fn connect(paths: &Paths) -> Result<Self, Failure> {
        let socket = paths.engine_socket();
        if host::sys::connect(&socket).await.is_err() && machine::reach(paths).await?.is_none() {
            return Err(Failure::new(1, rust_i18n::t!("machine.not_running").into_owned()));
        }
        let place = socket.clone();
        let transport = move |request| asked(place.clone(), request);
        let (seconds, version) = (ANSWER_SECONDS, bollard::API_DEFAULT_VERSION);
        let docker = Docker::connect_with_custom_transport(transport, Some("http://berth"), seconds, version)?;
        Ok(Self { docker, socket })
    }

    /// As [`Engine::connect`], for verbs that need the typed client only.
    ///
    /// # Errors
    /// When neither runs.
    pub(crate) async fn docker(paths: &Paths) -> Result<Docker, Failure> {
        Ok(Self::connect(paths).await?.docker)
    }

    /// What the engine answers to a GET of `path`, as it came; `None` when there is nothing of that name.
    ///
    /// # Errors
    /// The engine's own sentence when it refuses.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<String>, Failure> {
        match send(&self.socket, Request::get(path), Bytes::new()).await? {
            (404, _) => Ok(None),
            (status, body) => answer(status, &body).map(Some),
        }
    }

    /// What the engine answers to a POST of `body` to `path`.
    ///
    /// # Errors
    /// The engine's own sentence when it refuses.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<String, Failure> {
        let json = serde_json::to_vec(body).map_err(|error| Failure::new(1, error.to_string()))?;
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        let (status, body) = send(&self.socket, request, json.into()).await?;
        answer(status, &body)
    }
}

fn answer(status: u16, body: &[u8]) -> Result<String, Failure> {
    if (200..300).contains(&status) {
        return Ok(String::from_utf8_lossy(body).into_owned());
    }
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = value["message"].as_str().map_or_else(|| format!("status {status}"), language::sentence);
    Err(Failure::new(1, message))
}

/// One request over a connection of its own, which the answer may take over. Over bollard's own pipes of Windows an input has no end, and a
/// container that reads to it would wait for ever: ours have ([`host::sys::connect`]).
async fn asked(socket: PathBuf, mut request: BollardRequest) -> Result<Response<Incoming>, bollard::errors::Error> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
    request.headers_mut().insert(HOST, HeaderValue::from_static("berth"));
    Ok(response(&socket, request).await?)
}

async fn send(socket: &Path, request: Builder, body: Bytes) -> Result<(u16, Bytes), Failure> {
    let broken = |error: io::Error| Failure::new(1, error.to_string());
    let request =
        request.header(HOST, "berth").body(Full::new(body)).map_err(|error| broken(io::Error::other(error)))?;
    let response = response(socket, request).await.map_err(broken)?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| broken(broke(socket, error)))?;
    Ok((status, body.to_bytes()))
}

/// # Errors
/// With the socket's name: that a daemon is gone is told by no more than "No such file or directory".
async fn response<B>(socket: &Path, request: Request<B>) -> io::Result<Response<Incoming>>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let connect = host::sys::connect(socket).await;
    let stream = connect.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", socket.display())))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broke(socket, error))?;
    // Its error is the request's too.
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(|error| broke(socket, error))
}

fn broke(socket: &Path, error: hyper::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", socket.display()))
}

/// A name as part of a path: what is no letter, digit or one of the signs of references is percent-encoded.
pub(super) fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b':' | b'@' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    name.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_in_paths() {
        assert_eq!(super::encoded("localhost:5000/a_b@sha256:0"), "localhost:5000/a_b@sha256:0");
        assert_eq!(super::encoded("a b?c#é"), "a%20b%3Fc%23%C3%A9");
    }
}
