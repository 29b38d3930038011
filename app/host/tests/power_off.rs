//! How a machine is told to end when it can no longer be asked: by its power button, and by force only after that.

#![cfg(unix)]

mod support;

use host::machine::{Handle, Phase, Request};
use support::{Home, cut_link, settle};

const FORCED: &str = "the machine did not power off in time and was ended";

fn pressed(home: &Home) -> usize {
    home.requests().iter().filter(|request| *request == "the power button").count()
}

#[tokio::test]
async fn a_machine_whose_link_is_lost_hears_the_power_button() {
    let home = Home::new("FAKE_KVM=boot");
    let machine = Handle::spawn(home.paths.clone());
    settle(&machine, Request::Up).await;
    cut_link(&machine).await;
    let status = settle(&machine, Request::Down).await;
    assert_eq!((status.phase, status.notes.as_slice()), (Phase::Stopped, &[][..]));
    assert_eq!(pressed(&home), 1);
}

#[tokio::test]
async fn a_machine_that_does_not_hear_the_request_hears_the_power_button() {
    let home = Home::new("FAKE_KVM=deaf");
    let machine = Handle::spawn(home.paths.clone());
    settle(&machine, Request::Up).await;
    let status = settle(&machine, Request::Down).await;
    assert_eq!((status.phase, status.notes.as_slice()), (Phase::Stopped, &[][..]));
    assert_eq!(pressed(&home), 1);
}

#[tokio::test]
async fn a_machine_that_answers_is_asked_and_its_button_left_alone() {
    let home = Home::new("FAKE_KVM=boot");
    let machine = Handle::spawn(home.paths.clone());
    settle(&machine, Request::Up).await;
    assert_eq!(settle(&machine, Request::Down).await.phase, Phase::Stopped);
    assert_eq!(pressed(&home), 0);
}

#[tokio::test]
async fn an_end_by_force_is_told_after_a_stop_and_after_a_restart() {
    for (request, phase) in [(Request::Down, Phase::Stopped), (Request::Restart, Phase::Running)] {
        let home = Home::new("FAKE_KVM=die");
        home.set(&[("accelerator_order", "kvm,tcg")]);
        let first = Handle::spawn(home.paths.clone());
        let notes = settle(&first, Request::Up).await.notes;
        assert_eq!(notes.len(), 1, "{notes:?}");
        drop(first);
        // Nobody can press the button of a machine that cannot be controlled.
        std::fs::remove_file(home.paths.qmp_socket()).unwrap();
        let machine = Handle::spawn(home.paths.clone());
        support::reach(&machine, Phase::Failed).await;
        let status = settle(&machine, request).await;
        assert_eq!((status.phase, status.notes.as_slice()), (phase, &[FORCED.to_owned()][..]));
        settle(&machine, Request::Down).await;
    }
}
