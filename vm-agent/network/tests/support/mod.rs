//! A machine of its own for each test: the test starts itself again in a fresh network namespace.

#![allow(dead_code, reason = "every test file uses a part of this")]

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use network::{
    Binding, EndpointRequest, Families, ForwardError, ForwardId, Forwarder, IpamRequest, NameChange, NameError,
    NameService, NameSockets, NetworkCreate, Networks, PoolRequest, PortRequest, Protocol, Published, Resolver,
    Sandbox, Settings,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

const INSIDE: &str = "NETWORK_TEST_INSIDE";

/// Runs `body` in a process of its own in a fresh network namespace with `lo` up; `name` is the test's own name.
pub(crate) fn isolated<F: Future<Output = ()>>(name: &str, body: impl FnOnce() -> F) {
    if std::env::var(INSIDE).is_err() {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(INSIDE, "1");
        // SAFETY: `unshare` is one system call and allocates nothing, as is asked between fork and exec.
        unsafe { again.pre_exec(|| Ok(rustix::thread::unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS)?)) };
        let output = again.output().unwrap();
        print!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name} failed in its namespace (these tests need root)");
        return;
    }
    run("ip link set lo up");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(body());
}

/// Runs a command line in this namespace and answers what it printed.
pub(crate) fn run(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `work` on a thread in the namespace.
pub(crate) fn within<T: Send + 'static>(netns: impl AsFd, work: impl FnOnce() -> T + Send + 'static) -> T {
    let netns = netns.as_fd().try_clone_to_owned().unwrap();
    std::thread::spawn(move || {
        rustix::thread::move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        work()
    })
    .join()
    .unwrap()
}

/// How many times the packet filter of this namespace was changed: its generation, which each transaction counts on.
pub(crate) fn generation() -> u32 {
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink, recv, send, socket};
    // linux/netfilter/nf_tables.h: NFT_MSG_GETGEN of the subsystem 10, answered by an attribute NFTA_GEN_ID.
    const GET_GENERATION: u16 = 10 << 8 | 16;
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::NETFILTER)).unwrap();
    let mut request = Vec::new();
    request.extend(20_u32.to_ne_bytes());
    request.extend(GET_GENERATION.to_ne_bytes());
    request.extend(1_u16.to_ne_bytes());
    request.extend([0; 12]);
    send(&socket, &request, SendFlags::empty()).unwrap();
    let mut answer = [0; 4096];
    let (_, length) = recv(&socket, &mut answer, RecvFlags::empty()).unwrap();
    assert!(length >= 28 && answer[22..24] == 1_u16.to_ne_bytes(), "{:?}", &answer[..length]);
    u32::from_be_bytes(answer[24..28].try_into().unwrap())
}

/// Runs a command line in the namespace.
pub(crate) fn run_within(netns: BorrowedFd<'_>, line: &str) -> String {
    let line = line.to_owned();
    within(netns, move || run(&line))
}

/// Another machine, 10.50.0.2, on a wire to this one, 10.50.0.1. It knows no route to containers.
pub(crate) fn outside() -> Sandbox {
    let sandbox = Sandbox::create_blocking().unwrap();
    let outside = sandbox.as_fd();
    within(outside, || run("sysctl -qw net.ipv4.conf.all.rp_filter=0"));
    run("ip link add wire0 type veth peer name wire1");
    let fd = std::os::fd::AsRawFd::as_raw_fd(&outside);
    run(&format!("ip link set wire1 netns /proc/{}/fd/{fd}", std::process::id()));
    run("ip addr add 10.50.0.1/24 dev wire0; ip link set wire0 up");
    run("ip -6 addr add fd50::1/64 dev wire0 nodad");
    run_within(outside, "echo 0 > /proc/sys/net/ipv6/conf/wire1/disable_ipv6");
    run_within(
        outside,
        "ip addr add 10.50.0.2/24 dev wire1; ip link set wire1 up; ip -6 addr add fd50::2/64 dev wire1 nodad",
    );
    sandbox
}

/// A TCP server in the namespace that answers every connection with the peer's address as it sees it.
pub(crate) fn serve_tcp(netns: impl AsFd, address: &str) {
    let address = address.to_owned();
    let listener = within(netns, move || TcpListener::bind(address).unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, peer)) = listener.accept() {
            let _ = stream.write_all(peer.ip().to_string().as_bytes());
        }
    });
}

/// A UDP server in the namespace that answers with the peer's address.
pub(crate) fn serve_udp(netns: impl AsFd, address: &str) {
    let address = address.to_owned();
    let socket = within(netns, move || UdpSocket::bind(address).unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(peer.ip().to_string().as_bytes(), peer);
        }
    });
}

