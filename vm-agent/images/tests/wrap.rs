//! Images as they leave: annotated, compressed otherwise, without later times.

mod support;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use images::{ArchiveForm, Codec, Digest, Draft, Images, Recompress, Source, Wrapping, decompress};
use serde_json::Value;
use support::{Bench, noise, tar};

/// A tar with one file of that time.
fn file(name: &str, time: u64) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(time);
    header.set_size(3);
    archive.append_data(&mut header, name, b"abc".as_slice()).unwrap();
    archive.into_inner().unwrap()
}

/// An image of two layers, the lower of which is another image's.
async fn made(images: &Images, time: u64) -> Digest {
    let source = Source::stream(std::io::Cursor::new(file("base", time)));
    let base = images.import(source, None, Draft::default()).await.unwrap();
    let tar = file("own", time);
    let write = move |out: &mut dyn std::io::Write| out.write_all(&tar).map_err(layers::Error::Read);
    images.derive(Some(&base), Draft::default(), write).await.unwrap()
}

/// Its archive.
async fn archive(images: &Images, id: &Digest, wrapping: &Wrapping) -> Vec<u8> {
    let wrapped = images.wrap(id, wrapping).await.unwrap();
    let mut pieces = images.archive(&wrapped, Vec::new(), ArchiveForm::Oci);
    drop(wrapped);
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.recv().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    bytes
}

/// The files of its archive.
async fn left(images: &Images, id: &Digest, wrapping: &Wrapping) -> BTreeMap<String, Vec<u8>> {
    let bytes = archive(images, id, wrapping).await;
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (name, mut content) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        files.insert(name, content);
    }
    files
}

fn json(content: &[u8]) -> Value {
    serde_json::from_slice(content).unwrap()
}

