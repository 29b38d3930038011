//! One container at a time.

use crate::stage::Stage;
use containers::{Kind, ListRequest, RemoveOptions};
use engine_api::Filters;
use serde_json::json;

pub(crate) async fn output_and_exit_code(stage: &Stage) {
    // The second line is written when the first is in the log: between two pipes there is no order.
    let script = "echo out; until [ -e /tmp/go ]; do sleep 0.02; done; echo err >&2; exit 3";
    let id = stage.create(None, json!({"Cmd": ["sh", "-c", script]})).await.expect("create");
    stage.containers.start(&id).await.expect("start");
    stage.await_log(&id, "out").await;
    let go = stage.exec_create(&id, &json!({"Cmd": ["touch", "/tmp/go"]})).await;
    let detached = engine_api::ExecStartRequest { detach: true, ..Default::default() };
    stage.containers.exec_start(&go, detached).await.expect("exec");
    assert_eq!(stage.wait(&id).await.code, 3);
    assert_eq!(stage.logs(&id).await, "out\nerr\n");
    stage.remove(&id).await;
    let (code, output) = stage.run("printf 'no newline'", json!({})).await;
    assert_eq!((code, output.as_str()), (0, "no newline"));
    let (code, _) = stage.run("kill -9 $$", json!({})).await;
    // A container's first process is immune to its own signals.
    assert_eq!(code, 0);
}

pub(crate) async fn names_and_conflicts(stage: &Stage) {
    let id = stage.create(Some("web"), json!({"Cmd": ["true"]})).await.expect("create");
    let error = stage.create(Some("/web"), json!({"Cmd": ["true"]})).await.expect_err("taken");
    assert_eq!(
        error.to_string(),
        format!(
            "Conflict. The container name \"/web\" is already in use by container \"{id}\". You have to remove (or rename) \
             that container to be able to reuse that name."
        )
    );
    assert_eq!(error.kind(), Kind::Conflict);
    for name in ["web", "/web", &id[..12], &id] {
        assert_eq!(stage.containers.resolve(name).expect(name), id);
    }
    stage.containers.rename("web", "web2").await.expect("rename");
    assert!(stage.containers.resolve("web").is_err());
    let again = stage.create(Some("web"), json!({"Cmd": ["true"]})).await.expect("the old name is free");
    let error = stage.containers.rename("web", "web2").await.expect_err("taken");
    assert!(error.to_string().starts_with("Error when allocating new name: Conflict."), "{error}");
    stage.remove(&id).await;
    stage.remove(&again).await;
    let error = stage.create(Some("web2"), json!({"Cmd": []})).await;
    stage.remove(&error.expect("the image has a command")).await;
    let error = stage.create(Some("-bad-"), json!({})).await.expect_err("bad name");
    assert_eq!(error.to_string(), "Invalid container name (-bad-), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    let error = stage.containers.resolve("web2").expect_err("gone");
    assert_eq!((error.to_string().as_str(), error.kind()), ("No such container: web2", Kind::NotFound));
}

pub(crate) async fn what_cannot_be_executed(stage: &Stage) {
    for (command, code, text) in
        [("nope", 127, "exec: \"nope\": executable file not found in $PATH"), ("/etc/plain", 126, "permission denied")]
    {
        let id = stage.create(None, json!({"Cmd": [command]})).await.expect("create");
        let error = stage.containers.start(&id).await.expect_err(command);
        let message = error.to_string();
        assert!(
            message.starts_with("failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: "),
            "{message}"
        );
        assert!(message.contains(text), "{message}");
        assert_eq!(error.kind(), Kind::Invalid);
        let inspect = stage.containers.inspect(&id, false).await.expect("inspect");
        assert_eq!((inspect.state.status.as_str(), inspect.state.exit_code), ("created", code));
        assert_eq!(inspect.state.error, message);
        // It can be tried again, and removed without force.
        stage.containers.start(&id).await.expect_err("still not there");
        stage.containers.remove(&id, RemoveOptions::default()).await.expect("remove");
    }
    let id = stage.create(None, json!({"Cmd": ["true"], "User": "nobody"})).await.expect("create");
    let error = stage.containers.start(&id).await.expect_err("no such user");
    assert_eq!(error.to_string(), "unable to find user nobody: no matching entries in passwd file");
    stage.remove(&id).await;
}

pub(crate) async fn events_in_order(stage: &Stage) {
    let mut events = stage.events.subscribe();
    let id = stage.create(None, json!({"Cmd": ["sleep", "100"], "Labels": {"a": "b"}})).await.expect("create");
    stage.containers.start(&id).await.expect("start");
    stage.containers.kill(&id, None).await.expect("kill");
    stage.containers.remove(&id, RemoveOptions::default()).await.expect("remove");
    let mut seen = Vec::new();
    while !seen.iter().any(|action| action == "destroy") {
        let event = events.next().await.expect("an event");
        if event.kind == events::Kind::Container {
            assert_eq!(event.actor, id);
            assert_eq!(event.attributes["a"], "b");
            if event.action == "die" {
                assert_eq!(event.attributes["exitCode"], "137");
            }
            if event.action == "kill" {
                assert_eq!(event.attributes["signal"], "9");
            }
            seen.push(event.action.clone());
        }
    }
    assert_eq!(seen, ["create", "start", "kill", "die", "destroy"]);
}

pub(crate) async fn identity_and_environment(stage: &Stage) {
    let request = json!({
        "User": "user", "Hostname": "box", "WorkingDir": "/made/for/it", "Env": ["A=b c", "FROM_IMAGE"],
        "HostConfig": {"GroupAdd": ["44"], "ExtraHosts": ["far:192.0.2.7"], "Sysctls": {"net.core.somaxconn": "77"},
            "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "Init": true},
    });
    let (code, output) = stage
        .run(
            "id -u; id -G; hostname; pwd; echo $A,$FROM_IMAGE,$HOME; grep far /etc/hosts; ulimit -n; \
             cat /proc/sys/net/core/somaxconn; cat /proc/1/comm; cat /etc/hostname",
            request,
        )
        .await;
    assert_eq!(code, 0, "{output}");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0..5], ["1000", "1000 29 44", "box", "/made/for/it", "b c,,/home/user"], "{output}");
    assert_eq!(lines[5], "192.0.2.7\tfar");
    assert_eq!(lines[6..8], ["100", "77"]);
    assert_ne!(lines[8], "sh", "an init comes first");
    assert_eq!(lines[9], "box");
}