/// How long something is asked that answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server at `address` answers to a client in the namespace; `None` when it cannot be reached, of which [`unreachable`] is the
/// quicker proof. Lost packets are sent again.
pub(crate) fn ask_tcp(netns: impl AsFd, address: &str) -> Option<String> {
    ask_tcp_within(netns, address, PATIENCE)
}

/// True if nothing answers; everything here answers in a fraction of the time that this waits.
pub(crate) fn unreachable(netns: impl AsFd, address: &str) -> bool {
    ask_tcp_within(netns, address, Duration::from_millis(300)).is_none()
}

fn ask_tcp_within(netns: impl AsFd, address: &str, patience: Duration) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    within(netns, move || {
        let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    })
}

/// The same by UDP. Lost datagrams are sent again.
pub(crate) fn ask_udp(netns: impl AsFd, address: &str) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    within(netns, move || {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        socket.connect(address).ok()?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            socket.send(b"?").ok()?;
            let mut buffer = [0; 64];
            match socket.recv(&mut buffer) {
                Ok(length) => return Some(String::from_utf8_lossy(&buffer[..length]).into_owned()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
        None
    })
}

/// This process's own namespace: the engine's.
pub(crate) fn here() -> std::fs::File {
    std::fs::File::open("/proc/self/ns/net").unwrap()
}

/// Listens really, so that taken ports are found as in life; carries nothing.
#[derive(Default)]
pub(crate) struct Listeners {
    open: Mutex<BTreeMap<ForwardId, (Published, Vec<Listener>)>>,
    /// Port that fails.
    pub(crate) broken: Mutex<Option<u16>>,
}

enum Listener {
    Tcp { _socket: TcpListener },
    Udp { _socket: UdpSocket },
}

impl Listeners {
    /// Frees a port, for a listener of the test's own.
    pub(crate) fn take(&self, port: u16) {
        self.open.lock().unwrap().retain(|_, (published, _)| published.host_port != port);
    }

    pub(crate) fn ports(&self) -> Vec<(IpAddr, u16)> {
        self.open.lock().unwrap().values().map(|(p, _)| (p.host_ip, p.host_port)).collect()
    }
}

impl Forwarder for Listeners {
    fn open<'a>(&'a self, port: &'a Published) -> BoxFuture<'a, Result<Binding, ForwardError>> {
        Box::pin(async move {
            if *self.broken.lock().unwrap() == Some(port.host_port) {
                return Err(ForwardError::Failed("the host does not answer".into()));
            }
            let address = SocketAddr::new(port.host_ip, port.host_port);
            let refused = |e: std::io::Error| match e.kind() {
                std::io::ErrorKind::AddrInUse => ForwardError::InUse,
                std::io::ErrorKind::AddrNotAvailable => ForwardError::NoAddress,
                _ => ForwardError::Failed(e.to_string()),
            };
            let listener = match (port.protocol, address.is_ipv6()) {
                // std cannot ask for IPv6 only; the IPv4 listener stands for both here.
                (_, true) => None,
                (Protocol::Tcp, _) => Some(Listener::Tcp { _socket: TcpListener::bind(address).map_err(refused)? }),
                _ => Some(Listener::Udp { _socket: UdpSocket::bind(address).map_err(refused)? }),
            };
            let listener = listener.into_iter().collect();
            self.open.lock().unwrap().insert(port.id.clone(), (port.clone(), listener));
            Ok(Binding { host_ip: port.host_ip, host_port: port.host_port })
        })
    }

    fn close<'a>(&'a self, id: &'a ForwardId) -> BoxFuture<'a, Result<(), ForwardError>> {
        Box::pin(async move {
            self.open.lock().unwrap().remove(id);
            Ok(())
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ForwardId>, ForwardError>> {
        Box::pin(async move { Ok(self.open.lock().unwrap().keys().cloned().collect()) })
    }
}

/// Remembers what it is told.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) served: Mutex<BTreeMap<String, (Resolver, Option<NameSockets>)>>,
    pub(crate) records: Mutex<BTreeMap<String, network::EndpointNames>>,
}

impl NameService for Names {
    fn serve(&self, resolver: Resolver, sockets: Option<NameSockets>) -> BoxFuture<'_, Result<(), NameError>> {
        Box::pin(async move {
            let mut served = self.served.lock().unwrap();
            let old = served.remove(&resolver.sandbox).and_then(|(_, sockets)| sockets);
            let sockets = sockets.or(old).ok_or_else(|| NameError("the sandbox has no sockets".to_owned()))?;
            served.insert(resolver.sandbox.clone(), (resolver, Some(sockets)));
            Ok(())
        })
    }

    fn update(&self, changes: Vec<NameChange>) -> BoxFuture<'_, Result<(), NameError>> {
        Box::pin(async move {
            let mut records = self.records.lock().unwrap();
            for change in changes {
                match change {
                    NameChange::Put { names, .. } => drop(records.insert(names.endpoint.clone(), names)),
                    NameChange::Remove { endpoint, .. } => drop(records.remove(&endpoint)),
                    NameChange::Clear { .. } => records.clear(),
                }
            }
            Ok(())
        })
    }

    fn drop_sandbox<'a>(&'a self, sandbox: &'a str) -> BoxFuture<'a, Result<(), NameError>> {
        Box::pin(async move {
            self.served.lock().unwrap().remove(sandbox);
            Ok(())
        })
    }
}

/// An engine's networks with their surroundings.
pub(crate) struct Engine {
    pub(crate) networks: Networks,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) names: Arc<Names>,
    pub(crate) events: events::Events,
}

