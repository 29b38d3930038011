//! A reset that keeps volumes: asks the engine to remove everything else.

use bytes::Bytes;
use hyper::{Method, StatusCode};

use crate::link::Guest;
use crate::{Error, Result, engine_http};

/// Removes containers, images, networks, and the volumes that have no name: those go with their container (`v=1`), or, if that is
/// gone already, by the prune, which since API 1.42 takes only them.
pub(super) async fn all_but_volumes(guest: Guest) -> Result<()> {
    let listed = call(&guest, Method::GET, "/containers/json?all=1").await?;
    let listed: Vec<serde_json::Value> =
        serde_json::from_slice(&listed).map_err(|error| Error::BadAnswer { reason: error.to_string() })?;
    for id in listed.iter().filter_map(|container| container["Id"].as_str()) {
        call(&guest, Method::DELETE, &format!("/containers/{id}?force=1&v=1")).await?;
    }
    call(&guest, Method::POST, "/volumes/prune").await?;
    call(&guest, Method::POST, "/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D").await?;
    call(&guest, Method::POST, "/networks/prune").await?;
    Ok(())
}

async fn call(guest: &Guest, method: Method, path: &str) -> Result<Bytes> {
    let failed = |message: String| Error::Engine { message };
    let stream = guest.connect_engine().await?;
    let (status, body) = engine_http::ask(stream, method, path).await.map_err(|error| failed(error.to_string()))?;
    // What is gone already, such as a container run with `--rm`, need not be removed.
    if status.is_success() || status == StatusCode::NOT_FOUND {
        return Ok(body);
    }
    let said: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let said = said.and_then(|said| said["message"].as_str().map(str::to_owned));
    Err(failed(said.unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned())))
}
