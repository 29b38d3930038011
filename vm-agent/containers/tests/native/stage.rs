//! What the cases share: all services over a temporary directory, an image of busybox, and short ways to run things.

use crate::foreign::{self, Registrar};
use containers::{
    AttachRequest, Containers, LogsRequest, Mode, RemoveOptions, Services, Settings, WaitCondition, Waited,
};
use engine_api::ContainerCreateRequest;
use events::Events;
use futures_util::future::BoxFuture;
use network::{
    Binding, EndpointNames, ForwardError, ForwardId, Forwarder, NameChange, NameError, NameService, NameSockets,
    Networks, Published, Resolver,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use supervisor::Supervisor;

pub(crate) const IMAGE: &str = "busybox:test";

pub(crate) struct Stage {
    pub(crate) containers: Containers,
    pub(crate) supervisor: Supervisor,
    pub(crate) events: Events,
    pub(crate) networks: Networks,
    pub(crate) outside: Arc<Outside>,
    pub(crate) registrar: Registrar,
    pub(crate) directory: PathBuf,
}

pub(crate) fn own_namespaces() {
    runtime::sys::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET).expect("these tests need root");
    // SAFETY: constant strings; only the propagation changes.
    let done = unsafe {
        let none = std::ptr::null();
        libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast())
    };
    assert_eq!(done, 0, "private mounts");
}

pub(crate) fn cgroup() -> String {
    // The same for the engine and the one after it: their supervisor's.
    let pid = if std::env::args().nth(1).as_deref() == Some("engine") {
        std::os::unix::process::parent_id()
    } else {
        std::process::id()
    };
    format!("berth-test-{pid}")
}

/// Removes what the last containers' background work had not removed when the engine ended.
pub(crate) fn hierarchy() -> runtime::cgroup::Hierarchy {
    runtime::cgroup::Hierarchy::prepare(&cgroup()).expect("a cgroup2 tree")
}

pub(crate) fn remove_cgroup() {
    let hierarchy = hierarchy();
    for name in hierarchy.list().expect("the test's own cgroups") {
        hierarchy.adopt("", &name).remove().expect("nothing lives in it");
    }
    std::fs::remove_dir(hierarchy.root().join(cgroup())).expect("the test's own cgroup");
}

impl Stage {
    pub(crate) async fn open(directory: &str) -> Stage {
        let directory = PathBuf::from(directory);
        // SAFETY: the supervisor put the socket there for us.
        let socket = unsafe { OwnedFd::from_raw_fd(supervisor::protocol::CHANNEL_FD) };
        let (supervisor, notices) = Supervisor::from_fd(socket).await.expect("the supervisor answers");
        let store = store::Store::open(&directory.join("store.redb")).expect("store");
        let events = Events::new();
        let layers = layers::Layers::open(&directory.join("layers"), &store).expect("layers");
        let images =
            images::Images::open(&directory, &store, &layers, images::RegistryConfig::default()).expect("images");
        let volumes =
            volumes::Volumes::open(&directory.join("volumes"), &store, Arc::new(volumes::Here)).await.expect("volumes");
        let settings = network::Settings { publish_ipv6: false, ..network::Settings::default() };
        let outside = Arc::new(Outside::default());
        let networks = Networks::open(store.clone(), events.clone(), outside.clone(), outside.clone(), settings)
            .await
            .expect("networks");
        for (name, processor) in [(IMAGE, "amd64"), (foreign::IMAGE, foreign::PROCESSOR)] {
            if images.resolve(name).is_err() {
                let archive = Cursor::new(image(name, processor));
                images.load(archive, None, &images::Sink::silent()).await.expect("the image loads");
            }
        }
        let (registrar, emulation) = foreign::registrar();
        let services = Services {
            store,
            events: events.clone(),
            folders: folders::Folders::new(directory.join("folders"), Arc::new(NoHost)),
            layers,
            images,
            emulation,
            volumes,
            networks: networks.clone(),
            supervisor: supervisor.clone(),
        };
        let settings = Settings {
            root: directory.clone(),
            mode: Mode::Native,
            engine_socket: directory.join("engine.sock"),
            engine_sockets: Vec::new(),
            cgroup_parent: cgroup(),
            resolv_conf: directory.join("host-resolv.conf"),
        };
        std::fs::copy("/etc/resolv.conf", &settings.resolv_conf).expect("the machine's resolv.conf");
        let containers = Containers::open(services, settings).await.expect("containers");
        let follower = containers.clone();
        tokio::spawn(async move { follower.follow(notices).await });
        Stage { containers, supervisor, events, networks, outside, registrar, directory }
    }

