//! TCP: a connection's first packet waits here for what the host says, and the kernel does the rest.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::mux::MuxStream;
use control::{DialError, DialKind, outside};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tracing::debug;

use super::packet::{self, Pair, Why};
use super::places::{Place, Places};
use super::{Outside, why};
use crate::{Result, copy, dial};

/// Connections that wait for the host or for the guest, in all and of one sender. The first packet of another one is dropped,
/// and comes again.
const WAITING_MAX: usize = 1024;
const WAITING_EACH: usize = WAITING_MAX / 4;
/// Connections, those included. Each is a stream of the link, which is to have room for the engine, for published ports, shares
/// and flows besides: `control::mux` has 4096.
const CONNECTIONS_MAX: usize = 2048;
const CONNECTIONS_EACH: usize = CONNECTIONS_MAX / 2;
/// Connections that the kernel made and nobody accepted yet.
const BACKLOG: u32 = 1024;
/// How long a connection of the host's waits for the guest to finish its side.
const PICKED_UP: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A container that is gone says no farewell: when and how often it is asked whether it is there.
const KEEP_ALIVE_AFTER: u32 = 75;
const KEEP_ALIVE_EVERY: u32 = 15;
const KEEP_ALIVE_TRIES: u32 = 4;
/// The same in milliseconds for one that something is being sent to; nobody asks it then.
const UNANSWERED_MAX: u32 = (KEEP_ALIVE_AFTER + KEEP_ALIVE_TRIES * KEEP_ALIVE_EVERY) * 1000;

/// Connections between their first packet and the moment when the listener has them.
#[derive(Debug)]
pub(super) struct Handshakes {
    all: Mutex<HashMap<Pair, Handshake>>,
    waiting: Arc<Places>,
    connections: Arc<Places>,
}

#[derive(Debug)]
enum Handshake {
    Dialling,
    /// The host is connected; that the connection is picked up shows by the sender's end.
    Ready {
        way: Box<Way>,
        /// Of [`Handshakes::connections`].
        place: Place,
        _waiting: oneshot::Sender<Infallible>,
    },
}

/// Where a connection goes.
#[derive(Debug)]
enum Way {
    Host(MuxStream),
    /// Our own name server.
    Resolver,
}

impl Default for Handshakes {
    fn default() -> Self {
        Handshakes {
            all: Mutex::default(),
            waiting: Places::new(WAITING_MAX, WAITING_EACH),
            connections: Places::new(CONNECTIONS_MAX, CONNECTIONS_EACH),
        }
    }
}

impl Handshakes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Pair, Handshake>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, pair: &Pair) -> Option<(Way, Place)> {
        let mut all = self.lock();
        match all.remove(pair)? {
            Handshake::Ready { way, place, .. } => Some((*way, place)),
            Handshake::Dialling => {
                all.insert(*pair, Handshake::Dialling);
                None
            }
        }
    }

    /// For a new one: a place among those that wait, and one for its life.
    fn places(&self, from: IpAddr) -> Option<(Place, Place)> {
        Some((self.waiting.take(from, 1).ok()?, self.connections.take(from, 1).ok()?))
    }
}

/// A SYN. One that is sent again while the host connects is dropped.
pub(super) fn begin(ours: &Arc<Outside>, pair: Pair, sequence: u32, packet: &[u8]) {
    let mut handshakes = ours.handshakes.lock();
    match handshakes.get(&pair) {
        Some(Handshake::Dialling) => return,
        // The kernel had no room for it: once more.
        Some(Handshake::Ready { .. }) => {
            drop(handshakes);
            return ours.write(packet);
        }
        None => {}
    }
    let Some((waiting, place)) = ours.handshakes.places(pair.from.ip()) else { return };
    handshakes.insert(pair, Handshake::Dialling);
    drop(handshakes);
    let (ours, packet) = (ours.clone(), packet.to_vec());
    tokio::spawn(async move {
        let _waiting = waiting;
        connect(&ours, pair, place, sequence, &packet).await;
    });
}

async fn connect(ours: &Outside, pair: Pair, place: Place, sequence: u32, packet: &[u8]) {
    match way(ours, pair.to).await {
        Ok(way) => {
            let (_waiting, picked_up) = oneshot::channel();
            ours.handshakes.lock().insert(pair, Handshake::Ready { way: Box::new(way), place, _waiting });
            ours.write(packet);
            if tokio::time::timeout(PICKED_UP, picked_up).await.is_err() {
                ours.handshakes.lock().remove(&pair);
            }
        }
        Err(error) => {
            ours.handshakes.lock().remove(&pair);
            match why(error) {
                Some(Why::Port) => {
                    if let Some(reset) = packet::reset(pair, sequence) {
                        ours.write(&reset);
                    }
                }
                Some(why) => ours.refuse(packet, why),
                None => {}
            }
        }
    }
}

