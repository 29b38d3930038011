//! Volumes, binds, tmpfs, and files from outside.

use crate::archives::send;
use crate::stage::Stage;
use containers::{ArchivePut, Kind, RemoveOptions};
use serde_json::json;
use std::io::Read;
use tokio::sync::mpsc;

pub(crate) async fn volumes(stage: &Stage) {
    // A named volume takes the image's content, and outlives its containers.
    let binds = json!({"HostConfig": {"Binds": ["keep:/data"]}});
    let (_, output) = stage.run("cat /data/seed; echo more >> /data/seed", binds.clone()).await;
    assert_eq!(output, "from the image\n");
    let (_, output) = stage.run("cat /data/seed", binds).await;
    assert_eq!(output, "from the image\nmore\n");
    let (_, output) = stage.run("ls -A /data", json!({"HostConfig": {"Binds": ["bare:/data:nocopy"]}})).await;
    assert_eq!(output, "");
    let (code, _) = stage.run("touch /data/x", json!({"HostConfig": {"Binds": ["keep:/data:ro"]}})).await;
    assert_ne!(code, 0);
    // An anonymous one goes with its container when it is asked to.
    let id = stage.create(None, json!({"Cmd": ["true"], "Volumes": {"/anonymous": {}}})).await.expect("create");
    let mounts = stage.containers.inspect(&id, false).await.expect("inspect").mounts;
    assert_eq!((mounts[0].kind.as_str(), mounts[0].destination.as_str()), ("volume", "/anonymous"));
    let path = mounts[0].source.clone();
    assert!(std::path::Path::new(&path).exists());
    stage.containers.remove(&id, RemoveOptions { force: false, volumes: true }).await.expect("remove");
    assert!(!std::path::Path::new(&path).exists());
}

/// Two containers at once on one new volume: neither finds the other's copy in its way, or half of it.
pub(crate) async fn volumes_that_two_fill(stage: &Stage) {
    for round in 0..10 {
        let request =
            json!({"Cmd": ["cat", "/bin-copy/busybox"], "HostConfig": {"Binds": [format!("common-{round}:/bin")]}});
        let (a, b) = tokio::join!(stage.create(None, request.clone()), stage.create(None, request));
        let (a, b) = (a.expect("create"), b.expect("create"));
        let mounts = stage.containers.inspect(&a, false).await.expect("inspect").mounts;
        let copied = std::fs::read(std::path::Path::new(&mounts[0].source).join("busybox")).expect("copied");
        assert!(copied == std::fs::read("/bin/busybox").expect("busybox"));
        stage.remove(&a).await;
        stage.remove(&b).await;
    }
}

pub(crate) async fn volumes_of_a_failed_create(stage: &Stage) {
    let volumes = || std::fs::read_dir(stage.directory.join("volumes")).expect("the volumes").count();
    let before = volumes();
    let request = json!({"HostConfig": {"Mounts": [
        {"Type": "volume", "Target": "/made"},
        {"Type": "bind", "Source": "/no/such", "Target": "/x"},
    ]}});
    stage.create(None, request).await.expect_err("missing source");
    assert_eq!(volumes(), before, "the anonymous volume is gone");
}

pub(crate) async fn mounts(stage: &Stage) {
    let source = stage.directory.join("host-folder");
    let bind = format!("{}:/mnt/host", source.display());
    let (_, output) = stage.run("echo hello > /mnt/host/file; echo ok", json!({"HostConfig": {"Binds": [bind]}})).await;
    assert_eq!(output, "ok\n");
    assert_eq!(std::fs::read_to_string(source.join("file")).expect("written through"), "hello\n");
    let missing = json!({"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/no/such", "Target": "/x"}]}});
    let error = stage.create(None, missing).await.expect_err("missing source");
    assert_eq!(error.to_string(), "invalid mount config for type \"bind\": bind source path does not exist: /no/such");
    assert_eq!(error.kind(), Kind::Invalid);
    let request = json!({"HostConfig": {
        "ReadonlyRootfs": true, "Tmpfs": {"/scratch": "size=1m,mode=700"}, "ShmSize": 1_048_576,
    }});
    let (_, output) = stage
        .run("touch /x 2>/dev/null || echo sealed; touch /scratch/x && echo open; df -k /dev/shm | tail -1", request)
        .await;
    assert!(output.starts_with("sealed\nopen\n"), "{output}");
    assert!(output.contains(" 1024 "), "{output}");
}

