//! What a hypervisor offers below the link, without a machine.
//!
//! - Hybrid vsock: a Unix socket that answers `CONNECT <port>` and is the guest's connection from then on.
//! - Serial: two Unix sockets as QEMU's chardevs are: one connection at a time, no word to the guest about who comes and
//!   goes, and bytes on their way are kept for whoever comes next.

use std::path::PathBuf;
use std::time::Duration;

use control::Secret;
use control::mux::{Lane, LaneIo, Responder, Session};
use host::link::{HybridVsock, Link, Serial};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    HybridVsock,
    Serial,
}

/// A host and a guest with a session between them.
pub(crate) struct Pair {
    kind: Kind,
    dir: tempfile::TempDir,
    secret: Secret,
    pub(crate) link: Link,
    pub(crate) host: Session,
    pub(crate) guest: Session,
    machine: Machine,
}

/// The fake hypervisor and the guest's relay in it.
struct Machine {
    hypervisor: JoinSet<()>,
    relay: JoinSet<()>,
    sessions: mpsc::UnboundedReceiver<Session>,
    /// Serial: the guest's ends of the two ports, for the next relay.
    ports: [std::sync::Arc<tokio::sync::Mutex<DuplexStream>>; 2],
}

impl Pair {
    pub(crate) async fn new(kind: Kind) -> Self {
        Pair::build(kind, false).await
    }

    /// Both directions of both lanes hold bytes of earlier sessions: torn frames, and half a marker.
    pub(crate) async fn with_noise(kind: Kind) -> Self {
        Pair::build(kind, true).await
    }

    async fn build(kind: Kind, noise: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secret = Secret::random().unwrap();
        let mut machine = Machine::start(kind, dir.path().to_owned(), &secret, noise).await;
        let link = link(kind, dir.path(), secret.clone());
        let host = link.start(deadline()).await.unwrap();
        let guest = machine.session_of(&host).await;
        Pair { kind, dir, secret, link, host, guest, machine }
    }

    pub(crate) fn link_with(&self, secret: Secret) -> Link {
        link(self.kind, self.dir.path(), secret)
    }

    /// Another daemon takes over from one that died.
    pub(crate) async fn restart_host(&mut self) {
        self.link = self.link_with(self.secret.clone());
        self.host = self.link.start(deadline()).await.unwrap();
        self.guest = self.machine.session_of(&self.host).await;
    }

    /// The relay dies and another one starts in the same guest.
    pub(crate) async fn restart_relay(&mut self) {
        self.machine.restart_relay(self.kind, self.dir.path().to_owned(), &self.secret).await;
    }

    pub(crate) fn kill_machine(&mut self) {
        self.machine.hypervisor.abort_all();
        self.machine.relay.abort_all();
    }

