//! What is mounted in a volume, or below its source, survives whatever becomes of the volume.

#[path = "../../store/tests/room/mod.rs"]
mod room;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use store::Store;
use volumes::{Binds, Create, Volumes};

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
    let volumes = Volumes::open(&root, &store, Binds::Allowed).await.unwrap();
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
    println!("{}", room::DONE);
}

#[test]
fn mounts_outlive_their_volumes() {
    room::run("mounts_outlive_their_volumes", "child_with_mounts", 8);
}