pub(crate) async fn shared_memory(stage: &Stage) {
    let request = json!({"Cmd": ["sh", "-c", "echo common > /dev/shm/x; echo ready; sleep 100"], "HostConfig": {"IpcMode": "shareable"}});
    let owner = stage.create(None, request).await.expect("create");
    stage.containers.start(&owner).await.expect("start");
    stage.await_log(&owner, "ready").await;
    let mode = format!("container:{owner}");
    let (_, output) = stage.run("cat /dev/shm/x", json!({"HostConfig": {"IpcMode": mode}})).await;
    assert_eq!(output, "common\n");
    stage.remove(&owner).await;
    let (_, output) =
        stage.run("grep -c /dev/shm /proc/mounts; ls /dev/shm 2>&1", json!({"HostConfig": {"IpcMode": "none"}})).await;
    assert!(output.starts_with("0\n") && output.contains("No such file"), "{output}");
    let (code, output) =
        stage.run("readlink /proc/self/ns/ipc; test -d /dev/shm", json!({"HostConfig": {"IpcMode": "host"}})).await;
    let ours = std::fs::read_link("/proc/self/ns/ipc").expect("our namespace");
    assert_eq!((code, output.trim()), (0, &*ours.to_string_lossy()));
    // A process namespace of another container: its processes are seen, and the container ends on its own.
    let owner = stage.create(None, json!({"Cmd": ["sleep", "100"]})).await.expect("create");
    stage.containers.start(&owner).await.expect("start");
    let mode = format!("container:{owner}");
    let (code, output) = stage.run("cat /proc/1/comm; exit 4", json!({"HostConfig": {"PidMode": mode}})).await;
    assert_eq!((code, output.as_str()), (4, "sleep\n"));
    stage.remove(&owner).await;
    let (code, output) =
        stage.run("sleep 100 & test $$ -ne 1 && exit 5", json!({"HostConfig": {"PidMode": "host"}})).await;
    assert_eq!((code, output.as_str()), (5, ""));
}

pub(crate) async fn copy_in_and_out(stage: &Stage) {
    let id = stage
        .create(None, json!({"Cmd": ["sleep", "100"], "HostConfig": {"Binds": ["cp:/vol"]}}))
        .await
        .expect("create");
    for running in [false, true] {
        if running {
            stage.containers.start(&id).await.expect("start");
        }
        for directory in ["/tmp", "/vol"] {
            put(stage, &id, directory, "sub/file", format!("{running}").as_bytes()).await;
            let (stat, text) = get(stage, &id, &format!("{directory}/sub/file")).await;
            assert_eq!((stat.name.as_str(), stat.size), ("file", text.len() as i64));
            assert_eq!(text, format!("{running}"));
        }
    }
    // What was copied into the stopped container's volume is where the running one sees it.
    let stat = stage.containers.archive_stat(&id, "/bin/sh").await.expect("stat");
    assert_eq!((stat.link_target.as_str(), stat.mode & (1 << 27)), ("/bin/busybox", 1 << 27));
    let error = stage.containers.archive_stat(&id, "/no/such").await.expect_err("missing");
    assert_eq!(error.to_string(), format!("Could not find the file /no/such in container {id}"));
    let (sender, body) = mpsc::channel(1);
    drop(sender);
    let error =
        stage.containers.archive_put(&id, "/etc/passwd", body, ArchivePut::default()).await.expect_err("a file");
    assert!(matches!(error.kind(), Kind::Invalid | Kind::NotFound), "{error}");
    let (_, mut chunks) = stage.containers.archive_get(&id, "/data/.").await.expect("get");
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        bytes.extend_from_slice(&chunk.expect("a chunk"));
    }
    // Clients replace the leading `./` by the name that the copy is to have.
    assert!(bytes.starts_with(b"./\0"), "{:?}", &bytes[..20]);
    assert!(bytes.windows(7).any(|window| window == b"./seed\0"));
    let changes = stage.containers.changes(&id).await.expect("changes");
    assert!(!changes.iter().any(|change| change.path.starts_with("/etc")), "{changes:?}");
    assert!(changes.iter().any(|change| change.path == "/tmp/sub/file" && change.kind == 1), "{changes:?}");
    let mut export = stage.containers.export(&id).await.expect("export");
    let mut bytes = Vec::new();
    while let Some(chunk) = export.recv().await {
        bytes.extend_from_slice(&chunk.expect("a chunk"));
    }
    let mut archive = tar::Archive::new(&bytes[..]);
    let names: Vec<String> = archive
        .entries()
        .expect("a tar")
        .map(|entry| entry.expect("an entry").path().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().any(|name| name.ends_with("tmp/sub/file")), "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("proc/") || name.ends_with("proc")), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("proc/1") || name.contains("dev/null")), "without what is mounted");
    stage.remove(&id).await;
}

