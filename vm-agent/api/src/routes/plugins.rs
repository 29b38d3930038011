//! Plugins, none of which can be installed here: the answers of a dockerd that has none. Requests are checked first, as
//! dockerd does.

use engine_api::swarm::PluginPrivilege;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use images::{Progress, Reference, RemotePlugin};

use super::Call;
use super::transfer::{credentials, everything, progress};
use crate::failure::Failure;
use crate::reply::{self, Answer, Outcome};
use crate::strconv;

pub(super) async fn list(call: Call) -> Answer {
    let filters = call.query.filters()?;
    filters.only(&["enabled", "capability"])?;
    filters.flag("enabled")?;
    let none: [(); 0] = [];
    reply::json(&none)
}

/// Every request that only names a plugin.
pub(super) async fn named(call: Call) -> Answer {
    Err(unknown(&call.name))
}

fn unknown(name: &str) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, format!("plugin {name:?} not found"))
}

pub(super) async fn enable(call: Call) -> Answer {
    strconv::atoi(call.query.get("timeout").unwrap_or_default())
        .map_err(|error| Failure::internal(error.to_string()))?;
    Err(unknown(&call.name))
}

pub(super) async fn set(mut call: Call) -> Answer {
    let _: Vec<String> = call.json().await?;
    Err(unknown(&call.name))
}

pub(super) async fn upgrade(mut call: Call) -> Answer {
    let _: Vec<PluginPrivilege> = call.json().await?;
    let remote = remote(&call)?;
    Err(unknown(&local_name(&remote, &call.name)?))
}

/// What a plugin would be allowed. dockerd has no words for a registry that does not answer: it tells of none.
pub(super) async fn privileges(call: Call) -> Answer {
    let remote = remote(&call)?;
    match call.services.images.remote_plugin(&remote, &credentials(&call.headers)).await {
        Ok(RemotePlugin { is_plugin: true, .. }) => Err(unavailable()),
        Ok(RemotePlugin { is_plugin: false, .. }) => {
            let named = remote.digest.map_or_else(|| remote.clone(), |digest| remote.with_digest(digest));
            Err(Failure::internal(format!("did not find plugin config for specified reference {named}")))
        }
        Err(error) => {
            tracing::debug!("looking for the plugin {remote}: {error}");
            let none: [(); 0] = [];
            reply::json(&none)
        }
    }
}

pub(super) async fn pull(mut call: Call) -> Answer {
    let _: Vec<PluginPrivilege> = call.json().await?;
    let remote = remote(&call)?;
    let name = local_name(&remote, call.query.get("name").unwrap_or_default())?;
    let auth = credentials(&call.headers);
    let (services, client) = (call.services, call.client);
    let answer = progress(client, everything, move |sink| async move {
        // With a digest the tag does not count.
        let remote = remote.digest.map_or_else(|| remote.clone(), |digest| remote.with_digest(digest));
        let found = services.images.remote_plugin(&remote, &auth).await.map_err(|error| unresolved(&remote, &error))?;
        if found.is_plugin {
            return Err(unavailable());
        }
        let id = remote.tag.clone().unwrap_or_else(|| remote.to_string());
        let say = |id, status| sink.send(Progress::Status { id, status, detail: None });
        say(Some(id), format!("Pulling from {}", remote.familiar_name()));
        say(None, format!("Digest: {}", found.digest));
        // dockerd fetches the layers, too, before it looks for what tells a plugin from an image.
        Err(Failure::internal("fetched plugin image but plugin config is missing"))
    })
    .await?;
    match (answer, HeaderValue::from_str(&name)) {
        (Outcome::Reply(mut response), Ok(name)) => {
            response.headers_mut().insert("docker-plugin-name", name);
            Ok(Outcome::Reply(response))
        }
        (answer, _) => Ok(answer),
    }
}

fn unresolved(remote: &Reference, error: &images::Error) -> Failure {
    match error.kind() {
        images::Kind::NotFound => {
            Failure::new(StatusCode::NOT_FOUND, format!("error resolving plugin reference: {remote}: not found"))
        }
        _ => Failure::internal(format!("error resolving plugin reference: {error}")),
    }
}

pub(super) async fn create(call: Call) -> Answer {
    let name = call.query.get("name").unwrap_or_default();
    let name = parse(name).map_err(|failure| failure.prefixed(&format!("failed to parse reference {name}: ")))?;
    if name.digest.is_some() {
        return Err(Failure::internal("canonical references are not permitted"));
    }
    Err(unavailable())
}

/// What a dockerd that was built without plugins answers.
fn unavailable() -> Failure {
    Failure::internal("plugins are not supported on this platform")
}

/// The plugin in a registry that the request is about.
fn remote(call: &Call) -> Result<Reference, Failure> {
    Ok(parse(call.query.get("remote").unwrap_or_default())?.or_latest())
}

/// dockerd answers 500 to a bad reference here.
fn parse(text: &str) -> Result<Reference, Failure> {
    Reference::parse(text).map_err(|error| Failure::internal(error.to_string()))
}

/// What a plugin is called here: as in its registry unless the request says otherwise.
fn local_name(remote: &Reference, wanted: &str) -> Result<String, Failure> {
    if wanted.is_empty() {
        let tagged = Reference { digest: None, ..remote.clone() };
        return Ok(tagged.or_latest().familiar());
    }
    let wanted = parse(wanted)?;
    if wanted.digest.is_some() {
        return Err(Failure::internal("cannot use digest in plugin tag"));
    }
    Ok(wanted.or_latest().familiar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_named_after_their_reference() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let check = |remote: &str, wanted: &str, expect: Result<&str, &str>| {
            let remote = Reference::parse(remote).expect(remote).or_latest();
            let name = local_name(&remote, wanted).map_err(|failure| failure.message);
            assert_eq!(name.as_deref().map_err(String::as_str), expect, "{remote} {wanted}");
        };
        check("a/b", "", Ok("a/b:latest"));
        check(&format!("a/b:1@{digest}"), "", Ok("a/b:1"));
        check(&format!("a/b@{digest}"), "", Ok("a/b:latest"));
        check("a/b:2", "x", Ok("x:latest"));
        check("a/b", &format!("x@{digest}"), Err("cannot use digest in plugin tag"));
    }
}