    /// Creates a container from the JSON of a request, on top of the busybox image where it names none.
    pub(crate) async fn create(&self, name: Option<&str>, mut request: Value) -> containers::Result<String> {
        if request["Image"].is_null() {
            request["Image"] = json!(IMAGE);
        }
        let request = ContainerCreateRequest::decode(request.to_string().as_bytes()).expect("a valid request");
        Ok(self.containers.create(name, request, None).await?.id)
    }

    /// Makes an exec from the JSON of a request.
    pub(crate) async fn exec_create(&self, id: &str, request: &Value) -> String {
        let config = engine_api::decode(request.to_string().as_bytes()).expect("a valid request");
        self.containers.exec_create(id, config).await.expect("exec create")
    }

    /// The health that inspect reports; empty without a check.
    pub(crate) async fn health(&self, id: &str) -> String {
        let state = self.containers.inspect(id, false).await.expect("inspect").state;
        state.health.map(|health| health.status).unwrap_or_default()
    }

    /// Runs a shell script to its end: (exit code, stdout and stderr in the order of the log).
    pub(crate) async fn run(&self, script: &str, mut request: Value) -> (i32, String) {
        if request.is_null() {
            request = json!({});
        }
        request["Cmd"] = json!(["sh", "-c", script]);
        let id = self.create(None, request).await.expect("create");
        self.containers.start(&id).await.expect("start");
        let code = self.wait(&id).await.code;
        let output = self.logs(&id).await;
        self.containers.remove(&id, RemoveOptions { force: false, volumes: true }).await.expect("remove");
        (code, output)
    }

    pub(crate) async fn wait(&self, id: &str) -> Waited {
        self.containers.wait(id, WaitCondition::NotRunning).expect("known").await
    }

    pub(crate) async fn logs(&self, id: &str) -> String {
        let request = LogsRequest { stdout: true, stderr: true, ..LogsRequest::default() };
        let mut logs = self.containers.logs(id, request).await.expect("logs");
        let mut text = String::new();
        while let Some(frame) = logs.frames.recv().await {
            text.push_str(&String::from_utf8_lossy(&frame.expect("a record").bytes));
        }
        text
    }

    pub(crate) async fn remove(&self, id: &str) {
        self.containers.remove(id, RemoveOptions { force: true, volumes: true }).await.expect("remove");
    }

    /// Waits for an event of the container, also one that was before.
    pub(crate) async fn await_event(&self, id: &str, action: &str) {
        let mut events = self.events.subscribe_since(0, None);
        loop {
            let event = events.next().await.expect("an event");
            if event.actor == id && event.action == action {
                return;
            }
        }
    }

    pub(crate) async fn status(&self, id: &str) -> String {
        self.containers.inspect(id, false).await.expect("inspect").state.status
    }

    /// Waits until the container's log has `text`; for programs that say that they are ready.
    pub(crate) async fn await_log(&self, id: &str, text: &str) {
        let request = LogsRequest { stdout: true, stderr: true, follow: true, ..LogsRequest::default() };
        let mut logs = self.containers.logs(id, request).await.expect("logs");
        let mut seen = String::new();
        while !seen.contains(text) {
            let frame = logs.frames.recv().await.unwrap_or_else(|| panic!("{text:?} not in {seen:?}"));
            seen.push_str(&String::from_utf8_lossy(&frame.expect("a record").bytes));
        }
    }
}

pub(crate) fn attach_all() -> AttachRequest {
    AttachRequest { stdin: true, stdout: true, stderr: true, stream: true, ..AttachRequest::default() }
}

