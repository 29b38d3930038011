//! `berth reset`: back to an empty machine, or to one that has only its volumes.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request as HttpRequest};
use hyper_util::rt::TokioIo;

use super::Shared;
use super::protocol::ResetRequest;
use crate::link::Guest;
use crate::machine::{Phase, Request};
use crate::{Error, Result};

/// Does what is asked; the machine is left stopped without `keep_volumes`, running with it.
pub(super) async fn run(shared: &Shared, request: ResetRequest) -> Result<()> {
    if request.keep_volumes { keep_volumes(shared).await } else { everything(shared).await }
}

/// Stops the machine and removes its disk; the next start makes an empty one.
async fn everything(shared: &Shared) -> Result<()> {
    shared.machine.request(Request::Down).await?;
    shared.machine.settled().await;
    let disk = shared.paths.data_disk();
    match std::fs::remove_file(&disk) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .map_err(Error::file("remove", &disk))
}

/// Asks the engine to remove containers, images, networks and build caches.
async fn keep_volumes(shared: &Shared) -> Result<()> {
    shared.machine.request(Request::Up).await?;
    let status = shared.machine.settled().await;
    if let (Phase::Failed, Some(failure)) = (status.phase, status.failure) {
        return Err(Error::Start { failure });
    }
    let guest = shared.machine.engine();
    let guest = guest.ok_or(Error::WrongState { state: "not running", remedy: "run `berth up`" })?;
    let listed = call(&guest, Method::GET, "/containers/json?all=1").await?;
    let listed: Vec<serde_json::Value> =
        serde_json::from_slice(&listed).map_err(|error| Error::BadAnswer { reason: error.to_string() })?;
    for id in listed.iter().filter_map(|container| container["Id"].as_str()) {
        call(&guest, Method::DELETE, &format!("/containers/{id}?force=1")).await?;
    }
    call(&guest, Method::POST, "/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D").await?;
    call(&guest, Method::POST, "/networks/prune").await?;
    Ok(())
}

async fn call(guest: &Guest, method: Method, path: &str) -> Result<Bytes> {
    let failed = |message: String| Error::Engine { message };
    let stream = guest.connect_engine().await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(error.to_string()))?;
    tokio::spawn(connection);
    let request = HttpRequest::builder()
        .method(method)
        .uri(path)
        .header("Host", "berth")
        .body(Empty::<Bytes>::new())
        .expect("the parts of the request are valid");
    let answer = sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| failed(error.to_string()))?.to_bytes();
    if status.is_success() { Ok(body) } else { Err(failed(String::from_utf8_lossy(&body).trim().to_owned())) }
}
