//! Streams of the host to something in the guest: mostly a container's port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use control::mux::MuxStream;
use control::{Target, datagram, wire};
use tokio::net::{UdpSocket, UnixStream};
use tracing::debug;

use crate::{copy, reach};

/// How long the host may take to say where to.
const HEADER: Duration = Duration::from_secs(10);
const DATAGRAM_MAX: usize = 65535;

/// Serves one stream to its end. A target that cannot be reached refuses it.
pub(crate) async fn serve(mut stream: MuxStream) {
    let header = tokio::time::timeout(HEADER, wire::expect::<Target>(&mut stream, "forward target")).await;
    let Ok(Ok(target)) = header else { return };
    if let Err(error) = connect(stream, &target).await {
        debug!(?target, %error, "a forwarded connection ended early");
    }
}

async fn connect(mut stream: MuxStream, target: &Target) -> io::Result<()> {
    match target {
        Target::Tcp { address } => match reach::container(*address).await {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                copy::with_tcp(&mut stream, tcp).await
            }
            Err(error) => {
                stream.refuse();
                Err(error)
            }
        },
        Target::Unix { path } => match UnixStream::connect(path).await {
            Ok(mut unix) => copy::both(&mut stream, &mut unix).await,
            Err(error) => {
                stream.refuse();
                Err(error)
            }
        },
        Target::Udp { address } => datagrams(stream, *address).await,
    }
}

/// One peer of a published UDP port: its datagrams both ways, until the host ends the stream.
async fn datagrams(stream: MuxStream, target: SocketAddr) -> io::Result<()> {
    let socket = connected_udp(target).await?;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let inward = async {
        let mut buffer = Vec::new();
        while datagram::receive(&mut reader, &mut buffer).await.map_err(io::Error::other)? {
            // A target that does not listen answers by ICMP, which shows as an error of the next call: nothing to end.
            let _ = socket.send(&buffer).await;
        }
        Ok(())
    };
    let outward = async {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            if let Ok(n) = socket.recv(&mut buffer).await {
                datagram::send(&mut writer, &buffer[..n]).await.map_err(io::Error::other)?;
            }
        }
    };
    tokio::select! {
        ended = inward => ended,
        broken = outward => broken,
    }
}

/// A socket that talks with `target` only.
pub(crate) async fn connected_udp(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(target).await?;
    Ok(socket)
}
