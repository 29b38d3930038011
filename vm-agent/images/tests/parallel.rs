//! Layers of one image come and are unpacked side by side: each waits here for what only another one at work can bring.
//!
//! Needs root, for layers.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use images::{Auth, Progress, Reference, RegistryConfig, Sink};
use support::server::{Content, Server};
use support::{Bench, noise, tar};
use tokio::sync::watch;

/// Reached only when one waits for the other in vain.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two layers, each with a small file first and much behind it, that share nothing.
fn content() -> (Content, [String; 2]) {
    let layer =
        |name: &str, seed| tar(&[(&format!("{name}/first"), b"x"), (&format!("{name}/rest"), &noise(seed, 600_000))]);
    let content = Content::image(&[layer("one", 1), layer("two", 2)]);
    let mut large = content.blobs.iter().filter(|(_, blob)| blob.len() > 100_000).map(|(digest, _)| digest.clone());
    let digests = [large.next().unwrap(), large.next().unwrap()];
    (content, digests)
}

/// Of each layer the first half, and the rest once it is opened.
async fn in_halves(content: Content, layers: [String; 2], opened: watch::Receiver<bool>) -> Server {
    Server::start(move |request| {
        let answer = content.answer(request);
        let held = layers.iter().any(|layer| request.path.ends_with(layer));
        let half = answer.body.len() / 2;
        if held { answer.held(half, opened.clone()) } else { answer }
    })
    .await
}

async fn pull(bench: &Bench, server: &Server, sink: &Sink) {
    let reference = Reference::parse(&format!("{}/some/app", server.address)).unwrap();
    let pulling = bench.images.pull(&reference, None, &Auth::Anonymous, sink);
    tokio::time::timeout(PATIENCE, pulling).await.expect("what is waited for in vain is not said or done").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_layer_comes_before_all_are_asked_for() {
    let (content, layers) = content();
    let (open, opened) = watch::channel(false);
    let asked = Mutex::new(BTreeSet::new());
    let server = Server::start(move |request| {
        let answer = content.answer(request);
        let Some(layer) = layers.iter().find(|layer| request.path.ends_with(*layer)) else { return answer };
        asked.lock().unwrap().insert(layer.clone());
        if asked.lock().unwrap().len() == layers.len() {
            open.send_replace(true);
        }
        answer.held(0, opened.clone())
    })
    .await;
    let bench = Bench::with(RegistryConfig::default());
    pull(&bench, &server, &Sink::silent()).await;
    assert_eq!(bench.layer_names().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_layer_is_whole_before_all_are_being_unpacked() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        println!("SKIPPED: one processor unpacks one layer at a time");
        return;
    }
    let (content, layers) = content();
    let (open, opened) = watch::channel(false);
    let server = in_halves(content, layers, opened).await;
    let bench = Bench::with(RegistryConfig::default());
    let ingest = bench.dir.path().join("layers/ingest");
    let both_begun = async {
        // A file system tells nobody: it has to be asked.
        while !(has(&ingest, "one/first") && has(&ingest, "two/first")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        open.send_replace(true);
        std::future::pending::<()>().await
    };
    let silent = Sink::silent();
    tokio::select! {
        () = pull(&bench, &server, &silent) => {}
        () = both_begun => {}
    }
    assert_eq!(bench.layer_names().len(), 2);
}

/// What clients draw: a layer whose turn has not come says so, and one that comes tells of its bytes. Both are awaited by the
/// server before it goes on, since what goes quickly is told of never.
#[tokio::test(flavor = "multi_thread")]
async fn a_layer_tells_of_its_turn_and_of_its_bytes() {
    let (content, layers) = content();
    let (open, opened) = watch::channel(false);
    let server = in_halves(content, layers, opened).await;
    let bench = Bench::with(RegistryConfig { concurrent_downloads: 1, ..RegistryConfig::default() });
    let told = Mutex::new(BTreeSet::new());
    let sink = Sink::new(move |progress| {
        let Progress::Status { id: Some(id), status, detail } = progress else { return };
        let counts = detail.is_some_and(|detail| detail.current.is_some());
        if status == "Waiting" || (status == "Downloading" && counts) {
            let mut told = told.lock().unwrap();
            told.insert((status, id));
            // Of two layers one comes and one waits.
            if told.len() == 2 {
                open.send_replace(true);
            }
        }
    });
    pull(&bench, &server, &sink).await;
    assert_eq!(bench.layer_names().len(), 2);
}

/// Whether a file lies at `path` somewhere in `folder`.
fn has(folder: &Path, path: &str) -> bool {
    folder.join(path).exists()
        || std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()) && has(&entry.path(), path))
}
