//! Stopping, freezing, restarting.

use crate::stage::Stage;
use containers::{Kind, RemoveOptions, StopOptions, WaitCondition};
use serde_json::json;

pub(crate) async fn stop_and_kill(stage: &Stage) {
    let script = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done";
    let request = json!({"Cmd": ["sh", "-c", script], "StopSignal": "SIGINT"});
    let id = stage.create(None, request).await.expect("create");
    let error = stage.containers.kill(&id, None).await.expect_err("not running");
    assert_eq!(error.to_string(), format!("cannot kill container: {id}: container {id} is not running"));
    stage.containers.start(&id).await.expect("start");
    assert_eq!(stage.containers.start(&id).await.expect_err("runs").kind(), Kind::NotModified);
    stage.await_log(&id, "ready").await;
    stage.containers.stop(&id, StopOptions { timeout: Some(120), signal: None }).await.expect("stop");
    assert_eq!(stage.wait(&id).await.code, 7);
    assert_eq!(
        stage.containers.stop(&id, StopOptions::default()).await.expect_err("stopped").kind(),
        Kind::NotModified
    );
    // One that does not listen is killed.
    let deaf =
        stage.create(None, json!({"Cmd": ["sh", "-c", "trap '' TERM; echo deaf; sleep 100"]})).await.expect("create");
    stage.containers.start(&deaf).await.expect("start");
    stage.await_log(&deaf, "deaf").await;
    stage.containers.stop(&deaf, StopOptions { timeout: Some(0), signal: None }).await.expect("stop");
    assert_eq!(stage.wait(&deaf).await.code, 137);
    stage.containers.restart(&id, StopOptions::default()).await.expect("restart");
    assert!(stage.containers.inspect(&id, false).await.expect("inspect").state.running);
    stage.remove(&id).await;
    stage.remove(&deaf).await;
}

pub(crate) async fn stop_during_a_start(stage: &Stage) {
    let id = stage.create(None, json!({"Cmd": ["sleep", "100"]})).await.expect("create");
    // The start is asked for first, and the stop before it is done.
    let options = StopOptions { timeout: Some(0), signal: None };
    let (started, stopped) = tokio::join!(stage.containers.start(&id), stage.containers.stop(&id, options));
    started.expect("start");
    stopped.expect("a start under way is waited for");
    assert_eq!(stage.status(&id).await, "exited");
    stage.remove(&id).await;
}

pub(crate) async fn ports_after_a_stop(stage: &Stage) {
    let request = json!({
        "Cmd": ["sleep", "100"], "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "18081"}]}},
    });
    let first = stage.create(None, request.clone()).await.expect("create");
    let second = stage.create(None, request).await.expect("create");
    stage.containers.start(&first).await.expect("start");
    assert!(stage.outside.has_port(18081));
    stage.containers.stop(&first, StopOptions { timeout: Some(0), signal: None }).await.expect("stop");
    stage.containers.start(&second).await.expect("the port is free");
    stage.remove(&first).await;
    stage.remove(&second).await;
    assert!(!stage.outside.has_port(18081));
}

/// dockerd's rule: with a stop signal of its own, a container is told other things by other signals.
pub(crate) async fn signals_that_do_not_stop(stage: &Stage) {
    const SIGHUP: i32 = 1;
    let script = "trap 'exit 3' HUP; echo up; while :; do sleep 0.05; done";
    let mut request = json!({"Cmd": ["sh", "-c", script], "HostConfig": {"RestartPolicy": {"Name": "always"}}});
    let plain = stage.create(None, request.clone()).await.expect("create");
    request["StopSignal"] = json!("SIGTERM");
    let told = stage.create(None, request).await.expect("create");
    let mut events = stage.events.subscribe();
    for id in [&plain, &told] {
        stage.containers.start(id).await.expect("start");
        stage.await_log(id, "up\n").await;
        let ended = stage.containers.wait(id, WaitCondition::NextExit).expect("known");
        stage.containers.kill(id, Some(SIGHUP)).await.expect("kill");
        assert_eq!(ended.await.code, 3);
    }
    let mut starts = 0;
    while starts < 2 {
        let event = events.next().await.expect("an event");
        starts += usize::from(event.actor == told && event.action == "start");
    }
    assert_eq!((stage.status(&plain).await, stage.status(&told).await), ("exited".to_owned(), "running".to_owned()));
    stage.remove(&plain).await;
    stage.remove(&told).await;
}

