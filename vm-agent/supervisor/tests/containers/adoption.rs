//! The engine dies; the next one finds everything.

use std::{
    fs::{self, File},
    io::Write,
    os::fd::AsFd,
};

use runtime::sys;

use crate::stage::{Stage, script, spec};

pub(crate) fn resumed(stage: &Stage) -> bool {
    stage.directory.join("restarting").exists()
}

/// Leaves three containers behind and ends: one running, one ended unseen, one ended but not acknowledged.
pub(crate) async fn across_an_engine_restart(stage: &mut Stage) {
    let mut running = stage.start(&script("echo alive; read line; echo read $line; exit 21")).await.expect("starts");
    let log = stage.directory.join("pipe");
    let ended = stage.start(&spec(&["sh", "-c", "exit 33"])).await.expect("starts");
    stage.exit_unacknowledged(&ended.id).await;
    let later = stage.start(&spec(&["sh", "-c", "read x; exit 44"])).await.expect("starts");
    // What an engine gives back to itself: both ends it will need.
    let stdin = running.stdin.take().expect("a pipe");
    stage.supervisor.hold(&running.id, "stdin-write", stdin.as_fd()).await.expect("held");
    stage.supervisor.hold(&running.id, "stdout-read", running.stdout.as_fd()).await.expect("held");
    stage.supervisor.keep("of-nobody", fs::File::open("/proc/self/exe").expect("open").as_fd()).await.expect("kept");
    stage.supervisor.keep("dropped", running.stdout.as_fd()).await.expect("kept");
    stage.supervisor.drop_kept("dropped").await.expect("dropped");
    fs::write(&log, format!("{} {} {} {}", running.id, running.spawned.pid, ended.id, later.id)).expect("write");
    fs::write(stage.directory.join("restarting"), "").expect("write");
    println!("the engine ends here");
    // Without any clean-up, as a crash would; closing `later`'s stdin lets it end while there is no engine.
    std::process::exit(0);
}

pub(crate) async fn after_restart(stage: &mut Stage) -> bool {
    crate::report::begin("adoption::across_an_engine_restart");
    let names = fs::read_to_string(stage.directory.join("pipe")).expect("names");
    let [running, pid, ended, later] = names.split(' ').collect::<Vec<_>>()[..] else { panic!("four names") };
    // `later` reads end of file only when the supervisor's duplicate of its stdin is gone too.
    stage.supervisor.release(later, "stdin").await.expect("released");
    let entries = stage.supervisor.list().await.expect("a list");
    assert_eq!(entries.len(), 3);
    let kept = stage.supervisor.kept().await.expect("a list");
    assert_eq!(kept.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>(), ["of-nobody"]);
    assert!(File::from(kept[0].1.try_clone().expect("dup")).metadata().expect("a file").len() > 0);
    let find = |id: &str| entries.iter().find(|e| e.info.id == id).expect("kept");
    assert_eq!(find(ended).info.exit.as_ref().map(|e| e.code), Some(33));
    let entry = find(running);
    assert_eq!((entry.info.pid.to_string().as_str(), &entry.info.exit), (pid, &None));
    let fd = |name: &str| {
        let (_, fd) = entry.fds.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}"));
        fd.try_clone().expect("dup")
    };
    // The process behind the adopted pidfd is alive and the same.
    sys::pidfd_send_signal(fd("pidfd").as_fd(), 0).expect("alive");
    File::from(fd("stdin-write")).write_all(b"hello again\n").expect("written");
    let mut stdout = File::from(fd("stdout-read"));
    assert_eq!(crate::stage::read_until(&mut stdout, "again\n"), "alive\nread hello again\n");
    assert_eq!(stage.exit(running).await.code, 21);
    if find(later).info.exit.is_some() {
        stage.supervisor.ack(later).await.expect("acknowledged");
    } else {
        assert_eq!(stage.exit(later).await.code, 44);
    }
    stage.supervisor.ack(ended).await.expect("acknowledged");
    assert!(stage.supervisor.list().await.expect("a list").is_empty());
    crate::report::passed();
    true
}
