//! A published UDP port: one stream of the link per client, ended after a time without datagrams.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use control::{Target, datagram};
use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::link::Guest;

/// As Linux' connection tracking keeps a UDP flow that was answered (nf_conntrack_udp_timeout_stream).
const IDLE: Duration = Duration::from_secs(120);
/// Datagrams that may wait for the link per client; more are dropped, as a full socket buffer drops them.
const WAITING: usize = 128;
/// Clients at a time; a flood of addresses must not use up the link's streams.
const CLIENTS: usize = 1024;

pub(super) async fn serve(socket: UdpSocket, guest: Guest, target: Target) {
    let socket = Arc::new(socket);
    let mut clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut flows: JoinSet<SocketAddr> = JoinSet::new();
    let mut buffer = vec![0; 65536];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, client)) => {
                    let datagram = buffer[..length].to_vec();
                    if let Some(sender) = clients.get(&client) {
                        // A full queue loses the datagram.
                        if !matches!(sender.try_send(datagram.clone()), Err(mpsc::error::TrySendError::Closed(_))) {
                            continue;
                        }
                    }
                    if clients.len() >= CLIENTS && !clients.contains_key(&client) {
                        continue;
                    }
                    let (sender, receiver) = mpsc::channel(WAITING);
                    sender.try_send(datagram).expect("a new queue has room");
                    clients.insert(client, sender);
                    let (socket, guest, target) = (socket.clone(), guest.clone(), target.clone());
                    flows.spawn(async move {
                        if let Err(error) = flow(&socket, client, receiver, &guest, &target).await {
                            tracing::debug!(%error, %client, "a UDP flow ended early");
                        }
                        client
                    });
                }
                // An ICMP error for an earlier answer is reported here; the socket is as good as before.
                Err(error) => tracing::debug!(%error, "a published UDP port"),
            },
            Some(ended) = flows.join_next() => if let Ok(client) = ended {
                // Its place may have been taken by a newer flow of the same client.
                if clients.get(&client).is_some_and(mpsc::Sender::is_closed) {
                    clients.remove(&client);
                }
            },
        }
    }
}

async fn flow(
    socket: &UdpSocket,
    client: SocketAddr,
    mut waiting: mpsc::Receiver<Vec<u8>>,
    guest: &Guest,
    target: &Target,
) -> io::Result<()> {
    let stream = guest.connect_forward(target).await.map_err(io::Error::other)?;
    let (mut from_guest, mut to_guest) = tokio::io::split(stream);
    // Reading a datagram cannot be given up half way, so it has a task of its own.
    let (answers_to, mut answers) = mpsc::channel::<Vec<u8>>(WAITING);
    let mut reader = JoinSet::new();
    reader.spawn(async move {
        let mut buffer = Vec::new();
        while let Ok(true) = datagram::receive(&mut from_guest, &mut buffer).await {
            if answers_to.send(buffer.clone()).await.is_err() {
                break;
            }
        }
    });
    loop {
        let next = async {
            tokio::select! {
                datagram = waiting.recv() => datagram.map(Direction::ToGuest),
                datagram = answers.recv() => datagram.map(Direction::ToClient),
            }
        };
        match tokio::time::timeout(IDLE, next).await {
            Ok(Some(Direction::ToGuest(bytes))) => {
                datagram::send(&mut to_guest, &bytes).await.map_err(io::Error::other)?;
            }
            Ok(Some(Direction::ToClient(bytes))) => {
                socket.send_to(&bytes, client).await?;
            }
            Ok(None) | Err(_) => return to_guest.shutdown().await,
        }
    }
}

enum Direction {
    ToGuest(Vec<u8>),
    ToClient(Vec<u8>),
}
