//! The engine dies, several times; the next one finds everything. What an engine leaves to its successor to look at is in the
//! file `phase`.

use crate::report::{begin, passed};
use crate::stage::{Stage, attach_all, cgroup, hierarchy};
use bytes::Bytes;
use containers::{CommitRequest, Kind, RemoveOptions, StopOptions};
use engine_api::ExecStartRequest;
use network::NetworkCreate;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};

/// What the engine before this one wants to be looked at; `None` for the first.
pub(crate) fn phase(stage: &Stage) -> Option<String> {
    std::fs::read_to_string(stage.directory.join("phase")).ok()
}

pub(crate) async fn resume(stage: &Stage, phase: &str) {
    match phase {
        "crash" => {
            begin("adoption::across_an_engine_restart");
            after_a_crash(stage).await;
            begin("adoption::what_cannot_be_adopted_is_ended");
            leave_what_cannot_be_adopted(stage).await;
        }
        "unadoptable" => {
            begin("adoption::what_cannot_be_adopted_is_ended");
            what_cannot_be_adopted_is_ended(stage).await;
            begin("adoption::unless_stopped_after_a_shutdown");
            shut_down(stage).await;
        }
        "shutdown" => {
            begin("adoption::unless_stopped_after_a_shutdown");
            after_a_shutdown(stage).await;
            begin("adoption::a_removal_without_a_store_removes_nothing");
            remove_without_a_store(stage).await;
        }
        "store" => {
            begin("adoption::a_removal_without_a_store_removes_nothing");
            nothing_was_removed(stage).await;
            begin("adoption::pauses");
            leave_paused(stage).await;
        }
        "pauses" => {
            begin("adoption::pauses");
            pauses_are_as_they_were(stage).await;
        }
        other => panic!("unknown phase {other}"),
    }
}

fn set_phase(stage: &Stage, phase: &str) {
    std::fs::write(stage.directory.join("phase"), phase).expect("write");
}

/// Without any clean-up, as a crash would.
fn die() -> ! {
    println!("the engine ends here");
    // SAFETY: integers only.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    unreachable!("nobody survives SIGKILL")
}

async fn pid(stage: &Stage, name: &str) -> i64 {
    stage.containers.inspect(name, false).await.expect("inspect").state.pid
}

/// Leaves three containers behind: one that talks on, one that ends unseen, and one that was started a moment ago.
pub(crate) async fn across_an_engine_restart(stage: &Stage) {
    let script = "for n in $(seq 1 2000); do echo line $n; done; printf 'half a '; read line; echo line: $line; \
                  for n in $(seq 1 2000); do echo more $n; done; exit 21";
    let talker = json!({"Cmd": ["sh", "-c", script], "OpenStdin": true});
    let talker = stage.create(Some("talker"), talker).await.expect("create");
    let mortal = json!({
        "Cmd": ["sh", "-c", "read line; exit 22"], "OpenStdin": true, "HostConfig": {"Mounts": [memory("brief")]},
    });
    let mortal = stage.create(Some("mortal"), mortal).await.expect("create");
    stage.networks.create(NetworkCreate { name: "app".to_owned(), ..NetworkCreate::default() }).await.expect("network");
    let server = json!({
        "Cmd": ["sh", "-c", "httpd -p 80 -h /data; echo up; sleep 100"],
        "HostConfig": {
            "NetworkMode": "app", "PortBindings": {"80/tcp": [{"HostPort": "18080"}]},
            "RestartPolicy": {"Name": "unless-stopped"}, "CgroupParent": format!("/{}/inner", parent()),
        },
    });
    let server = stage.create(Some("server"), server).await.expect("create");
    // Probed quickly until it is healthy, and then not again within this test.
    let hour = 3_600_000_000_000_i64;
    let check = json!({
        "Test": ["CMD", "true"], "Interval": hour, "StartPeriod": hour, "StartInterval": 2_000_000, "Timeout": hour,
    });
    let patient = json!({
        "Cmd": ["sh", "-c", "echo written >/memory/file; exec sleep 100"], "Healthcheck": check,
        "HostConfig": {"Mounts": [memory("lasting")]},
    });
    let patient = stage.create(Some("patient"), patient).await.expect("create");
    let linker = json!({"Cmd": ["sleep", "100"], "HostConfig": {"Links": ["patient:db"]}});
    let linker = stage.create(Some("linker"), linker).await.expect("create");
    let guest = json!({"Cmd": ["sleep", "100"], "HostConfig": {"NetworkMode": "host"}});
    let guest = stage.create(Some("guest"), guest).await.expect("create");
    for id in [&talker, &mortal, &patient, &linker, &guest] {
        stage.containers.start(id).await.expect("start");
    }
    stage.await_log(&talker, "line 2000\n").await;
    let mut events = stage.events.subscribe();
    while stage.health(&patient).await != "healthy" {
        events.next().await.expect("events go on");
    }
    let detached = json!({"Cmd": ["sh", "-c", "while :; do echo talk; echo >>/count; sleep 0.01; done"]});
    let exec = stage.exec_create(&patient, &detached).await;
    let request = ExecStartRequest { detach: true, ..ExecStartRequest::default() };
    assert!(stage.containers.exec_start(&exec, request).await.expect("exec start").is_none());
    let mut attached = stage.containers.attach(&mortal, attach_all()).await.expect("attach");
    attached.stdin.as_mut().expect("stdin").write(Bytes::from_static(b"end\n")).await.expect("written");
    set_phase(stage, "crash");
    stage.containers.start(&server).await.expect("start");
    die();
}

