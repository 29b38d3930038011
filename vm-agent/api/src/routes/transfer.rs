//! Images on their way: pull, push, load, save, and the credentials for it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use engine_api::progress::ProgressDetail;
use engine_api::registry::{AuthConfig, AuthResponse};
use engine_api::{JsonMessage, decode, decode_text};
use hyper::{HeaderMap, StatusCode};
use images::{Auth, Platform, Progress, Sink};
use serde_json::json;
use tokio::task::AbortHandle;

use super::Call;
use super::images::{event, reference};
use crate::backlog::{Backlog, News};
use crate::body::Body;
use crate::client::Client;
use crate::failure::Failure;
use crate::reply::{self, Answer};

/// The registry that credentials without an address are for.
const DEFAULT_REGISTRY: &str = "https://index.docker.io/v1/";

pub(super) async fn create(call: Call) -> Answer {
    match call.query.filled("fromImage") {
        Some(name) => {
            let name = name.trim_end_matches(':').to_owned();
            pull(call, &name).await
        }
        None => {
            let platform = if call.since(1, 32) { platform(&call)? } else { None };
            super::import::import(call, platform).await
        }
    }
}

/// A name without tag and digest means every tag of the repository.
async fn pull(call: Call, name: &str) -> Answer {
    let wanted = reference(name, call.query.filled("tag"))?;
    if wanted.familiar_name() == "scratch" {
        return Err(Failure::new(StatusCode::FORBIDDEN, "'scratch' is a reserved name"));
    }
    let platform = platform(&call)?;
    let auth = credentials(&call.headers);
    let (services, client) = (call.services, call.client);
    progress(client, everything, move |sink| async move {
        let references = if wanted.tag.is_none() && wanted.digest.is_none() {
            let tags = services.images.remote_tags(&wanted, &auth).await?;
            tags.iter().map(|tag| wanted.with_tag(tag)).collect()
        } else {
            vec![wanted]
        };
        for reference in references {
            services.images.pull(&reference, platform.as_ref(), &auth, &sink).await?;
            services.events.emit(event(&services.images, "pull", reference.familiar(), reference.familiar_name()));
        }
        Ok(())
    })
    .await
}

/// Errors come within the stream: dockerd has said to where it pushes by then.
pub(super) async fn push(call: Call) -> Answer {
    let reference = reference(&call.name, call.query.filled("tag"))?;
    if let Some(platform) = platform_since(&call, 46)? {
        call.services.images.resolve_for(&reference.familiar(), Some(&platform))?;
    }
    let auth = credentials(&call.headers);
    let (services, client) = (call.services, call.client);
    progress(client, everything, move |sink| async move {
        services.images.push(&reference, &auth, &sink).await?;
        services.events.emit(event(&services.images, "push", reference.familiar(), reference.familiar_name()));
        Ok(())
    })
    .await
}

pub(super) async fn load(call: Call) -> Answer {
    let quiet = call.query.flag_or("quiet", true);
    let platform = platform(&call)?;
    let client = call.client.clone();
    let (services, archive) = call.reader();
    let loading = progress(client, if quiet { results } else { everything }, move |sink| async move {
        for id in services.images.load(archive, platform.as_ref(), &sink).await? {
            services.events.emit(event(&services.images, "load", id.to_string(), id.to_string()));
        }
        Ok(())
    });
    // Errors come within the stream, whatever was said before: so it is with dockerd.
    loading.await.or_else(|failure| {
        reply::json_lines(|sender| async move {
            // An error means that the client has gone.
            let _ = sender.send(Ok(reply::told(&JsonMessage::error(failure.message, failure.code)))).await;
        })
    })
}

/// `os/architecture[/variant]`, or since 1.48 the same as JSON.
fn platform(call: &Call) -> Result<Option<Platform>, Failure> {
    match call.query.filled("platform") {
        Some(text) if text.starts_with('{') => parse_platform(text).map(Some),
        Some(text) => Ok(Some(Platform::parse(text)?)),
        None => Ok(None),
    }
}

/// The platform of a request that knows one since API 1.`minor`, as JSON. Older clients sent what was never looked at.
pub(super) fn platform_since(call: &Call, minor: u32) -> Result<Option<Platform>, Failure> {
    if !call.since(1, minor) {
        return Ok(None);
    }
    if call.query.all("platform").nth(1).is_some() {
        return Err(Failure::bad_request("multiple platform parameters not supported"));
    }
    call.query.filled("platform").map(parse_platform).transpose()
}

pub(super) fn parse_platform(json: &str) -> Result<Platform, Failure> {
    let given: engine_api::image::Platform =
        decode_text(json).map_err(|error| Failure::bad_request(format!("failed to parse platform: {error}")))?;
    let more = !given.variant.is_empty()
        || !given.os_version.is_empty()
        || given.os_features.as_ref().is_some_and(|features| !features.is_empty());
    match (given.os.as_str(), given.architecture.as_str()) {
        ("", "") if more => {
            Err(Failure::bad_request("optional platform fields provided, but OS and Architecture are missing"))
        }
        ("", _) | (_, "") => Err(Failure::bad_request("both OS and Architecture must be provided")),
        (os, architecture) => {
            let parts = [os, architecture, given.variant.as_str()];
            let filled: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            Ok(Platform::parse(&filled.join("/"))?)
        }
    }
}

