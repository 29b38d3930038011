//! A folder of the host's, its mount in this computer's kernel, and all that lies between: the relay, the link, the host's server.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use control::{BootInfo, EngineSettings, LinkKind, ShareRequest};
use relay::RelayClient;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;
use shares::{Access, Share};
use tokio::runtime::Runtime;

use crate::host::{Host, Moment, Trap};
use crate::keeper::Keeper;

/// Longer than anything here takes on a busy machine; reached only by a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What ends in the middle of a request, and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Link,
    Relay,
}

/// The namespaces are the calling thread's, and those of the threads and processes that it starts.
pub(crate) struct Way {
    _dir: tempfile::TempDir,
    pub(crate) host: PathBuf,
    pub(crate) guest: PathBuf,
    boot: BootInfo,
    share: Arc<Share>,
    trap: Arc<Trap>,
    reached: mpsc::Receiver<()>,
    /// Of the host, and of who talks to the relay.
    runtime: Runtime,
    relay: Keeper,
    connected: Option<Host>,
    _client: RelayClient,
}

impl Way {
    /// The first request of the kernel's is stopped at `first`, and `end` ends then.
    pub(crate) fn new(first: Option<(End, Moment)>) -> Way {
        const INIT: u32 = 26;
        let dir = tempfile::tempdir().unwrap();
        let [host, guest, run] = ["host", "guest", "run"].map(|name| dir.path().join(name));
        for path in [&host, &guest, &run] {
            std::fs::create_dir(path).unwrap();
        }
        let share = open(&host);
        // Before there is a mount, which is none of the host's.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let device = mount(&guest);
        let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(up.is_ok_and(|status| status.success()), "`ip link set lo up` failed: install iproute2");
        let native = BootInfo::native("berth", EngineSettings::default()).unwrap();
        let boot = BootInfo { link: LinkKind::Serial, ..native };
        let relay = Keeper::start(&boot, &run);
        let (trap, reached) = Trap::new();
        if let Some((_, moment)) = first {
            trap.set(INIT, moment);
        }
        let connected = runtime.block_on(Host::connect(&boot.secret, &relay.lanes, &share, &trap));
        let client = runtime.block_on(async {
            let client = RelayClient::connect(&run.join("relay.sock"), PATIENCE).await.unwrap();
            let request = ShareRequest {
                mount: "1".into(),
                path: host.display().to_string(),
                read_only: false,
                create: false,
                only_look: false,
                changes: false,
            };
            client.serve_share(request, guest.clone(), device).await.unwrap();
            client
        });
        let connected = Some(connected);
        let mut way =
            Way { _dir: dir, host, guest, boot, share, trap, reached, runtime, relay, connected, _client: client };
        if let Some((end, _)) = first {
            way.ends(end);
        }
        way
    }

    /// `what` is done while the first request of this kind that comes of it is stopped at `moment`, and `end` ends then; the answer is
    /// what it said in the end.
    pub(crate) fn cut<T: Send + 'static>(
        &mut self,
        opcode: u32,
        (end, moment): (End, Moment),
        what: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        self.trap.set(opcode, moment);
        let done = begin(what);
        self.ends(end);
        self.awaited(&done)
    }

    fn ends(&mut self, end: End) {
        if self.reached.recv_timeout(PATIENCE).is_err() {
            self.gives_up("the request did not come");
        }
        match end {
            End::Link => drop(self.connected.take()),
            End::Relay => self.kill_relay(),
        }
        self.connect();
    }

    /// The link is away until [`Way::connect`].
    pub(crate) fn disconnect(&mut self) {
        self.connected = None;
    }

    pub(crate) fn connect(&mut self) {
        let connected = Host::connect(&self.boot.secret, &self.relay.lanes, &self.share, &self.trap);
        self.connected = Some(self.runtime.block_on(connected));
    }

    /// And another one begins.
    pub(crate) fn kill_relay(&mut self) {
        self.relay.again();
        self.connected = None;
    }

    /// The host's server is killed, and the next one knows nothing of what was open.
    pub(crate) fn another_server(&mut self) {
        self.connected = None;
        self.share = open(&self.host);
        self.connect();
    }

    /// What was begun, when it has ended.
    pub(crate) fn awaited<T>(&self, done: &mpsc::Receiver<T>) -> T {
        match done.recv_timeout(PATIENCE) {
            Ok(done) => done,
            Err(error) => self.gives_up(&format!("it does not end ({error})")),
        }
    }

    /// Who waits in the kernel is let go, or this process could not end.
    fn gives_up(&self, why: &str) -> ! {
        let _ = rustix::mount::unmount(&self.guest, UnmountFlags::FORCE | UnmountFlags::DETACH);
        panic!("{why}");
    }

    /// Files below the folder that this process has open.
    pub(crate) fn open_files(&self) -> Vec<PathBuf> {
        let links = std::fs::read_dir("/proc/self/fd").unwrap();
        let files = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
        files.filter(|file| file.starts_with(&self.host) && *file != self.host).collect()
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.guest, UnmountFlags::FORCE | UnmountFlags::DETACH);
    }
}

/// Does it on a thread of its own.
pub(crate) fn begin<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (tell, done) = mpsc::channel();
    std::thread::spawn(move || tell.send(what()));
    done
}

fn open(host: &Path) -> Arc<Share> {
    Arc::new(Share::open(&host.canonicalize().unwrap(), Access::ReadWrite).unwrap())
}

/// In namespaces of the calling thread's own.
fn mount(at: &Path) -> OwnedFd {
    let device = rustix::fs::openat(CWD, "/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    // SAFETY: nothing of this thread's file system or network is shared with others that would be surprised.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }.unwrap();
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
    let options =
        format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", device.as_raw_fd());
    let options = std::ffi::CString::new(options).unwrap();
    rustix::mount::mount("berth", at, "fuse", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
        .unwrap();
    device
}