pub(crate) async fn networks(stage: &Stage) {
    let (_, output) = stage.run("ip -o -4 addr show eth0; ip route; cat /etc/hosts", json!({})).await;
    assert!(output.contains("inet 172.17.0."), "{output}");
    assert!(output.contains("default via 172.17.0.1"), "{output}");
    let (_, output) = stage.run("ip -o link", json!({"HostConfig": {"NetworkMode": "none"}})).await;
    assert_eq!(output.lines().count(), 1, "{output}");
    let (_, output) = stage.run("ip -o link", json!({"HostConfig": {"NetworkMode": "host"}})).await;
    assert!(output.contains("docker0"), "{output}");
    let first = stage.create(None, json!({"Cmd": ["sleep", "100"]})).await.expect("create");
    stage.containers.start(&first).await.expect("start");
    let address = stage.containers.inspect(&first, false).await.expect("inspect").network_settings.ip_address;
    let mode = format!("container:{}", &first[..12]);
    let (_, output) =
        stage.run("ip -o -4 addr show eth0; hostname", json!({"HostConfig": {"NetworkMode": mode}})).await;
    assert!(output.contains(&address), "{output} without {address}");
    stage.remove(&first).await;
    let id =
        stage.create(None, json!({"Cmd": ["true"], "HostConfig": {"NetworkMode": "nosuch"}})).await.expect("create");
    let error = stage.containers.start(&id).await.expect_err("no such network");
    assert_eq!(error.to_string(), "failed to set up container networking: network nosuch not found");
    assert_eq!(error.kind(), Kind::NotFound);
    stage.remove(&id).await;
}

pub(crate) async fn list_and_inspect(stage: &Stage) {
    let request = json!({
        "Cmd": ["sleep", "100"], "Labels": {"tier": "front"}, "ExposedPorts": {"81/tcp": {}},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
    });
    let id = stage.create(Some("listed"), request).await.expect("create");
    let list = |all, filters: Filters| {
        let request = ListRequest { all, filters, ..ListRequest::default() };
        async { stage.containers.list(request).await.expect("list") }
    };
    assert!(list(false, Filters::default()).await.is_empty());
    assert_eq!(list(true, Filters::default()).await[0].status, "Created");
    stage.containers.start(&id).await.expect("start");
    let running = list(false, Filters::default().with("label", "tier=front").with("name", "list")).await;
    assert_eq!(running.len(), 1);
    assert_eq!((running[0].names[0].as_str(), running[0].state.as_str()), ("/listed", "running"));
    assert!(running[0].status.starts_with("Up "), "{}", running[0].status);
    let ports: Vec<_> = running[0].ports.iter().map(|port| (port.private_port, port.public_port)).collect();
    assert_eq!(ports, [(81, 0), (80, 8080)]);
    for (name, value, expected) in [
        ("status", "exited", 0),
        ("status", "running", 1),
        ("ancestor", "busybox:test", 1),
        ("ancestor", "other", 0),
        ("network", "bridge", 1),
        ("publish", "8080", 1),
        ("publish", "80", 0),
        ("expose", "80-81", 1),
        ("volume", "/x", 0),
        ("health", "none", 1),
        ("is-task", "true", 0),
        ("id", &id[..5], 1),
    ] {
        assert_eq!(list(false, Filters::default().with(name, value)).await.len(), expected, "{name}={value}");
    }
    let inspect = stage.containers.inspect("listed", true).await.expect("inspect");
    assert!(inspect.state.running && inspect.state.pid > 0);
    assert_eq!(inspect.host_config.network_mode, "bridge");
    assert_eq!(inspect.config.hostname, id[..12]);
    assert!(inspect.size_root_fs.is_some_and(|size| size > 1_000_000));
    assert_eq!(inspect.network_settings.gateway, "172.17.0.1");
    let top = stage.containers.top("listed", "").await.expect("top");
    assert_eq!(top.processes.len(), 1);
    assert_eq!(top.processes[0][7], "sleep 100");
    let mut stats = stage
        .containers
        .stats("listed", containers::StatsRequest { stream: false, one_shot: true })
        .await
        .expect("stats");
    let sample = stats.recv().await.expect("a sample");
    assert_eq!(sample.name, "/listed");
    assert!(sample.networks.is_some_and(|networks| networks.contains_key("eth0")));
    stage.remove(&id).await;
}