pub(crate) async fn pause(stage: &Stage) {
    let id = stage.create(None, json!({"Cmd": ["sleep", "100"]})).await.expect("create");
    stage.containers.start(&id).await.expect("start");
    stage.containers.pause(&id).await.expect("pause");
    let inspect = stage.containers.inspect(&id, false).await.expect("inspect");
    assert_eq!((inspect.state.status.as_str(), inspect.state.running, inspect.state.paused), ("paused", true, true));
    let error = stage.containers.remove(&id, RemoveOptions::default()).await.expect_err("paused");
    assert_eq!(
        error.to_string(),
        format!("cannot remove container \"{id}\": container is paused and must be unpaused first")
    );
    assert!(stage.containers.pause(&id).await.is_err());
    stage.containers.unpause(&id).await.expect("unpause");
    stage.containers.pause(&id).await.expect("pause again");
    stage.containers.stop(&id, StopOptions { timeout: Some(1), signal: None }).await.expect("stop");
    assert_eq!(stage.containers.inspect(&id, false).await.expect("inspect").state.status, "exited");
    stage.remove(&id).await;
}

pub(crate) async fn restart_policy(stage: &Stage) {
    let request = json!({
        "Cmd": ["sh", "-c", "echo run; exit 9"],
        "HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}},
    });
    let mut events = stage.events.subscribe();
    let id = stage.create(None, request).await.expect("create");
    stage.containers.start(&id).await.expect("start");
    let mut deaths = 0;
    while deaths < 3 {
        let event = events.next().await.expect("an event");
        deaths += usize::from(event.actor == id && event.action == "die");
    }
    stage.wait(&id).await;
    let inspect = stage.containers.inspect(&id, false).await.expect("inspect");
    assert_eq!((inspect.state.status.as_str(), inspect.state.exit_code, inspect.restart_count), ("exited", 9, 2));
    assert_eq!(stage.logs(&id).await, "run\nrun\nrun\n");
    stage.remove(&id).await;
    let request = json!({"Cmd": ["sh", "-c", "exit 1"], "HostConfig": {"RestartPolicy": {"Name": "always"}}});
    let id = stage.create(None, request).await.expect("create");
    let next = stage.containers.wait(&id, WaitCondition::NextExit).expect("known");
    stage.containers.start(&id).await.expect("start");
    next.await;
    stage.containers.stop(&id, StopOptions::default()).await.expect("stop");
    assert_eq!(stage.containers.inspect(&id, false).await.expect("inspect").state.status, "exited");
    stage.remove(&id).await;
}

pub(crate) async fn forced_removal(stage: &Stage) {
    let id = stage.create(None, json!({"Cmd": ["sleep", "100"]})).await.expect("create");
    stage.containers.start(&id).await.expect("start");
    let error = stage.containers.remove(&id, RemoveOptions::default()).await.expect_err("running");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot remove container \"{id}\": container is running: stop the container before removing or force remove"
        )
    );
    assert_eq!(error.kind(), Kind::Conflict);
    let gone = stage.containers.wait(&id, WaitCondition::Removed).expect("known");
    stage.containers.remove(&id, RemoveOptions { force: true, volumes: false }).await.expect("remove");
    assert_eq!(gone.await.code, 137);
    assert!(stage.containers.resolve(&id).is_err());
}

pub(crate) async fn health(stage: &Stage) {
    let request = json!({
        "Cmd": ["sleep", "100"],
        "Healthcheck": {"Test": ["CMD-SHELL", "test -e /tmp/well && echo fine"], "Interval": 50_000_000, "Retries": 1},
    });
    let id = stage.create(None, request).await.expect("create");
    let mut events = stage.events.subscribe();
    stage.containers.start(&id).await.expect("start");
    let status = async |stage: &Stage| {
        stage.containers.inspect(&id, false).await.expect("inspect").state.health.expect("a check").status
    };
    let mut await_event = async |wanted: &str| {
        while events.next().await.expect("an event").action != wanted {}
    };
    await_event("health_status: unhealthy").await;
    assert_eq!(status(stage).await, "unhealthy");
    let exec = json!({"Cmd": ["touch", "/tmp/well"]});
    let exec = engine_api::decode(exec.to_string().as_bytes()).expect("valid");
    let exec = stage.containers.exec_create(&id, exec).await.expect("exec");
    stage
        .containers
        .exec_start(&exec, engine_api::ExecStartRequest { detach: true, ..Default::default() })
        .await
        .expect("exec");
    await_event("health_status: healthy").await;
    let health = stage.containers.inspect(&id, false).await.expect("inspect").state.health.expect("a check");
    assert_eq!(health.log.expect("probes").last().expect("a probe").output, "fine\n");
    // A frozen container is not asked, and not called healthy: its neighbour's probes show that there was time for some.
    stage.containers.pause(&id).await.expect("pause");
    assert_eq!(stage.health(&id).await, "unhealthy");
    let neighbour = json!({"Cmd": ["sleep", "100"], "Healthcheck": {"Test": ["CMD", "true"], "Interval": 50_000_000}});
    let neighbour = stage.create(None, neighbour).await.expect("create");
    stage.containers.start(&neighbour).await.expect("start");
    let mut probes = 0;
    while probes < 4 {
        let event = events.next().await.expect("an event");
        assert!(event.action != "health_status: unhealthy", "{event:?}");
        probes += u32::from(event.action == "exec_die" && event.actor == neighbour);
    }
    stage.containers.unpause(&id).await.expect("unpause");
    while !matches!(events.next().await.expect("an event"), event if event.actor == id && event.action == "health_status: healthy")
    {
    }
    assert_eq!(stage.health(&id).await, "healthy");
    stage.remove(&neighbour).await;
    stage.remove(&id).await;
    // Before its first probe, for which there is no time here.
    let request =
        json!({"Cmd": ["sleep", "100"], "Healthcheck": {"Test": ["CMD", "true"], "Interval": 3_600_000_000_000_u64}});
    let id = stage.create(None, request).await.expect("create");
    stage.containers.start(&id).await.expect("start");
    assert_eq!(stage.health(&id).await, "starting");
    stage.remove(&id).await;
}

