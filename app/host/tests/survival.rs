//! What another session, a killed daemon or a damaged record must not do to a machine: end it unasked, or run it twice.

#![cfg(unix)]

mod support;

use std::path::Path;
use std::process::Output;

use host::client::Client;
use host::driver::leftovers;
use host::machine::{Handle, Phase, Request, Step};
use host::sys::ProcessIdentity;
use support::{Home, daemon, eventually, example, http, reach, settle};
use tokio::io::AsyncWriteExt;

/// The program in a login session, whose runtime folder is `session`.
fn in_session(home: &Home, session: &Path, words: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(example("machine"));
    command.args(words).env("BERTH_HOME", home.dir()).env("XDG_RUNTIME_DIR", session);
    command.env("DOCKER_CONFIG", home.dir().join("docker")).kill_on_drop(true);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

async fn status(home: &Home, session: &Path) -> serde_json::Value {
    let output = in_session(home, session, &["status"]).output().await.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn another_session_finds_the_same_daemon_and_the_same_machine() {
    let home = Home::with_sockets_elsewhere("FAKE_KVM=boot");
    let (one, other) = (tempfile::tempdir_in("/tmp").unwrap(), tempfile::tempdir_in("/tmp").unwrap());
    let (one, other) = (one.path(), other.path());
    let mut first = in_session(&home, one, &["daemon"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    eventually("the daemon serves", async || home.paths.daemon_whereabouts().exists()).await;
    let up = in_session(&home, one, &["up"]).output().await.unwrap();
    assert!(up.status.success(), "{}", said(&up));
    let before = status(&home, one).await;

    let seen = status(&home, other).await;
    assert_eq!(seen["daemon"]["pid"], before["daemon"]["pid"]);
    let up = in_session(&home, other, &["up"]).output().await.unwrap();
    assert!(up.status.success(), "{}", said(&up));
    let second = in_session(&home, other, &["daemon"]).output().await.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let refusal = said(&second);
    assert!(refusal.contains("another berth daemon (process ") && refusal.contains(one.to_str().unwrap()), "{refusal}");
    assert_eq!(status(&home, one).await["machine"]["hypervisor_pid"], before["machine"]["hypervisor_pid"]);

    // The next daemon may be of the other session: the machine's own sockets stay where they are.
    first.kill().await.unwrap();
    let up = in_session(&home, other, &["up"]).output().await.unwrap();
    assert!(up.status.success(), "{}", said(&up));
    assert_eq!(status(&home, one).await["machine"]["hypervisor_pid"], before["machine"]["hypervisor_pid"]);
    assert_eq!(home.started(), ["kvm"]);
    let down = in_session(&home, one, &["down"]).output().await.unwrap();
    assert!(down.status.success(), "{}", said(&down));
    assert!(in_session(&home, one, &["quit"]).output().await.unwrap().status.success());
}

#[tokio::test]
async fn a_daemon_whose_sockets_went_with_its_session_is_named() {
    let home = Home::with_sockets_elsewhere("FAKE_KVM=boot");
    let (one, other) = (tempfile::tempdir_in("/tmp").unwrap(), tempfile::tempdir_in("/tmp").unwrap());
    let daemon = in_session(&home, one.path(), &["daemon"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    eventually("the daemon serves", async || home.paths.daemon_whereabouts().exists()).await;
    std::fs::remove_dir_all(one.path()).unwrap();
    let output = in_session(&home, other.path(), &["up"]).output().await.unwrap();
    assert!(!output.status.success());
    let wanted = format!(
        "the berth daemon (process {}) runs, but its sockets in {}",
        daemon.id().unwrap(),
        one.path().display()
    );
    assert!(said(&output).contains(&wanted), "{}", said(&output));
}

/// A machine that runs, and no daemon.
async fn left_alone(home: &Home) -> ProcessIdentity {
    let mut first = daemon(home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    let pid = client.up().await.unwrap().settled().await.unwrap().hypervisor_pid.unwrap();
    first.kill().await.unwrap();
    ProcessIdentity::of(pid).unwrap()
}

#[tokio::test]
async fn a_machine_that_cannot_be_controlled_is_left_alone_until_it_is_told_to_end() {
    let home = Home::new("FAKE_KVM=boot");
    let damages: [(&str, &dyn Fn()); 2] = [
        ("QEMU does not answer on its control socket", &|| std::fs::remove_file(home.paths.qmp_socket()).unwrap()),
        ("is damaged", &|| std::fs::write(home.paths.machine_record(), "{\"instance\": ").unwrap()),
    ];
    for (cause, damage) in damages {
        let qemu = left_alone(&home).await;
        damage();
        let machine = Handle::spawn(home.paths.clone());
        let failure = reach(&machine, Phase::Failed).await.failure.unwrap();
        assert!(failure.alive && failure.cause.contains(cause), "{failure:?}");
        assert!(!failure.unanswered, "no start is taken");
        assert!(failure.to_string().ends_with("`berth down` ends it"), "{failure}");
        assert!(machine.request(Request::Up).await.unwrap_err().to_string().contains("run `berth down` first"));
        assert!(qemu.is_alive());
        let status = settle(&machine, Request::Down).await;
        assert_eq!((status.phase, qemu.is_alive()), (Phase::Stopped, false));
    }
    assert_eq!(home.started(), ["kvm", "kvm"]);
}

/// The one that looks is kept waiting by a QEMU that stands still.
#[tokio::test]
async fn nobody_is_told_that_the_machine_is_stopped_before_it_was_looked_for() {
    let home = Home::new("FAKE_KVM=boot");
    let qemu = left_alone(&home).await;
    let process = rustix::process::Pid::from_raw(i32::try_from(qemu.pid).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    let mut watched = client.watch().await.unwrap();
    let status = tokio::spawn({
        let client = client.clone();
        async move { client.status().await.unwrap().machine.phase }
    });
    let engine = tokio::spawn({
        let socket = home.paths.engine_socket();
        async move { http(&socket, "GET /_ping").await }
    });
    // What they ask is there: a daemon that is asked later answers.
    assert!(client.version().await.is_ok());
    rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    assert_ne!(watched.next().await.unwrap().unwrap().phase, Phase::Stopped);
    assert_ne!(status.await.unwrap(), Phase::Stopped);
    let said = engine.await.unwrap();
    assert!(!said.contains("stopped"), "{said}");
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn a_settings_file_that_was_broken_since_hides_no_running_machine() {
    let home = Home::new("FAKE_KVM=boot");
    let qemu = left_alone(&home).await;
    std::fs::write(home.paths.settings(), "wheels = 4\n").unwrap();
    let machine = Handle::spawn(home.paths.clone());
    let status = reach(&machine, Phase::Running).await;
    assert_eq!(status.hypervisor_pid, Some(qemu.pid));
    assert_eq!(settle(&machine, Request::Down).await.phase, Phase::Stopped);
}

#[tokio::test]
async fn a_machine_that_did_not_answer_the_next_daemon_is_looked_for_again() {
    let home = Home::new("FAKE_KVM=boot");
    let mut first = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    let pid = client.up().await.unwrap().settled().await.unwrap().hypervisor_pid;
    let mut stream = tokio::net::UnixStream::connect(home.paths.engine_socket()).await.unwrap();
    stream.write_all(b"POST /cut-link HTTP/1.1\r\n\r\n").await.unwrap();
    eventually("the link is lost", async || client.status().await.unwrap().machine.trouble.is_some()).await;
    first.kill().await.unwrap();

    let machine = Handle::spawn(home.paths.clone());
    let failure = reach(&machine, Phase::Failed).await.failure.unwrap();
    assert_eq!((failure.step, failure.alive, failure.unanswered), (Some(Step::Link), true, true));
    assert!(failure.cause.ends_with("(`berth up` tries again)"), "{failure}");
    std::fs::write(home.paths.runtime_dir().join("link-is-back"), "").unwrap();
    let status = settle(&machine, Request::Up).await;
    assert_eq!((status.phase, status.hypervisor_pid), (Phase::Running, pid));
    assert_eq!(settle(&machine, Request::Down).await.phase, Phase::Stopped);
    assert_eq!(home.started(), ["kvm"]);
}

#[tokio::test]
async fn what_a_killed_daemon_leaves_of_a_boot_is_ended_before_the_next() {
    for behaviour in ["hang", "silent"] {
        let home = Home::new(&format!("FAKE_KVM={behaviour}"));
        home.set(&[("boot_deadline", "2m")]);
        let mut first = daemon(&home).await;
        let client = Client::connect(home.paths.clone()).await.unwrap();
        let _up = client.up().await.unwrap();
        // The silent one is in the machine's record by then, the other is not.
        let booting = async || {
            home.paths.qemu_pid_file().exists() && (behaviour == "hang" || home.paths.machine_record().exists())
        };
        eventually("QEMU runs", booting).await;
        first.kill().await.unwrap();
        let left = leftovers::find(&home.paths.launch_record(), &home.paths.qemu_pid_file());
        assert_eq!(left.len(), 1, "{behaviour}: {left:?}");

        home.write_qemu("FAKE_KVM=boot");
        let _second = daemon(&home).await;
        let status = client.up().await.unwrap().settled().await.unwrap();
        assert_eq!((status.phase, status.notes.as_slice()), (Phase::Running, &[][..]));
        assert!(!left[0].is_alive(), "{behaviour}");
        assert_eq!(home.started(), ["kvm", "kvm"], "nothing was blamed on the accelerator");
        client.down().await.unwrap().settled().await.unwrap();
    }
}

#[tokio::test]
async fn a_qemu_that_hangs_on_its_version_goes_with_the_start_that_asked() {
    let home = Home::new("FAKE_KVM=boot");
    let (script, note) = (home.dir().join("slow-qemu"), home.dir().join("pid"));
    support::write_program(&script, &format!("#!/bin/sh\necho $$ > {}\nexec sleep 1000\n", note.display()));
    home.set(&[("qemu", script.to_str().unwrap())]);
    let machine = Handle::spawn(home.paths.clone());
    machine.request(Request::Up).await.unwrap();
    let pid = async || std::fs::read_to_string(&note).ok()?.trim().parse().ok();
    eventually("QEMU is asked", async || pid().await.is_some()).await;
    let asked = ProcessIdentity::of(pid().await.unwrap()).unwrap();
    assert_eq!(settle(&machine, Request::Down).await.phase, Phase::Stopped);
    eventually("it is gone", async || !asked.is_alive()).await;
}

#[tokio::test]
async fn a_disk_that_another_program_holds_is_not_blamed_on_the_accelerator() {
    let home = Home::new("FAKE_KVM=boot FAKE_TCG=boot");
    std::fs::File::create(home.paths.data_disk()).unwrap().set_len(1 << 30).unwrap();
    let disk = std::fs::File::options().write(true).open(home.paths.data_disk()).unwrap();
    disk.lock().unwrap();
    let machine = Handle::spawn(home.paths.clone());
    let failure = settle(&machine, Request::Up).await.failure.unwrap();
    assert_eq!((failure.step, failure.alive), (Some(Step::Boot), false));
    assert!(failure.cause.contains("is in use by another program: end it"), "{failure}");
    assert_eq!(home.started(), ["kvm"]);
    drop(disk);
    assert_eq!(settle(&machine, Request::Up).await.phase, Phase::Running);
    settle(&machine, Request::Down).await;
}