async fn after_a_crash(stage: &Stage) {
    assert_eq!(stage.status("talker").await, "running");
    assert_eq!(stage.wait("mortal").await.code, 22);
    the_server_is_reached(stage).await;
    let host = stage.networks.inspect("host").expect("host");
    assert!(host.containers.values().any(|container| container.name == "guest"), "{:?}", host.containers);
    the_patient_is_as_it_was(stage).await;
    the_volumes_are_as_they_were(stage).await;
    let mut attached = stage.containers.attach("talker", attach_all()).await.expect("attach");
    attached.stdin.as_mut().expect("stdin").write(Bytes::from_static(b"again\n")).await.expect("written");
    while attached.output.recv().await.is_some() {}
    assert_eq!(stage.wait("talker").await.code, 21);
    let mut expected: String = (1..=2000).map(|n| format!("line {n}\n")).collect();
    expected.push_str("half a line: again\n");
    expected.extend((1..=2000).map(|n| format!("more {n}\n")));
    let log = stage.logs("talker").await;
    assert!(
        log == expected,
        "{} lines of {}: ...{}",
        log.lines().count(),
        4001,
        log.get(log.len().saturating_sub(80)..).unwrap_or("")
    );
    stage.containers.stop("server", StopOptions { timeout: Some(0), signal: None }).await.expect("stop");
    the_link_leads_on(stage).await;
    stage.containers.stop("patient", StopOptions { timeout: Some(0), signal: None }).await.expect("stop");
    stage.containers.stop("linker", StopOptions { timeout: Some(0), signal: None }).await.expect("stop");
    stage.remove("patient").await;
    assert!(!mounted("lasting"), "its last user ended");
    stage.containers.stop("guest", StopOptions { timeout: Some(0), signal: None }).await.expect("stop");
    for name in ["talker", "server", "linker", "guest"] {
        stage.remove(name).await;
    }
    assert!(!hierarchy().root().join(parent()).exists(), "made by the engine before, it went with the last container");
    passed();
}

/// A parent for cgroups beside the usual one.
fn parent() -> String {
    format!("{}-parent", cgroup())
}

/// A volume that is a tmpfs.
fn memory(name: &str) -> Value {
    let driver = json!({"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}});
    json!({"Type": "volume", "Source": name, "Target": "/memory", "VolumeOptions": {"DriverConfig": driver}})
}

fn mounted(volume: &str) -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").expect("the table of mounts");
    table.contains(&format!("/{volume}/_data "))
}

/// The one whose container runs is the same for a new container; the other's container ended while there was no engine.
async fn the_volumes_are_as_they_were(stage: &Stage) {
    assert!(mounted("lasting"), "its user runs");
    let reader = json!({"Cmd": ["cat", "/memory/file"], "HostConfig": {"Mounts": [memory("lasting")]}});
    stage.create(Some("reader"), reader).await.expect("create");
    stage.containers.start("reader").await.expect("start");
    assert_eq!(stage.wait("reader").await.code, 0);
    assert_eq!(stage.logs("reader").await, "written\n");
    stage.remove("reader").await;
    assert!(mounted("lasting"), "another user runs");
    stage.remove("mortal").await;
    assert!(!mounted("brief"), "its user is gone");
}

/// What was known of its health is still known, and its detached command has no stream that broke with the engine.
async fn the_patient_is_as_it_was(stage: &Stage) {
    assert_eq!(stage.status("patient").await, "running");
    assert_eq!(stage.health("patient").await, "healthy");
    let grows = "n=$(wc -l </count); for i in $(seq 1 500); do [ $(wc -l </count) -gt $((n + 3)) ] && exit 0; sleep 0.01; done; exit 1";
    let exec = stage.exec_create("patient", &json!({"Cmd": ["sh", "-c", grows], "AttachStdout": true})).await;
    let started = stage.containers.exec_start(&exec, ExecStartRequest::default()).await.expect("exec start");
    let mut output = started.expect("attached").output;
    while output.recv().await.is_some() {}
    assert_eq!(stage.containers.exec_inspect(&exec).expect("inspect").exit_code, Some(0), "the command talks on");
}

/// Link, port and names of a container whose start was the engine's last deed.
async fn the_server_is_reached(stage: &Stage) {
    let inspect = stage.containers.inspect("server", false).await.expect("inspect");
    assert_eq!(inspect.state.status, "running");
    stage.await_log("server", "up\n").await;
    let address = inspect.network_settings.networks.expect("networks")["app"].ip_address.clone();
    let mut stream = std::net::TcpStream::connect((address.as_str(), 80)).expect("the link is there");
    stream.write_all(b"GET /seed HTTP/1.0\r\n\r\n").expect("written");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.ends_with("from the image\n"), "{text}");
    assert!(stage.outside.has_port(18080));
    let names = stage.outside.names.lock().expect("no panic").clone();
    assert!(names.values().any(|names| names.names.contains(&"server".to_owned())), "{names:?}");
    assert!(stage.outside.served.lock().expect("no panic").contains(&inspect.id));
    let cgroup = hierarchy().adopt(&format!("/{}/inner", parent()), &inspect.id);
    assert!(cgroup.processes().expect("listed").contains(&i32::try_from(inspect.state.pid).expect("a pid")));
}

