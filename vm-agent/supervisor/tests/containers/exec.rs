//! Further processes in a container.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, OwnedFd},
};

use oci_spec::runtime::Process;
use runtime::{Extras, Failure, cgroup::Hierarchy, plan_exec, status};
use serde_json::Value;
use supervisor::Exec;

use crate::stage::{Container, Stage, outcome, pipes, spec};

pub(crate) async fn start(
    stage: &mut Stage,
    target: &Container,
    spec: &Value,
) -> Result<(String, File, Option<OwnedFd>), Failure> {
    start_with(stage, target, spec, Vec::new()).await
}

async fn start_with(
    stage: &mut Stage,
    target: &Container,
    spec: &Value,
    mut fds: Vec<(String, OwnedFd)>,
) -> Result<(String, File, Option<OwnedFd>), Failure> {
    let process: Process = serde_json::from_value(spec["process"].clone()).expect("a process");
    let seccomp = serde_json::from_value(spec["linux"]["seccomp"].clone()).expect("a filter");
    let plan = plan_exec(&process, Some(&seccomp)).expect("a plan");
    let id = stage.id();
    let (engine, status) = status::pair().expect("a pair");
    let (_stdin, stdout) = pipes(&mut fds, plan.process.terminal.is_some());
    let target = target.spawned.pidfd.as_fd().try_clone_to_owned().expect("dup");
    let exec = Exec { id: id.clone(), plan, target, fds, keep: Vec::new(), status };
    let spawned = stage.supervisor.exec(exec).await;
    let (terminal, failure) = outcome(engine).await;
    match (spawned, failure) {
        (Ok(_), None) => Ok((id, stdout, terminal)),
        (Ok(_), Some(failure)) => {
            stage.exit(&id).await;
            Err(failure)
        }
        (Err(_), Some(failure)) => Err(failure),
        (Err(e), None) => panic!("{e} without a reason"),
    }
}

pub(crate) async fn run(stage: &mut Stage, target: &Container, args: &[&str]) -> (i32, String) {
    let (id, mut stdout, _) = start(stage, target, &spec(args)).await.unwrap_or_else(|f| panic!("{}", f.message));
    let exit = stage.exit(&id).await;
    let mut text = String::new();
    stdout.read_to_string(&mut text).expect("text");
    (exit.code, text)
}

pub(crate) async fn enters_all_namespaces(stage: &mut Stage) {
    let container =
        stage.start(&spec(&["sh", "-c", "echo here > /tmp/mark; echo ready; read x"])).await.expect("starts");
    let mut container = container;
    crate::stage::read_until(&mut container.stdout, "ready\n");
    let (code, output) = run(
        stage,
        &container,
        &["sh", "-c", "cat /tmp/mark; hostname; cat /proc/1/comm; ls /proc/self/fd; grep -c . /proc/1/status > /dev/null && echo sees1"],
    )
    .await;
    assert_eq!((code, output.as_str()), (0, "here\nstage\nsh\n0\n1\n2\n3\nsees1\n"));
    for kind in ["mnt", "pid", "ipc", "uts", "cgroup", "net"] {
        let link = format!("/proc/self/ns/{kind}");
        let first = std::fs::read_link(format!("/proc/{}/ns/{kind}", container.spawned.pid)).expect("link");
        let (_, entered) = run(stage, &container, &["readlink", &link]).await;
        assert_eq!(entered.trim(), first.display().to_string(), "{kind}");
    }
    assert_eq!(stage.finish(container).await.0, 1);
}

pub(crate) async fn exit_codes_and_errors(stage: &mut Stage) {
    let container = stage.start(&spec(&["cat"])).await.expect("starts");
    assert_eq!(run(stage, &container, &["sh", "-c", "exit 42"]).await.0, 42);
    let failure = start(stage, &container, &spec(&["nope"])).await.expect_err("refused");
    assert_eq!(
        (failure.message.as_str(), failure.exit_hint),
        ("exec: \"nope\": executable file not found in $PATH", 127)
    );
    let mut s = spec(&["id", "-u"]);
    s["process"]["user"]["uid"] = 1000.into();
    let (id, mut stdout, _) = start(stage, &container, &s).await.unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(stage.exit(&id).await.code, 0);
    let mut text = String::new();
    stdout.read_to_string(&mut text).expect("text");
    assert_eq!(text, "1000\n");
    assert_eq!(stage.finish(container).await.0, 0);
}

pub(crate) async fn of_a_container_that_is_gone(stage: &mut Stage) {
    let container = stage.start(&spec(&["true"])).await.expect("starts");
    stage.exit(&container.id).await;
    let failure = start(stage, &container, &spec(&["true"])).await.expect_err("refused");
    assert!(failure.step.starts_with("join namespaces"), "{failure:?}");
    assert!(stage.supervisor.list().await.expect("a list").is_empty());
}

/// A container that manages cgroups of its own (systemd, Docker in Docker) has no processes at its top, and the kernel wants
/// that to stay so: CLONE_INTO_CGROUP answers EBUSY, and the exec goes where the container's first process is.
pub(crate) async fn into_a_delegated_cgroup(stage: &mut Stage) {
    let parent = format!("berth-test-{}-exec", std::process::id());
    let hierarchy = Hierarchy::prepare(&parent).expect("a cgroup2 tree");
    let cgroup = hierarchy.create("", "one").expect("a cgroup");
    let descriptor = || vec![("cgroup".to_owned(), cgroup.open().expect("its directory"))];
    let container = stage.start_with(&spec(&["cat"]), Extras::default(), descriptor()).await.expect("starts");
    let own_cgroup = spec(&["grep", "^0::", "/proc/self/cgroup"]);
    let (id, stdout, _) =
        start_with(stage, &container, &own_cgroup, descriptor()).await.unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(stage.exit(&id).await.code, 0);
    assert_eq!(std::io::read_to_string(stdout).expect("text"), "0::/\n");

    let below = cgroup.path().join("init");
    std::fs::create_dir(&below).expect("mkdir");
    std::fs::write(below.join("cgroup.procs"), container.spawned.pid.to_string()).expect("moved");
    match hierarchy.controllers().iter().next() {
        Some(controller) => {
            cgroup.write("cgroup.subtree_control", &format!("+{controller}")).expect("delegated");
            let (id, stdout, _) =
                start_with(stage, &container, &own_cgroup, descriptor()).await.unwrap_or_else(|f| panic!("{f}"));
            assert_eq!(stage.exit(&id).await.code, 0);
            assert_eq!(std::io::read_to_string(stdout).expect("text"), "0::/init\n");
        }
        None => println!("SKIPPED: exec::into_a_delegated_cgroup: this host's cgroup2 tree has no controller"),
    }
    assert_eq!(stage.finish(container).await.0, 0);
    cgroup.remove().expect("removed with what the container made in it");
    Hierarchy::dissolve(&parent).expect("removed");
}
