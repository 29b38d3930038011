//! DNS queries that the host's resolver has no call for (other types than addresses): passed to the servers of its
//! configuration, byte by byte.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use control::{DialError, DialReply, datagram, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tracing::debug;

use super::super::LinkStream;

/// resolv.conf(5): where it is, and how many servers count.
const CONFIGURATION: &str = "/etc/resolv.conf";
const SERVERS_MAX: usize = 3;
/// How long one server may take.
const SERVER: Duration = Duration::from_secs(4);
const MESSAGE_MAX: usize = 65535;
/// What a header is long, and where it says that the message was cut short (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
const TRUNCATED: u8 = 2;

/// Answers the stream's queries one after the other; one that no server answers ends it.
pub(super) async fn serve(stream: LinkStream) {
    serve_from(stream, &servers(Path::new(CONFIGURATION))).await;
}

pub(super) async fn serve_from(mut stream: LinkStream, servers: &[SocketAddr]) {
    if servers.is_empty() {
        let text = format!("{CONFIGURATION} names no server");
        let _ = wire::send(&mut stream, &DialReply::Failed { error: DialError::NotAllowed, text }).await;
        let _ = stream.shutdown().await;
        return;
    }
    if wire::send(&mut stream, &DialReply::Connected { local: None }).await.is_err() {
        return;
    }
    let mut query = Vec::new();
    while let Ok(true) = datagram::receive(&mut stream, &mut query).await {
        let Some(answer) = ask(servers, &query).await else { break };
        if datagram::send(&mut stream, &answer).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

async fn ask(servers: &[SocketAddr], query: &[u8]) -> Option<Vec<u8>> {
    if query.len() < HEADER {
        return None;
    }
    for server in servers {
        match tokio::time::timeout(SERVER, ask_one(*server, query)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => debug!(%server, %error, "a name server failed"),
            Err(_) => debug!(%server, "a name server did not answer in time"),
        }
    }
    None
}

/// By datagram, and again by TCP if the answer was too long for one.
async fn ask_one(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // A socket, hence a random port, for every query: forged answers must guess it too.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; MESSAGE_MAX];
    loop {
        let length = socket.recv(&mut answer).await?;
        if length >= HEADER && answer[..2] == query[..2] {
            answer.truncate(length);
            break;
        }
    }
    if answer[2] & TRUNCATED == 0 {
        return Ok(answer);
    }
    by_stream(server, query).await
}

async fn by_stream(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    if answer.len() < HEADER || answer[..2] != query[..2] {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer to another query"));
    }
    Ok(answer)
}

/// The `nameserver` lines of resolv.conf(5).
fn servers(configuration: &Path) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(configuration).unwrap_or_default();
    let server = |line: &str| line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok();
    text.lines().filter_map(server).take(SERVERS_MAX).map(|address| SocketAddr::new(address, 53)).collect()
}
