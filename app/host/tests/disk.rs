//! The data disk over the fake: shown, grown while the machine runs and while it does not, given back.

#![cfg(unix)]

mod support;

use host::client::Client;
use host::daemon::{disk_report, grow_at_next_start};
use host::locks::Patience;
use support::{Home, daemon};

const GIB: u64 = 1 << 30;

async fn running(home: &Home) -> (tokio::process::Child, Client) {
    let daemon = daemon(home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    (daemon, client)
}

#[tokio::test]
async fn a_disk_grows_under_the_machine_and_is_remembered_so() {
    let home = Home::new("FAKE_KVM=boot");
    let (daemon, client) = running(&home).await;
    let before = client.disk().await.unwrap();
    assert_eq!((before.size, before.wanted, before.path.clone()), (Some(GIB), GIB, home.paths.data_disk()));
    assert!(before.held.is_some_and(|held| held < GIB) && before.used.is_some());

    let grown = client.grow_disk(3).await.unwrap();
    assert_eq!((grown.at_once, grown.reason), (true, None));
    assert_eq!((grown.disk.size, grown.disk.wanted), (Some(3 * GIB), 3 * GIB));
    assert_eq!(home.requests().last().unwrap(), &format!("grow {}", 3 * GIB));
    // Nothing waits for a start any more, for this daemon and the next.
    let waits = async |client: &Client| {
        let settings = client.settings().await.unwrap();
        settings.into_iter().find(|entry| entry.name == "disk_gib").unwrap().in_force
    };
    assert_eq!(waits(&client).await, None);
    client.quit().await.unwrap();
    drop(daemon);
    let _next = support::daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.status().await.unwrap();
    assert_eq!(waits(&client).await, None);

    let error = client.grow_disk(2).await.unwrap_err().to_string();
    assert!(error.contains("has 3 GiB and cannot shrink to 2 GiB"), "{error}");
    assert_eq!(client.disk().await.unwrap().wanted, 3 * GIB, "a refusal changes no setting");
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn a_guest_that_cannot_grow_its_disk_does_at_the_next_start() {
    let home = Home::new("FAKE_KVM=boot");
    let (_daemon, client) = running(&home).await;
    std::fs::write(home.paths.runtime_dir().join("no-growth"), "").unwrap();
    let grown = client.grow_disk(2).await.unwrap();
    assert!(!grown.at_once);
    assert!(grown.reason.unwrap().contains("Operation not permitted"));
    assert_eq!(grown.disk.wanted, 2 * GIB);
    client.down().await.unwrap().settled().await.unwrap();
    let later = client.grow_disk(4).await.unwrap();
    assert_eq!((later.at_once, later.reason, later.disk.size), (false, None, Some(2 * GIB)));
    client.up().await.unwrap().settled().await.unwrap();
    assert_eq!(client.disk().await.unwrap().size, Some(4 * GIB));
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn only_a_machine_that_runs_can_give_back() {
    let home = Home::new("FAKE_KVM=boot");
    let daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    let error = client.compact_disk().await.unwrap_err().to_string();
    assert!(error.contains("run `berth up`"), "{error}");
    client.up().await.unwrap().settled().await.unwrap();
    let trimmed = client.compact_disk().await.unwrap();
    assert_eq!((trimmed.named_free, trimmed.given_back), (5 << 20, trimmed.held_before - trimmed.held_after));
    assert_eq!(home.requests().last().unwrap(), "trim");
    let held = client.status().await.unwrap().held;
    assert!(held.disk.is_some(), "{held:?}");
    client.down().await.unwrap().settled().await.unwrap();
    drop(daemon);
}

#[test]
fn without_a_daemon_the_files_tell() {
    let home = Home::new("FAKE_KVM=boot");
    let report = disk_report(&home.paths).unwrap();
    assert_eq!((report.size, report.held, report.wanted, report.used), (None, None, GIB, None));
    let grown = grow_at_next_start(&home.paths, 7, Patience::default()).unwrap();
    assert_eq!((grown.at_once, grown.disk.wanted), (false, 7 * GIB));
    std::fs::File::create(home.paths.data_disk()).unwrap().set_len(9 * GIB).unwrap();
    let error = grow_at_next_start(&home.paths, 8, Patience::default()).unwrap_err().to_string();
    assert!(error.contains("has 9 GiB"), "{error}");
    assert_eq!(disk_report(&home.paths).unwrap().wanted, 7 * GIB);
}
