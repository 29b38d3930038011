//! `docker commit`: an image from a container.

use containers::CommitRequest;
use engine_api::{ContainerConfig, ContainerCreateRequest, DecodeError};
use images::Reference;
use serde_json::json;

use super::Call;
use crate::failure::Failure;
use crate::reply::{self, Answer};

pub(super) async fn commit(mut call: Call) -> Answer {
    let body = call.json_bytes().await?;
    let config = configuration(&body)?;
    let reference = repository_and_tag(&call)?;
    let container = call.query.get("container").unwrap_or_default();
    if container.is_empty() {
        return Err(Failure::bad_request("invalid name or ID supplied: \"\""));
    }
    let text = |name: &str| call.query.get(name).unwrap_or_default().to_owned();
    let request = CommitRequest {
        pause: call.query.flag_or("pause", true),
        reference,
        author: text("author"),
        comment: text("comment"),
        config,
        changes: call.query.all("changes").map(str::to_owned).collect(),
        engine: call.services.facts.version.clone(),
    };
    let id = call.services.containers.commit(container, request).await?;
    reply::created(&json!({ "Id": id.to_string() }))
}

/// A body that says nothing leaves the container's configuration as it is.
fn configuration(body: &[u8]) -> Result<Option<ContainerConfig>, Failure> {
    if matches!(body.trim_ascii(), b"" | b"null") {
        return Ok(None);
    }
    match ContainerCreateRequest::decode(body) {
        Ok(request) => Ok(Some(request.config)),
        Err(DecodeError::EmptyConfig) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The name that a new image gets, from `repo` and `tag`; none without `repo`.
pub(super) fn repository_and_tag(call: &Call) -> Result<Option<Reference>, Failure> {
    let Some(repository) = call.query.filled("repo") else { return Ok(None) };
    let reference = Reference::parse(repository)?;
    if reference.digest.is_some() {
        return Err(Failure::bad_request("cannot import digest reference"));
    }
    match call.query.filled("tag") {
        None => Ok(Some(reference.or_latest())),
        Some(tag) => match Reference::parse(&format!("{}:{tag}", reference.familiar_name())) {
            Ok(tagged) => Ok(Some(tagged)),
            Err(_) => Err(Failure::bad_request("invalid tag format")),
        },
    }
}