/// What a stopped container will find in its volumes is what `cp` finds, wherever the copy begins.
pub(crate) async fn copy_through_volumes(stage: &Stage) {
    let request = json!({"Cmd": ["cat", "/data/deep/h"], "HostConfig": {
        "Binds": ["through:/data", "below:/data/deep", "sealed:/sealed:ro"],
    }});
    let id = stage.create(None, request).await.expect("create");
    put(stage, &id, "/", "data/deep/h", b"into the volume below").await;
    assert_eq!(get(stage, &id, "/data/deep/h").await.1, "into the volume below");
    let (_, mut chunks) = stage.containers.archive_get(&id, "/data").await.expect("get");
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        bytes.extend_from_slice(&chunk.expect("a chunk"));
    }
    assert!(bytes.windows(12).any(|window| window == b"data/deep/h\0"), "volumes are part of the tree");
    let source = |name: &str| stage.directory.join("volumes").join(name);
    let volumes: Vec<_> = std::fs::read_dir(stage.directory.join("volumes")).expect("volumes").flatten().collect();
    assert!(source("below").exists(), "{volumes:?}");
    // A volume that the container may not write is not written from outside either.
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(1);
    tar.append_data(&mut header, "sealed/x", &b"x"[..]).expect("tar");
    let (sender, body) = mpsc::channel(1);
    sender.send(Ok(tar.into_inner().expect("tar").into())).await.expect("sent");
    drop(sender);
    let error = stage.containers.archive_put(&id, "/", body, ArchivePut::default()).await.expect_err("read-only");
    assert!(error.to_string().contains("Read-only file system"), "{error}");
    stage.containers.start(&id).await.expect("start");
    assert_eq!(stage.wait(&id).await.code, 0);
    assert_eq!(stage.logs(&id).await, "into the volume below");
    stage.remove(&id).await;
}

/// A link that a container left in a volume does not lead out of it.
pub(crate) async fn subpath_stays_in_its_volume(stage: &Stage) {
    stage.run("ln -s /etc /vol/evil; mkdir /vol/good", json!({"HostConfig": {"Binds": ["subpaths:/vol"]}})).await;
    let with = |subpath: &str| {
        json!({"Cmd": ["true"], "HostConfig": {"Mounts": [{
            "Type": "volume", "Source": "subpaths", "Target": "/x", "VolumeOptions": {"Subpath": subpath},
        }]}})
    };
    let good = stage.create(None, with("good")).await.expect("create");
    put(stage, &good, "/x", "file", b"fine").await;
    assert_eq!(get(stage, &good, "/x/file").await.1, "fine");
    stage.remove(&good).await;
    let evil = stage.create(None, with("evil")).await.expect("where it leads shows when it is mounted");
    let leaked = stage.containers.archive_stat(&evil, "/x/passwd").await;
    assert!(leaked.is_err(), "{leaked:?}");
    stage.remove(&evil).await;
}