impl Engine {
    pub(crate) async fn open(dir: &Path) -> Engine {
        Engine::open_with(dir, Arc::default(), Arc::default()).await
    }

    pub(crate) async fn open_with(dir: &Path, listeners: Arc<Listeners>, names: Arc<Names>) -> Engine {
        Engine::open_as(dir, listeners, names, Settings::default()).await
    }

    pub(crate) async fn open_as(
        dir: &Path,
        listeners: Arc<Listeners>,
        names: Arc<Names>,
        settings: Settings,
    ) -> Engine {
        let store = store::Store::open(&dir.join("store.redb")).unwrap();
        let events = events::Events::new();
        let networks = Networks::open(store, events.clone(), listeners.clone(), names.clone(), settings).await.unwrap();
        Engine { networks, listeners, names, events }
    }

    /// An engine whose containers on the default bridge may not talk to each other.
    pub(crate) async fn quiet(dir: &Path) -> Engine {
        let settings = Settings { icc: false, ..Settings::default() };
        Engine::open_as(dir, Arc::default(), Arc::default(), settings).await
    }

    /// A container with a sandbox on one network.
    pub(crate) async fn container(
        &self,
        name: &str,
        network: &str,
        ports: Vec<PortRequest>,
    ) -> (Sandbox, network::Endpoint) {
        let sandbox = Sandbox::create().await.unwrap();
        let endpoint = self.networks.attach(request(name, network, &sandbox, ports)).await.unwrap();
        (sandbox, endpoint)
    }
}

/// A bridge with these subnets and the families that they are of (IPv4 without any), and with these options.
pub(crate) fn network(name: &str, subnets: &[&str], options: &[(&str, &str)]) -> NetworkCreate {
    let pool = |subnet: &&str| PoolRequest { subnet: Some(subnet.parse().unwrap()), ..PoolRequest::default() };
    let has = |ipv6: bool| subnets.iter().any(|subnet| subnet.contains(':') == ipv6);
    NetworkCreate {
        name: name.into(),
        enable_ipv4: Some(has(false) || subnets.is_empty()),
        enable_ipv6: Some(has(true)),
        ipam: IpamRequest { config: subnets.iter().map(pool).collect(), ..IpamRequest::default() },
        options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..NetworkCreate::default()
    }
}

pub(crate) fn request<'a>(
    name: &str,
    network: &str,
    sandbox: &'a Sandbox,
    ports: Vec<PortRequest>,
) -> EndpointRequest<'a> {
    EndpointRequest {
        container_id: id(name),
        container_name: name.to_owned(),
        hostname: String::new(),
        network: network.to_owned(),
        sandbox: Some(sandbox),
        aliases: Vec::new(),
        links: Vec::new(),
        ipv4: None,
        ipv6: None,
        mac: None,
        link_local: Vec::new(),
        ports,
        families: Families::BOTH,
        dns: Vec::new(),
        gateway_priority: 0,
        options: BTreeMap::new(),
    }
}

/// A container id for a name.
pub(crate) fn id(name: &str) -> String {
    let digits: String = name.bytes().map(|b| format!("{b:02x}")).collect();
    format!("{digits:0<64.64}")
}

pub(crate) fn publish(protocol: Protocol, host: u16, container: u16) -> PortRequest {
    PortRequest { protocol, container_port: container, host_ip: None, host_ports: Some((host, host)) }
}
