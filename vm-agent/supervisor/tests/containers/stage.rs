//! What the cases share: an image of busybox, containers with pipes, exits by id.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::symlink,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use oci_spec::runtime::Spec;
use runtime::{Extras, Failure, Outcome, Plan, status};
use serde_json::{Value, json};
use supervisor::{Exit, Notice, Notices, Spawn, Spawned, Supervisor};
use tokio::io::{Interest, unix::AsyncFd};

pub(crate) struct Stage {
    pub(crate) supervisor: Supervisor,
    pub(crate) directory: PathBuf,
    notices: Notices,
    exits: HashMap<String, Exit>,
}

/// A started container.
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) spawned: Spawned,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: File,
    pub(crate) terminal: Option<OwnedFd>,
}

pub(crate) fn own_mount_namespace() {
    runtime::sys::unshare(libc::CLONE_NEWNS).expect("these tests need root");
    // SAFETY: constant strings; only the propagation changes.
    let done = unsafe {
        let none = std::ptr::null();
        libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast())
    };
    assert_eq!(done, 0, "private mounts");
}

pub(crate) fn make_image(directory: &Path) {
    let root = directory.join("image");
    for name in ["bin", "proc", "sys", "dev", "tmp", "etc", "home/user"] {
        fs::create_dir_all(root.join(name)).expect("mkdir");
    }
    let busybox = root.join("bin/busybox");
    fs::copy("/bin/busybox", &busybox).expect("these tests need /bin/busybox (apt install busybox-static)");
    let list = std::process::Command::new(&busybox).arg("--list").output().expect("busybox runs");
    for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|a| *a != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).expect("symlink");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
        .expect("write");
    fs::write(root.join("etc/plain"), "not a program\n").expect("write");
    fs::write(root.join("bin/garbage"), [0u8, 1, 2, 3]).expect("write");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(root.join("bin/garbage"), mode).expect("chmod");
}

impl Stage {
    pub(crate) fn new(supervisor: Supervisor, notices: Notices, directory: &str) -> Stage {
        Stage { supervisor, directory: PathBuf::from(directory), notices, exits: HashMap::new() }
    }

    pub(crate) fn id(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("c{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A fresh overlay over the image, attached nowhere.
    pub(crate) fn rootfs(&self, id: &str) -> OwnedFd {
        let at = |name: &str| self.directory.join(format!("{id}-{name}"));
        fs::create_dir(at("upper")).expect("mkdir");
        fs::create_dir(at("work")).expect("mkdir");
        let text = |path: PathBuf| Some(path.display().to_string());
        let data = [
            ("lowerdir".to_owned(), text(self.directory.join("image"))),
            ("upperdir".to_owned(), text(at("upper"))),
            ("workdir".to_owned(), text(at("work"))),
        ];
        runtime::sys::new_mount("overlay", "overlay", &data, 0).expect("overlay")
    }

    pub(crate) fn plan(&self, spec: &Value, extras: &Extras) -> Plan {
        let spec: Spec = serde_json::from_value(spec.clone()).expect("an OCI spec");
        runtime::plan(&spec, extras).expect("a plan")
    }

    /// Starts a container of this spec; the error is what its first process reported.
    pub(crate) async fn start(&mut self, spec: &Value) -> Result<Container, Failure> {
        self.start_with(spec, Extras::default(), Vec::new()).await
    }

    pub(crate) async fn start_with(
        &mut self,
        spec: &Value,
        extras: Extras,
        mut fds: Vec<(String, OwnedFd)>,
    ) -> Result<Container, Failure> {
        let id = self.id();
        let plan = self.plan(spec, &extras);
        fds.push(("rootfs".to_owned(), self.rootfs(&id)));
        let (engine, status) = status::pair().expect("a status pair");
        let (stdin, stdout) = pipes(&mut fds, plan.process.terminal.is_some());
        let keep = vec!["stdin".to_owned()];
        let spawn = Spawn { id: id.clone(), plan, fds, keep, status };
        let spawned = self.supervisor.spawn(spawn).await.expect("a process");
        let (terminal, failure) = outcome(engine).await;
        match failure {
            Some(failure) => {
                self.exit(&id).await;
                Err(failure)
            }
            None => Ok(Container { id, spawned, stdin, stdout, terminal }),
        }
    }

    /// Runs to the end: exit code and output.
    pub(crate) async fn run(&mut self, spec: &Value) -> (i32, String) {
        let container = self.start(spec).await.unwrap_or_else(|f| panic!("{}: {}", f.step, f.message));
        self.finish(container).await
    }

    pub(crate) async fn finish(&mut self, container: Container) -> (i32, String) {
        let Container { id, stdin, mut stdout, .. } = container;
        drop(stdin);
        self.supervisor.release(&id, "stdin").await.expect("released");
        let output = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).expect("text");
            text
        });
        let exit = self.exit(&id).await;
        (exit.code, output.await.expect("read"))
    }

    /// Waits for the exit of `id` and acknowledges it.
    pub(crate) async fn exit(&mut self, id: &str) -> Exit {
        let exit = self.exit_unacknowledged(id).await;
        self.supervisor.ack(id).await.expect("acknowledged");
        exit
    }

    pub(crate) async fn exit_unacknowledged(&mut self, id: &str) -> Exit {
        loop {
            if let Some(exit) = self.exits.remove(id) {
                return exit;
            }
            match self.notices.recv().await.expect("the supervisor lives") {
                Notice::Exit(exit) => self.exits.insert(exit.id.clone(), exit),
                Notice::Shutdown => panic!("nobody asked for a shutdown"),
            };
        }
    }
}

