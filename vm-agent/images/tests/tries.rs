//! How often a registry and its token server are asked, and when no more.
//!
//! Needs root, for layers.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use images::{Auth, Reference, Sink};
use support::server::{Answer, Content, Server, Then};
use support::{Bench, layers, recorder, statuses};

async fn pull(server: &Server, auth: &Auth) -> images::Result<images::Digest> {
    let reference = Reference::parse(&format!("{}/some/app", server.address)).unwrap();
    Bench::new().images.pull(&reference, None, auth, &Sink::silent()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_asked_for_as_often_as_patience_says() {
    for (status, after, tries) in [(500, "0", 3), (429, "3600", 1), (404, "0", 1)] {
        let content = Content::image(&layers(1000));
        let server = Server::start(move |request| match request.path.contains("/blobs/") {
            true => Answer::new(status, "").header("Retry-After", after),
            false => content.answer(request),
        })
        .await;
        pull(&server, &Auth::Anonymous).await.unwrap_err();
        // The configuration comes first and alone.
        assert_eq!(server.count("/blobs/"), tries, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_loses_only_the_mark_of_its_end_is_whole() {
    let content = Content::image(&layers(1000));
    let server = Server::start(move |request| {
        let answer = content.answer(request);
        match (request.path.contains("/blobs/"), request.headers.contains_key("range")) {
            (true, true) => Answer::new(416, ""),
            (true, false) => answer.then(Then::LoseTheEnd),
            _ => answer,
        }
    })
    .await;
    pull(&server, &Auth::Anonymous).await.unwrap();
    assert_eq!(server.count("/blobs/"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_are_counted_down() {
    let content = Content::image(&layers(1000));
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        // The second question for a blob is one for a layer.
        if request.path.contains("/blobs/") && asked.fetch_add(1, Ordering::SeqCst) == 1 {
            return Answer::new(503, "").header("Retry-After", "2");
        }
        content.answer(request)
    })
    .await;
    let bench = Bench::new();
    let (sink, said) = recorder();
    let reference = Reference::parse(&format!("{}/some/app", server.address)).unwrap();
    bench.images.pull(&reference, None, &Auth::Anonymous, &sink).await.unwrap();
    let said = statuses(&said);
    let at = |words: &str| said.iter().position(|line| line.ends_with(words)).unwrap_or_else(|| panic!("{said:#?}"));
    assert!(at(": Retrying in 2 seconds") < at(": Retrying in 1 second"));
}

fn wants_token(host: &str) -> Answer {
    Answer::new(401, "").header("WWW-Authenticate", &format!("Bearer realm=\"http://{host}/token\",service=\"s\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_token_server_is_asked_again_when_it_says() {
    let content = Content::image(&layers(1000));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Server::start(move |request| {
        if request.path.starts_with("/token") {
            return match count.fetch_add(1, Ordering::SeqCst) {
                0 => Answer::new(429, "").header("Retry-After", "1"),
                1 => Answer::new(503, ""),
                _ => Answer::new(200, r#"{"token":"","access_token":"t"}"#),
            };
        }
        match request.headers.get("authorization") {
            Some(token) if token == "Bearer t" => content.answer(request),
            _ => wants_token(&request.headers["host"]),
        }
    })
    .await;
    pull(&server, &Auth::Anonymous).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_cannot_be_used_is_named() {
    let server = Server::start(|request| match request.path.starts_with("/token") {
        true => Answer::new(200, vec![b' '; 2_000_000]),
        false => wants_token(&request.headers["host"]),
    })
    .await;
    let text = pull(&server, &Auth::Anonymous).await.unwrap_err().to_string();
    assert_eq!(text, format!("token server http://{}/token: the answer is larger than 1048576 bytes", server.address));

    let (_held, gone) = support::port_without_a_server();
    let realm = gone.to_string();
    let server = Server::start(move |_| wants_token(&realm)).await;
    let text = pull(&server, &Auth::IdentityToken("refresh".to_owned())).await.unwrap_err().to_string();
    assert!(text.starts_with(&format!("Post \"http://{gone}/token\": dial tcp {gone}: ")), "{text}");
}
