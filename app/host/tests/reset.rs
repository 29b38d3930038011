//! `berth reset`, which the machine's owner does: step by step, and with nobody in between.

#![cfg(unix)]

mod support;

use host::client::Client;
use host::daemon::protocol::ResetRequest;
use host::machine::{During, MachineStatus, Outcome, Phase};
use support::{Home, daemon};

async fn reset(client: &Client, keep_volumes: bool) -> Vec<MachineStatus> {
    let mut stream = client.reset(ResetRequest { keep_volumes }).await.unwrap();
    let mut seen = Vec::new();
    while let Some(status) = stream.next().await.unwrap() {
        seen.push(status);
    }
    seen
}

fn outcome(status: &MachineStatus) -> Option<(bool, Outcome)> {
    status.reset.map(|reset| (reset.keep_volumes, reset.outcome))
}

/// The phases in order, each once for as long as it lasted.
fn phases(seen: &[MachineStatus]) -> Vec<Phase> {
    let mut phases: Vec<Phase> = seen.iter().map(|status| status.phase).collect();
    phases.dedup();
    phases
}

#[tokio::test]
async fn everything_goes_after_the_machine_has_stopped_and_each_step_is_told() {
    let home = Home::new("FAKE_KVM=boot");
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    let seen = reset(&client, false).await;
    let phases = phases(&seen);
    assert_eq!((phases.first(), phases.last()), (Some(&Phase::Stopping), Some(&Phase::Stopped)), "{phases:?}");
    assert!(!home.paths.data_disk().exists());
    let disks: Vec<bool> = [&seen[0], seen.last().unwrap()].map(|status| status.has_disk).to_vec();
    assert_eq!(disks, [true, false], "whoever never ran a machine has none");
    let last = seen.last().unwrap();
    assert_eq!((last.failure.is_none(), outcome(last)), (true, Some((false, Outcome::Done))));

    // A stopped machine too, and one that cannot be erased says why.
    assert_eq!(reset(&client, false).await.last().unwrap().phase, Phase::Stopped);
    std::fs::create_dir(home.paths.data_disk()).unwrap();
    let last = reset(&client, false).await.pop().unwrap();
    assert_eq!(outcome(&last), Some((false, Outcome::Incomplete)));
    let failure = last.failure.unwrap();
    assert!(failure.to_string().starts_with("the reset is not complete: cannot remove "), "{failure}");
    assert_eq!((failure.during, failure.step, failure.console.len()), (During::Reset, None, 0));
}

fn requests(home: &Home) -> Vec<String> {
    home.requests().into_iter().filter(|request| request != "GET /_ping").collect()
}

fn renews_images(home: &Home) -> bool {
    let initrd = std::fs::read(home.paths.initrd()).unwrap();
    let wanted = b"\"renew_images\":true";
    initrd.windows(wanted.len()).any(|window| window == wanted)
}

#[tokio::test]
async fn with_volumes_kept_all_else_goes_and_the_images_of_the_machine_come_back() {
    let home = Home::new("FAKE_KVM=boot");
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    let seen = reset(&client, true).await;
    assert_eq!(phases(&seen).last(), Some(&Phase::Running), "{seen:?}");
    assert_eq!(outcome(&seen[0]), Some((true, Outcome::UnderWay)));
    assert_eq!(outcome(seen.last().unwrap()), Some((true, Outcome::Done)));
    assert!(!phases(&seen[..seen.len() - 1]).contains(&Phase::Running), "nobody may use it before it is clean");
    let expected = [
        "GET /containers/json?all=1",
        "DELETE /containers/c0ffee?force=1&v=1",
        "POST /volumes/prune",
        "POST /images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D",
        "POST /networks/prune",
    ];
    assert_eq!(requests(&home), expected);
    assert_eq!(home.started(), ["kvm", "kvm"]);
    assert!(home.paths.data_disk().exists());
    assert!(renews_images(&home));

    // Once: a user who removes them later does not find them back.
    let running = client.restart().await.unwrap().settled().await.unwrap();
    assert_eq!(outcome(&running), None, "that reset is history");
    assert!(!renews_images(&home));
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn a_container_that_is_being_removed_already_is_waited_for() {
    let home = Home::new("FAKE_KVM=leaving");
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    let last = reset(&client, true).await.pop().unwrap();
    assert_eq!((last.phase, last.failure), (Phase::Running, None));
    let expected = [
        "DELETE /containers/c0ffee?force=1&v=1",
        "POST /containers/c0ffee/wait?condition=removed",
        "POST /volumes/prune",
    ];
    assert_eq!(requests(&home)[1..4], expected);
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_will_not_is_quoted() {
    let home = Home::new("FAKE_KVM=stubborn");
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    let last = reset(&client, true).await.pop().unwrap();
    assert_eq!(outcome(&last), Some((true, Outcome::Incomplete)));
    let failure = last.failure.unwrap();
    let said = "the reset is not complete: the engine refused: it will not go; it is still there, `berth down` ends it";
    assert_eq!(failure.to_string(), said);
    assert_eq!((failure.during, failure.alive), (During::Reset, true));
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn a_reset_that_is_stopped_before_it_removed_anything_says_so() {
    let home = Home::new("FAKE_KVM=hang");
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    let mut resetting = client.reset(ResetRequest { keep_volumes: true }).await.unwrap();
    assert_eq!(outcome(&resetting.next().await.unwrap().unwrap()), Some((true, Outcome::UnderWay)));
    let stopped = client.down().await.unwrap().settled().await.unwrap();
    assert_eq!((stopped.phase, outcome(&stopped)), (Phase::Stopped, Some((true, Outcome::NotBegun))));
}
