//! Clients that go away: whatever the work was at, an image is there as a whole or not at all, and nothing else stays.
//!
//! Needs root, for layers.

mod support;

use std::future::poll_fn;
use std::io::Cursor;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use images::{Auth, Draft, Reference, Sink, Source};
use store::{Batch, Durability, Table};
use support::server::{Content, Server};
use support::{Bench, docker_archive, layers, tar};

/// Does the work again and again, and gives it up the first time it waits, the second time, and so on, until it comes to its end.
async fn given_up_anywhere<'a, T, F>(bench: &'a Bench, name: &str, work: impl Fn() -> F)
where
    F: Future<Output = images::Result<T>> + 'a,
{
    for turns in 1.. {
        let ended = turn(bench, turns, work()).await;
        if ended {
            assert!(turns > 2, "it never waited");
        }
        // What another client that goes away at the same time brings about.
        bench.images.collect().await.unwrap();
        whole_or_nothing(bench, name, turns).await;
        if ended {
            return;
        }
    }
}

/// Polls the work so often; true when that was enough. When it is polled last the store has so much to write that what the work asks
/// for then is not written when it is dropped.
async fn turn<T>(bench: &Bench, turns: usize, work: impl Future<Output = images::Result<T>>) -> bool {
    let table: Table<String> = bench.store.table("ballast");
    let mut ballast = Batch::new();
    ballast.put(&table, "ballast", &"x".repeat(16 << 20));
    let mut ballast = pin!(bench.store.write(ballast, Durability::Durable));
    let mut work = pin!(work);
    let mut turn = 0;
    poll_fn(|cx| {
        turn += 1;
        if turn == turns {
            assert!(ballast.as_mut().poll(cx).is_pending());
        }
        match work.as_mut().poll(cx) {
            Poll::Ready(outcome) => {
                outcome.map(drop).unwrap();
                Poll::Ready(true)
            }
            Poll::Pending if turn == turns => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Threads that were unpacking, and what records the image, end after the future; nobody but they can ask for what they left to be
/// collected.
async fn whole_or_nothing(bench: &Bench, name: &str, turns: usize) {
    let left = || {
        [
            bench.names("layers/ingest"),
            bench.names("content/ingest"),
            bench.names("content/blobs/sha256"),
            bench.layer_names(),
        ]
    };
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if bench.images.resolve(name).is_ok() {
            assert_eq!(bench.read(name, "etc/top"), "top", "given up after {turns} turns");
            bench.images.remove(name, false).await.unwrap();
        }
        if left().iter().all(Vec::is_empty) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("left: {:?}", left());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import() {
    let bench = Bench::new();
    let tree = tar(&[("etc/top", b"top")]);
    given_up_anywhere(&bench, "imported", || async {
        let draft = Draft { reference: Some(Reference::parse("imported").unwrap()), ..Draft::default() };
        bench.images.import(Source::stream(Cursor::new(tree.clone())), None, draft).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load() {
    let bench = Bench::new();
    let archive = docker_archive("loaded:latest", &layers(1000));
    given_up_anywhere(&bench, "loaded", || bench.load(archive.clone())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull() {
    let bench = Bench::new();
    let content = Content::image(&layers(1000));
    let server = Server::start(move |request| content.answer(request)).await;
    let name = format!("{}/app:latest", server.address);
    let reference = Reference::parse(&name).unwrap();
    let silent = Sink::silent();
    given_up_anywhere(&bench, &name, || bench.images.pull(&reference, None, &Auth::Anonymous, &silent)).await;
}
