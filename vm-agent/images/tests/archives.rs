//! Load and save, and what may be removed when.
//!
//! Needs root, for layers.

mod support;

use std::io::Read;
use std::sync::{Arc, Mutex};

use images::{Digest, Error, Holder, Platform, Reference, Removed};
use support::{Bench, bzip2, config, docker_archive, docker_archive_of, gzip, layers, recorder, statuses, tar, xz};

async fn collect(mut pieces: tokio::sync::mpsc::Receiver<std::io::Result<bytes::Bytes>>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = pieces.recv().await {
        all.extend_from_slice(&piece.unwrap());
    }
    all
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = ::tar::Archive::new(archive);
    archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_archive_is_loaded_and_saved_and_loaded_again() {
    let bench = Bench::new();
    let plain = layers(50_000);
    let (sink, said) = recorder();
    let archive = std::io::Cursor::new(docker_archive("busybox:1", &plain));
    let id = bench.images.load(archive, None, &sink).await.unwrap()[0];
    assert_eq!(id, Digest::of(&config(&plain, "busybox:1")));
    let said = statuses(&said);
    assert_eq!(said.last().unwrap(), "Loaded image: busybox:1");
    assert_eq!(said.iter().filter(|line| line.ends_with(": Loading layer")).count(), 3, "{said:#?}");
    let image = bench.images.image(&id).unwrap();
    assert_eq!(image.size, 4 + 1 + 50_000 + 3);
    assert_eq!(bench.read("busybox:1", "etc/base"), "base");

    let saved = collect(bench.images.save(&["busybox:1".to_owned()], None).unwrap()).await;
    let files = names(&saved);
    for name in ["oci-layout", "index.json", "manifest.json", "repositories"] {
        assert!(files.iter().any(|file| file == name), "{name} in {files:?}");
    }
    let again = collect(bench.images.save(&["busybox:1".to_owned()], None).unwrap()).await;
    assert!(saved == again, "saving twice gives two archives");

    // Elsewhere: the same image, with the same manifest.
    let other = Bench::new();
    assert_eq!(other.load(saved.clone()).await.unwrap(), [id]);
    assert_eq!(other.images.image(&id).unwrap().manifest, image.manifest);
    assert_eq!(other.images.inspect("busybox:1", None).unwrap().repo_tags, ["busybox:1"]);
    assert_eq!(other.read("busybox:1", "etc/top"), "top");
    // Compressed as a whole, and as an OCI layout without Docker's description.
    let other = Bench::new();
    assert_eq!(other.load(gzip(&saved)).await.unwrap(), [id]);
    let layout = without(&saved, "manifest.json");
    let other = Bench::new();
    assert_eq!(other.load(zstd::encode_all(layout.as_slice(), 1).unwrap()).await.unwrap(), [id]);
    assert_eq!(other.images.inspect("busybox:1", None).unwrap().image.manifest, image.manifest);
    // By ID it has no name.
    let nameless = collect(bench.images.save(&[id.hex()[..12].to_owned()], None).unwrap()).await;
    let other = Bench::new();
    let (sink, said) = recorder();
    other.images.load(std::io::Cursor::new(nameless), None, &sink).await.unwrap();
    assert_eq!(statuses(&said).last().unwrap(), &format!("Loaded image ID: {id}"));
    assert!(other.images.list().unwrap()[0].is_dangling());
    let error = bench.images.save(&["nothing".to_owned()], None).unwrap_err().to_string();
    assert_eq!(error, "No such image: nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_send_what_stands_behind_the_archives_end() {
    use tokio::io::AsyncWriteExt;
    let bench = Bench::new();
    let (mut client, engine) = tokio::io::duplex(1024);
    let sent = tokio::spawn(async move {
        client.write_all(&docker_archive("padded:1", &layers(1000))).await?;
        client.write_all(&vec![0; 300_000]).await
    });
    bench.images.load(engine, None, &images::Sink::silent()).await.unwrap();
    sent.await.unwrap().expect("everything was taken");
}

fn without(archive: &[u8], unwanted: &str) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut archive = ::tar::Archive::new(archive);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        if path.as_os_str() != unwanted {
            let mut header = entry.header().clone();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            builder.append_data(&mut header, path, content.as_slice()).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_images_in_one_archive_share_layers() {
    let bench = Bench::new();
    bench.load(docker_archive("a:1", &layers(1000))).await.unwrap();
    bench.load(docker_archive("b:1", &layers(1000)[..2])).await.unwrap();
    bench.images.tag("a:1", &Reference::parse("a:2").unwrap()).await.unwrap();
    let saved = collect(bench.images.save(&["a".to_owned(), "b:1".to_owned()], None).unwrap()).await;
    let other = Bench::new();
    assert_eq!(other.load(saved).await.unwrap().len(), 2);
    let mut tags: Vec<String> = other.images.list().unwrap().into_iter().flat_map(|image| image.repo_tags).collect();
    tags.sort();
    assert_eq!(tags, ["a:1", "a:2", "b:1"]);
    let usage = other.images.disk_usage().unwrap();
    assert_eq!(usage.layers_size, 5 + 1000 + 3);
    assert!(usage.images.iter().all(|image| image.shared_size == 1005));
    // The same layer twice in one image.
    let twice = layers(10)[0].clone();
    other.load(docker_archive("twice:1", &[twice.clone(), twice])).await.unwrap();
    assert_eq!(other.read("twice:1", "etc/base"), "base");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_nobody_waits_for_ends() {
    const LAYERS: usize = 300;
    let bench = Bench::new();
    let many: Vec<_> = (0..LAYERS).map(|n| tar(&[(&format!("file-{n}"), b"content")])).collect();
    let archive = std::io::Cursor::new(docker_archive("many:1", &many));
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let sink = images::Sink::new(move |_| {
        begun.send(()).unwrap();
        // Nothing comes but the end.
        let _ = gate.lock().unwrap().recv();
    });
    let images = bench.images.clone();
    let load = tokio::spawn(async move { images.load(archive, None, &sink).await });
    begins.recv().await.unwrap();
    load.abort();
    assert!(load.await.unwrap_err().is_cancelled());
    drop(open);
    let mut layers = 1;
    // Until the thread has let go of the sink.
    while begins.recv().await.is_some() {
        layers += 1;
    }
    assert!(layers < LAYERS, "all {layers} layers were unpacked");
    assert!(bench.images.list().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_archives_are_refused_and_leave_nothing() {
    let bench = Bench::new();
    let good = docker_archive("x:1", &layers(100_000));
    let plain = layers(1000);
    let wrong_layer = {
        let other = [tar(&[("other", b"x")])];
        let config = config(&plain[..1], "x:1");
        let name = format!("{}.json", Digest::of(&config).hex());
        let manifest = format!(r#"[{{"Config":"{name}","RepoTags":["x:1"],"Layers":["layer0/layer.tar"]}}]"#);
        let mut builder = ::tar::Builder::new(Vec::new());
        for (path, content) in
            [("layer0/layer.tar", other[0].as_slice()), (&name, &config), ("manifest.json", manifest.as_bytes())]
        {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content).unwrap();
        }
        builder.into_inner().unwrap()
    };
    for (archive, words) in [
        (good[..60_000].to_vec(), "the archive is damaged"),
        (
            tar(&[("readme", b"hello")]),
            "the archive holds no image: neither manifest.json nor index.json describes one",
        ),
        (Vec::new(), "the archive holds no image"),
        (b"this is no tar at all, only some text".repeat(100), "the archive is damaged"),
        (tar(&[("manifest.json", b"{")]), "manifest.json in the archive is malformed"),
        (
            tar(&[("manifest.json", br#"[{"Config":"../../etc/passwd","Layers":[]}]"#)]),
            "names a file outside of itself",
        ),
        (tar(&[("manifest.json", br#"[{"Config":"missing.json","Layers":[]}]"#)]), "the archive lacks missing.json"),
        (tar(&[("manifest.json", br#"[{"Config":"c","RepoTags":["UPPER"],"Layers":[]}]"#)]), "must be lowercase"),
        (wrong_layer, "wrong diff id calculated on extraction"),
    ] {
        let error = bench.load(archive).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} lacks {words:?}");
    }
    bench.images.collect().await.unwrap();
    assert!(bench.images.list().unwrap().is_empty());
    for directory in ["content/ingest", "content/blobs/sha256", "layers/ingest"] {
        assert_eq!(bench.names(directory), [""; 0], "{directory}");
    }
    assert_eq!(bench.layer_names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oci_index_yields_the_platforms_image() {
    let bench = Bench::new();
    let mut plain = layers(100);
    plain.truncate(1);
    let mut files: Vec<(String, Vec<u8>)> =
        vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())];
    let mut add = |content: Vec<u8>| {
        let digest = Digest::of(&content);
        let size = content.len();
        files.push((format!("blobs/sha256/{}", digest.hex()), content));
        (digest, size)
    };
    let (layer, layer_size) = add(plain[0].clone());
    let mut manifests = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let mut value: serde_json::Value = serde_json::from_slice(&config(&plain, architecture)).unwrap();
        value["architecture"] = architecture.into();
        let (config, size) = add(serde_json::to_vec(&value).unwrap());
        let manifest = serde_json::json!({"schemaVersion": 2,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": layer_size}]});
        let (digest, size) = add(serde_json::to_vec(&manifest).unwrap());
        manifests.push(serde_json::json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest,
            "size": size, "platform": {"os": "linux", "architecture": architecture}}));
    }
    let (inner, size) =
        add(serde_json::to_vec(&serde_json::json!({"schemaVersion": 2, "manifests": manifests})).unwrap());
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": inner, "size": size, "annotations": {"org.opencontainers.image.ref.name": "example.com/app:2"}}]});
    files.push(("index.json".to_owned(), serde_json::to_vec(&index).unwrap()));
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let archive = tar(&files);
    let platform = Platform::parse("linux/arm64").unwrap();
    let (sink, _) = recorder();
    let id = bench.images.load(std::io::Cursor::new(archive), Some(&platform), &sink).await.unwrap()[0];
    let inspect = bench.images.inspect("example.com/app:2", None).unwrap();
    assert_eq!((inspect.image.id, inspect.image.platform().to_string()), (id, "linux/arm64".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_found_listed_and_told_apart() {
    let bench = Bench::new();
    let id = bench.load(docker_archive("busybox:1", &layers(1000))).await.unwrap()[0];
    for name in
        ["busybox:1", "docker.io/library/busybox:1", &id.to_string(), &id.hex(), &id.hex()[..12], &id.hex()[..1]]
    {
        assert_eq!(bench.images.resolve(name).unwrap(), id, "{name}");
    }
    for (name, message) in [
        ("busybox", "No such image: busybox:latest".to_owned()),
        ("busybox:2", "No such image: busybox:2".to_owned()),
        ("Bad", "invalid reference format: repository name (library/Bad) must be lowercase".to_owned()),
    ] {
        assert_eq!(bench.images.resolve(name).unwrap_err().to_string(), message);
    }
    let summary = &bench.images.list().unwrap()[0];
    assert_eq!((summary.created.map(|created| created / 1_000_000_000), summary.size), (Some(1_714_558_831), 1008));
    assert_eq!(summary.labels.as_ref().unwrap()["label"], "busybox:1");
    let history = bench.images.history("busybox:1", None).unwrap();
    assert_eq!(history.len(), 4);
    assert_eq!(
        (history[0].id, history[0].size, history[0].tags.as_slice()),
        (Some(id), 0, ["busybox:1".to_owned()].as_slice())
    );
    assert_eq!((history[2].id, history[2].size), (None, 1000));
    let image = bench.images.image(&id).unwrap();
    assert_eq!(image.config.config().as_ref().unwrap().cmd().as_deref().unwrap(), ["sh"]);
    let target = Reference::parse(&format!("x@{id}")).unwrap();
    let error = bench.images.tag("busybox:1", &target).await.unwrap_err().to_string();
    assert_eq!(error, "refusing to create a tag with a digest reference");
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_follows_dockerds_rules() {
    let bench = Bench::new();
    let id = bench.load(docker_archive("a:1", &layers(1000))).await.unwrap()[0];
    let base = bench.load(docker_archive("base:1", &layers(1000)[..1])).await.unwrap()[0];
    bench.images.tag("a:1", &Reference::parse("b:1").unwrap()).await.unwrap();
    let short = &id.hex()[..12];

    let error = bench.images.remove(short, false).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories")
    );
    assert_eq!(bench.images.remove("b:1", false).await.unwrap(), [Removed::Untagged("b:1".to_owned(), id)]);

    let holders: Arc<Mutex<Vec<Holder>>> = Arc::default();
    let asked = Arc::clone(&holders);
    bench.images.set_holders(move || asked.lock().unwrap().clone());
    let chain = bench.images.image(&id).unwrap().chain.clone();
    let holder =
        |running| Holder { container_id: "c".repeat(64), image: id, chain: chain.clone(), running, mounted: false };
    *holders.lock().unwrap() = vec![holder(true)];
    let error = bench.images.remove("a:1", false).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "conflict: unable to remove repository reference \"a:1\" (must force) - container cccccccccccc is using its referenced image {short}"
        )
    );
    let error = bench.images.remove(short, true).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "conflict: unable to delete {short} (cannot be forced) - image is being used by running container cccccccccccc"
        )
    );
    // By name and by force the name goes and the image stays for its container.
    assert_eq!(bench.images.remove("a:1", true).await.unwrap(), [Removed::Untagged("a:1".to_owned(), id)]);
    assert!(bench.images.image(&id).is_ok());
    *holders.lock().unwrap() = vec![holder(false)];
    let error = bench.images.remove(short, false).await.unwrap_err().to_string();
    assert!(error.ends_with("(must be forced) - image is being used by stopped container cccccccccccc"), "{error}");
    // By force the image goes, and its layers stay for the container.
    assert_eq!(bench.images.remove(short, true).await.unwrap(), [Removed::Deleted(id)]);
    assert!(matches!(bench.images.image(&id), Err(Error::NoSuchImage(_))));
    assert_eq!(bench.layer_names().len(), 3);
    // The container goes: its layers follow, but for the one that another image has.
    holders.lock().unwrap().clear();
    assert!(bench.images.collect().await.unwrap() > 1000);
    assert_eq!(bench.layer_names(), [chain[0].hex()]);
    let removed = bench.images.remove("base:1", false).await.unwrap();
    assert_eq!(
        removed,
        [Removed::Untagged("base:1".to_owned(), base), Removed::Deleted(base), Removed::Layer(chain[0])]
    );
    assert_eq!(bench.layer_names(), [""; 0]);
    assert_eq!(bench.names("content/blobs/sha256"), [""; 0]);
    let error = bench.images.remove("gone", false).await.unwrap_err().to_string();
    assert_eq!(error, "No such image: gone:latest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_image_keeps_its_name_and_its_layers() {
    let bench = Bench::new();
    let id = bench.load(docker_archive("a:1", &layers(1000))).await.unwrap()[0];
    let holder = Holder {
        container_id: "c".repeat(64),
        image: id,
        chain: bench.images.image(&id).unwrap().chain.clone(),
        running: true,
        mounted: true,
    };
    let holders = Arc::new(Mutex::new(vec![holder]));
    let asked = Arc::clone(&holders);
    bench.images.set_holders(move || asked.lock().unwrap().clone());
    let error = bench.images.remove("a:1", false).await.unwrap_err().to_string();
    assert!(error.contains("(must force) - container cccccccccccc is using its referenced image"), "{error}");
    assert_eq!(bench.images.prune(false, |_| false).await.unwrap().removed, []);
    // By ID the image goes even so, as with dockerd; what the container has mounted stays.
    let removed = bench.images.remove(&id.hex()[..12], false).await.unwrap();
    assert_eq!(removed, [Removed::Untagged("a:1".to_owned(), id), Removed::Deleted(id)]);
    assert_eq!(bench.layer_names().len(), 3);
    holders.lock().unwrap().clear();
    bench.images.collect().await.unwrap();
    assert_eq!(bench.layer_names().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_and_layers_come_packed_in_every_way() {
    let plain = layers(50_000);
    let archive = docker_archive("packed:1", &plain);
    for pack in [bzip2, xz] {
        let bench = Bench::new();
        let id = bench.load(pack(&archive)).await.unwrap()[0];
        assert_eq!(id, Digest::of(&config(&plain, "packed:1")));
        // No registry takes such layers: they are kept as a plain one would be.
        let other = Bench::new();
        assert_eq!(other.load(docker_archive_of("packed:1", &plain, pack)).await.unwrap(), [id]);
        assert_eq!(other.images.image(&id).unwrap().manifest, bench.images.image(&id).unwrap().manifest);
        assert_eq!(other.read("packed:1", "etc/top"), "top");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_takes_what_is_not_used() {
    let bench = Bench::new();
    let old = bench.load(docker_archive("app:1", &layers(1000))).await.unwrap()[0];
    // The tag moves: the old image dangles.
    let new = bench.load(docker_archive("app:2", &layers(2000))).await.unwrap()[0];
    bench.images.tag("app:2", &Reference::parse("app:1").unwrap()).await.unwrap();
    let keep_all = bench.images.prune(true, |_| true).await.unwrap();
    assert_eq!((keep_all.removed.len(), keep_all.reclaimed), (0, 0));
    let pruned = bench.images.prune(true, |_| false).await.unwrap();
    assert_eq!(pruned.removed[0], Removed::Deleted(old));
    assert!(pruned.reclaimed > 1000, "{}", pruned.reclaimed);
    assert_eq!(bench.images.list().unwrap().len(), 1);
    let pruned = bench.images.prune(false, |_| false).await.unwrap();
    assert!(pruned.removed.contains(&Removed::Deleted(new)));
    assert!(pruned.removed.contains(&Removed::Untagged("app:1".to_owned(), new)));
    assert!(bench.images.list().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_layers_while_their_image_goes() {
    let bench = Bench::new();
    let id = bench.load(docker_archive("a:1", &layers(1000))).await.unwrap()[0];
    let hold = bench.images.hold(&id).unwrap();
    bench.images.remove("a:1", false).await.unwrap();
    assert_eq!(bench.layer_names().len(), 3);
    drop(hold);
    bench.images.collect().await.unwrap();
    assert_eq!(bench.layer_names().len(), 0);
}