/// By its name, and in the hosts file when the container that it leads to starts anew.
async fn the_link_leads_on(stage: &Stage) {
    let patient = stage.containers.inspect("linker/db", false).await.expect("inspect").id;
    assert_eq!(patient, stage.containers.resolve("patient").expect("there"));
    let hosts = stage.containers.inspect("linker", false).await.expect("inspect").hosts_path;
    let stale = std::fs::read_to_string(&hosts).expect("read").lines().map(stale).collect::<String>();
    std::fs::write(&hosts, stale).expect("written");
    stage.containers.restart("patient", StopOptions { timeout: Some(0), signal: None }).await.expect("restart");
    let address = stage.containers.inspect("patient", false).await.expect("inspect").network_settings.ip_address;
    // A parent is told and not waited for; what it is asked after that comes after that.
    for (from, to) in [("linker", "told"), ("told", "linker")] {
        stage.containers.rename(from, to).await.expect("rename");
    }
    let hosts = std::fs::read_to_string(&hosts).expect("read");
    assert!(hosts.lines().any(|line| line.starts_with(&format!("{address}\tdb "))), "{address} {hosts}");
}

fn stale(line: &str) -> String {
    match line.split_once("\tdb ") {
        Some((_, names)) => format!("10.0.0.1\tdb {names}\n"),
        None => format!("{line}\n"),
    }
}

/// Two containers that lack what the next engine needs of them.
async fn leave_what_cannot_be_adopted(stage: &Stage) {
    let mut pids = Vec::new();
    for (name, policy) in [("stubborn", "always"), ("meek", "no")] {
        let request = json!({"Cmd": ["sleep", "100"], "HostConfig": {"RestartPolicy": {"Name": policy}}});
        let id = stage.create(Some(name), request).await.expect("create");
        stage.containers.start(&id).await.expect("start");
        stage.supervisor.release(&id, runtime::plan::fd::ROOTFS).await.expect("a descriptor less");
        pids.push(pid(stage, name).await);
    }
    std::fs::write(stage.directory.join("pids"), json!(pids).to_string()).expect("write");
    set_phase(stage, "unadoptable");
    die();
}

async fn what_cannot_be_adopted_is_ended(stage: &Stage) {
    let pids = std::fs::read_to_string(stage.directory.join("pids")).expect("written before");
    let pids: Value = serde_json::from_str(&pids).expect("JSON");
    for pid in pids.as_array().expect("a list") {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} lives on");
    }
    let meek = stage.containers.inspect("meek", false).await.expect("inspect").state;
    assert_eq!((meek.status.as_str(), meek.exit_code), ("exited", 137));
    let stubborn = stage.containers.resolve("stubborn").expect("known");
    stage.await_event(&stubborn, "start").await;
    assert_eq!(stage.status("stubborn").await, "running");
    assert_ne!(json!(pid(stage, "stubborn").await), pids[0]);
    for name in ["stubborn", "meek"] {
        stage.remove(name).await;
    }
    passed();
}

