//! The sockets of one sandbox.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::debug;

use super::answer::{self, Verdict};
use super::table::Table;
use super::upstream;
use crate::protocol::Resolver;
use crate::state::Relay;

/// Queries of one sandbox that wait for outside servers; more are dropped, and asked again by the client.
const WAITING_MAX: usize = 256;
/// A UDP answer without EDNS is never longer (RFC 1035, section 4.2.1).
const UDP_MAX: usize = 512;
/// How long a TCP client may take between queries.
const TCP_IDLE: Duration = Duration::from_secs(15);
/// Shared by all sandboxes: which of several addresses comes first.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// Everything needed to answer one sandbox.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) relay: Relay,
    pub(super) table: Arc<RwLock<Table>>,
    pub(super) resolver: Arc<RwLock<Resolver>>,
}

impl Asker {
    /// The answer's bytes, no longer than `limit`; `None` for what is no query.
    pub(super) async fn ask(&self, packet: &[u8], stream: bool) -> Option<Vec<u8>> {
        let resolver = self.resolver.read().unwrap_or_else(PoisonError::into_inner).clone();
        let verdict = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            answer::look_up(packet, &table, &resolver, TURN.fetch_add(1, Ordering::Relaxed))
        };
        match verdict {
            Verdict::Answer(message) => fit(&message, limit(packet, stream)),
            Verdict::Outside { query, question } => {
                upstream::ask(&self.relay, &resolver, packet, &query, &question, stream)
                    .await
                    .and_then(|answer| answer.into_bytes(limit(packet, stream)))
            }
            Verdict::Nothing => None,
        }
    }
}

pub(super) async fn udp(socket: UdpSocket, asker: Asker) {
    let socket = Arc::new(socket);
    let waiting = Arc::new(Semaphore::new(WAITING_MAX));
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; 4096];
    loop {
        // Errors here are ICMP echoes of answers to clients that are gone.
        let Ok((n, peer)) = socket.recv_from(&mut buffer).await else { continue };
        while tasks.try_join_next().is_some() {}
        let Ok(permit) = waiting.clone().try_acquire_owned() else { continue };
        let (socket, asker, packet) = (socket.clone(), asker.clone(), buffer[..n].to_vec());
        tasks.spawn(async move {
            let _permit = permit;
            if let Some(answer) = asker.ask(&packet, false).await {
                let _ = socket.send_to(&answer, peer).await;
            }
        });
    }
}

pub(super) async fn tcp(listener: TcpListener, asker: Asker) {
    let mut tasks = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while tasks.try_join_next().is_some() {}
                let asker = asker.clone();
                tasks.spawn(async move {
                    if let Err(error) = tcp_client(stream, asker).await {
                        debug!(%error, "a name look-up over TCP ended early");
                    }
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Queries and answers with a length of two bytes before each (RFC 1035, section 4.2.2).
pub(super) async fn tcp_client(mut stream: TcpStream, asker: Asker) -> io::Result<()> {
    loop {
        let packet = match tokio::time::timeout(TCP_IDLE, read_packet(&mut stream)).await {
            Ok(Ok(packet)) => packet,
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Ok(()),
        };
        let Some(answer) = asker.ask(&packet, true).await else { return Ok(()) };
        let mut framed = u16::try_from(answer.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
        framed.extend(answer);
        stream.write_all(&framed).await?;
    }
}

pub(super) async fn read_packet(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut packet = vec![0; length.into()];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}

/// How long the answer to this query may be.
fn limit(packet: &[u8], stream: bool) -> usize {
    if stream {
        return usize::from(u16::MAX);
    }
    match Message::from_vec(packet) {
        Ok(query) => usize::from(query.max_payload()).max(UDP_MAX),
        Err(_) => UDP_MAX,
    }
}

/// The message's bytes; without its records and with the truncation mark if they are too many.
pub(super) fn fit(message: &Message, limit: usize) -> Option<Vec<u8>> {
    let bytes = message.to_vec().ok()?;
    if bytes.len() <= limit {
        return Some(bytes);
    }
    message.truncate().to_vec().ok()
}
