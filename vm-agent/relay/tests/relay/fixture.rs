//! A guest with a relay in it, and a host at the other end of its lanes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control::mux::{Lane, LaneIo, Session};
use control::{
    BootInfo, EngineSettings, GuestMessage, Hello, HelloReply, HostMessage, LinkKind, NetworkKind, Port, Versions,
    Welcome, mux, wire,
};
use relay::{Options, RelayClient};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// Longer than anything here takes on a busy machine; reached only by a hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `test` on a thread with a network namespace of its own, loopback up.
pub(crate) fn in_namespace(test: impl Future<Output = ()>) {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a network namespace: these tests need root");
    let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
    assert!(up.is_ok_and(|status| status.success()), "`ip link set lo up` failed: install iproute2");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") });
}

pub(crate) struct Guest {
    dir: tempfile::TempDir,
    pub(crate) boot: BootInfo,
    lanes: mpsc::Sender<(Lane, LaneIo)>,
    relay: JoinHandle<()>,
    power_off: Arc<Semaphore>,
}

impl Guest {
    pub(crate) fn start() -> Self {
        Guest::boot(LinkKind::Serial, NetworkKind::Nic)
    }

    pub(crate) fn start_native() -> Self {
        Guest::boot(LinkKind::None, NetworkKind::Nic)
    }

    /// One whose packets leave by the link.
    pub(crate) fn start_outside() -> Self {
        Guest::boot(LinkKind::Serial, NetworkKind::Link)
    }

    fn boot(link: LinkKind, network: NetworkKind) -> Self {
        let boot = BootInfo { link, network, ..BootInfo::native("berth", EngineSettings::default()).unwrap() };
        let dir = tempfile::tempdir().unwrap();
        let power_off = Arc::new(Semaphore::new(0));
        let (lanes, relay) = start(&boot, dir.path(), &power_off);
        Guest { dir, boot, lanes, relay, power_off }
    }

    pub(crate) fn run_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The relay dies and another one comes up.
    pub(crate) async fn restart(&mut self) {
        self.relay.abort();
        let _ = (&mut self.relay).await;
        (self.lanes, self.relay) = start(&self.boot, self.dir.path(), &self.power_off);
    }

    pub(crate) async fn client(&self) -> RelayClient {
        RelayClient::connect(&self.run_dir().join("relay.sock"), PATIENCE).await.unwrap()
    }

    /// A session whose host has not said hello.
    pub(crate) async fn session(&self) -> Session {
        let (near, far): (Vec<_>, Vec<_>) = (0..2).map(|_| tokio::io::duplex(64 << 10)).unzip();
        for (lane, io) in Lane::ALL.into_iter().zip(far) {
            assert!(self.lanes.send((lane, LaneIo::new(io))).await.is_ok(), "the relay is gone");
        }
        let near: Vec<LaneIo> = near.into_iter().map(LaneIo::new).collect();
        mux::connect(&self.boot.secret, near.try_into().unwrap(), PATIENCE).await.unwrap()
    }

    pub(crate) async fn socks(&self) -> TcpStream {
        TcpStream::connect("127.0.0.1:1080").await.unwrap()
    }

    pub(crate) async fn power_off_asked(&self) {
        self.power_off.acquire().await.unwrap().forget();
    }
}

fn start(boot: &BootInfo, dir: &Path, power_off: &Arc<Semaphore>) -> (mpsc::Sender<(Lane, LaneIo)>, JoinHandle<()>) {
    let power_off = power_off.clone();
    let options = Options {
        boot: boot.clone(),
        run_dir: dir.to_owned(),
        program: "/proc/self/exe".into(),
        data_dir: dir.to_owned(),
        boot_steps: Vec::new(),
        power_off: Arc::new(move || power_off.add_permits(1)),
    };
    let (lanes, receiver) = mpsc::channel(4);
    let native = boot.link == LinkKind::None;
    let relay = tokio::spawn(async move {
        let result = if native { relay::run(options).await } else { relay::run_over(options, receiver).await };
        match result {
            Err(error) => panic!("{error}"),
        }
    });
    (lanes, relay)
}

/// A host that said hello.
pub(crate) struct Host {
    pub(crate) session: Session,
    pub(crate) welcome: Welcome,
    reader: ReadHalf<mux::MuxStream>,
    writer: WriteHalf<mux::MuxStream>,
}

impl Host {
    pub(crate) async fn connect(guest: &Guest) -> Self {
        let session = guest.session().await;
        let mut stream = session.open(Port::Control).unwrap();
        // Time zero: the test must not set this machine's clock.
        let hello = Hello { versions: Versions::current(), epoch: session.epoch(), host_time_ns: 0 };
        wire::send(&mut stream, &hello).await.unwrap();
        let welcome = match wire::expect(&mut stream, "reply").await.unwrap() {
            HelloReply::Welcome(welcome) => *welcome,
            HelloReply::Refused { refusal, .. } => panic!("{refusal}"),
        };
        let (reader, writer) = tokio::io::split(stream);
        Host { session, welcome, reader, writer }
    }

    pub(crate) async fn send(&mut self, message: &HostMessage) {
        wire::send(&mut self.writer, message).await.unwrap();
    }

    pub(crate) async fn receive(&mut self) -> GuestMessage {
        wire::expect(&mut self.reader, "message").await.unwrap()
    }

    /// Answers the next `count` messages.
    pub(crate) async fn answer(mut self, count: usize, answer: impl Fn(GuestMessage) -> HostMessage) -> Self {
        for _ in 0..count {
            let message = self.receive().await;
            self.send(&answer(message)).await;
        }
        self
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.session.close("the test's host is gone");
    }
}
