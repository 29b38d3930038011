//! The engine over TCP, where the setting `listen` wants it: with TLS and client certificates, or plain on loopback.
//!
//! What comes through is passed on as from the engine socket. Whoever has no certificate gets no further than the handshake, has a
//! deadline for it, and when too many try at once those who tried longest give way: descriptors are what this process has least of.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::engine;
use crate::machine::Handle;
use crate::paths::Paths;
use crate::settings::{Address, Settings};
use crate::tls::{self, Security};
use crate::{Error, Result};

/// How many may be about to prove who they are.
const HANDSHAKES: usize = 256;
/// A client on a bad line needs three round trips.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How long, and how much, of what a refused client still sends is read, so that it gets to read why.
const LAST_WORDS: Duration = Duration::from_secs(2);
const LAST_WORDS_LIMIT: u64 = 1 << 20;
/// Peers that vanished are found out: as often as Go's servers ask.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// The first byte of a TLS connection: a record of a handshake (RFC 8446, section 5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// Word for word what Go's servers, and so dockerd, say: clients print it.
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

#[derive(Debug, Clone)]
pub(super) struct Tcp {
    paths: Paths,
    machine: Handle,
    security: Security,
    strangers: Strangers,
    /// Held while the settings are followed.
    open: Arc<tokio::sync::Mutex<Vec<Listening>>>,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Debug)]
struct Listening {
    address: Address,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shown {
    addresses: Vec<String>,
    /// Why the setting cannot be followed.
    failures: Vec<String>,
}

impl Tcp {
    pub(super) fn new(paths: &Paths, machine: Handle) -> Tcp {
        Tcp {
            paths: paths.clone(),
            machine,
            security: Security::new(paths),
            strangers: Strangers::default(),
            open: Arc::default(),
            shown: Arc::default(),
        }
    }

    /// Where the engine is offered now.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).addresses.clone()
    }

    /// Why it is not offered somewhere, and what will be wrong with certificates soon. Reads files.
    pub(super) fn notes(&self) -> Vec<String> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notes = shown.failures.clone();
        let uses_certificates = !shown.addresses.is_empty();
        drop(shown);
        if uses_certificates {
            notes.extend(tls::warnings(&self.paths));
        }
        notes
    }

    /// Closes what is no longer wanted, then opens what is wanted and not open. Connections that are there go on. A failure is also
    /// noted for the status, and keeps no other address from being opened.
    pub(super) async fn follow_settings(&self) -> Result<()> {
        let mut open = self.open.lock().await;
        let wanted = Settings::load(&self.paths.settings()).map(|settings| settings.listen.clone());
        let mut failure = wanted.as_ref().err().map(Error::chain);
        let mut result = Ok(());
        match wanted {
            Err(error) => result = Err(error),
            Ok(wanted) => {
                for gone in open.extract_if(.., |listening| !wanted.contains(&listening.address)) {
                    gone.task.abort();
                    // The port is free when the task is gone, which another address may need.
                    let _ = gone.task.await;
                    tracing::info!("the engine is no longer offered at {}", gone.address);
                }
                for address in wanted {
                    if open.iter().any(|listening| listening.address == address) {
                        continue;
                    }
                    match self.open(address) {
                        Ok(listening) => open.push(listening),
                        Err(error) => {
                            failure = failure.or_else(|| Some(error.chain()));
                            result = result.and(Err(error));
                        }
                    }
                }
            }
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.addresses = open.iter().map(|listening| listening.address.to_string()).collect();
        shown.failures = failure.into_iter().collect();
        result
    }

    fn open(&self, address: Address) -> Result<Listening> {
        if address.is_tls() {
            self.security.config()?;
        }
        let failed = |source| Error::Listen { address: address.to_string(), source };
        let listener = std::net::TcpListener::bind(address.socket()).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        tracing::info!(tls = address.is_tls(), "the engine is offered at {address}");
        let task = tokio::spawn(self.clone().serve(listener, address.is_tls()));
        Ok(Listening { address, task })
    }

    async fn serve(self, listener: TcpListener, is_tls: bool) {
        loop {
            match listener.accept().await {
                Ok((client, peer)) => {
                    let tcp = self.clone();
                    tokio::spawn(async move {
                        // The client sees the end of its connection; there is nobody else to tell.
                        if let Err(error) = tcp.connection(client, is_tls).await {
                            tracing::debug!(%peer, %error, "a connection over TCP ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the engine's TCP port cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn connection(&self, client: TcpStream, is_tls: bool) -> io::Result<()> {
        let socket = SockRef::from(&client);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
        if !is_tls {
            return engine::relay(client, &self.machine).await;
        }
        let config = self.security.config().map_err(|error| {
            tracing::warn!(error = %error.chain(), "no client can be let in");
            io::Error::other(error)
        })?;
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(HANDSHAKE_PATIENCE, handshake(client, TlsAcceptor::from(config))) => shaken?,
            // Nothing is ever sent: the sender is dropped.
            _ = self.strangers.admit() => return Err(io::Error::other("others want to come in")),
        };
        match shaken {
            Ok(stream) => engine::relay(stream, &self.machine).await,
            Err((error, mut client)) => {
                // Closing a socket with unread input resets it, and the reason would be lost.
                let _ = client.shutdown().await;
                let rest = async { tokio::io::copy(&mut client.take(LAST_WORDS_LIMIT), &mut tokio::io::sink()).await };
                let _ = tokio::time::timeout(LAST_WORDS, rest).await;
                Err(error)
            }
        }
    }
}

/// Who has not yet shown a certificate, the oldest first.
#[derive(Debug, Clone, Default)]
struct Strangers(Arc<Mutex<VecDeque<oneshot::Sender<Infallible>>>>);

impl Strangers {
    /// Resolves when this one has to give way; to be dropped when it is a stranger no more.
    fn admit(&self) -> oneshot::Receiver<Infallible> {
        let (stays, gives_way) = oneshot::channel();
        let mut strangers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.retain(|stranger| !stranger.is_closed());
        if strangers.len() >= HANDSHAKES {
            strangers.pop_front();
        }
        strangers.push_back(stays);
        gives_way
    }
}

type Tls = tokio_rustls::server::TlsStream<TcpStream>;

/// The client with its certificate, or why it has none to show and what is left of its connection.
async fn handshake(mut client: TcpStream, acceptor: TlsAcceptor) -> std::result::Result<Tls, (io::Error, TcpStream)> {
    let mut first = [0];
    match client.peek(&mut first).await {
        Ok(1) if first[0] != HANDSHAKE_RECORD => {
            let said = if first[0].is_ascii_uppercase() { client.write_all(NOT_TLS).await } else { Ok(()) };
            let error = said.err().unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not TLS"));
            Err((error, client))
        }
        Ok(_) => acceptor.accept(client).into_fallible().await,
        Err(error) => Err((error, client)),
    }
}