async fn shut_down(stage: &Stage) {
    let unless_stopped =
        json!({"Cmd": ["sleep", "100"], "StopTimeout": 0, "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}}});
    for name in ["stopped", "wanted"] {
        stage.create(Some(name), unless_stopped.clone()).await.expect("create");
        stage.containers.start(name).await.expect("start");
    }
    let fleeting = json!({"Cmd": ["sleep", "100"], "StopTimeout": 0, "HostConfig": {"AutoRemove": true}});
    stage.create(Some("fleeting"), fleeting).await.expect("create");
    stage.containers.start("fleeting").await.expect("start");
    stage.containers.stop("stopped", StopOptions { timeout: Some(0), signal: None }).await.expect("stop");
    stage.containers.shutdown().await;
    for name in ["stopped", "wanted"] {
        assert_eq!(stage.status(name).await, "exited");
        stage.containers.start(name).await.expect_err("nothing starts any more");
    }
    set_phase(stage, "shutdown");
    die();
}

async fn after_a_shutdown(stage: &Stage) {
    let wanted = stage.containers.resolve("wanted").expect("known");
    stage.await_event(&wanted, "start").await;
    assert_eq!(stage.status("wanted").await, "running");
    assert_eq!(stage.status("stopped").await, "exited");
    assert!(stage.containers.resolve("fleeting").is_err(), "--rm");
    for name in ["stopped", "wanted"] {
        stage.remove(name).await;
    }
    passed();
}

/// A removal whose record cannot be removed touches nothing.
async fn remove_without_a_store(stage: &Stage) {
    let id = stage.create(Some("keeper"), json!({"Cmd": ["true"], "Volumes": {"/kept": {}}})).await.expect("create");
    set_phase(stage, "store");
    let null = std::fs::File::open("/dev/null").expect("the null device");
    let (store, aside) = (stage.directory.join("store.redb"), stage.directory.join("aside"));
    let descriptor = store_fd(stage);
    // Opened again after the failure, there is no file to open.
    std::fs::rename(&store, &aside).expect("set aside");
    std::fs::create_dir(&store).expect("a folder in its place");
    // SAFETY: the store's descriptor goes on being one, of a file that takes nothing.
    assert!(unsafe { libc::dup2(null.as_raw_fd(), descriptor) } >= 0);
    let error = stage.containers.remove(&id, RemoveOptions { force: true, volumes: true }).await.expect_err("no store");
    assert_eq!(error.kind(), Kind::System, "{error}");
    assert_eq!(stage.status("keeper").await, "created");
    std::fs::remove_dir(&store).expect("the folder");
    std::fs::rename(&aside, &store).expect("put back");
    die();
}

fn store_fd(stage: &Stage) -> RawFd {
    let store = stage.directory.join("store.redb").canonicalize().expect("the store");
    let mut open = std::fs::read_dir("/proc/self/fd").expect("our descriptors").flatten();
    let found = open.find(|entry| std::fs::read_link(entry.path()).is_ok_and(|path| path == store));
    found.expect("the store is open").file_name().to_string_lossy().parse().expect("a number")
}

async fn nothing_was_removed(stage: &Stage) {
    let inspect = stage.containers.inspect("keeper", false).await.expect("still there");
    let volume = std::path::PathBuf::from(&inspect.mounts[0].source);
    assert!(volume.exists());
    stage.containers.start("keeper").await.expect("its files are there");
    assert_eq!(stage.wait("keeper").await.code, 0);
    stage.remove("keeper").await;
    assert!(!volume.exists());
    passed();
}

/// One that the user paused, and one that is in the middle of a commit.
async fn leave_paused(stage: &Stage) {
    for name in ["paused", "committed"] {
        // So large that the commit takes a while.
        let script = "dd if=/dev/null of=/a bs=1M seek=256 count=0 && echo ready && sleep 100";
        let request = json!({"Cmd": ["sh", "-c", script]});
        stage.create(Some(name), request).await.expect("create");
        stage.containers.start(name).await.expect("start");
        stage.await_log(name, "ready").await;
    }
    set_phase(stage, "pauses");
    let (containers, committed) = (stage.containers.clone(), stage.containers.resolve("committed").expect("known"));
    tokio::spawn(async move {
        let commit = CommitRequest { pause: true, ..CommitRequest::default() };
        containers.commit("committed", commit).await
    });
    stage.await_event(&committed, "pause").await;
    stage.containers.pause("paused").await.expect("pause");
    die();
}

async fn pauses_are_as_they_were(stage: &Stage) {
    assert_eq!((stage.status("paused").await.as_str(), frozen(stage, "paused").await), ("paused", true));
    assert_eq!((stage.status("committed").await.as_str(), frozen(stage, "committed").await), ("running", false));
    for name in ["paused", "committed"] {
        stage.remove(name).await;
    }
    passed();
}

/// What the kernel says.
async fn frozen(stage: &Stage, name: &str) -> bool {
    let id = stage.containers.resolve(name).expect("known");
    let cgroup = crate::stage::hierarchy().adopt("", &id);
    cgroup.read("cgroup.freeze").expect("readable").expect("of version 2").trim() == "1"
}