async fn way(ours: &Outside, to: SocketAddr) -> std::result::Result<Way, DialError> {
    if to.ip() == IpAddr::from(outside::RESOLVER) {
        return if to.port() == 53 { Ok(Way::Resolver) } else { Err(DialError::Refused) };
    }
    let stream = dial::dial(&ours.relay, &to.ip().to_string(), to.port(), DialKind::Tcp).await?;
    Ok(Way::Host(stream))
}

/// The listeners that the packet filter leads to, by IPv4 and, where the kernel has it, IPv6.
pub(super) fn listen() -> io::Result<Vec<TcpListener>> {
    let mut listeners = vec![listener(Ipv4Addr::LOCALHOST.into())?];
    match listener(Ipv6Addr::LOCALHOST.into()) {
        Ok(listener) => listeners.push(listener),
        Err(error) => debug!(%error, "no connections by IPv6"),
    }
    Ok(listeners)
}

fn listener(address: IpAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Its connections have the addresses of others.
    setsockopt(&socket, sockopt::IpTransparent, &true)?;
    socket.bind(SocketAddr::new(address, outside::LISTENER))?;
    socket.listen(BACKLOG)
}

pub(super) async fn accept(ours: &Arc<Outside>, listeners: Vec<TcpListener>) -> Result<Infallible> {
    let mut tasks = tokio::task::JoinSet::new();
    for listener in listeners {
        let ours = ours.clone();
        tasks.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((client, from)) => drop(tokio::spawn(serve(ours.clone(), client, from))),
                    // Out of descriptors, most likely: some must be closed before the next try can succeed.
                    Err(error) => {
                        debug!(%error, "the way out cannot accept");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    std::future::pending().await
}

async fn serve(ours: Arc<Outside>, client: TcpStream, from: SocketAddr) {
    let way = client.local_addr().ok().and_then(|to| ours.handshakes.take(&Pair { from, to }));
    let (way, _place) = way.unzip();
    let result = match way {
        Some(Way::Host(mut stream)) => match prepare(&client) {
            Ok(()) => copy::from_tcp(client, &mut stream).await,
            Err(error) => Err(error),
        },
        Some(Way::Resolver) => ours.relay.names.serve_machine(&ours.relay, client).await,
        // Somebody called the listener itself, or took longer than anybody waits.
        None => client.set_zero_linger(),
    };
    if let Err(error) = result {
        debug!(%from, %error, "a connection to the outside ended early");
    }
}

fn prepare(client: &TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    setsockopt(client, sockopt::KeepAlive, &true)?;
    setsockopt(client, sockopt::TcpKeepIdle, &KEEP_ALIVE_AFTER)?;
    setsockopt(client, sockopt::TcpKeepInterval, &KEEP_ALIVE_EVERY)?;
    setsockopt(client, sockopt::TcpKeepCount, &KEEP_ALIVE_TRIES)?;
    setsockopt(client, sockopt::TcpUserTimeout, &UNANSWERED_MAX)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `control::mux` has it.
    const STREAMS_OF_LINK: usize = 4096;

    #[test]
    fn a_sender_of_many_leaves_room_for_others_and_for_the_link() {
        let [one, two]: [IpAddr; 2] = ["172.17.0.2", "172.17.0.3"].map(|text| text.parse().unwrap());
        let handshakes = Handshakes::default();
        let waiting: Vec<_> = std::iter::from_fn(|| handshakes.places(one)).collect();
        assert_eq!(waiting.len(), WAITING_EACH);
        assert!(handshakes.places(two).is_some());
        drop(waiting);
        // What is connected waits no more.
        let connected: Vec<_> = std::iter::from_fn(|| handshakes.places(one).map(|(_, place)| place)).collect();
        assert_eq!(connected.len(), CONNECTIONS_EACH);
        let others: Vec<_> = std::iter::from_fn(|| handshakes.places(two).map(|(_, place)| place)).collect();
        assert!(connected.len() + others.len() + super::super::flows::FLOWS_MAX <= STREAMS_OF_LINK * 3 / 4);
    }
}