/// Standard descriptors as pipes: (write end of stdin, read end of stdout and stderr).
pub(crate) fn pipes(fds: &mut Vec<(String, OwnedFd)>, terminal: bool) -> (Option<OwnedFd>, File) {
    let (stdin_read, stdin_write) = std::io::pipe().expect("a pipe");
    let (stdout_read, stdout_write) = std::io::pipe().expect("a pipe");
    if !terminal {
        fds.push(("stdin".to_owned(), stdin_read.into()));
        fds.push(("stderr".to_owned(), stdout_write.try_clone().expect("dup").into()));
        fds.push(("stdout".to_owned(), stdout_write.into()));
    }
    (Some(stdin_write.into()), File::from(OwnedFd::from(stdout_read)))
}

/// Output up to and with the marker.
pub(crate) fn read_until(from: &mut File, marker: &str) -> String {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(marker) {
        let n = from.read(&mut chunk).expect("output");
        assert!(n > 0, "ended early: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&chunk[..n]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Follows a status socket to its end.
pub(crate) async fn outcome(engine: OwnedFd) -> (Option<OwnedFd>, Option<Failure>) {
    // SAFETY: the AsyncFd owns the descriptor.
    let engine = unsafe { AsyncFd::register(engine) }.expect("pollable");
    let mut terminal = None;
    loop {
        match engine.async_io(Interest::READABLE, |fd| status::read(fd.as_fd())).await.expect("status") {
            Outcome::Started => return (terminal, None),
            Outcome::Terminal(fd) => terminal = Some(fd),
            Outcome::Failed(failure) => return (terminal, Some(failure)),
        }
    }
}

/// What dockerd asks for, in short.
pub(crate) fn spec(args: &[&str]) -> Value {
    let capabilities: Vec<String> = runtime::capabilities::DEFAULT.iter().map(|c| format!("CAP_{c}")).collect();
    let seccomp =
        serde_json::to_value(runtime::seccomp::default_profile(runtime::capabilities::DEFAULT)).expect("json");
    json!({
        "ociVersion": "1.2.0",
        "hostname": "stage",
        "root": { "path": "" },
        "process": {
            "args": args,
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/",
            "user": { "uid": 0, "gid": 0 },
            "capabilities": { "bounding": capabilities, "effective": capabilities, "permitted": capabilities },
            "oomScoreAdj": 0,
        },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
              "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
              "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
            { "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"] },
            { "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
              "options": ["ro", "nosuid", "noexec", "nodev"] },
            { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"] },
            { "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
              "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"] },
        ],
        "linux": {
            "namespaces": [
                { "type": "mount" }, { "type": "uts" }, { "type": "ipc" }, { "type": "pid" }, { "type": "cgroup" },
            ],
            "seccomp": seccomp,
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

/// `spec` of a shell script.
pub(crate) fn script(text: &str) -> Value {
    spec(&["sh", "-c", text])
}
