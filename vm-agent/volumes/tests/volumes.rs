//! Volumes on a real directory and a real store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use store::Store;
use volumes::{Create, Error, Here, Prune, Volumes};

async fn open(root: &Path) -> Volumes {
    let store = Store::open(&root.join("store.redb")).expect("the store opens");
    Volumes::open(&root.join("volumes"), &store, Arc::new(Here)).await.expect("the volumes open")
}

fn named(name: &str) -> Create {
    Create { name: name.to_owned(), ..Create::default() }
}

#[tokio::test]
async fn a_volume_outlives_the_engine() {
    let root = tempfile::tempdir().expect("a directory");
    {
        let volumes = open(root.path()).await;
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let created = volumes.create(Create { labels, ..named("data") }).await.expect("created");
        assert!(created.new);
        std::fs::write(volumes.mountpoint("data").join("file"), "x").expect("written");
    }
    let volumes = open(root.path()).await;
    let again = volumes.create(named("data")).await.expect("found");
    assert!(!again.new);
    assert_eq!(again.volume.labels["a"], "b");
    assert_eq!(std::fs::read_to_string(volumes.mountpoint("data").join("file")).expect("read"), "x");
    assert_eq!(volumes.size("data").await.expect("sized"), 1);
}

#[tokio::test]
async fn a_held_volume_stays() {
    let root = tempfile::tempdir().expect("a directory");
    let volumes = open(root.path()).await;
    let create = Create { holder: Some("c1".to_owned()), ..Create::default() };
    let name = volumes.create(create).await.expect("created").volume.name;
    assert_eq!(name.len(), 64);
    let refused = volumes.remove(&name, true).await.expect_err("held");
    assert_eq!(refused.to_string(), format!("remove {name}: volume is in use - [c1]"));
    assert_eq!(volumes.prune(&Prune::default()).await.expect("pruned").volumes, []);
    volumes.release(&name, "c1");
    let pruned = volumes.prune(&Prune::default()).await.expect("pruned");
    assert_eq!(pruned.volumes.len(), 1);
    assert!(!volumes.mountpoint(&name).exists());
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let root = tempfile::tempdir().expect("a directory");
    let volumes = open(root.path()).await;
    assert_eq!(volumes.inspect("nope").expect_err("absent").to_string(), "get nope: no such volume");
    assert!(matches!(volumes.remove("nope", false).await, Err(Error::NotFound(_))));
    assert_eq!(volumes.remove("nope", true).await.expect("forced"), None);
    let foreign = Create { driver: "rexray".to_owned(), ..named("data") };
    let error = volumes.create(foreign).await.expect_err("no such driver");
    assert_eq!(error.to_string(), "create data: error looking up volume plugin rexray: plugin \"rexray\" not found");
}

#[tokio::test]
async fn interrupted_steps_are_finished_at_open() {
    let root = tempfile::tempdir().expect("a directory");
    let directory = root.path().join("volumes");
    {
        let volumes = open(root.path()).await;
        volumes.create(named("going")).await.expect("created");
        volumes.create(named("lost")).await.expect("created");
    }
    // A remove that got as far as the rename, a create that did not reach the record, data without a record, and a
    // record whose directory the power cut took.
    std::fs::rename(directory.join("going"), directory.join(".removed-going")).expect("renamed");
    std::fs::create_dir_all(directory.join("coming/_data")).expect("made");
    std::fs::create_dir_all(directory.join("orphan/_data")).expect("made");
    std::fs::write(directory.join("orphan/_data/file"), "precious").expect("written");
    std::fs::remove_dir_all(directory.join("lost")).expect("removed");

    let volumes = open(root.path()).await;
    let names: Vec<_> = volumes.list().expect("listed").into_iter().map(|volume| volume.name).collect();
    assert_eq!(names, ["lost", "orphan"]);
    assert!(volumes.mountpoint("lost").is_dir());
    assert!(!directory.join("coming").exists());
    assert!(!directory.join(".removed-going").exists());
    assert_eq!(std::fs::read_to_string(volumes.mountpoint("orphan").join("file")).expect("read"), "precious");
}

#[tokio::test]
async fn what_is_left_of_a_removed_volume_is_in_nobodys_way() {
    let root = tempfile::tempdir().expect("a directory");
    let directory = root.path().join("volumes");
    {
        let volumes = open(root.path()).await;
        // A removal that is still deleting, or failed to.
        std::fs::create_dir_all(directory.join(".removed-again/_data/much")).expect("made");
        volumes.create(named("again")).await.expect("created");
        assert!(volumes.remove("again", false).await.expect("removed").is_some());
        assert!(!directory.join("again").exists());
        std::fs::rename(directory.join(".removed-again"), directory.join(".removed-again@1")).expect("renamed");
        volumes.create(named("again")).await.expect("created");
    }
    // The next engine deletes both, and knows the volume that was made since.
    let volumes = open(root.path()).await;
    let left: Vec<_> =
        std::fs::read_dir(&directory).expect("listed").map(|entry| entry.expect("read").file_name()).collect();
    assert_eq!(left, ["again"]);
    assert!(volumes.inspect("again").is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_creates_make_one_volume() {
    let root = tempfile::tempdir().expect("a directory");
    let volumes = open(root.path()).await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let volumes = volumes.clone();
            tokio::spawn(async move { volumes.create(named("one")).await.expect("created").new })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        new += usize::from(task.await.expect("joined"));
    }
    assert_eq!(new, 1);
}
