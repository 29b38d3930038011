//! Starting and ending.

use std::{fs::File, io::Write, os::fd::OwnedFd};

use supervisor::{Error, Helper};

use crate::stage::{Stage, script, spec};

pub(crate) async fn exit_codes(stage: &mut Stage) {
    assert_eq!(stage.run(&spec(&["true"])).await.0, 0);
    assert_eq!(stage.run(&spec(&["false"])).await.0, 1);
    assert_eq!(stage.run(&script("exit 77")).await.0, 77);
    let container = stage.start(&spec(&["sleep", "1000"])).await.expect("starts");
    runtime::sys::pidfd_send_signal(std::os::fd::AsFd::as_fd(&container.spawned.pidfd), libc::SIGKILL).expect("killed");
    let exit = stage.exit(&container.id).await;
    assert_eq!((exit.code, exit.signal, exit.pid), (137, Some(9), container.spawned.pid));
}

pub(crate) async fn environment_and_identity(stage: &mut Stage) {
    let mut s = script(
        "echo $0 $$ $HOME $PWD $COLOUR; hostname; id -u; id -g; id -G; umask; ulimit -n; cat /proc/self/oom_score_adj",
    );
    s["process"]["env"] = serde_json::json!(["PATH=/bin", "COLOUR=blue"]);
    s["process"]["cwd"] = "/made/for/you".into();
    s["process"]["user"] = serde_json::json!({ "uid": 1000, "gid": 100, "additionalGids": [7, 8], "umask": 63 });
    s["process"]["rlimits"] = serde_json::json!([{ "type": "RLIMIT_NOFILE", "soft": 333, "hard": 444 }]);
    s["process"]["oomScoreAdj"] = 500.into();
    let (code, output) = stage.run(&s).await;
    assert_eq!(output, "sh 1 /home/user /made/for/you blue\nstage\n1000\n100\n100 7 8\n0077\n333\n500\n");
    assert_eq!(code, 0);
}

pub(crate) async fn program_not_found_or_not_executable(stage: &mut Stage) {
    for (program, message, hint) in [
        ("nope", "exec: \"nope\": executable file not found in $PATH", 127),
        ("/bin/nope", "exec: \"/bin/nope\": stat /bin/nope: no such file or directory", 127),
        ("/etc/plain", "exec: \"/etc/plain\": permission denied", 126),
        ("/etc", "exec: \"/etc\": is a directory", 126),
    ] {
        let failure = stage.start(&spec(&[program])).await.err().unwrap_or_else(|| panic!("{program} started"));
        assert_eq!((failure.message.as_str(), failure.exit_hint), (message, hint));
    }
    let mut s = spec(&["true"]);
    s["mounts"].as_array_mut().expect("list").push(
        serde_json::json!({ "destination": "/bin", "type": "bind", "source": "/etc/hostname", "options": ["bind"] }),
    );
    let failure = stage.start(&s).await.err().expect("a file over a directory");
    assert!(failure.message.contains("Are you trying to mount a directory onto a file"), "{}", failure.message);
}

/// runc's init gets this error after the container counts as started.
pub(crate) async fn not_an_executable_format(stage: &mut Stage) {
    let (code, output) = stage.run(&spec(&["garbage"])).await;
    assert_eq!((code, output.as_str()), (255, "exec /bin/garbage: exec format error\n"));
}

pub(crate) async fn ids_are_unique_until_acknowledged(stage: &mut Stage) {
    let container = stage.start(&spec(&["true"])).await.expect("starts");
    let id = container.id.clone();
    stage.exit_unacknowledged(&id).await;
    let (_engine, status) = runtime::status::pair().expect("a pair");
    let plan = stage.plan(&spec(&["true"]), &runtime::Extras::default());
    let again = supervisor::Spawn { id: id.clone(), plan, fds: Vec::new(), keep: Vec::new(), status };
    assert!(matches!(stage.supervisor.spawn(again).await, Err(Error::Exists { .. })));
    let entries = stage.supervisor.list().await.expect("a list");
    let entry = entries.iter().find(|e| e.info.id == id).expect("kept");
    assert_eq!(entry.info.exit.as_ref().map(|e| e.code), Some(0));
    stage.supervisor.ack(&id).await.expect("acknowledged");
    assert!(matches!(stage.supervisor.ack(&id).await, Err(Error::Unknown { .. })));
    assert!(stage.supervisor.list().await.expect("a list").iter().all(|e| e.info.id != id));
}

pub(crate) async fn closing_stdin_reaches_the_program(stage: &mut Stage) {
    let mut container = stage.start(&spec(&["cat"])).await.expect("starts");
    let mut stdin = File::from(container.stdin.take().expect("a pipe"));
    stdin.write_all(b"through the pipe").expect("written");
    drop(stdin);
    let (code, output) = stage.finish(container).await;
    assert_eq!((code, output.as_str()), (0, "through the pipe"));
}

pub(crate) async fn helpers(stage: &mut Stage) {
    let null = || -> OwnedFd { File::options().read(true).write(true).open("/dev/null").expect("/dev/null").into() };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let words = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    let helper = Helper {
        id: "helper".to_owned(),
        argv: words(&["/bin/busybox", "sh", "-c", "echo $WHAT; exit 3"]),
        env: words(&["WHAT=helped"]),
        stdin: null(),
        stdout: writer.into(),
        stderr: null(),
    };
    stage.supervisor.run_helper(helper).await.expect("started");
    assert_eq!(stage.exit("helper").await.code, 3);
    assert_eq!(std::io::read_to_string(reader).expect("text"), "helped\n");
}

pub(crate) async fn many_at_once(stage: &mut Stage) {
    let mut running = Vec::new();
    for i in 0..40 {
        running.push((i, stage.start(&script(&format!("read x; exit {i}"))).await.expect("starts")));
    }
    assert_eq!(stage.supervisor.list().await.expect("a list").len(), 40);
    for (i, container) in running {
        assert_eq!(stage.finish(container).await.0, i);
    }
    assert!(stage.supervisor.list().await.expect("a list").is_empty());
}
