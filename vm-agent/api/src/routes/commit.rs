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
    let repository = call.query.filled("repo");
    repository.map(|repository| reference(repository, call.query.filled("tag"))).transpose()
}

fn reference(repository: &str, tag: Option<&str>) -> Result<Reference, Failure> {
    let reference = Reference::parse(repository)?;
    if reference.digest.is_some() {
        return Err(Failure::bad_request("cannot import digest reference"));
    }
    let Some(tag) = tag else { return Ok(reference.or_latest()) };
    let tagged = reference.with_tag(tag);
    // In one text with the name, a slash would make the tag a part of it, and an `@` begin a digest.
    match Reference::parse(&tagged.familiar()) {
        Ok(parsed) if parsed == tagged => Ok(tagged),
        Ok(_) | Err(_) => Err(Failure::bad_request("invalid tag format")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from dockerd 28.5.2.
    #[test]
    fn a_tag_is_nothing_else() {
        let named = |repository: &str, tag: &str| {
            let named = reference(repository, Some(tag)).map(|reference| reference.familiar());
            named.map_err(|failure| failure.message)
        };
        let digest = format!("sha256:{}", "0".repeat(64));
        for tag in ["5000/x", &format!("1@{digest}"), &digest, ".bad"] {
            assert_eq!(named("localhost", tag), Err("invalid tag format".to_owned()), "{tag}");
        }
        assert_eq!(named(&format!("x@{digest}"), "1"), Err("cannot import digest reference".to_owned()));
        assert_eq!(named("x:1", "2"), Ok("x:2".to_owned()));
        assert_eq!(named("localhost:5000/x", "1"), Ok("localhost:5000/x:1".to_owned()));
    }
}
