//! kill -9 in the middle of pulls: afterwards an image is there as a whole or not at all, and nothing else is left.
//!
//! Needs root, for layers.

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use images::{Auth, Digest, Reference, Sink};
use support::server::{Content, Server};
use support::{Bench, noise, open, patient, tar};

const CHILD: &str = "IMAGES_TEST_CHILD";

/// The child of the test below: pulls once into a directory.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "part of another test"]
async fn child_that_pulls() {
    let arguments = std::env::var(CHILD).unwrap();
    let (root, name) = arguments.split_once(' ').unwrap();
    let (_store, _layers, images) = open(std::path::Path::new(root), patient());
    images.pull(&Reference::parse(name).unwrap(), None, &Auth::Anonymous, &Sink::silent()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_a_pull_halves_nothing() {
    let small: Vec<(String, Vec<u8>)> = (0..300).map(|n| (format!("many/{n}"), noise(n, 500))).collect();
    let small: Vec<(&str, &[u8])> = small.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let plain = vec![
        tar(&[("etc/base", b"base")]),
        tar(&[("big", &noise(1, 3_000_000))]),
        tar(&small),
        tar(&[("etc/top", b"top")]),
    ];
    let id = Digest::of(&support::config(&plain, "served"));
    let content = Content::image(&plain);
    let (asked, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |request| {
        let _ = asked.send(());
        content.answer(request)
    })
    .await;
    let name = format!("{}/app:latest", server.address);
    let mut bench = Bench::new();
    let mut complete = 0;
    // A ping, a manifest, a configuration, four layers: every request is a moment to die at, and some time after it.
    for round in 0..28usize {
        let Bench { dir, config, store, layers, images } = bench;
        drop((store, layers, images));
        while requests.try_recv().is_ok() {}
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_pulls", "--ignored"])
            .env(CHILD, format!("{} {name}", dir.path().display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..=round % 7 {
            requests.recv().await.unwrap();
        }
        // The moments between requests have no event to wait for; that is what makes them worth dying in.
        tokio::time::sleep(Duration::from_millis([0, 15, 60, 300][round / 7])).await;
        child.kill().unwrap();
        child.wait().unwrap();

        bench = Bench::open(dir, config);
        assert_eq!(bench.names("content/ingest"), [""; 0], "round {round}");
        assert_eq!(bench.names("layers/ingest"), [""; 0], "round {round}");
        match bench.images.resolve(&name) {
            Ok(found) => {
                assert_eq!(found, id);
                assert_eq!(bench.read(&name, "etc/base"), "base");
                assert_eq!(bench.read(&name, "etc/top"), "top");
                complete += 1;
                bench.images.remove(&name, false).await.unwrap();
            }
            Err(e) => assert_eq!(e.to_string(), format!("No such image: {name}")),
        }
        assert_eq!(bench.names("content/blobs/sha256"), [""; 0], "round {round}");
        assert_eq!(bench.layer_names(), [""; 0], "round {round}");
    }
    println!("{complete} of 28 pulls had been recorded when they were killed");
    let pulled =
        bench.images.pull(&Reference::parse(&name).unwrap(), None, &Auth::Anonymous, &Sink::silent()).await.unwrap();
    assert_eq!(pulled, id);
    assert_eq!(bench.read(&name, "etc/top"), "top");
}
