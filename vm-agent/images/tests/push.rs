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

fn puts(server: &Server) -> usize {
    server.seen.lock().unwrap().iter().filter(|r| r.method == "PUT" && r.path.contains("/blobs/")).count()
}

/// Longer in all than any silence may be, and no silence as long.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_is_no_stalled_one() {
    let server = Server::eating(Appetite::Slow(SIZE / 60, Duration::from_millis(100)), accept).await;
    let mut config = patient();
    // The kernel's buffers take the last bytes long before the server reads them, so that only this one is short.
    config.patience.stall = Duration::from_secs(5);
    push_with(&server, SIZE, config).await.unwrap();
    // The layer and the configuration, each once.
    assert_eq!(puts(&server), 2);
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
        assert!(error.to_string().starts_with("Put \"http://") && error.to_string().contains(words), "{error}");
        assert_eq!(puts(&server), 3);
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