/// What an index says of its only manifest, and the manifest.
fn manifest(files: &BTreeMap<String, Vec<u8>>) -> (Value, Value) {
    let said = json(&files["index.json"])["manifests"][0].clone();
    let name = said["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    (said, json(&files[&name]))
}

fn layer<'a>(files: &'a BTreeMap<String, Vec<u8>>, manifest: &Value, at: usize) -> (String, &'a [u8]) {
    let layer = &manifest["layers"][at];
    let name = layer["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    (layer["mediaType"].as_str().unwrap().to_owned(), &files[&name])
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_leave_with_an_image_and_are_not_kept() {
    let bench = Bench::new();
    let id = made(&bench.images, 5).await;
    let of = |key: &str| BTreeMap::from([(key.to_owned(), "b".to_owned())]);
    let wrapping = Wrapping { annotations: of("a"), index_annotations: of("i"), layers: None };
    let before = bench.images.image(&id).unwrap().manifest;
    let (said, annotated) = manifest(&left(&bench.images, &id, &wrapping).await);
    assert_eq!((&annotated["annotations"]["a"], &said["annotations"]["i"]), (&"b".into(), &"b".into()));
    assert_eq!(annotated["config"]["digest"], id.to_string());
    assert_eq!(annotated["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    let (said, plain) = manifest(&left(&bench.images, &id, &Wrapping::default()).await);
    assert!(plain.get("annotations").is_none() && said.get("annotations").is_none(), "{plain} {said}");
    assert_eq!(
        (said["digest"].as_str().unwrap(), bench.images.image(&id).unwrap().manifest),
        (&*before.to_string(), before)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_are_compressed_otherwise() {
    let bench = Bench::new();
    let id = made(&bench.images, 5).await;
    let before = bench.names("content/blobs/sha256");
    for (codec, end, first) in [
        (Codec::Zstd, "tar+zstd", &[0x28, 0xb5][..]),
        (Codec::None, "layer.v1.tar", b"own"),
        (Codec::Gzip, "tar+gzip", &[0x1f, 0x8b]),
    ] {
        for but in [0, 1] {
            let layers = Some(Recompress { codec, level: Some(9), but });
            let files = left(&bench.images, &id, &Wrapping { layers, ..Wrapping::default() }).await;
            let (_, manifest) = manifest(&files);
            let (kind, content) = layer(&files, &manifest, 1);
            assert!(kind.ends_with(end) && content.starts_with(first), "{kind} {:?}", &content[..8]);
            let mut unpacked = Vec::new();
            decompress(content).unwrap().read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, file("own", 5));
            let (kind, _) = layer(&files, &manifest, 0);
            assert!(kind.ends_with(if but == 1 { "tar+gzip" } else { end }), "{kind}");
        }
    }
    // What was made for that is gone again.
    bench.images.collect().await.unwrap();
    assert_eq!(bench.names("content/blobs/sha256"), before);
    let layers = Some(Recompress { codec: Codec::Gzip, level: None, but: 0 });
    let plain = left(&bench.images, &id, &Wrapping::default()).await;
    let same = left(&bench.images, &id, &Wrapping { layers, ..Wrapping::default() }).await;
    assert_eq!(plain, same, "what changes nothing leaves as it is");
}

/// Whoever gave up waiting has no processor kept busy, and nothing is left of what was begun.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_compresses_for_nobody() {
    let bench = Bench::new();
    let source = Source::stream(std::io::Cursor::new(tar(&[("noise", &noise(7, 64 << 20))])));
    let id = bench.images.import(source, None, Draft::default()).await.unwrap();
    let layers = Some(Recompress { codec: Codec::Zstd, level: Some(19), but: 0 });
    let wrapping = Wrapping { layers, ..Wrapping::default() };
    let mut wrapped = Box::pin(bench.images.wrap(&id, &wrapping));
    while bench.names("content/ingest").is_empty() {
        let a_moment = tokio::time::timeout(Duration::from_millis(5), &mut wrapped);
        assert!(a_moment.await.is_err(), "it ended before it was seen");
    }
    drop(wrapped);
    let begun = Instant::now();
    while !bench.names("content/ingest").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it goes on: {:?}", bench.names("content/ingest"));
        let ingest = bench.dir.path().join("content/ingest");
        let files = std::fs::read_dir(ingest).unwrap().filter_map(|file| file.unwrap().metadata().ok());
        let written: u64 = files.map(|file| file.len()).sum();
        assert!(written < 32 << 20, "most of it was compressed: {written}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What left annotated, and compressed otherwise, comes back: what is here leaves plainly all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_here_stays_as_it_is() {
    let bench = Bench::new();
    let id = made(&bench.images, 5).await;
    let plain = left(&bench.images, &id, &Wrapping::default()).await;
    let layers = Some(Recompress { codec: Codec::Zstd, level: None, but: 0 });
    let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let wrapping = Wrapping { annotations, layers, ..Wrapping::default() };
    let bytes = archive(&bench.images, &id, &wrapping).await;
    bench.images.collect().await.unwrap();
    let before = bench.names("content/blobs/sha256");
    assert_eq!(bench.load(bytes.clone()).await.unwrap(), [id]);
    assert_eq!(left(&bench.images, &id, &Wrapping::default()).await, plain);
    let begun = Instant::now();
    while bench.names("content/blobs/sha256") != before {
        assert!(begun.elapsed() < Duration::from_secs(60), "what came for nothing stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Where it was not made it is what came.
    let other = Bench::new();
    assert_eq!(other.load(bytes).await.unwrap(), [id]);
    let (_, manifest) = manifest(&left(&other.images, &id, &Wrapping::default()).await);
    assert_eq!(manifest["annotations"]["a"], "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_is_younger_than_a_time() {
    let bench = Bench::new();
    let id = made(&bench.images, 2_000_000_000).await;
    let keeper = || Arc::new(bench.images.keeper());
    let clamp = |time: i64| bench.images.clamp(&id, 1, jiff::Timestamp::from_second(time).unwrap(), keeper());
    assert_eq!(clamp(2_000_000_000).await.unwrap(), id, "nothing is younger");
    let clamped = clamp(1_000_000_000).await.unwrap();
    assert_eq!(clamped, clamp(1_000_000_000).await.unwrap());
    let files = left(&bench.images, &clamped, &Wrapping::default()).await;
    let (_, manifest) = manifest(&files);
    for (at, time) in [(0, 2_000_000_000), (1, 1_000_000_000)] {
        let (_, content) = layer(&files, &manifest, at);
        let mut archive = tar::Archive::new(decompress(content).unwrap());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.header().mtime().unwrap(), time, "{at}");
    }
    let (old, new) = (bench.images.image(&id).unwrap(), bench.images.image(&clamped).unwrap());
    assert!(old.chain[0] == new.chain[0] && old.chain[1] != new.chain[1]);
    assert_eq!(new.raw["rootfs"]["diff_ids"][1], new.chain[1].to_string());
    assert_eq!(bench.read(&clamped.to_string(), "own"), "abc");
}
