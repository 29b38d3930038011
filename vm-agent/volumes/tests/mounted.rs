//! What is mounted in a volume, or below its source, survives whatever becomes of the volume.

#[path = "../../store/tests/room/mod.rs"]
mod room;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use store::Store;
use volumes::{Binds, Create, Here, Volumes};

fn bound_to(device: &Path) -> Create {
    let options = [("type", "none"), ("o", "bind"), ("device", device.to_str().unwrap())];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Create { name: "bound".to_owned(), options: BTreeMap::from(options), ..Create::default() }
}

/// Runs in the room that the test below makes, where mounts are nobody else's.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "part of another test"]
async fn child_with_mounts() {
    let room = PathBuf::from(std::env::var_os(room::ROOM).unwrap());
    let (outside, root) = (room.join("outside"), room.join("volumes"));
    let kept = outside.join("kept");
    fs::create_dir_all(outside.join("sub")).unwrap();
    fs::write(&kept, "precious").unwrap();
    // A removal that was cut off while something was mounted there.
    let removed = root.join(".removed-gone");
    fs::create_dir_all(removed.join("_data")).unwrap();
    mount_bind(&outside, removed.join("_data")).unwrap();
    let store = Store::open(&room.join("store.redb")).unwrap();
    let volumes = Volumes::open(&root, &store, Arc::new(Here)).await.unwrap();
    assert!(!removed.exists(), "the removal is finished");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "precious", "by whom it was mounted there");

    // Of the peer group of its source, below which somebody mounts something while the volume is in use.
    mount_bind(&outside, &outside).unwrap();
    mount_change(&outside, MountPropagationFlags::SHARED).unwrap();
    volumes.create(bound_to(&outside)).await.unwrap();
    let (of_user, at) = (volumes.clone(), volumes.mountpoint("bound"));
    tokio::task::spawn_blocking(move || of_user.mount("bound", "user")).await.unwrap().unwrap();
    mount("none", outside.join("sub"), "tmpfs", MountFlags::empty(), None).unwrap();
    fs::write(outside.join("sub/below"), "").unwrap();
    assert!(at.join("sub/below").exists(), "the groups are one");
    // A second layer, which an engine that thought nothing was there would have mounted.
    mount_bind(&outside, &at).unwrap();
    let of_user = volumes.clone();
    tokio::task::spawn_blocking(move || of_user.unmount("bound", "user")).await.unwrap();
    assert!(fs::read_dir(&at).unwrap().next().is_none(), "both layers are gone");
    assert!(outside.join("sub/below").exists(), "what is below the source stays with the source");
    volumes.remove("bound", false).await.unwrap();
    assert_eq!(fs::read_to_string(&kept).unwrap(), "precious");
    a_folder_of_another_computer(&room).await;
    println!("{}", room::DONE);
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Folders that are somewhere else in this machine, and who was asked for them.
#[derive(Debug)]
struct Elsewhere {
    place: PathBuf,
    asked: Mutex<Vec<String>>,
}

impl Elsewhere {
    fn note(&self, what: &str, folder: &str, read_only: bool, volume: &str) {
        let mode = if read_only { "ro" } else { "rw" };
        self.asked.lock().unwrap().push(format!("{what} {folder} {mode} {volume}"));
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Binds for Elsewhere {
    fn open(&self, folder: &str, read_only: bool, volume: &str) -> Result<PathBuf, String> {
        self.note("open", folder, read_only, volume);
        if folder == "/private" {
            Err("it is not shared".to_owned())
        } else {
            Ok(self.place.join(folder.trim_matches('/')))
        }
    }

    fn adopt(&self, folder: &str, read_only: bool, volume: &str) {
        self.note("adopt", folder, read_only, volume);
    }

    fn close(&self, folder: &str, read_only: bool, volume: &str) {
        self.note("close", folder, read_only, volume);
    }
}

async fn a_folder_of_another_computer(room: &Path) {
    let place = room.join("elsewhere");
    fs::create_dir_all(place.join("home/me")).unwrap();
    fs::write(place.join("home/me/kept"), "theirs").unwrap();
    let elsewhere = Arc::new(Elsewhere { place, asked: Mutex::default() });
    let (root, store) = (room.join("far"), room.join("far.redb"));
    let open = async || {
        let store = Store::open(&store).unwrap();
        Volumes::open(&root, &store, elsewhere.clone()).await.unwrap()
    };
    let volumes = open().await;
    let of_one = volumes.clone();
    volumes.create(bound_to(Path::new("/home/me"))).await.unwrap();
    assert!(elsewhere.asked().is_empty(), "what nobody uses yet is asked of nobody");
    let at = blocking(move || of_one.mount("bound", "one")).await.unwrap();
    let of_two = volumes.clone();
    blocking(move || of_two.mount("bound", "two")).await.unwrap();
    assert_eq!(fs::read_to_string(at.join("kept")).unwrap(), "theirs");
    assert_eq!(elsewhere.asked(), ["open /home/me rw bound"], "one mount for both");

    // The engine ends and begins anew while one of them runs.
    drop(volumes);
    let volumes = open().await;
    let of_one = volumes.clone();
    blocking(move || {
        of_one.adopt_mount("bound", "one");
        of_one.unmount_unused()
    })
    .await
    .unwrap();
    assert_eq!(elsewhere.asked(), ["adopt /home/me rw bound"]);
    assert_eq!(fs::read_to_string(at.join("kept")).unwrap(), "theirs");
    let of_one = volumes.clone();
    blocking(move || of_one.unmount("bound", "one")).await;
    assert_eq!(elsewhere.asked(), ["close /home/me rw bound"]);
    assert!(fs::read_dir(&at).unwrap().next().is_none());
    volumes.remove("bound", false).await.unwrap();

    for (device, o, reason) in
        [("/private", "bind", "it is not shared"), ("/home/none", "ro,bind", "no such file or directory")]
    {
        let mut create = bound_to(Path::new(device));
        create.options.insert("o".to_owned(), o.to_owned());
        volumes.create(create).await.unwrap();
        elsewhere.asked();
        let of_one = volumes.clone();
        let error = blocking(move || of_one.mount("bound", "one")).await.unwrap_err().to_string();
        assert!(error.contains(&format!("failed to mount local volume: mount {device}:")), "{error}");
        assert!(error.ends_with(&format!(": {reason}")), "{error}");
        let asked = elsewhere.asked();
        assert_eq!(asked.len(), if device == "/private" { 1 } else { 2 }, "what was opened is closed: {asked:?}");
        volumes.remove("bound", false).await.unwrap();
    }
}

#[test]
fn mounts_outlive_their_volumes() {
    room::run("mounts_outlive_their_volumes", "child_with_mounts", 8);
}
