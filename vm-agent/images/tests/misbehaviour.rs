//! Registries that lie, stall, break off, refuse or move away; and layers that attack. Every failure is one clear
//! line, and leaves nothing behind.
//!
//! Needs root, for layers.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use images::{Auth, Digest, Error, Kind, Platform, Reference, RegistryConfig, Sink};
use support::server::{Answer, Content, Request, Server, Then};
use support::{Bench, gzip, impatient, layers, noise, patient, recorder, statuses, tar};

const SIZE: usize = 400_000;

fn name(server: &Server) -> String {
    format!("{}/some/app:latest", server.address)
}

async fn pull(bench: &Bench, name: &str) -> images::Result<Digest> {
    bench.images.pull(&Reference::parse(name).unwrap(), None, &Auth::Anonymous, &Sink::silent()).await
}

/// Pulls from a server that must fail it; returns the error after checking that nothing is left.
async fn fail(server: &Server) -> Error {
    fail_with(server, patient()).await
}

async fn fail_with(server: &Server, config: RegistryConfig) -> Error {
    let bench = Bench::with(config);
    let error = pull(&bench, &name(server)).await.unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    nothing_is_left(&bench).await;
    error
}

async fn nothing_is_left(bench: &Bench) {
    // Threads that were unpacking end when their download does; what they leave is collected after them.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        bench.images.collect().await.unwrap();
        let left = [
            bench.names("layers/ingest"),
            bench.names("content/ingest"),
            bench.names("content/blobs/sha256"),
            bench.layer_names(),
        ];
        if left.iter().all(Vec::is_empty) {
            assert!(bench.images.list().unwrap().is_empty());
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("left: {:?} {:?}", bench.names("content/blobs/sha256"), bench.layer_names());
}

/// The honest image, with one layer's answer changed.
async fn with_layer(change: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) -> (Server, Digest) {
    let content = Content::image(&layers(SIZE));
    let big = content.blobs.iter().find(|(_, blob)| blob.len() > SIZE / 2).unwrap().0.clone();
    let id = content.blobs.values().find(|blob| blob.starts_with(b"{")).map(|config| Digest::of(config)).unwrap();
    let server = Server::start(move |request| {
        let answer = content.answer(request);
        if request.path.contains(&big) { change(request, answer) } else { answer }
    })
    .await;
    (server, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_not_what_it_says_is_refused() {
    let (server, _) = with_layer(|_, mut answer| {
        let last = answer.body.len() - 1;
        answer.body[last] ^= 1;
        answer
    })
    .await;
    let error = fail(&server).await.to_string();
    assert!(error.starts_with("filesystem layer verification failed for digest sha256:"), "{error}");
    let (server, _) = with_layer(|_, mut answer| {
        answer.body.push(0);
        answer
    })
    .await;
    let error = fail(&server).await.to_string();
    assert!(error.contains("filesystem layer verification failed for digest"), "{error}");

    // A configuration that promises other layers.
    let plain = layers(1000);
    let mut other = plain.clone();
    other[1] = tar(&[("other", b"x")]);
    let mut content = Content::default();
    let compressed: Vec<Vec<u8>> = plain.iter().map(|layer| gzip(layer)).collect();
    content.add(&support::config(&other, "x"), &compressed, "application/vnd.oci.image.layer.v1.tar+gzip");
    let server = Server::start(move |request| content.answer(request)).await;
    let error = fail(&server).await.to_string();
    assert!(error.starts_with("wrong diff id calculated on extraction"), "{error}");

    let mut content = Content::default();
    content.add(&support::config(&plain[..2], "x"), &compressed, "application/vnd.oci.image.layer.v1.tar+gzip");
    let server = Server::start(move |request| content.answer(request)).await;
    assert_eq!(fail(&server).await.to_string(), "layers from manifest don't match image configuration");

    let mut content = Content::image(&plain);
    for blob in content.blobs.values_mut().filter(|blob| blob.starts_with(b"{")) {
        blob.push(b' ');
    }
    let server = Server::start(move |request| content.answer(request)).await;
    assert!(fail(&server).await.to_string().starts_with("image config verification failed for digest sha256:"));

    let mut content = Content::image(&plain);
    let pinned = Digest::of(&content.manifests["latest"].1);
    content.manifests.get_mut(&pinned.to_string()).unwrap().1.push(b' ');
    let server = Server::start(move |request| content.answer(request)).await;
    let bench = Bench::new();
    let error = pull(&bench, &format!("{}/x@{pinned}", server.address)).await.unwrap_err().to_string();
    assert_eq!(error, format!("manifest verification failed for digest {pinned}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let (server, _) = with_layer(move |_, answer| {
        let attempt = count.fetch_add(1, Ordering::SeqCst);
        if attempt < 5 { answer.then(Then::CloseAfter(50_000)) } else { answer }
    })
    .await;
    let bench = Bench::new();
    let (sink, said) = recorder();
    let reference = Reference::parse(&name(&server)).unwrap();
    bench.images.pull(&reference, None, &Auth::Anonymous, &sink).await.unwrap();
    assert_eq!(bench.read(&name(&server), "etc/top"), "top");
    assert_eq!(tries.load(Ordering::SeqCst), 6);
    let ranges: Vec<String> =
        server.seen.lock().unwrap().iter().filter_map(|request| request.headers.get("range").cloned()).collect();
    assert_eq!(ranges, ["bytes=50000-", "bytes=100000-", "bytes=150000-", "bytes=200000-", "bytes=250000-"]);
    assert!(statuses(&said).iter().any(|line| line.ends_with("Retrying in 1 second")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_ranges_sends_it_again() {
    let tries = AtomicUsize::new(0);
    let (server, _) = with_layer(move |_, mut answer| {
        if answer.status == 206 {
            let skipped = answer.headers[0].1["bytes ".len()..].split('-').next().unwrap().parse().unwrap();
            let mut whole = gzip(&layers(SIZE)[1]);
            assert_eq!(whole.split_off(skipped), answer.body);
            whole.extend_from_slice(&answer.body);
            answer = Answer::new(200, whole);
        }
        if tries.fetch_add(1, Ordering::SeqCst) < 2 { answer.then(Then::CloseAfter(150_000)) } else { answer }
    })
    .await;
    // The second try gets the same 150,000 bytes again: no progress, and no harm.
    let bench = Bench::new();
    pull(&bench, &name(&server)).await.unwrap();
    assert_eq!(bench.read(&name(&server), "etc/top"), "top");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_breaks_off_or_stalls_for_good_is_given_up() {
    let (server, _) = with_layer(|_, answer| answer.then(Then::CloseAfter(0))).await;
    let error = fail(&server).await;
    assert!(
        matches!(&error, Error::Shared { kind: Kind::Unavailable, message } if message.contains("closed the connection in the middle")),
        "{error:?}"
    );
    let (server, _) = with_layer(|_, answer| answer.then(Then::StallAfter(0))).await;
    let error = fail_with(&server, impatient()).await.to_string();
    assert!(error.contains("timed out: the registry stopped sending"), "{error}");
    let content = Content::image(&layers(10));
    let server = Server::start(move |request| content.answer(request).then(Then::StallAfter(3))).await;
    let error = fail_with(&server, impatient()).await.to_string();
    assert!(error.contains("timed out"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_not_there_is_named() {
    let (_held, address) = support::port_without_a_server();
    let bench = Bench::new();
    let error = pull(&bench, &format!("{address}/x")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Get \"http://{address}/v2/\": dial tcp {address}: connect: connection refused (is the registry running, and is \
             this its port?)"
        )
    );
    assert_eq!(error.kind(), Kind::Unavailable);
    let error = pull(&bench, "registry.invalid/x").await.unwrap_err().to_string();
    assert!(error.starts_with("Get \"https://registry.invalid/v2/\": "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_worded_as_dockerd_words_them() {
    let manifest = |status, body: &'static str| async move {
        let server = Server::start(move |request| {
            if request.path.contains("/manifests/") { Answer::new(status, body) } else { Answer::new(200, "{}") }
        })
        .await;
        let error = fail(&server).await.to_string();
        (error, server)
    };
    let limit = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
    let (error, server) = manifest(429, limit).await;
    let host = &server.address;
    assert_eq!(
        error,
        format!(
            "toomanyrequests: You have reached your pull rate limit. ({host} limits how often it is asked: wait, or use \
             'docker login' for a higher limit)"
        )
    );
    assert_eq!(server.count("/manifests/"), 3);
    let (error, server) = manifest(500, "oops").await;
    let host = &server.address;
    assert_eq!(
        error,
        format!(
            "received unexpected HTTP status: 500 Internal Server Error ({host} has a problem of its own: try again later)"
        )
    );
    assert_eq!(server.count("/manifests/"), 3);
    let (error, server) = manifest(401, "").await;
    let host = &server.address;
    assert_eq!(
        error,
        format!("unauthorized: authentication required ({host} wants other credentials: use 'docker login')")
    );
    assert_eq!(server.count("/manifests/"), 1);
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    let (error, server) = manifest(403, denied).await;
    let repository = format!("{}/some/app", server.address);
    assert_eq!(
        error,
        format!(
            "pull access denied for {repository}, repository does not exist or may require 'docker login': denied: \
             requested access to the resource is denied"
        )
    );
    let unknown = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}"#;
    let (error, server) = manifest(404, unknown).await;
    let repository = format!("{}/some/app", server.address);
    assert_eq!(
        error,
        format!("repository {repository} not found: name unknown: repository name not known to registry")
    );
    let (error, server) = manifest(404, "<html>").await;
    assert_eq!(error, format!("manifest for {} not found: manifest unknown: manifest unknown", name(&server)));
    let (error, _) = manifest(200, "not json").await;
    assert!(error.starts_with("the manifest is malformed"), "{error}");
    let (error, _) = manifest(200, r#"{"schemaVersion":1,"fsLayers":[]}"#).await;
    assert!(error.contains("schema 1 support is removed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_registry_is_asked_again_when_it_says() {
    let content = Content::image(&layers(SIZE));
    let first = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if request.path.contains("/manifests/") && first.fetch_add(1, Ordering::SeqCst) == 0 {
            return Answer::new(429, "").header("Retry-After", "1");
        }
        content.answer(request)
    })
    .await;
    let bench = Bench::new();
    let start = Instant::now();
    pull(&bench, &name(&server)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    // An hour is more than anybody waits.
    let server = Server::start(|_| Answer::new(429, "").header("Retry-After", "3600")).await;
    assert!(fail(&server).await.to_string().starts_with("toomanyrequests: Too Many Requests ("));
    assert_eq!(server.seen.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_without_the_credentials() {
    let content = Arc::new(Content::image(&layers(SIZE)));
    let store = Arc::clone(&content);
    let elsewhere = Server::start(move |request| store.answer(request)).await;
    let target = elsewhere.address.replace("127.0.0.1", "localhost");
    let server = Server::start(move |request| {
        if !request.headers.contains_key("authorization") {
            return Answer::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\"");
        }
        if request.path.contains("/blobs/") {
            return Answer::new(307, "").header("Location", &format!("http://{target}{}", request.path));
        }
        content.answer(request)
    })
    .await;
    let bench = Bench::new();
    let auth = Auth::Basic { username: "me".to_owned(), password: "secret".to_owned() };
    bench.images.pull(&Reference::parse(&name(&server)).unwrap(), None, &auth, &Sink::silent()).await.unwrap();
    assert_eq!(elsewhere.count("/blobs/"), 4);
    assert!(elsewhere.seen.lock().unwrap().iter().all(|request| !request.headers.contains_key("authorization")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_runs_out_is_renewed() {
    let content = Content::image(&layers(SIZE));
    let issued = Arc::new(AtomicUsize::new(0));
    let tokens = Arc::clone(&issued);
    let server = Server::start(move |request| {
        if request.path.starts_with("/token") {
            let number = tokens.fetch_add(1, Ordering::SeqCst);
            return Answer::new(200, format!("{{\"token\":\"t{number}\"}}"));
        }
        // The first token is good for the manifest only.
        let wanted = if request.path.contains("/blobs/") { "Bearer t1" } else { "Bearer t0" };
        let host = &request.headers["host"];
        match request.headers.get("authorization") {
            Some(found) if found == wanted => content.answer(request),
            _ => Answer::new(401, "").header(
                "WWW-Authenticate",
                &format!("Bearer realm=\"http://{host}/token\",service=\"s\",scope=\"repository:some/app:pull\""),
            ),
        }
    })
    .await;
    let bench = Bench::new();
    pull(&bench, &name(&server)).await.unwrap();
    assert_eq!(issued.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_layers_are_refused_by_name() {
    let long_link = {
        let mut builder = ::tar::Builder::new(Vec::new());
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(::tar::EntryType::Link);
        header.set_size(0);
        builder.append_link(&mut header, "link", "nowhere").unwrap();
        builder.into_inner().unwrap()
    };
    let climbing = {
        let mut header = ::tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..10].copy_from_slice(b"../escaped");
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.resize(1536, 0);
        bytes
    };
    for (layer, words) in [
        (climbing, "entry \"../escaped\" points outside of the layer"),
        (long_link, "hard link \"link\" points to \"nowhere\", which the layer does not contain"),
    ] {
        let content = Content::image(&[tar(&[("first", b"1")]), layer]);
        let server = Server::start(move |request| content.answer(request)).await;
        let error = fail(&server).await.to_string();
        assert!(error.starts_with("failed to register layer: ") && error.contains(words), "{error}");
    }
    // What is no gzip although its name says so.
    let mut content = Content::default();
    let plain = layers(10);
    let broken = vec![[b"\x1f\x8b\x08".as_slice(), &noise(3, 500)].concat()];
    let broken_digest = Digest::of(&broken[0]);
    content.add(&support::config(&plain[..1], "x"), &broken, "application/vnd.oci.image.layer.v1.tar+gzip");
    let server = Server::start(move |request| content.answer(request)).await;
    let error = fail(&server).await.to_string();
    assert!(error.starts_with("cannot read the layer: "), "{error}");
    assert!(error.ends_with(&format!(" (layer {broken_digest})")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_fit_is_refused_before_it_comes() {
    let mut content = Content::default();
    let config = support::config(&layers(10)[..1], "x");
    let layer = gzip(&layers(10)[0]);
    content.add(&config, &[layer], "application/vnd.oci.image.layer.v1.tar+gzip");
    for (_, manifest) in content.manifests.values_mut() {
        let mut value: serde_json::Value = serde_json::from_slice(manifest).unwrap();
        value["layers"][0]["size"] = (1u64 << 60).into();
        *manifest = serde_json::to_vec(&value).unwrap();
    }
    let server = Server::start(move |request| content.answer(request)).await;
    let error = fail(&server).await;
    assert!(matches!(error, Error::NoRoom { .. }), "{error:?}");
    assert!(error.to_string().starts_with("no space left on device: the image needs "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_zstd_and_platforms() {
    let plain = layers(5000);
    let mut content = Content::default();
    let arm: Vec<Vec<u8>> = vec![gzip(&plain[0])];
    let mut arm_config: serde_json::Value = serde_json::from_slice(&support::config(&plain[..1], "arm")).unwrap();
    arm_config["architecture"] = "arm64".into();
    let arm =
        content.add(&serde_json::to_vec(&arm_config).unwrap(), &arm, "application/vnd.oci.image.layer.v1.tar+gzip");
    let zstd: Vec<Vec<u8>> = plain.iter().map(|layer| zstd::encode_all(layer.as_slice(), 1).unwrap()).collect();
    let amd = content.add(&support::config(&plain, "amd"), &zstd, "application/vnd.oci.image.layer.v1.tar+zstd");
    let size = |digest: Digest| content.manifests[&digest.to_string()].1.len();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {"mediaType": kind, "digest": arm, "size": size(arm), "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"mediaType": kind, "digest": amd, "size": size(amd), "platform": {"os": "linux", "architecture": "amd64"}},
    ]});
    let index = serde_json::to_vec(&index).unwrap();
    let root = Digest::of(&index);
    content.manifests.insert("latest".to_owned(), ("application/vnd.oci.image.index.v1+json".to_owned(), index));
    let server = Server::start(move |request| content.answer(request)).await;
    let bench = Bench::new();
    let reference = Reference::parse(&name(&server)).unwrap();
    let wanted = |text| Platform::parse(text).unwrap();
    let silent = Sink::silent();
    let id = bench.images.pull(&reference, Some(&wanted("linux/amd64")), &Auth::Anonymous, &silent).await.unwrap();
    assert_eq!(bench.images.image(&id).unwrap().labels().unwrap()["label"], "amd");
    assert_eq!(bench.read(&name(&server), "etc/top"), "top");
    // The name is known by what the user's reference meant: the index.
    let digests = bench.images.inspect(&name(&server), None).unwrap().repo_digests;
    assert_eq!(digests, [format!("{}@{root}", reference.familiar_name())]);
    let id = bench.images.pull(&reference, Some(&wanted("linux/arm64")), &Auth::Anonymous, &silent).await.unwrap();
    assert_eq!(bench.images.image(&id).unwrap().platform().to_string(), "linux/arm64");
    let error =
        bench.images.pull(&reference, Some(&wanted("linux/s390x")), &Auth::Anonymous, &silent).await.unwrap_err();
    assert_eq!(error.to_string(), "no matching manifest for linux/s390x in the manifest list entries");
    let single = reference.with_digest(arm);
    let error = bench.images.pull(&single, Some(&wanted("linux/amd64")), &Auth::Anonymous, &silent).await.unwrap_err();
    assert!(matches!(error, Error::WrongPlatform { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_come_before_docker_hub() {
    let content = Content::image(&layers(SIZE));
    let good = Server::start(move |request| content.answer(request)).await;
    let bad = Server::start(|_| Answer::new(500, "")).await;
    let mirrors = vec![format!("http://{}", bad.address), format!("http://{}/", good.address)];
    let bench = Bench::with(RegistryConfig { mirrors, ..patient() });
    let auth = Auth::Basic { username: "me".to_owned(), password: "secret".to_owned() };
    let reference = Reference::parse("busybox").unwrap();
    bench.images.pull(&reference, None, &auth, &Sink::silent()).await.unwrap();
    assert_eq!(bench.images.inspect("busybox", None).unwrap().repo_tags, ["busybox:latest"]);
    assert_eq!(good.count("/v2/library/busybox/manifests/latest"), 1);
    let shown = [&good, &bad].map(|server| server.seen.lock().unwrap().clone()).concat();
    assert!(shown.iter().all(|request| !request.headers.contains_key("authorization")));
    let config = RegistryConfig { mirrors: vec!["nonsense".to_owned()], ..patient() };
    let dir = tempfile::tempdir().unwrap();
    let error = images::Images::open(dir.path(), &bench.store, &bench.layers, config).unwrap_err().to_string();
    assert!(error.starts_with("registry settings: \"nonsense\" is no mirror"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_nobody_waits_for_stops_and_leaves_nothing() {
    let (server, _) = with_layer(|_, answer| answer.then(Then::StallAfter(200_000))).await;
    let bench = Bench::new();
    let (reference, images) = (Reference::parse(&name(&server)).unwrap(), bench.images.clone());
    let (started, mut wait) = tokio::sync::mpsc::unbounded_channel();
    let sink = Sink::new(move |progress| {
        if let images::Progress::Status { status, detail, .. } = progress
            && status == "Downloading"
            && detail.is_some_and(|detail| detail.current > Some(0))
        {
            let _ = started.send(());
        }
    });
    let task = tokio::spawn(async move { images.pull(&reference, None, &Auth::Anonymous, &sink).await });
    wait.recv().await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    nothing_is_left(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socks_proxy_carries_everything_with_its_password() {
    let content = Content::image(&layers(SIZE));
    let server = Server::start(move |request| content.answer(request)).await;
    let (proxy, mut names) = support::socks::to(server.address.clone()).await;
    let config =
        RegistryConfig { socks_proxy: Some(proxy), insecure: vec!["registry.internal".to_owned()], ..patient() };
    let bench = Bench::with(config);
    pull(&bench, "registry.internal/app").await.unwrap();
    assert_eq!(names.recv().await.unwrap(), "registry.internal");
    assert_eq!(bench.read("registry.internal/app", "etc/top"), "top");
}
