//! What a blob inflates to is verified for every claim that an image makes, however much of it is here already.
//!
//! Needs root, for layers.

mod support;

use std::sync::{Arc, Mutex};

use images::{Auth, Digest, Holder, Reference, Sink};
use support::server::{Content, Server};
use support::{Bench, config, gzip, recorder, statuses, tar};

const KIND: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image's tag, its blobs (as plain layers), and the layers that it claims they are.
type Described<'a> = (&'a str, &'a [&'a Vec<u8>], &'a [&'a Vec<u8>]);

/// Images under tags of their own.
async fn serve(images: &[Described<'_>]) -> Server {
    let mut content = Content::default();
    for (tag, blobs, claimed) in images {
        let claimed: Vec<Vec<u8>> = claimed.iter().map(|layer| (*layer).clone()).collect();
        let blobs: Vec<Vec<u8>> = blobs.iter().map(|layer| gzip(layer)).collect();
        content.add(&config(&claimed, tag), &blobs, KIND);
        let latest = content.manifests.remove("latest").unwrap();
        content.manifests.insert((*tag).to_owned(), latest);
    }
    Server::start(move |request| content.answer(request)).await
}

async fn pull(bench: &Bench, server: &Server, tag: &str) -> images::Result<Digest> {
    let reference = Reference::parse(&format!("{}/app:{tag}", server.address)).unwrap();
    bench.images.pull(&reference, None, &Auth::Anonymous, &Sink::silent()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_and_a_layer_that_are_here_need_not_belong_together() {
    let (x, y, z) = (tar(&[("x", b"x")]), tar(&[("y", b"y")]), tar(&[("z", b"z")]));
    let server = serve(&[
        ("x", &[&x], &[&x]),
        ("y", &[&y], &[&y]),
        ("swapped", &[&x], &[&y]),
        ("fresh-blob", &[&z], &[&x]),
        ("twice", &[&z, &z], &[&z, &x]),
        ("honest", &[&x, &y, &x], &[&x, &y, &x]),
    ])
    .await;
    let bench = Bench::new();
    pull(&bench, &server, "x").await.unwrap();
    pull(&bench, &server, "y").await.unwrap();
    for tag in ["swapped", "fresh-blob", "twice"] {
        let error = pull(&bench, &server, tag).await.unwrap_err().to_string();
        assert!(error.starts_with("wrong diff id calculated on extraction"), "{tag}: {error}");
        assert_eq!(bench.images.list().unwrap().len(), 2, "{tag}");
    }
    // What was verified is not verified again.
    let (sink, said) = recorder();
    let reference = Reference::parse(&format!("{}/app:honest", server.address)).unwrap();
    bench.images.pull(&reference, None, &Auth::Anonymous, &sink).await.unwrap();
    assert_eq!(statuses(&said).iter().filter(|line| line.ends_with(": Already exists")).count(), 2);
}

/// A container keeps the layers of an image that is gone; pulled again, only its blobs are new.
#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_flushed_even_when_their_layers_are_recorded() {
    let x = tar(&[("x", b"x")]);
    let server = serve(&[("x", &[&x], &[&x])]).await;
    let bench = Bench::new();
    let id = pull(&bench, &server, "x").await.unwrap();
    let holders = Arc::new(Mutex::new(vec![Holder {
        container_id: "c".repeat(64),
        image: id,
        chain: bench.images.image(&id).unwrap().chain.clone(),
        running: false,
        mounted: false,
    }]));
    let held = Arc::clone(&holders);
    bench.images.set_holders(move || held.lock().unwrap().clone());
    bench.images.remove(&id.to_string(), true).await.unwrap();
    assert_eq!((bench.names("content/blobs/sha256").len(), bench.layer_names().len()), (0, 1));
    let before = bench.layers.flushes();
    pull(&bench, &server, "x").await.unwrap();
    assert_eq!(bench.layers.flushes(), before + 1);
    // Nothing is new: nothing is flushed.
    pull(&bench, &server, "x").await.unwrap();
    assert_eq!(bench.layers.flushes(), before + 1);
}

/// A power cut can leave a name without the bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_cut_short_comes_again() {
    let x = tar(&[("x", b"x")]);
    let server = serve(&[("x", &[&x], &[&x])]).await;
    let bench = Bench::new();
    pull(&bench, &server, "x").await.unwrap();
    let blob = bench.dir.path().join("content/blobs/sha256").join(Digest::of(&gzip(&x)).hex());
    let whole = std::fs::read(&blob).unwrap();
    std::fs::write(&blob, &whole[..10]).unwrap();
    pull(&bench, &server, "x").await.unwrap();
    assert_eq!(std::fs::read(&blob).unwrap(), whole);
}