/// A docker-archive with one layer: busybox, its applets, some users, a directory for volumes.
fn image(name: &str, processor: &str) -> Vec<u8> {
    let busybox = std::fs::read("/bin/busybox").expect("these tests need /bin/busybox (apt install busybox-static)");
    let applets = std::process::Command::new("/bin/busybox").arg("--list").output().expect("busybox runs").stdout;
    let mut layer = tar::Builder::new(Vec::new());
    let entry = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header
    };
    for directory in ["bin", "proc", "sys", "dev", "tmp", "etc", "root", "data", "home/user"] {
        layer.append_data(&mut entry(tar::EntryType::Directory, 0o755, 0), directory, std::io::empty()).expect("tar");
    }
    let size = busybox.len() as u64;
    layer.append_data(&mut entry(tar::EntryType::Regular, 0o755, size), "bin/busybox", &busybox[..]).expect("tar");
    for applet in String::from_utf8_lossy(&applets).lines().filter(|applet| *applet != "busybox") {
        let mut header = entry(tar::EntryType::Symlink, 0o777, 0);
        layer.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("tar");
    }
    for (path, text) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"),
        ("etc/group", "root:x:0:\nuser:x:1000:\naudio:x:29:user\n"),
        ("etc/plain", "not a program\n"),
        ("data/seed", "from the image\n"),
    ] {
        let mut header = entry(tar::EntryType::Regular, 0o644, text.len() as u64);
        layer.append_data(&mut header, path, text.as_bytes()).expect("tar");
    }
    let layer = layer.into_inner().expect("tar");
    let digest = layers::Digest::of(&layer);
    let config = json!({
        "architecture": processor, "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin", "FROM_IMAGE=1"], "WorkingDir": "/root"},
        "rootfs": {"type": "layers", "diff_ids": [digest.to_string()]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "test"}],
    })
    .to_string();
    let config_file = format!("{}.json", layers::Digest::of(config.as_bytes()).hex());
    let manifest = json!([{"Config": config_file, "RepoTags": [name], "Layers": ["layer.tar"]}]).to_string();
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in [
        (config_file, config.as_bytes()),
        ("layer.tar".to_owned(), &layer[..]),
        ("manifest.json".to_owned(), manifest.as_bytes()),
    ] {
        let mut header = entry(tar::EntryType::Regular, 0o644, bytes.len() as u64);
        archive.append_data(&mut header, path, bytes).expect("tar");
    }
    archive.into_inner().expect("tar")
}

/// The world outside, which remembers what it was told.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) ports: Mutex<BTreeMap<ForwardId, Published>>,
    /// By endpoint.
    pub(crate) names: Mutex<BTreeMap<String, EndpointNames>>,
    /// Containers whose questions are answered.
    pub(crate) served: Mutex<BTreeSet<String>>,
}

impl Outside {
    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.ports.lock().expect("no panic").values().any(|published| published.host_port == port)
    }
}

impl Forwarder for Outside {
    fn open<'a>(&'a self, port: &'a Published) -> BoxFuture<'a, Result<Binding, ForwardError>> {
        Box::pin(async move {
            if self.has_port(port.host_port) {
                return Err(ForwardError::InUse);
            }
            self.ports.lock().expect("no panic").insert(port.id.clone(), port.clone());
            Ok(Binding { host_ip: port.host_ip, host_port: port.host_port })
        })
    }

    fn close<'a>(&'a self, id: &'a ForwardId) -> BoxFuture<'a, Result<(), ForwardError>> {
        Box::pin(async {
            // The host's end of a link is not as near as this.
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.ports.lock().expect("no panic").remove(id);
            Ok(())
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ForwardId>, ForwardError>> {
        Box::pin(async { Ok(self.ports.lock().expect("no panic").keys().cloned().collect()) })
    }
}

impl NameService for Outside {
    fn serve(&self, resolver: Resolver, sockets: Option<NameSockets>) -> BoxFuture<'_, Result<(), NameError>> {
        Box::pin(async move {
            let mut served = self.served.lock().expect("no panic");
            if sockets.is_none() && !served.contains(&resolver.sandbox) {
                return Err(NameError("the sandbox has no sockets".to_owned()));
            }
            served.insert(resolver.sandbox);
            Ok(())
        })
    }

    fn update(&self, changes: Vec<NameChange>) -> BoxFuture<'_, Result<(), NameError>> {
        Box::pin(async {
            let mut known = self.names.lock().expect("no panic");
            for change in changes {
                match change {
                    NameChange::Put { names, .. } => drop(known.insert(names.endpoint.clone(), names)),
                    NameChange::Remove { endpoint, .. } => drop(known.remove(&endpoint)),
                    NameChange::Clear { .. } => known.clear(),
                }
            }
            Ok(())
        })
    }

    fn drop_sandbox<'a>(&'a self, sandbox: &'a str) -> BoxFuture<'a, Result<(), NameError>> {
        Box::pin(async {
            self.served.lock().expect("no panic").remove(sandbox);
            Ok(())
        })
    }
}

/// Natively all paths are this computer's own.
#[derive(Debug)]
struct NoHost;

impl folders::Host for NoHost {
    fn look(&self, request: folders::Request) -> BoxFuture<'_, folders::Result<folders::Shared>> {
        Box::pin(async move { Err(folders::Error::NotShared(request.path)) })
    }

    fn serve(
        &self,
        request: folders::Request,
        _place: PathBuf,
        _device: OwnedFd,
    ) -> BoxFuture<'_, folders::Result<()>> {
        Box::pin(async move { Err(folders::Error::NotShared(request.path)) })
    }

    fn resume(&self, request: folders::Request, _place: PathBuf) -> BoxFuture<'_, folders::Result<()>> {
        Box::pin(async move { Err(folders::Error::NotShared(request.path)) })
    }

    fn forget(&self, _mount: &str) {}
}
