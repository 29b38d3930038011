//! The driver over a compute service that goes away, is late, or is silent, and ends that others wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::failure::{Failure, HyperVError, code};
use super::fake::{Fake, LIMIT, SID};
use super::host::console_pipe;
use super::tests::{driver, spec};
use super::*;
use crate::driver::disk::is_waited_for;
use crate::driver::{InstanceExit, Stranded};
use crate::machine::disk;

#[tokio::test(start_paused = true)]
async fn a_service_that_is_away_for_a_while_does_not_end_the_machine() {
    for away in [code::HCS_SERVICE_NOT_AVAILABLE, code::HCS_SERVICE_DISCONNECT, code::SERVICE_DISABLED] {
        let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
        let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
        fake.calls();
        fake.fail("open", away);
        fake.restart_service();
        fake.called_times("open", 3).await;
        fake.recover();
        fake.called_times("Properties", 1).await;
        fake.end(fake.ids()[0], "GracefulExit");
        assert_eq!(instance.wait().await, InstanceExit::PoweredOff, "its end is heard of: {away:x}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_a_machine_ended_is_heard_of_while_it_is_looked_for() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    fake.calls();
    let gate = fake.hold("Properties");
    fake.restart_service();
    fake.called_times("Properties", 1).await;
    fake.end(fake.ids()[0], "GracefulExit");
    drop(gate);
    assert_eq!(instance.wait().await, InstanceExit::PoweredOff);
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_and_is_listed_says_how() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    let record = instance.record().clone();
    fake.stop("GracefulExit");
    fake.restart_service();
    let asked = tokio::time::Instant::now();
    assert!(driver(&fake).adopt(&record).await.unwrap().is_none());
    assert_eq!(asked.elapsed(), Duration::ZERO, "nobody waits for what is not told again");
    assert_eq!(instance.wait().await, InstanceExit::PoweredOff);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stays_away_is_given_up() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    fake.fail("open", code::HCS_SERVICE_NOT_AVAILABLE);
    fake.restart_service();
    let InstanceExit::Lost { message } = timeout(10 * LIMIT, instance.wait()).await.unwrap() else { panic!() };
    assert!(message.contains("`berth diagnose` says which"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn what_is_ended_and_not_told_of_is_looked_for() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let disk = dir.path().join("disk.vhdx");
    let spec = spec(dir.path());
    drop(driver(&fake).start(&spec).await.unwrap());
    fake.forget_listeners();
    fake.let_nothing_end();
    for ended in [driver(&fake).end_leftover(&disk).await, driver(&fake).start(&spec).await.map(drop)] {
        let Err(Error::HyperV(HyperVError::Failed(failure))) = ended else { panic!("{ended:?}") };
        assert_eq!((failure.what, failure.code), (Call::Terminate.verb(), code::HCS_OPERATION_TIMEOUT));
    }

    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    drop(driver(&fake).start(&self::spec(dir.path())).await.unwrap());
    fake.mute();
    driver(&fake).end_leftover(&dir.path().join("disk.vhdx")).await.unwrap();
    assert!(fake.ids().is_empty());
}

#[tokio::test]
async fn an_end_is_told_while_its_disk_is_compacted_and_the_next_start_waits_for_that() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let spec = spec(dir.path());
    std::fs::write(&spec.data, vhdx::tests::sample(1 << 30)).unwrap();
    let instance = driver(&fake).start(&spec).await.unwrap();
    let gate = fake.hold("compact");
    fake.end(fake.ids()[0], "GracefulExit");
    assert_eq!(timeout(LIMIT, instance.wait()).await.unwrap(), InstanceExit::PoweredOff);
    fake.called_times("compact disk.vhdx", 1).await;
    assert!(!fake.listens(&console_pipe(id_of(&spec.data, SID))), "it is free for the next");
    fake.calls();
    let (path, disks) = (spec.data.clone(), driver(&fake).disks);
    let preparing = tokio::spawn(blocking(move || disk::prepare(&disks, &path, 2)));
    let waits = async {
        while !is_waited_for(&spec.data) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, waits).await.expect("it is waited for");
    assert!(fake.calls().is_empty() && !preparing.is_finished());
    drop(gate);
    timeout(LIMIT, preparing).await.unwrap().unwrap().unwrap();
    assert_eq!(fake.calls(), ["resize disk.vhdx 2"]);
}

#[tokio::test]
async fn a_creation_that_is_not_done_in_time_leaves_nothing() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    fake.fail("create", code::HCS_OPERATION_TIMEOUT);
    let error = driver(&fake).start(&spec(dir.path())).await.unwrap_err();
    let Error::HyperV(HyperVError::Failed(failure)) = error else { panic!("{error:?}") };
    assert_eq!((failure.what, failure.code), ("make the machine", code::HCS_OPERATION_TIMEOUT));
    assert!(fake.ids().is_empty(), "{:?}", fake.calls());

    // What somebody else made meanwhile is theirs.
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    fake.fail("create", code::HCS_SYSTEM_ALREADY_EXISTS);
    driver(&fake).start(&spec(dir.path())).await.unwrap_err();
    assert_eq!(fake.calls().last().unwrap(), "create");
}

#[tokio::test(start_paused = true)]
async fn an_adoption_of_a_silent_service_is_given_up() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    let record = instance.record().clone();
    fake.calls();
    let (gate, driver) = (fake.hold("open"), driver(&fake));
    let adopting = tokio::spawn(async move { driver.adopt(&record).await.map(drop) });
    fake.called_times("open", 1).await;
    tokio::time::advance(4 * LIMIT).await;
    let error = adopting.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::HyperV(HyperVError::Failed(Failure { code: code::HCS_OPERATION_TIMEOUT, .. }))));
    drop(gate);
}

#[tokio::test]
async fn one_that_could_not_be_adopted_can_be_ended() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    let record = instance.record().clone();
    drop(instance);
    fake.forget_listeners();
    fake.fail("open", code::HCS_ACCESS_DENIED);
    let driver: Arc<dyn Driver> = Arc::new(driver(&fake));
    driver.adopt(&record).await.unwrap_err();
    let stranded = Stranded::new(record, Some(driver));
    assert_eq!(stranded.kill().await.unwrap_err().kind(), std::io::ErrorKind::Other, "it may not be ended either");
    assert_eq!(fake.ids().len(), 1);
    fake.recover();
    stranded.kill().await.unwrap();
    assert!(fake.ids().is_empty());
    let told = timeout(LIMIT, stranded.wait()).await.unwrap();
    assert_eq!(told, InstanceExit::Lost { message: "it was ended by force".to_owned() });
    stranded.kill().await.unwrap();
}
