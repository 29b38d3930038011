//! A reset that keeps volumes: asks the engine to remove everything else.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use crate::link::Guest;
use crate::{Error, Result, engine_http};

/// How long a removal that is under way may take.
const REMOVAL: Duration = Duration::from_secs(60);

/// Removes containers, images, networks, and the volumes that have no name: those go with their container (`v=1`), or, if that is
/// gone already, by the prune, which since API 1.42 takes only them.
pub(super) async fn all_but_volumes(guest: Guest) -> Result<()> {
    let listed = call(&guest, Method::GET, "/containers/json?all=1").await?;
    let listed: Vec<serde_json::Value> =
        serde_json::from_slice(&listed).map_err(|error| Error::BadAnswer { reason: error.to_string() })?;
    for id in listed.iter().filter_map(|container| container["Id"].as_str()) {
        remove(&guest, id).await?;
    }
    call(&guest, Method::POST, "/volumes/prune").await?;
    call(&guest, Method::POST, "/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D").await?;
    call(&guest, Method::POST, "/networks/prune").await?;
    Ok(())
}

/// Removes a container, or waits for the removal that somebody else began: of one run with `--rm` that ended just now.
async fn remove(guest: &Guest, id: &str) -> Result<()> {
    let (status, body) = ask(guest, Method::DELETE, &format!("/containers/{id}?force=1&v=1")).await?;
    if status != StatusCode::CONFLICT || !message(&body).contains("already in progress") {
        return answer(status, body).map(drop);
    }
    let wait = format!("/containers/{id}/wait?condition=removed");
    let removed = tokio::time::timeout(REMOVAL, call(guest, Method::POST, &wait)).await;
    removed
        .map_err(|_| Error::Overdue { what: "a container was not removed", seconds: REMOVAL.as_secs_f64() })?
        .map(drop)
}

async fn call(guest: &Guest, method: Method, path: &str) -> Result<Bytes> {
    let (status, body) = ask(guest, method, path).await?;
    answer(status, body)
}

async fn ask(guest: &Guest, method: Method, path: &str) -> Result<(StatusCode, Bytes)> {
    let stream = guest.connect_engine().await?;
    let answered = engine_http::ask(stream, method, path).await;
    answered.map_err(|error| Error::Engine { message: error.to_string() })
}

/// The body of a success. What is gone already, such as a container run with `--rm`, need not be removed.
fn answer(status: StatusCode, body: Bytes) -> Result<Bytes> {
    if status.is_success() || status == StatusCode::NOT_FOUND {
        return Ok(body);
    }
    Err(Error::Engine { message: message(&body) })
}

/// The engine's own sentence.
fn message(body: &Bytes) -> String {
    let said: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let said = said.and_then(|said| said["message"].as_str().map(str::to_owned));
    said.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned())
}
