//! Accelerators that hang or die: only the deadline, or the end of QEMU, makes the next one be tried.

#![cfg(unix)]

mod support;

use std::time::{Duration, Instant};

use host::machine::{Handle, Phase, Request, Step};
use support::{Home, settle};

#[tokio::test]
async fn an_accelerator_that_hangs_is_given_up_at_the_deadline() {
    let home = Home::new("FAKE_KVM=hang");
    home.set(&[("boot_deadline", "5s")]);
    let machine = Handle::spawn(home.paths.clone());
    let began = Instant::now();
    let status = settle(&machine, Request::Up).await;
    assert_eq!((status.phase, status.failure), (Phase::Running, None));
    assert!(began.elapsed() >= Duration::from_secs(5), "nothing but the deadline may end the first attempt");
    assert_eq!(home.started(), ["kvm", "tcg"]);
    assert_eq!(status.notes.len(), 1, "{:?}", status.notes);
    assert!(status.notes[0].starts_with("kvm cannot run the machine here (no word came from the guest within 5.0 s)"));

    // Remembered: the next start takes it at once, and says nothing.
    settle(&machine, Request::Down).await;
    let status = settle(&machine, Request::Up).await;
    assert_eq!((status.phase, status.notes.len()), (Phase::Running, 0));
    assert_eq!(home.started(), ["kvm", "tcg", "tcg"]);
    settle(&machine, Request::Down).await;
}

#[tokio::test]
async fn a_guest_that_is_silent_is_given_up_at_the_deadline() {
    let home = Home::new("FAKE_KVM=silent");
    home.set(&[("boot_deadline", "5s")]);
    let machine = Handle::spawn(home.paths.clone());
    let began = Instant::now();
    assert_eq!(settle(&machine, Request::Up).await.phase, Phase::Running);
    assert!(began.elapsed() >= Duration::from_secs(5));
    assert_eq!(home.started(), ["kvm", "tcg"]);
    settle(&machine, Request::Down).await;
}

#[tokio::test]
async fn an_accelerator_that_dies_or_resets_is_given_up_at_once() {
    for (behaviour, cause) in [("die", "the kvm of this fake does not work"), ("reset", "the guest was reset")] {
        let home = Home::new(&format!("FAKE_KVM={behaviour}"));
        home.set(&[("boot_deadline", "2m")]);
        let machine = Handle::spawn(home.paths.clone());
        let status = settle(&machine, Request::Up).await;
        assert_eq!(status.phase, Phase::Running, "{:?}", status.failure);
        assert!(status.notes[0].contains(cause), "{:?}", status.notes);
        settle(&machine, Request::Down).await;
    }
}

#[tokio::test]
async fn when_none_works_the_step_the_cause_and_the_console_are_told() {
    let home = Home::new("FAKE_KVM=die FAKE_TCG=panic");
    let machine = Handle::spawn(home.paths.clone());
    let failure = settle(&machine, Request::Up).await.failure.expect("a failure");
    assert!(matches!(failure.step, Some(Step::Boot | Step::Link)), "{failure:?}");
    assert!(failure.cause.contains("kernel panicked"), "{failure:?}");
    assert!(failure.console.last().unwrap().contains("Kernel panic - not syncing: fake"), "{failure:?}");
    assert!(!failure.alive);
    assert!(!home.paths.machine_record().exists());
}

#[tokio::test]
async fn a_panic_of_the_guest_s_kernel_is_not_blamed_on_the_accelerator() {
    let home = Home::new("FAKE_KVM=panic");
    let machine = Handle::spawn(home.paths.clone());
    let status = settle(&machine, Request::Up).await;
    let failure = status.failure.expect("a failure");
    assert_eq!(failure.cause, "the guest's kernel panicked: fake");
    assert_eq!(home.started(), ["kvm"]);
    assert_eq!(status.notes, [""; 0]);
}

#[tokio::test]
async fn a_guest_that_checks_its_disk_is_waited_for_and_says_so() {
    let home = Home::new("FAKE_KVM=check");
    home.set(&[("boot_deadline", "5s")]);
    let machine = Handle::spawn(home.paths.clone());
    machine.request(Request::Up).await.unwrap();
    let mut status = machine.status();
    let told = status.wait_for(|status| {
        let doing =
            status.steps.iter().find(|report| report.step == Step::Link).and_then(|report| report.doing.as_deref());
        doing == Some("checking the data disk")
    });
    tokio::time::timeout(support::PATIENCE, told).await.expect("it is told").unwrap();
    std::fs::write(home.paths.runtime_dir().join("checked"), "").unwrap();
    let status = tokio::time::timeout(support::PATIENCE, machine.settled()).await.unwrap();
    assert_eq!((status.phase, &status.failure), (Phase::Running, &None));
    assert_eq!(home.started(), ["kvm"]);
    assert!(status.notes.is_empty() && status.steps.iter().all(|report| report.doing.is_none()), "{status:?}");
    settle(&machine, Request::Down).await;
}

#[tokio::test]
async fn an_agent_that_gives_up_is_quoted_and_nothing_else_is_tried() {
    let home = Home::new("FAKE_KVM=give-up");
    let machine = Handle::spawn(home.paths.clone());
    let failure = settle(&machine, Request::Up).await.failure.expect("a failure");
    assert!(failure.to_string().ends_with(": the data disk is damaged"), "{failure}");
    assert_eq!(home.started(), ["kvm"]);
}

#[tokio::test]
async fn an_emulated_guest_that_is_silent_is_started_once_more() {
    let home = Home::new("FAKE_TCG=silent");
    home.set(&[("accelerator", "tcg"), ("boot_deadline", "5s")]);
    let machine = Handle::spawn(home.paths.clone());
    let status = settle(&machine, Request::Up).await;
    let failure = status.failure.expect("a failure");
    assert_eq!(failure.step, Some(Step::Link));
    assert_eq!(home.started(), ["tcg", "tcg"]);
    assert!(status.notes.iter().any(|note| note.starts_with("the boot was tried twice: ")), "{:?}", status.notes);
}

#[tokio::test]
async fn a_chosen_accelerator_is_the_only_one() {
    let home = Home::new("FAKE_KVM=die");
    home.set(&[("accelerator", "kvm")]);
    let machine = Handle::spawn(home.paths.clone());
    let failure = settle(&machine, Request::Up).await.failure.expect("a failure");
    assert_eq!(failure.step, Some(Step::Boot));
    assert!(failure.cause.contains("the kvm of this fake does not work"), "{failure:?}");
    assert_eq!(home.started(), ["kvm"]);
}

#[tokio::test]
async fn going_down_in_the_middle_of_a_boot_leaves_nothing_behind() {
    let home = Home::new("FAKE_KVM=hang");
    let machine = Handle::spawn(home.paths.clone());
    machine.request(Request::Up).await.unwrap();
    let mut status = machine.status();
    status
        .wait_for(|status| {
            status
                .steps
                .iter()
                .any(|report| report.step == Step::Boot && report.progress == host::machine::Progress::Active)
        })
        .await
        .unwrap();
    let status = settle(&machine, Request::Down).await;
    assert_eq!((status.phase, status.failure), (Phase::Stopped, None));
    assert!(!home.paths.machine_record().exists());
}