pub(super) fn everything(_progress: &Progress) -> bool {
    true
}

fn results(progress: &Progress) -> bool {
    matches!(progress, Progress::Stream(_))
}

pub(super) async fn save(call: Call) -> Answer {
    let names = vec![call.name.clone()];
    save_images(call, names).await
}

pub(super) async fn save_many(call: Call) -> Answer {
    let names: Vec<String> = call.query.all("names").flat_map(|names| names.split(',')).map(str::to_owned).collect();
    save_images(call, names).await
}

async fn save_images(call: Call, names: Vec<String>) -> Answer {
    let platform = platform_since(&call, 48)?;
    let pieces = call.services.images.save(&names, platform.as_ref()).map_err(|error| match error.kind() {
        // dockerd's.
        images::Kind::Invalid => Failure::internal(error.to_string()),
        _ => error.into(),
    })?;
    for name in &names {
        if let Ok(id) = call.services.images.resolve(name) {
            call.services.events.emit(event(&call.services.images, "save", id.to_string(), id.to_string()));
        }
    }
    reply::stream("application/x-tar", Body::stream(pieces))
}

/// `docker login`.
pub(super) async fn auth(mut call: Call) -> Answer {
    let config: AuthConfig = call.json().await?;
    let registry = if config.serveraddress.is_empty() { DEFAULT_REGISTRY } else { &config.serveraddress };
    let token = call.services.images.login(registry, &translate(&config)).await?;
    reply::json(&AuthResponse { identity_token: token.unwrap_or_default(), status: "Login Succeeded".to_owned() })
}

/// The header `X-Registry-Auth`: JSON in base64, with either alphabet, padded or not. One that cannot be read counts as absent, as
/// in dockerd.
pub(super) fn credentials(headers: &HeaderMap) -> Auth {
    let config: Option<AuthConfig> = from_base64(headers, "x-registry-auth");
    config.map_or(Auth::Anonymous, |config| translate(&config))
}

/// A header of JSON in base64, with either alphabet, padded or not.
pub(super) fn from_base64<T: serde::de::DeserializeOwned>(headers: &HeaderMap, name: &str) -> Option<T> {
    let header = headers.get(name)?;
    let text: String = header.to_str().unwrap_or_default().replace('+', "-").replace('/', "_");
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::URL_SAFE, config);
    engine.decode(text).ok().and_then(|json| decode(&json).ok())
}

pub(super) fn translate(config: &AuthConfig) -> Auth {
    if !config.registrytoken.is_empty() {
        return Auth::RegistryToken(config.registrytoken.clone());
    }
    if !config.identitytoken.is_empty() {
        return Auth::IdentityToken(config.identitytoken.clone());
    }
    if !config.username.is_empty() {
        return Auth::Basic { username: config.username.clone(), password: config.password.clone() };
    }
    // `auth` holds "user:password" in base64 where a client kept only that.
    let standard = base64::engine::general_purpose::STANDARD.decode(&config.auth).ok();
    match standard.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(pair) if pair.contains(':') => {
            let (username, password) = pair.split_once(':').expect("just seen");
            Auth::Basic { username: username.to_owned(), password: password.to_owned() }
        }
        Some(_) | None => Auth::Anonymous,
    }
}

/// Work that ends when nobody waits for it any more.
struct Work(AbortHandle);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs work that tells of its progress. If it fails before it said anything the failure is the answer; later the failure is
/// the last line of the stream. The work ends when the client goes, also while there is nothing to tell.
pub(super) async fn progress<F>(client: Client, wanted: fn(&Progress) -> bool, work: impl FnOnce(Sink) -> F) -> Answer
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    tell(client, wanted, |sink, _| work(sink)).await
}

/// [`progress`] for work that has any number of lines to tell, and so asks for room before each.
pub(super) async fn tell<F>(
    client: Client,
    wanted: fn(&Progress) -> bool,
    work: impl FnOnce(Sink, Arc<Backlog>) -> F,
) -> Answer
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let backlog = Arc::new(Backlog::default());
    let lines = Arc::clone(&backlog);
    let sink = Sink::new(move |message| {
        if wanted(&message) {
            lines.push(message);
        }
    });
    let running = work(sink, Arc::clone(&backlog));
    let told = Arc::clone(&backlog);
    let task = tokio::spawn(async move { told.end(running.await.err()) });
    let work = Work(task.abort_handle());
    let mut gone = Box::pin(client.gone());
    let first = tokio::select! {
        biased;
        news = backlog.next() => match news {
            Some(News::Failed(failure)) => return Err(failure),
            first => first,
        },
        // Nobody reads it.
        () = &mut gone => return Err(Failure::internal("the client has gone")),
    };
    reply::json_lines(move |sender| async move {
        let _work = work;
        let mut next = first;
        while let Some(news) = next {
            let message = match news {
                News::Line(progress) => line(progress),
                News::Failed(failure) => JsonMessage::error(failure.message, failure.code),
            };
            if sender.send(Ok(reply::told(&message))).await.is_err() {
                return;
            }
            next = tokio::select! {
                biased;
                news = backlog.next() => news,
                () = &mut gone => return,
            };
        }
    })
}

