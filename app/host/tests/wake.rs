//! A guest is told the time after it stood still, and after its host did.

#![cfg(unix)]

mod support;

use std::time::Duration;

use host::client::Client;
use rustix::process::{Pid, Signal, kill_process};
use support::{Home, daemon, eventually, http};

/// Longer than any look at the clocks may be late.
const SLEEP: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_daemon_that_slept_tells_the_guest_the_time() {
    let home = Home::new("FAKE_KVM=boot");
    let daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    let pid = Pid::from_raw(i32::try_from(daemon.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    tokio::time::sleep(SLEEP).await;
    std::fs::write(home.paths.runtime_dir().join("note-time"), "").unwrap();
    kill_process(pid, Signal::CONT).unwrap();
    // By itself it would be told within a minute; who looks for a second minute would see that, too.
    let told = eventually("the time", async || home.requests().iter().any(|request| request == "time"));
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("at once");
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn a_guest_that_stood_still_is_told_the_time() {
    let home = Home::new("FAKE_KVM=boot");
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    let no_room = home.paths.runtime_dir().join("no-room");
    std::fs::write(&no_room, "").unwrap();
    let _ = http(&home.paths.engine_socket(), "POST /fill-disk").await;
    eventually("the trouble", async || client.status().await.unwrap().machine.trouble.is_some()).await;
    std::fs::write(home.paths.runtime_dir().join("note-time"), "").unwrap();
    std::fs::remove_file(&no_room).unwrap();
    let told = eventually("the time", async || home.requests().iter().any(|request| request == "time"));
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("at once");
    client.down().await.unwrap().settled().await.unwrap();
}
