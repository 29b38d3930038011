//! What leaves the machine: the host opens the socket, so that its routes, VPN and firewall apply.
//!
//! A container names an address. Of the host's own loopback it can only reach what Docker Desktop gives it, too: under the
//! address of `host.docker.internal` (docs/decisions/0034-the-hosts-loopback-has-a-name.md).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use control::{DialError, DialReply, DialRequest, datagram, outside, wire};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UdpSocket};
use tracing::debug;

use super::super::LinkStream;
use super::dial::{CONNECT, carry, classify_direct};
use crate::ports;

const DATAGRAM_MAX: usize = 65535;
/// What a container asks its own socket for ends at the guest: this computer asks whether the other side is still there.
const KEEP_ALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(75)).with_interval(Duration::from_secs(15)).with_retries(4);

/// A container's connection.
pub(super) async fn tcp(mut stream: LinkStream, request: &DialRequest) {
    let connected = match targets(request) {
        Ok(targets) => connect(&targets).await.map_err(|error| (classify_direct(&error), error.to_string())),
        Err(refused) => Err(refused),
    };
    if let Some(connection) = answer(&mut stream, request, connected).await {
        carry(stream, connection, request).await;
    }
}

/// A container's datagrams to one address.
pub(super) async fn udp(mut stream: LinkStream, request: &DialRequest) {
    let socket = match targets(request) {
        Ok(targets) => connected(targets[0]).await.map_err(|error| (classify_direct(&error), error.to_string())),
        Err(refused) => Err(refused),
    };
    if let Some(socket) = answer(&mut stream, request, socket).await {
        datagrams(stream, &socket, request).await;
    }
}

/// A container's echo requests, by the kind of socket that the system lets everybody have.
pub(super) async fn echo(mut stream: LinkStream, request: &DialRequest) {
    let socket = match targets(request) {
        Ok(targets) => ping::socket(targets[0].ip()).map_err(|error| (classify_direct(&error), error.to_string())),
        Err(refused) => Err(refused),
    };
    if let Some(socket) = answer(&mut stream, request, socket).await {
        ping::carry(stream, &socket, request).await;
    }
}

/// Tells the guest how it went.
async fn answer<T>(
    stream: &mut LinkStream,
    request: &DialRequest,
    result: Result<T, (DialError, String)>,
) -> Option<T> {
    let (reply, way) = match result {
        Ok(way) => (DialReply::Connected { local: None }, Some(way)),
        Err((error, text)) => {
            debug!(host = request.host, port = request.port, kind = ?request.kind, text, "no way for a container");
            (DialReply::Failed { error, text }, None)
        }
    };
    wire::send(stream, &reply).await.ok()?;
    if way.is_none() {
        let _ = stream.shutdown().await;
    }
    way
}

/// Where the request leads, to be tried in this order; never empty.
pub(super) fn targets(request: &DialRequest) -> Result<Vec<SocketAddr>, (DialError, String)> {
    let refused = |text: &str| Err((DialError::NotAllowed, format!("{}: {text}", request.host)));
    let Ok(address) = request.host.parse::<IpAddr>() else { return refused("not an address") };
    // `::ffff:127.0.0.1` is 127.0.0.1 to a socket.
    let address = address.to_canonical();
    let many = address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if outside::is_host(address) {
        if ports::is_own(request.port) {
            return refused("this port is for programs of this computer, and not for containers");
        }
        let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Ok(both.map(|address| SocketAddr::new(address, request.port)).to_vec());
    }
    // To a socket that connects, no address means this computer's own loopback.
    if address.is_loopback() || address.is_unspecified() || is_this_network(address) {
        return refused("this computer's own services are reached under the name host.docker.internal");
    }
    if many {
        return refused("an address of many");
    }
    Ok(vec![SocketAddr::new(address, request.port)])
}

/// 0.0.0.0/8, and the IPv6 addresses that hold one of IPv4 in their last bytes only: systems differ in where they lead.
fn is_this_network(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 0,
        IpAddr::V6(address) => address.octets()[..12] == [0; 12],
    }
}