/// One message as clients read it.
fn line(progress: Progress) -> JsonMessage {
    match progress {
        Progress::Status { id, status, detail: None } => JsonMessage::status(id.as_deref(), status),
        Progress::Status { id, status, detail: Some(detail) } => {
            let (current, total) = (detail.current.unwrap_or(0), detail.total.unwrap_or(0));
            JsonMessage { id, ..JsonMessage::progress("", status, current, total) }
        }
        Progress::Pushed { tag, digest, size } => JsonMessage {
            progress_detail: Some(ProgressDetail::default()),
            aux: Some(json!({ "Tag": tag, "Digest": digest.to_string(), "Size": size })),
            ..JsonMessage::default()
        },
        Progress::Stream(text) => JsonMessage { stream: Some(text), ..JsonMessage::default() },
        Progress::Built(id) => JsonMessage { aux: Some(json!({ "ID": id.to_string() })), ..JsonMessage::default() },
        Progress::Aux { id, value } => {
            JsonMessage { id: Some(id.to_owned()), aux: Some(value), ..JsonMessage::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(json: &str, engine: &impl base64::Engine) -> Auth {
        let mut headers = HeaderMap::new();
        headers.insert("x-registry-auth", engine.encode(json).parse().expect("ASCII"));
        credentials(&headers)
    }

    #[test]
    fn credentials_come_in_every_base64() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
        let json = r#"{"username":"us>er?","password":"pä~ss","email":""}"#;
        for found in [auth(json, &STANDARD), auth(json, &URL_SAFE), auth(json, &URL_SAFE_NO_PAD)] {
            assert!(matches!(found, Auth::Basic { username, password } if username == "us>er?" && password == "pä~ss"));
        }
        assert!(matches!(auth(r#"{"identitytoken":"t"}"#, &STANDARD), Auth::IdentityToken(token) if token == "t"));
        assert!(matches!(auth("{}", &STANDARD), Auth::Anonymous));
        assert!(matches!(auth("junk", &STANDARD), Auth::Anonymous));
        assert!(matches!(credentials(&HeaderMap::new()), Auth::Anonymous));
    }

    /// Before it has said anything, and between two lines.
    #[tokio::test]
    async fn work_ends_with_its_client() {
        struct Ends(tokio::sync::mpsc::UnboundedSender<()>);
        impl Drop for Ends {
            fn drop(&mut self) {
                // The test may be over.
                let _ = self.0.send(());
            }
        }
        for says_something in [false, true] {
            let (client, presence) = crate::client::pair();
            let (ends, mut ended) = tokio::sync::mpsc::unbounded_channel();
            let work = move |sink: Sink| async move {
                ends.send(()).expect("the test listens");
                let _ends = Ends(ends);
                if says_something {
                    sink.send(Progress::Stream("something\n".to_owned()));
                }
                std::future::pending().await
            };
            let answer = tokio::spawn(progress(client, everything, work));
            assert_eq!(ended.recv().await, Some(()), "it began");
            let answer = if says_something { Some(answer.await.expect("joined")) } else { None };
            drop(presence);
            assert_eq!(ended.recv().await, Some(()), "it ended");
            drop(answer);
        }
    }

    #[test]
    fn platforms_are_whole() {
        let parse = |json: &str| parse_platform(json).map(|p| p.to_string()).map_err(|failure| failure.message);
        assert_eq!(parse(r#"{"os":"linux","architecture":"arm","variant":"v6"}"#), Ok("linux/arm/v6".to_owned()));
        for part in ["{}", r#"{"os":"linux"}"#, r#"{"architecture":"arm64"}"#] {
            assert_eq!(parse(part), Err("both OS and Architecture must be provided".to_owned()), "{part}");
        }
        assert!(parse(r#"{"variant":"v8"}"#).is_err_and(|text| text.starts_with("optional platform fields")));
        assert!(parse("linux/arm64").is_err_and(|text| text.starts_with("failed to parse platform: ")));
    }

    #[test]
    fn lines_have_dockerds_shape() {
        let check = |progress, expect: &str| {
            assert_eq!(serde_json::to_string(&line(progress)).expect("serialises"), expect);
        };
        check(Progress::Status { id: None, status: "Status: x".to_owned(), detail: None }, r#"{"status":"Status: x"}"#);
        check(
            Progress::Status {
                id: Some("abc".to_owned()),
                status: "Pull complete".to_owned(),
                detail: Some(images::Detail::default()),
            },
            r#"{"status":"Pull complete","progressDetail":{},"id":"abc"}"#,
        );
        check(Progress::Stream("Loaded image: a:1\n".to_owned()), r#"{"stream":"Loaded image: a:1\n"}"#);
    }
}
