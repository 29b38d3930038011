//! Uploads to registries that take their time, or never take anything.
//!
//! Needs root, for layers.

mod support;

use std::time::Duration;

use images::{Auth, Error, Reference, RegistryConfig, Sink};
use support::server::{Answer, Appetite, Request, Server};
use support::{Bench, docker_archive, impatient, noise, patient, tar};

/// More than the buffers between here and the server hold.
const SIZE: usize = 12_000_000;

fn accept(request: &Request) -> Answer {
    match (request.method.as_str(), request.path.contains("/blobs/")) {
        ("HEAD", _) => Answer::new(404, ""),
        ("POST", _) => Answer::new(202, "").header("Location", &format!("{}session", request.path)),
        // Where the session goes on is the registry's to say.
        ("PATCH", _) => Answer::new(202, "").header("Location", &request.path.replace("session", "next?state=a%2Fb")),
        ("PUT", _) => Answer::new(201, ""),
        _ => Answer::new(200, "{}"),
    }
}

async fn push(server: &Server, size: usize) -> images::Result<()> {
    push_with(server, size, patient()).await
}

async fn push_with(server: &Server, size: usize, config: RegistryConfig) -> images::Result<()> {
    let bench = Bench::with(config);
    let name = format!("{}/app:1", server.address);
    bench.load(docker_archive(&name, &[tar(&[("big", &noise(5, size))])])).await.unwrap();
    bench.images.push(&Reference::parse(&name).unwrap(), &Auth::Anonymous, &Sink::silent()).await
}

/// How many requests about blobs had this method.
fn count(server: &Server, method: &str) -> usize {
    server.seen.lock().unwrap().iter().filter(|r| r.method == method && r.path.contains("/blobs/")).count()
}

/// As dockerd's client does it: the content in one chunk, which is named where the session went on to.
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_sent_and_then_named() {
    let server = Server::start(accept).await;
    push(&server, 100).await.unwrap();
    let seen = server.seen.lock().unwrap();
    let of = |method: &str| {
        let requests = seen.iter().filter(|request| request.method == method && request.path.contains("/blobs/"));
        requests.map(|request| (request.path.as_str(), request.headers["content-length"].as_str())).collect::<Vec<_>>()
    };
    let (chunks, names) = (of("PATCH"), of("PUT"));
    // The layer and the configuration.
    assert_eq!((chunks.len(), names.len()), (2, 2), "{seen:?}");
    assert!(
        chunks.iter().all(|(path, length)| *path == "/v2/app/blobs/uploads/session" && *length != "0"),
        "{chunks:?}"
    );
    for (path, length) in names {
        assert!(path.starts_with("/v2/app/blobs/uploads/next?state=a%2Fb&digest=sha256%3A"), "{path}");
        assert_eq!(length, "0");
    }
}

/// A session that goes on where it was needs no word of the registry's about it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_stay_where_it_is() {
    let server = Server::start(|request| match request.method.as_str() {
        "PATCH" => Answer::new(202, ""),
        _ => accept(request),
    })
    .await;
    push(&server, 100).await.unwrap();
    assert_eq!(server.count("/v2/app/blobs/uploads/session?digest=sha256"), 2);
}

/// Longer in all than any silence may be, and no silence as long.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_is_no_stalled_one() {
    let server = Server::eating(Appetite::Slow(SIZE / 60, Duration::from_millis(100)), accept).await;
    let mut config = patient();
    // The kernel's buffers take the last bytes long before the server reads them, so that only this one is short.
    config.patience.stall = Duration::from_secs(3);
    push_with(&server, SIZE, config).await.unwrap();
    // The layer and the configuration, each once.
    assert_eq!((count(&server, "PATCH"), count(&server, "PUT")), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stalls_is_given_up() {
    for (appetite, words) in [
        (Appetite::Full, "timed out: the registry stopped taking data"),
        (Appetite::Silent, "timed out: the registry does not answer after the last byte"),
    ] {
        let server = Server::eating(appetite, accept).await;
        let error = push_with(&server, SIZE, impatient()).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        assert!(error.to_string().starts_with("Patch \"http://") && error.to_string().contains(words), "{error}");
        assert_eq!((count(&server, "PATCH"), count(&server, "PUT")), (3, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_do_not_multiply() {
    let busy = |status, after: &'static str| {
        Server::start(move |request| match request.method.as_str() {
            "POST" => Answer::new(status, "").header("Retry-After", after),
            _ => accept(request),
        })
    };
    for (status, after, tries) in [(500, "0", 3), (429, "3600", 1)] {
        let server = busy(status, after).await;
        push(&server, 100).await.unwrap_err();
        assert_eq!(server.count("/blobs/uploads/"), tries);
    }
}

/// The location that a registry names is spelled as it likes.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_wherever_the_registry_is_by_any_spelling() {
    let server = Server::start(|request| {
        if !request.headers.contains_key("authorization") {
            return Answer::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\"");
        }
        accept(request)
    })
    .await;
    let bench = Bench::new();
    let port = server.address.rsplit_once(':').unwrap().1;
    let name = format!("LOCALHOST:{port}/app:1");
    bench.load(docker_archive(&name, &[tar(&[("a", b"b")])])).await.unwrap();
    let auth = Auth::Basic { username: "me".to_owned(), password: "secret".to_owned() };
    bench.images.push(&Reference::parse(&name).unwrap(), &auth, &Sink::silent()).await.unwrap();
    let refused = server.seen.lock().unwrap().iter().filter(|r| !r.headers.contains_key("authorization")).count();
    // The question whether it wants any.
    assert_eq!(refused, 1);
}
