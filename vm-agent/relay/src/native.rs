//! Published ports in native mode: the relay listens itself.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use control::{Forward, ForwardFailure, Protocol, Target};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tracing::debug;

use crate::{copy, forward, reach};

/// A UDP peer that says nothing for so long is forgotten (Linux's own conntrack takes 120 s for a stream).
const UDP_IDLE: Duration = Duration::from_secs(120);
/// Peers of one UDP port.
const UDP_PEERS: usize = 1024;
/// Unsent datagrams per UDP peer; more are dropped, as UDP does.
const UDP_QUEUE: usize = 64;
const DATAGRAM_MAX: usize = 65535;

/// The ports that are listened on, by the forward's id.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<BTreeMap<String, Listener>>);

#[derive(Debug)]
struct Listener {
    port: u16,
    task: JoinHandle<()>,
}

impl Listeners {
    /// Listens; the same id again answers its port.
    pub(crate) async fn open(&self, forward: &Forward) -> Result<u16, ForwardFailure> {
        let mut listeners = self.0.lock().await;
        if let Some(listener) = listeners.get(&forward.id) {
            return Ok(listener.port);
        }
        let address = SocketAddr::new(forward.host_ip, forward.host_port);
        let listener = listen(address, &forward.target(), forward.proto).await;
        let listener = listener.map_err(|error| ForwardFailure::from(&error))?;
        let port = listener.port;
        listeners.insert(forward.id.clone(), listener);
        Ok(port)
    }

    /// Returns once the port is free. Connections that exist go on.
    pub(crate) async fn close(&self, id: &str) {
        let listener = self.0.lock().await.remove(id);
        if let Some(listener) = listener {
            listener.task.abort();
            let _ = listener.task.await;
        }
    }
}

async fn listen(address: SocketAddr, target: &Target, protocol: Protocol) -> io::Result<Listener> {
    let target = match target {
        Target::Tcp { address } | Target::Udp { address } => *address,
        Target::Unix { .. } => return Err(io::ErrorKind::Unsupported.into()),
    };
    match protocol {
        Protocol::Tcp => {
            let listener = tcp_listener(address)?;
            let port = listener.local_addr()?.port();
            Ok(Listener { port, task: tokio::spawn(tcp(listener, target)) })
        }
        Protocol::Udp => {
            let socket = udp_socket(address)?;
            let port = socket.local_addr()?.port();
            Ok(Listener { port, task: tokio::spawn(udp(Arc::new(socket), target)) })
        }
    }
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address, SockType::Stream)?;
    nix::sys::socket::listen(&socket, Backlog::MAXALLOWABLE)?;
    TcpListener::from_std(std::net::TcpListener::from(socket))
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::from_std(std::net::UdpSocket::from(bound(address, SockType::Datagram)?))
}

/// A bound socket. One for IPv6 takes no IPv4, whatever the system's default: `0.0.0.0` and `::` are published apart.
fn bound(address: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, kind, flags, None)?;
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    if kind == SockType::Stream {
        // Connections of an earlier listener in TIME_WAIT must not keep the port taken (socket(7)).
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}

async fn tcp(listener: TcpListener, target: SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(async move {
                    if let Err(error) = tcp_client(client, target).await {
                        debug!(%target, %error, "a connection to a published port ended early");
                    }
                });
            }
            // Out of descriptors: some must be closed before the next try can succeed.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn tcp_client(mut client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = match reach::container(target).await {
        Ok(server) => server,
        Err(error) => {
            // The client sees a reset, as it would without a relay between.
            let _ = client.set_zero_linger();
            return Err(error);
        }
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let result = copy::with_tcp(&mut client, server).await;
    if result.is_err() {
        let _ = client.set_zero_linger();
    }
    result
}

/// One socket to the target per peer, so that answers find their way back.
async fn udp(socket: Arc<UdpSocket>, target: SocketAddr) {
    let mut peers: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                // An ICMP error of an earlier answer shows here; the socket goes on.
                let Ok((n, peer)) = received else { continue };
                if !peers.contains_key(&peer) && peers.len() >= UDP_PEERS {
                    continue;
                }
                let queue = peers.entry(peer).or_insert_with(|| {
                    let (queue, datagrams) = mpsc::channel(UDP_QUEUE);
                    tasks.spawn(udp_peer(socket.clone(), peer, target, datagrams));
                    queue
                });
                let _ = queue.try_send(buffer[..n].to_vec());
            }
            Some(ended) = tasks.join_next() => {
                if let Ok(peer) = ended {
                    peers.remove(&peer);
                }
            }
        }
    }
}

/// Serves one peer until it was idle for long; returns it.
async fn udp_peer(
    socket: Arc<UdpSocket>,
    peer: SocketAddr,
    target: SocketAddr,
    mut datagrams: mpsc::Receiver<Vec<u8>>,
) -> SocketAddr {
    let Ok(inner) = forward::connected_udp(target).await else { return peer };
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        tokio::select! {
            datagram = datagrams.recv() => match datagram {
                Some(datagram) => drop(inner.send(&datagram).await),
                None => return peer,
            },
            received = inner.recv(&mut buffer) => {
                if let Ok(n) = received {
                    let _ = socket.send_to(&buffer[..n], peer).await;
                }
            }
            () = tokio::time::sleep(UDP_IDLE) => return peer,
        }
    }
}