    /// Resolves once neither side remembers any stream.
    pub(crate) async fn until_no_streams(&self) {
        while self.host.load().0 + self.guest.load().0 > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn link(kind: Kind, dir: &std::path::Path, secret: Secret) -> Link {
    match kind {
        Kind::HybridVsock => Link::new(HybridVsock::new(dir.join("vsock")), secret),
        Kind::Serial => Link::new(Serial::new(dir.join("control"), dir.join("bulk")), secret),
    }
}

/// Something that looks like frames, cut anywhere, and the beginning of a marker.
fn noise_bytes() -> Vec<u8> {
    let mut bytes = vec![2, 0, 0x3f, 0xf8, 0, 0, 0, 1];
    bytes.extend((0..5000u32).map(|n| (n % 251) as u8));
    bytes.extend([0xb5, b'B', b'E', b'R', b'T', b'H', 0x0d]);
    bytes
}

impl Machine {
    async fn start(kind: Kind, dir: PathBuf, secret: &Secret, noise: bool) -> Self {
        let mut hypervisor = JoinSet::new();
        let (near, far): (Vec<_>, Vec<_>) = (0..2).map(|_| tokio::io::duplex(64 << 10)).unzip();
        let mut near = near.into_iter();
        if kind == Kind::Serial {
            for name in ["control", "bulk"] {
                let mut port = near.next().unwrap();
                if noise {
                    port.write_all(&noise_bytes()).await.unwrap();
                }
                hypervisor.spawn(chardev(UnixListener::bind(dir.join(name)).unwrap(), port));
            }
        }
        let mut ports = far.into_iter().map(|port| std::sync::Arc::new(tokio::sync::Mutex::new(port)));
        let ports = [ports.next().unwrap(), ports.next().unwrap()];
        let (_, sessions) = mpsc::unbounded_channel();
        let mut machine = Machine { hypervisor, relay: JoinSet::new(), sessions, ports };
        if noise && kind == Kind::Serial {
            for port in &machine.ports {
                port.lock().await.write_all(&noise_bytes()).await.unwrap();
            }
        }
        machine.start_relay(kind, dir, secret, noise);
        machine
    }

    fn start_relay(&mut self, kind: Kind, dir: PathBuf, secret: &Secret, noise: bool) {
        let (responder, sessions) = Responder::new(secret.clone());
        self.sessions = sessions;
        match kind {
            Kind::HybridVsock => {
                let listener = UnixListener::bind(dir.join("vsock")).unwrap();
                self.relay.spawn(vsock_device(listener, responder, noise));
            }
            Kind::Serial => {
                for (lane, port) in Lane::ALL.into_iter().zip(&self.ports) {
                    let (responder, port) = (responder.clone(), port.clone());
                    self.relay.spawn(async move {
                        let mut port = port.lock_owned().await;
                        // The relay works on a pipe of its own, so that the port outlives it.
                        let (inner, mut outer) = tokio::io::duplex(4096);
                        let mut lane_io = LaneIo::new(inner);
                        lane_io.persistent = true;
                        tokio::select! {
                            _ = responder.serve(lane, lane_io) => {}
                            _ = tokio::io::copy_bidirectional(&mut *port, &mut outer) => {}
                        }
                    });
                }
            }
        }
    }

    async fn restart_relay(&mut self, kind: Kind, dir: PathBuf, secret: &Secret) {
        self.relay.shutdown().await;
        if kind == Kind::HybridVsock {
            std::fs::remove_file(dir.join("vsock")).unwrap();
        }
        self.start_relay(kind, dir, secret, false);
    }

    /// The guest's end of the host's session.
    async fn session_of(&mut self, host: &Session) -> Session {
        loop {
            let session = self.sessions.recv().await.expect("the relay lives");
            if session.epoch() == host.epoch() {
                return session;
            }
        }
    }
}

/// One connection after the other, glued to the port.
async fn chardev(listener: UnixListener, mut port: DuplexStream) {
    let mut buffers = [vec![0; 4096], vec![0; 4096]];
    let [from_host, from_guest] = &mut buffers;
    loop {
        let (mut host, _) = listener.accept().await.unwrap();
        loop {
            tokio::select! {
                read = host.read(from_host) => match read {
                    Ok(n) if n > 0 => port.write_all(&from_host[..n]).await.unwrap(),
                    Ok(_) | Err(_) => break,
                },
                read = port.read(from_guest) => {
                    let n = read.unwrap();
                    if host.write_all(&from_guest[..n]).await.is_err() {
                        break;
                    }
                }
            }
        }
    }
}

async fn vsock_device(listener: UnixListener, responder: Responder, noise: bool) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(vsock_connection(stream, responder.clone(), noise));
    }
}

async fn vsock_connection(mut stream: UnixStream, responder: Responder, noise: bool) {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(stream.read_u8().await.unwrap());
    }
    let lane = match line.as_slice() {
        b"CONNECT 1024\n" => Lane::Control,
        b"CONNECT 1025\n" => Lane::Bulk,
        other => panic!("{:?}", String::from_utf8_lossy(other)),
    };
    stream.write_all(b"OK 1073741824\n").await.unwrap();
    if noise {
        stream.write_all(&noise_bytes()).await.unwrap();
    }
    let _ = responder.serve(lane, LaneIo::new(stream)).await;
}