/// Whichever comes first, and whoever is removed meanwhile: a name is its container's or free.
pub(crate) async fn renames_at_once(stage: &Stage) {
    for round in 0..20 {
        let names: Vec<String> = ["one", "two", "three"].iter().map(|name| format!("{name}-{round}")).collect();
        let id = stage.create(Some(&names[0]), json!({"Cmd": ["true"]})).await.expect("create");
        let (first, second) =
            tokio::join!(stage.containers.rename(&id, &names[1]), stage.containers.rename(&id, &names[2]));
        first.expect("rename");
        second.expect("rename");
        let name = stage.containers.inspect(&id, false).await.expect("inspect").name;
        let (own, free): (Vec<_>, Vec<_>) = names.iter().partition(|known| name == format!("/{known}"));
        assert_eq!((own.len(), free.len()), (1, 2), "{name}");
        for name in free {
            let other = stage.create(Some(name), json!({"Cmd": ["true"]})).await.expect("the name is free");
            stage.remove(&other).await;
        }
        // The same name twice: one of them is told that it is the container's already.
        let (first, second) =
            tokio::join!(stage.containers.rename(&id, &names[0]), stage.containers.rename(&id, &names[0]));
        assert!(first.is_ok() || second.is_ok());
        assert_eq!(stage.containers.inspect(&names[0], false).await.expect("by its name").id, id);
        let options = RemoveOptions { force: true, volumes: true };
        let (_, removed) = tokio::join!(stage.containers.rename(&id, &names[1]), stage.containers.remove(&id, options));
        removed.expect("remove");
        for name in &names {
            let other = stage.create(Some(name), json!({"Cmd": ["true"]})).await.expect("the name is free");
            stage.remove(&other).await;
        }
    }
}

/// A container that others have links to starts although one of them is held up: its hosts file is a pipe that nobody writes.
pub(crate) async fn a_start_waits_for_no_parent(stage: &Stage) {
    let child = stage.create(Some("linked"), json!({"Cmd": ["sleep", "100"]})).await.expect("create");
    stage.containers.start(&child).await.expect("start");
    let request = json!({"Cmd": ["sleep", "100"], "HostConfig": {"Links": ["linked:db"]}});
    let parent = stage.create(None, request).await.expect("create");
    stage.containers.start(&parent).await.expect("start");
    let inspected = stage.containers.inspect(&parent, false).await.expect("inspect");
    let hosts = std::path::PathBuf::from(inspected.hosts_path);
    std::fs::remove_file(&hosts).expect("the hosts file is there");
    assert!(std::process::Command::new("mkfifo").arg(&hosts).status().expect("mkfifo runs").success());
    let options = StopOptions { timeout: Some(0), signal: None };
    let restart = stage.containers.restart(&child, options);
    tokio::time::timeout(std::time::Duration::from_secs(60), restart)
        .await
        .expect("it waits for nobody")
        .expect("restart");
    // The parent reads the pipe to its end, and then writes what it should have.
    let freed = tokio::task::spawn_blocking(move || {
        drop(std::fs::OpenOptions::new().write(true).open(&hosts)?);
        std::fs::read_to_string(&hosts)
    });
    let written = freed.await.expect("no panic").expect("the parent reads and writes");
    assert!(written.contains("\tdb "), "{written:?}");
    stage.remove(&parent).await;
    stage.remove(&child).await;
}
