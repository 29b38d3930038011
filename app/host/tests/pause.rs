//! A machine that has nothing to do: when it stands still, for whom it goes on.

mod support;

use host::client::Client;
use support::{Home, body, daemon, eventually, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// A running machine that stands still as soon as it may.
async fn started() -> (Home, tokio::process::Child, Client) {
    let home = Home::new("FAKE_KVM=boot");
    home.set(&[("auto_pause", "1s")]);
    let daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    (home, daemon, client)
}

async fn stands_still(client: &Client) {
    eventually("the machine stands still", async || client.status().await.unwrap().machine.paused).await;
}

async fn goes_on(client: &Client) {
    eventually("the machine goes on", async || !client.status().await.unwrap().machine.paused).await;
}

fn count(home: &Home, request: &str) -> usize {
    home.requests().iter().filter(|noted| *noted == request).count()
}

#[tokio::test]
async fn whoever_only_looks_is_answered_and_whoever_wants_more_wakes_it() {
    let (home, _daemon, client) = started().await;
    std::fs::write(home.paths.runtime_dir().join("note-time"), "").unwrap();
    stands_still(&client).await;
    let status = client.status().await.unwrap();
    assert_eq!((status.machine.trouble, status.guest), (None, None), "nobody is asked who would have to be woken");
    let told = count(&home, "time");

    let socket = home.paths.engine_socket();
    for look in ["HEAD /_ping", "GET /_ping", "GET /v1.47/images/json", "GET /containers/json?all=1"] {
        assert!(http(&socket, look).await.starts_with("HTTP/1.1 200 OK\r\n"), "{look}");
    }
    assert_eq!(count(&home, "cont"), 0);
    // One that says nothing yet.
    let mut silent = UnixStream::connect(&socket).await.unwrap();
    assert_eq!(body(&http(&socket, "GET /info").await), "OK");
    goes_on(&client).await;
    assert_eq!(count(&home, "cont"), 1);
    eventually("it is told the time", async || count(&home, "time") > told).await;
    silent.write_all(b"GET /_ping HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    silent.read_to_string(&mut answer).await.unwrap();
    assert_eq!(body(&answer), "OK");
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn what_was_not_foreseen_is_learned() {
    let (home, _daemon, client) = started().await;
    stands_still(&client).await;
    let look = "GET /v1.47/images/json?digests=1";
    http(&home.paths.engine_socket(), look).await;
    goes_on(&client).await;
    stands_still(&client).await;
    let (woken, asked) = (count(&home, "cont"), count(&home, look));
    http(&home.paths.engine_socket(), look).await;
    assert_eq!((count(&home, "cont"), count(&home, look)), (woken, asked));
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_was_there_before_wakes_it() {
    let (home, _daemon, client) = started().await;
    let mut early = UnixStream::connect(home.paths.engine_socket()).await.unwrap();
    early.write_all(b"GET /version HTTP/1.1\r\n").await.unwrap();
    stands_still(&client).await;
    early.write_all(b"\r\n").await.unwrap();
    let mut answer = String::new();
    early.read_to_string(&mut answer).await.unwrap();
    assert_eq!(body(&answer), "OK");
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn it_goes_on_while_there_is_work() {
    let (home, _daemon, client) = started().await;
    let working = home.paths.runtime_dir().join("working");
    std::fs::write(&working, "").unwrap();
    stands_still_or(&home, 12).await;
    let before = count(&home, "stop");
    stands_still_or(&home, 24).await;
    assert_eq!(count(&home, "stop"), before);
    std::fs::remove_file(&working).unwrap();
    stands_still(&client).await;
    client.down().await.unwrap().settled().await.unwrap();
}

/// Waits until the engine was asked so often whether it works, which wakes nobody; it may be asked no more before it is woken.
async fn stands_still_or(home: &Home, looks: usize) {
    eventually("the engine is asked", async || {
        if home.requests().last().is_some_and(|last| last == "stop") {
            http(&home.paths.engine_socket(), "GET /info").await;
        }
        count(home, "GET /berth/work") >= looks
    })
    .await;
}

#[tokio::test]
async fn it_is_stopped_in_good_order_and_never_twice() {
    let (home, _daemon, client) = started().await;
    stands_still(&client).await;
    client.down().await.unwrap().settled().await.unwrap();
    let status = client.status().await.unwrap().machine;
    assert_eq!((status.phase, status.paused), (host::machine::Phase::Stopped, false));
    assert_eq!(status.notes, Vec::<String>::new(), "it powered itself off");
    assert_eq!(count(&home, "cont"), 1);
}

#[tokio::test]
async fn the_next_daemon_wakes_what_the_last_one_left_asleep() {
    let (home, mut first, client) = started().await;
    stands_still(&client).await;
    home.set(&[("auto_pause", "off")]);
    first.kill().await.unwrap();
    let _second = daemon(&home).await;
    client.up().await.unwrap().settled().await.unwrap();
    assert_eq!(body(&http(&home.paths.engine_socket(), "GET /info").await), "OK");
    assert!(!client.status().await.unwrap().machine.paused);
    client.down().await.unwrap().settled().await.unwrap();
}