async fn put(stage: &Stage, id: &str, directory: &str, name: &str, content: &[u8]) {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    header.set_uid(1000);
    header.set_gid(1000);
    header.set_mtime(1_700_000_000);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, name, content).expect("tar");
    send(stage, id, directory, &tar.into_inner().expect("tar")).await.expect("put");
}

async fn get(stage: &Stage, id: &str, path: &str) -> (engine_api::PathStat, String) {
    let (stat, mut chunks) = stage.containers.archive_get(id, path).await.expect("get");
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        bytes.extend_from_slice(&chunk.expect("a chunk"));
    }
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut entry = archive.entries().expect("a tar").next().expect("an entry").expect("readable");
    assert_eq!(entry.header().uid().expect("uid"), 1000);
    let mut text = String::new();
    entry.read_to_string(&mut text).expect("text");
    (stat, text)
}

/// The hosts file and resolv.conf of a running container: whatever it wrote there itself, and whatever became of the machine's.
pub(crate) async fn that_follow_the_networks(stage: &Stage) {
    let app = network::NetworkCreate { name: "followed".to_owned(), ..network::NetworkCreate::default() };
    stage.networks.create(app).await.expect("network");
    let child = stage.create(Some("child"), json!({"Cmd": ["sleep", "1000"]})).await.expect("create");
    stage.containers.start(&child).await.expect("start");
    let script = "printf '\\377' >>/etc/hosts; echo ready; sleep 1000";
    let request = json!({"Cmd": ["sh", "-c", script], "HostConfig": {"Links": ["child:db"]}});
    let web = stage.create(None, request).await.expect("create");
    stage.containers.start(&web).await.expect("start");
    stage.await_log(&web, "ready").await;
    let inspect = stage.containers.inspect(&web, false).await.expect("inspect");
    let read =
        |path: &str| String::from_utf8_lossy(&std::fs::read(path).expect("a file of the container")).into_owned();
    let (hosts, resolv_conf) = (|| read(&inspect.hosts_path), || read(&inspect.resolv_conf_path));
    let connect = async |network| {
        let request = json!({"Container": web}).to_string();
        let request = engine_api::decode(request.as_bytes()).expect("a request");
        stage.containers.connect(network, request).await.expect(network);
    };
    let disconnect = async |network| {
        let request = json!({"Container": web}).to_string();
        let request = engine_api::decode(request.as_bytes()).expect("a request");
        stage.containers.disconnect(network, request).await.expect(network);
    };
    std::fs::write(stage.directory.join("host-resolv.conf"), "nameserver 10.9.9.9\n").expect("written");
    let before = hosts();
    connect("followed").await;
    assert!(resolv_conf().contains("nameserver 127.0.0.11\n"), "{}", resolv_conf());
    let own = |hosts: &str| hosts.lines().filter(|line| line.ends_with(&format!("\t{}", &web[..12]))).count();
    assert!(own(&before) == 1 && own(&hosts()) == 2 && hosts().contains('\u{fffd}'), "{}", hosts());
    disconnect("bridge").await;
    let links = || hosts().lines().filter(|line| line.contains("\tdb ")).count();
    assert!(own(&hosts()) == 1 && links() == 0, "{}", hosts());
    connect("bridge").await;
    assert!(own(&hosts()) == 2 && links() == 1, "{}", hosts());
    disconnect("followed").await;
    assert!(resolv_conf().ends_with("nameserver 10.9.9.9\n"), "{}", resolv_conf());
    // The hosts file cannot be edited any more: the rest is done.
    std::fs::write(&inspect.hosts_path, vec![b'#'; 2 << 20]).expect("written");
    connect("followed").await;
    assert_eq!(hosts().len(), 2 << 20);
    assert!(resolv_conf().contains("nameserver 127.0.0.11\n"), "{}", resolv_conf());
    // The container's own.
    std::fs::write(&inspect.resolv_conf_path, b"nameserver 10.1.1.1 \xff").expect("written");
    disconnect("followed").await;
    assert!(resolv_conf().starts_with("nameserver 10.1.1.1"), "{}", resolv_conf());
    stage.remove(&web).await;
    stage.remove(&child).await;
    stage.networks.remove("followed").await.expect("nobody is on it");
}