async fn connect(targets: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut first = None;
    for target in targets {
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(target)).await;
        match connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(connection) => {
                connection.set_nodelay(true)?;
                SockRef::from(&connection).set_tcp_keepalive(&KEEP_ALIVE)?;
                return Ok(connection);
            }
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(first.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

async fn connected(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(target).await?;
    Ok(socket)
}

/// Until the guest ends the flow, or the other side says that nobody is there.
async fn datagrams(stream: LinkStream, socket: &UdpSocket, request: &DialRequest) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let ended = tokio::select! {
        ended = outward(&mut reader, socket) => ended,
        ended = inward(socket, &mut writer) => ended,
    };
    if let Err(error) = ended {
        debug!(host = request.host, port = request.port, %error, "a flow of datagrams ended");
        if error.kind() == io::ErrorKind::ConnectionRefused {
            reader.unsplit(writer).refuse();
        }
    }
}

async fn outward(reader: &mut ReadHalf<LinkStream>, socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = Vec::new();
    while datagram::receive(reader, &mut buffer).await.map_err(io::Error::other)? {
        match socket.send(&buffer).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(error),
            // One datagram is lost, as it may be anywhere.
            Err(error) => debug!(%error, "a datagram was not sent"),
            Ok(_) => {}
        }
    }
    Ok(())
}

async fn inward(socket: &UdpSocket, writer: &mut WriteHalf<LinkStream>) -> io::Result<()> {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let length = match socket.recv(&mut buffer).await {
            Ok(length) => length,
            // Winsock's word for the same.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Err(error) => return Err(error),
        };
        datagram::send(writer, &buffer[..length]).await.map_err(io::Error::other)?;
    }
}

/// Linux lets groups of `net.ipv4.ping_group_range` send echo requests without any right (icmp(7)); it fills in the checksum
/// and a number of its own.
#[cfg(target_os = "linux")]
mod ping {
    use std::io;
    use std::net::{IpAddr, SocketAddr};

    use control::{DialRequest, datagram};
    use socket2::{Domain, Protocol, Socket, Type};
    use tokio::net::UdpSocket;
    use tracing::debug;

    use super::{DATAGRAM_MAX, LinkStream};

    const REQUEST4: u8 = 8;
    const REPLY4: u8 = 0;
    const REQUEST6: u8 = 128;
    const REPLY6: u8 = 129;
    /// Type, code, checksum, number: what stands before the sequence number.
    const HEAD: usize = 6;

    pub(super) fn socket(target: IpAddr) -> io::Result<UdpSocket> {
        let (domain, protocol) = match target {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
        socket.set_nonblocking(true)?;
        socket.connect(&SocketAddr::new(target, 0).into())?;
        // It is read, written and polled as one of UDP is.
        UdpSocket::from_std(socket.into())
    }

    pub(super) async fn carry(stream: LinkStream, socket: &UdpSocket, request: &DialRequest) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let asked = if socket.local_addr().is_ok_and(|address| address.is_ipv6()) { REQUEST6 } else { REQUEST4 };
        let outward = async {
            let mut data = Vec::new();
            while datagram::receive(&mut reader, &mut data).await.map_err(io::Error::other)? {
                let message = [&[asked, 0, 0, 0, 0, 0], data.as_slice()].concat();
                if let Err(error) = socket.send(&message).await {
                    debug!(%error, "an echo request was not sent");
                }
            }
            Ok::<_, io::Error>(())
        };
        let inward = async {
            let mut buffer = vec![0; DATAGRAM_MAX];
            loop {
                let length = socket.recv(&mut buffer).await?;
                if length > HEAD && matches!(buffer[0], REPLY4 | REPLY6) {
                    datagram::send(&mut writer, &buffer[HEAD..length]).await.map_err(io::Error::other)?;
                }
            }
        };
        let ended: io::Result<()> = tokio::select! {
            ended = outward => ended,
            ended = inward => ended,
        };
        if let Err(error) = ended {
            debug!(host = request.host, %error, "echo requests ended");
        }
    }
}

/// Elsewhere it needs rights that the daemon does not have, or has not been tried: refused, which the container is told.
#[cfg(not(target_os = "linux"))]
mod ping {
    use std::io;
    use std::net::IpAddr;

    use control::DialRequest;
    use tokio::net::UdpSocket;

    use super::LinkStream;

    pub(super) fn socket(_: IpAddr) -> io::Result<UdpSocket> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    pub(super) async fn carry(_: LinkStream, _: &UdpSocket, _: &DialRequest) {}
}
