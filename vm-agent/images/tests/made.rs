//! Images that are made here, and their parents.

mod support;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use images::{
    ArchiveForm, Digest, Draft, Error, Holder, Images, Platform, Reference, Removal, Removed, Sink, Source, Wrapping,
};
use support::server::{Answer, Server};
use support::{Bench, recorder, statuses};

/// A tar with one file, as a container's changes.
fn file(name: &str, content: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    archive.into_inner().unwrap()
}

async fn imported(images: &Images, name: &str, content: &str) -> Digest {
    let source = Source::stream(std::io::Cursor::new(file(name, content)));
    images.import(source, Some(&Platform::parse("linux/arm64").unwrap()), Draft::default()).await.unwrap()
}

async fn derived(images: &Images, base: &Digest, tar: Vec<u8>) -> images::Result<Digest> {
    derived_from(images, Some(base), tar).await
}

async fn derived_from(images: &Images, base: Option<&Digest>, tar: Vec<u8>) -> images::Result<Digest> {
    let draft = Draft { comment: "why".to_owned(), created_by: "a command".to_owned(), ..Draft::default() };
    let write = move |out: &mut dyn std::io::Write| {
        // As a container's changes would fail to be read.
        if tar.is_empty() {
            return Err(layers::Error::Missing(Digest::of(b"gone")));
        }
        out.write_all(&tar).map_err(layers::Error::Read)
    };
    images.derive(base, draft, write).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_grows_by_a_layer_a_step() {
    let bench = Bench::new();
    let base = imported(&bench.images, "base", "1").await;
    let child = derived(&bench.images, &base, file("child", "2")).await.unwrap();
    let image = bench.images.image(&child).unwrap();
    assert_eq!(image.chain.len(), 2);
    assert_eq!(image.platform().to_string(), "linux/arm64");
    assert_eq!(
        (bench.read(&child.to_string(), "base"), bench.read(&child.to_string(), "child")),
        ("1".into(), "2".into())
    );
    let history = bench.images.history(&child.to_string(), None).unwrap();
    assert_eq!(history.iter().map(|step| step.id).collect::<Vec<_>>(), [Some(child), Some(base)]);
    assert_eq!((history[0].comment.as_str(), history[0].created_by.as_str(), history[0].size), ("why", "a command", 1));
    // What changes nothing has no layer.
    let same = derived(&bench.images, &child, vec![0; 1024]).await.unwrap();
    assert_eq!(bench.images.image(&same).unwrap().chain, image.chain);
    assert_eq!(bench.images.history(&same.to_string(), None).unwrap()[0].size, 0);
    // All of it is there for the next process, and nothing else.
    let ids = [base, child, same];
    let bench = bench.reopen();
    for id in ids {
        assert_eq!(bench.images.inspect(&id.to_string(), None).unwrap().image.id, id);
    }
    assert_eq!(bench.images.inspect(&child.to_string(), None).unwrap().parent, Some(base));
    bench.images.collect().await.unwrap();
    assert_eq!(bench.layer_names().len(), 2);
}

/// As dockerd commits a container without an image.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_can_begin_with_nothing() {
    let bench = Bench::new();
    let empty = derived_from(&bench.images, None, vec![0; 1024]).await.unwrap();
    let made = derived_from(&bench.images, None, file("made", "1")).await.unwrap();
    for (id, layers) in [(empty, 0), (made, 1)] {
        let found = bench.images.inspect(&id.to_string(), None).unwrap();
        assert_eq!((found.parent, found.image.chain.len()), (None, layers));
        assert_eq!(found.image.platform().to_string(), Platform::host().to_string());
        assert_eq!(bench.images.history(&id.to_string(), None).unwrap().len(), 1);
    }
    assert_eq!(bench.read(&made.to_string(), "made"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_leaves_nothing() {
    let bench = Bench::new();
    let base = imported(&bench.images, "base", "1").await;
    let blobs = bench.names("content/blobs/sha256");
    let error = derived(&bench.images, &base, Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
    let cut = file("cut", &"x".repeat(5000))[..2000].to_vec();
    let error = derived(&bench.images, &base, cut).await.unwrap_err().to_string();
    assert!(error.contains("the archive is damaged"), "{error}");
    let gone = Digest::of(b"gone");
    assert!(matches!(derived(&bench.images, &gone, file("x", "")).await, Err(Error::NoSuchImage(_))));
    bench.images.collect().await.unwrap();
    assert_eq!(bench.names("content/blobs/sha256"), blobs);
    assert_eq!((bench.layer_names().len(), bench.names("content/ingest").len()), (1, 0));
    assert_eq!(bench.images.list().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn parents_go_with_their_last_child() {
    let bench = Bench::new();
    let images = &bench.images;
    let first = imported(images, "1", "1").await;
    let second = derived(images, &first, file("2", "2")).await.unwrap();
    let third = derived(images, &second, file("3", "3")).await.unwrap();
    let listed = |id: &Digest| images.list().unwrap().into_iter().find(|summary| summary.id == *id).unwrap();
    assert!(listed(&first).is_intermediate() && listed(&second).is_intermediate() && !listed(&third).is_intermediate());
    for force in [false, true] {
        let error = images.remove(&second.to_string(), force).await.unwrap_err().to_string();
        assert!(error.ends_with("(cannot be forced) - image has dependent child images"), "{error}");
    }
    let kept =
        images.remove_as(&third.to_string(), Removal { keep_parents: true, ..Removal::default() }).await.unwrap();
    assert!(kept.contains(&Removed::Deleted(third)) && !kept.contains(&Removed::Deleted(second)), "{kept:?}");
    // A name keeps a parent, and so does a container.
    let name = Reference::parse("first:1").unwrap();
    images.tag(&first.to_string(), &name).await.unwrap();
    let removed = images.remove(&second.to_string(), false).await.unwrap();
    assert!(removed.contains(&Removed::Deleted(second)) && !removed.contains(&Removed::Deleted(first)), "{removed:?}");
    let second = derived(images, &first, file("2", "2")).await.unwrap();
    assert_eq!(images.remove("first:1", false).await.unwrap(), [Removed::Untagged("first:1".to_owned(), first)]);
    // A prune of all takes no more than the name of what others were made from.
    images.tag(&first.to_string(), &name).await.unwrap();
    let pruned = images.prune(false, |summary| summary.id == second).await.unwrap();
    assert_eq!(pruned.removed, [Removed::Untagged("first:1".to_owned(), first)]);
    let chain = images.image(&first).unwrap().chain.clone();
    let holder = Holder { container_id: "c".repeat(64), image: first, chain, running: false, mounted: false };
    let holders = Arc::new(Mutex::new(vec![holder]));
    let asked = Arc::clone(&holders);
    images.set_holders(move || asked.lock().unwrap().clone());
    let pruned = images.prune(true, |_| false).await.unwrap();
    assert!(pruned.removed.contains(&Removed::Deleted(second)) && !pruned.removed.contains(&Removed::Deleted(first)));
    holders.lock().unwrap().clear();
    // With nobody left a prune takes the whole line.
    let second = derived(images, &first, file("2", "2")).await.unwrap();
    let pruned = images.prune(true, |_| false).await.unwrap();
    let deleted: Vec<_> = pruned.removed.iter().filter(|line| matches!(line, Removed::Deleted(_))).collect();
    assert_eq!(deleted, [&Removed::Deleted(second), &Removed::Deleted(first)]);
    assert!(images.list().unwrap().is_empty() && bench.layer_names().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_here_stays() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::new();
    let inodes = || {
        let blobs = bench.names("content/blobs/sha256").into_iter().map(|name| {
            let path = bench.dir.path().join("content/blobs/sha256").join(&name);
            (name, std::fs::metadata(path).unwrap().ino())
        });
        blobs.collect::<Vec<_>>()
    };
    let base = imported(&bench.images, "base", "1").await;
    derived(&bench.images, &base, file("child", "2")).await.unwrap();
    let before = inodes();
    let again = imported(&bench.images, "base", "1").await;
    derived(&bench.images, &again, file("child", "2")).await.unwrap();
    // New images, of the same layers.
    let after = inodes();
    assert!(after.len() > before.len() && before.iter().all(|blob| after.contains(blob)), "{before:?} {after:?}");
    assert!(bench.names("content/ingest").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_of_urls_are_not_told() {
    let bench = Bench::new();
    let content = file("base", "1");
    let server = Server::start(move |request| match request.path.as_str() {
        "/tree" => Answer::new(200, content.clone()),
        _ => Answer::new(404, "no such file"),
    })
    .await;
    let (sink, told) = recorder();
    let url = |path: &str| format!("http://user:secret@{}/{path}", server.address);
    bench.images.download(&url("tree"), &sink).await.unwrap();
    assert_eq!(statuses(&told), [format!("Downloading from http://xxxxx:xxxxx@{}/tree", server.address)]);
    // It is used all the same.
    assert_eq!(server.seen.lock().unwrap()[0].headers["authorization"], "Basic dXNlcjpzZWNyZXQ=");
    let missing = bench.images.download(&url("missing"), &sink).await.unwrap_err().to_string();
    assert!(missing.contains("//xxxxx:xxxxx@") && missing.contains("404"), "{missing}");
    // Nobody listens on port 1.
    for url in
        ["http://user:secret@127.0.0.1:1/", "user:secret@127.0.0.1:1/", "ftp://user:secret@host/", "http://u:secret@:/"]
    {
        let error = bench.images.download(url, &sink).await.unwrap_err().to_string();
        assert!(!error.contains("secret") && error.contains("xxxxx:xxxxx@"), "{error}");
    }
}

/// Answers one request with a tree that does not end, until the client hangs up.
async fn endless(listener: tokio::net::TcpListener, well_begun: tokio::sync::oneshot::Sender<()>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut client, _) = listener.accept().await.unwrap();
    assert!(client.read(&mut [0; 4096]).await.unwrap() > 0);
    let mut header = tar::Header::new_gnu();
    header.set_path("endless").unwrap();
    header.set_mode(0o644);
    header.set_size(1 << 40);
    header.set_cksum();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    client.write_all(header.as_bytes()).await.unwrap();
    let mut well_begun = Some(well_begun);
    for sent in 0.. {
        if client.write_all(&[0; 64 * 1024]).await.is_err() {
            return;
        }
        // More than all buffers on the way.
        if sent == 500
            && let Some(well_begun) = well_begun.take()
        {
            well_begun.send(()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_ends_with_who_waits_for_it() {
    let bench = Bench::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = listener.local_addr().unwrap().to_string();
    let (well_begun, begun) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(endless(listener, well_begun));
    let images = bench.images.clone();
    let import = tokio::spawn(async move {
        let source = images.download(&url, &Sink::silent()).await.unwrap();
        images.import(source, None, Draft::default()).await
    });
    begun.await.unwrap();
    assert_eq!((bench.names("layers/ingest").len(), bench.names("content/ingest").len()), (1, 1));
    import.abort();
    server.await.unwrap();
    // The thread that read has hung up and cleans up now.
    while !(bench.names("layers/ingest").is_empty() && bench.names("content/ingest").is_empty()) {
        tokio::task::yield_now().await;
    }
    bench.images.collect().await.unwrap();
    assert!(bench.layer_names().is_empty() && bench.names("content/blobs/sha256").is_empty());
}

/// What has no name is pruned: an image that is to have one has it in the step that records it.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_has_its_name_from_its_first_moment() {
    let bench = Bench::new();
    let name = Reference::parse("made").unwrap();
    let draft = || Draft { reference: Some(name.clone()), ..Draft::default() };
    let source = Source::stream(std::io::Cursor::new(file("base", "1")));
    let base = bench.images.import(source, None, draft()).await.unwrap();
    assert_eq!(bench.images.resolve("made:latest").unwrap(), base);
    let tar = file("child", "2");
    let write = move |out: &mut dyn std::io::Write| out.write_all(&tar).map_err(layers::Error::Read);
    let child = bench.images.derive(Some(&base), draft(), write).await.unwrap();
    assert_eq!(bench.images.resolve("made:latest").unwrap(), child);
    let digest = Reference::parse(&format!("made@{child}")).unwrap();
    let draft = Draft { reference: Some(digest), ..Draft::default() };
    let refused = bench.images.derive(Some(&base), draft, |_: &mut dyn std::io::Write| Ok(())).await.unwrap_err();
    assert!(matches!(refused, Error::TagWithDigest), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_can_be_chosen() {
    let bench = Bench::new();
    let base = imported(&bench.images, "base", "1").await;
    let time = "2001-02-03T04:05:06Z".parse().unwrap();
    let mut dated = Vec::new();
    for _ in 0..2 {
        // Each was made at another moment.
        let child = derived(&bench.images, &base, file("child", "2")).await.unwrap();
        let keeper = Arc::new(bench.images.keeper());
        dated.push(bench.images.redate(&child, 1, time, keeper).await.unwrap());
    }
    assert_eq!(dated[0], dated[1], "nothing in it tells when and where it was made");
    let image = bench.images.image(&dated[0]).unwrap();
    assert_eq!(image.raw["created"], "2001-02-03T04:05:06Z");
    let times: Vec<_> = image.steps().iter().map(|step| step["created"].as_str().unwrap()).collect();
    let of_base = bench.images.image(&base).unwrap().steps()[0]["created"].as_str().unwrap().to_owned();
    assert_eq!(times, [of_base.as_str(), "2001-02-03T04:05:06Z"]);
    assert_eq!(bench.read(&dated[0].to_string(), "child"), "2");
    assert!(image.raw.get("container_config").is_none());
}

/// What a chosen time makes of an image may be the image itself, or one that it was made from.
#[tokio::test(flavor = "multi_thread")]
async fn no_image_is_made_from_itself() {
    let bench = Bench::new();
    let first = imported(&bench.images, "base", "1").await;
    let mut last = first;
    for time in ["2001-02-03T04:05:06Z", "2002-02-03T04:05:06Z", "2001-02-03T04:05:06Z", "2001-02-03T04:05:06Z"] {
        let keeper = Arc::new(bench.images.keeper());
        last = bench.images.redate(&last, 0, time.parse().unwrap(), keeper).await.unwrap();
        let (mut at, mut steps) = (last, 0);
        while let Some(parent) = bench.images.parent(&at).unwrap() {
            (at, steps) = (parent, steps + 1);
            assert!(steps < 5, "{at} was made from itself");
        }
        assert_eq!(at, first);
    }
}

/// Parents that lead back to where they came from were written once: they are cut when an engine starts.
#[tokio::test(flavor = "multi_thread")]
async fn loops_of_parents_are_cut() {
    let bench = Bench::new();
    let base = imported(&bench.images, "base", "1").await;
    let amend = |by: &str| bench.images.amend(Some(&base), Draft { created_by: by.to_owned(), ..Draft::default() });
    let (first, second) = (amend("one").await.unwrap(), amend("two").await.unwrap());
    let table = bench.store.table::<serde_json::Value>("images");
    let mut batch = store::Batch::new();
    for (id, parent) in [(first, second), (second, first)] {
        let mut record = table.get(&id.hex()).unwrap().unwrap();
        record["parent"] = serde_json::to_value(parent).unwrap();
        batch.put(&table, &id.hex(), &record);
    }
    bench.store.write(batch, store::Durability::Durable).await.unwrap();
    bench.images.cut_loops().await.unwrap();
    let parents = [first, second].map(|id| bench.images.parent(&id).unwrap());
    assert_eq!(parents.iter().flatten().count(), 1, "{parents:?}");
    assert!(!bench.images.is_made_from(first, &base).unwrap());
    assert_eq!(bench.images.loose(&HashSet::from([first, second])).unwrap().len(), 2);
}

/// Whoever gave up waiting has no layer written for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_for_nobody() {
    let bench = Bench::new();
    let (tell, told) = std::sync::mpsc::channel();
    let write = move |out: &mut dyn std::io::Write| {
        let mut header = tar::Header::new_gnu();
        header.set_path("endless").unwrap();
        header.set_size(1 << 32);
        header.set_mode(0o644);
        header.set_cksum();
        let failed = out.write_all(header.as_bytes()).and_then(|()| {
            loop {
                out.write_all(&[7; 4096])?;
                // Nobody listens after the first time.
                let _ = tell.send(());
            }
        });
        failed.map_err(layers::Error::Read)
    };
    let mut derived = Box::pin(bench.images.derive(None, Draft::default(), write));
    while told.try_recv().is_err() {
        let a_moment = tokio::time::timeout(std::time::Duration::from_millis(5), &mut derived);
        assert!(a_moment.await.is_err(), "it ended");
    }
    let before = told.try_iter().count();
    drop(derived);
    // What was on its way, and no more: the end of the writing takes the sender along.
    let after = told.iter().count();
    assert!(after < 10_000, "of a million words {before} were written before and {after} after");
    while !(bench.names("layers/ingest").is_empty() && bench.names("content/ingest").is_empty()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_has_the_names_that_it_is_given() {
    let bench = Bench::new();
    let base = imported(&bench.images, "base", "1").await;
    for (form, has_list) in [(ArchiveForm::Docker, true), (ArchiveForm::Oci, false)] {
        let tag = Reference::parse("given").unwrap().or_latest();
        let wrapped = bench.images.wrap(&base, &Wrapping::default()).await.unwrap();
        let mut pieces = bench.images.archive(&wrapped, vec![tag], form);
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.recv().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut texts = std::collections::BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut text).unwrap();
            texts.insert(name, String::from_utf8_lossy(&text).into_owned());
        }
        assert!(texts["index.json"].contains("docker.io/library/given:latest"), "{texts:?}");
        assert_eq!(texts.get("manifest.json").is_some_and(|list| list.contains("given:latest")), has_list);
        assert!(texts.contains_key("oci-layout") && texts.contains_key(&format!("blobs/sha256/{}", base.hex())));
    }
}
