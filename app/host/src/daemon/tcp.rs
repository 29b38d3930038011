//! The engine over TCP, where the setting `listen` wants it: with TLS and client certificates, or plain on loopback.
//!
//! What comes through is passed on as from the engine socket. Whoever has no certificate gets no further than the handshake, has a
//! deadline for it, and when too many try at once those who tried longest give way: descriptors are what this process has least of.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use control::copy;
use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::looks::Looks;
use super::{engine, plain};
use crate::machine::{self, Handle};
use crate::paths::Paths;
use crate::ports::{self, Own};
use crate::settings::{Address, Settings};
use crate::tls::{self, Security};
use crate::{Error, Result};

/// How many may be about to prove who they are.
const HANDSHAKES: usize = 256;
/// A client on a bad line needs three round trips.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How long the status waits for the certificates' files: a folder on a server that is away does not answer at all.
const LOOK_PATIENCE: Duration = Duration::from_secs(3);
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
    looks: Looks,
    strangers: Strangers,
    /// Held while the settings are followed.
    open: Arc<tokio::sync::Mutex<Vec<Listening>>>,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Debug)]
struct Listening {
    address: Address,
    task: JoinHandle<()>,
    /// Of one that asks nobody for a certificate.
    _own: Option<Own>,
}

#[derive(Debug, Default)]
struct Shown {
    addresses: Vec<String>,
    /// At one of them clients need a certificate.
    tls: bool,
    /// At which addresses nobody listens, and why. What is wrong with certificates is no part of it: that is seen anew each time.
    failures: Vec<String>,
}

impl Tcp {
    pub(super) fn new(paths: &Paths, machine: Handle) -> Tcp {
        Tcp {
            paths: paths.clone(),
            machine,
            looks: Looks::new(Security::new(paths)),
            strangers: Strangers::up_to(HANDSHAKES),
            open: Arc::default(),
            shown: Arc::default(),
        }
    }

    /// Where the engine is offered now.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).addresses.clone()
    }

    /// Why it is not offered somewhere, and what is or will soon be wrong with certificates.
    pub(super) async fn notes(&self) -> Vec<String> {
        let (mut notes, uses_certificates) = {
            let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            (shown.failures.clone(), shown.tls)
        };
        if uses_certificates {
            let paths = self.paths.clone();
            // Nobody is let in then, though somebody listens.
            let of_certificates = move |security: Security| {
                let refuses = security.config().err().map(|error| error.chain());
                Ok(refuses.into_iter().chain(tls::warnings(&paths)).collect())
            };
            // Be it the folder, or those who looked before: they have the same turns.
            let late =
                || Err(Error::LateCertificates { folder: self.paths.tls_dir(), seconds: LOOK_PATIENCE.as_secs() });
            let told = self.looks.look_within(LOOK_PATIENCE, of_certificates).await.unwrap_or_else(late);
            for note in told.unwrap_or_else(|error| vec![error.chain()]) {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        notes
    }

    /// Closes what is no longer wanted, then opens what is wanted and not open. Connections that are there go on. A failure is also
    /// noted for the status, and keeps no other address from being opened. Without certificates that serve, the addresses are
    /// open all the same and refuse everybody: whoever makes some later need tell nobody.
    pub(super) async fn follow_settings(&self) -> Result<()> {
        let mut open = self.open.lock().await;
        let file = self.paths.settings();
        let wanted = machine::blocking(move || Settings::load(&file).map(|settings| settings.listen.clone())).await;
        let mut failures: Vec<String> = wanted.as_ref().err().map(Error::chain).into_iter().collect();
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
                            let said = error.chain();
                            if !failures.contains(&said) {
                                failures.push(said);
                            }
                            result = result.and(Err(error));
                        }
                    }
                }
            }
        }
        let tls = open.iter().any(|listening| listening.address.is_tls());
        let addresses = open.iter().map(|listening| listening.address.to_string()).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Shown { addresses, tls, failures };
        if tls && result.is_ok() { self.looks.look(|security| security.config().map(drop)).await } else { result }
    }

    fn open(&self, address: Address) -> Result<Listening> {
        let failed = |source| Error::Listen { address: address.to_string(), source };
        let listener = ports::bind::tcp(address.socket()).map_err(failed)?;
        tracing::info!(tls = address.is_tls(), "the engine is offered at {address}");
        let own = (!address.is_tls()).then(|| Own::hold(address.socket().port()));
        let task = tokio::spawn(self.clone().serve(listener, address.is_tls()));
        Ok(Listening { address, task, _own: own })
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
            return plain::serve(client, &self.machine).await;
        }
        let config = async {
            self.looks.look(|security| security.config()).await.map_err(|error| {
                // The status says it, and each who tries would fill the log.
                tracing::debug!(error = %error.chain(), "no client can be let in");
                io::Error::other(error)
            })
        };
        let stream = prove(client, config, &self.strangers).await?;
        engine::relay(stream, &self.machine).await
    }
}

/// The client with its certificate. Until it has shown one, and until it has read why it is refused, it is a stranger.
async fn prove(
    client: TcpStream,
    config: impl Future<Output = io::Result<Arc<ServerConfig>>>,
    strangers: &Strangers,
) -> io::Result<Tls> {
    let gives_way = strangers.admit();
    let proving = async {
        let acceptor = TlsAcceptor::from(tokio::time::timeout(HANDSHAKE_PATIENCE, config).await??);
        match tokio::time::timeout(HANDSHAKE_PATIENCE, handshake(client, acceptor)).await? {
            Ok(stream) => Ok(stream),
            Err((error, mut client)) => {
                // Closing a socket with unread input resets it, and the reason would be lost.
                let _ = client.shutdown().await;
                copy::drain(&mut client).await;
                Err(error)
            }
        }
    };
    tokio::select! {
        proven = proving => proven,
        // Nothing is ever sent: the sender is dropped.
        _ = gives_way => Err(io::Error::other("others want to come in")),
    }
}

/// Who has not yet shown a certificate, the oldest first.
#[derive(Debug, Clone)]
struct Strangers {
    limit: usize,
    stay: Arc<Mutex<VecDeque<oneshot::Sender<Infallible>>>>,
}

impl Strangers {
    /// At most `limit` at a time.
    fn up_to(limit: usize) -> Strangers {
        Strangers { limit, stay: Arc::default() }
    }

    /// Resolves when this one has to give way; to be dropped when it is a stranger no more.
    fn admit(&self) -> oneshot::Receiver<Infallible> {
        let (stays, gives_way) = oneshot::channel();
        let mut strangers = self.stay.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.retain(|stranger| !stranger.is_closed());
        if strangers.len() >= self.limit {
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::tls::{Certificates, Lifetime};

    #[tokio::test]
    async fn those_who_still_read_why_they_are_refused_give_way_too() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path()).unwrap();
        paths.create().unwrap();
        Certificates::of(&paths).create(&[], Lifetime::default(), false).unwrap();
        let config = Security::new(&paths).config().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // So few that all have come before the last words of the first are over.
        const LIMIT: usize = 2;
        let strangers = Strangers::up_to(LIMIT);
        let mut refused = Vec::new();
        for _ in 0..LIMIT + 1 {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let (near, _) = listener.accept().await.unwrap();
            let (config, strangers) = (config.clone(), strangers.clone());
            let proving = tokio::spawn(async move { prove(near, async { Ok(config) }, &strangers).await.map(drop) });
            let mut said = [0; NOT_TLS.len()];
            client.read_exact(&mut said).await.unwrap();
            refused.push((client, proving));
            if refused.len() == 1 {
                // The first has its end too, and from now on only its last words are awaited.
                assert_eq!(refused[0].0.read(&mut [0]).await.unwrap(), 0);
            }
        }
        let first = refused.swap_remove(0).1.await.unwrap().unwrap_err();
        assert_eq!(first.to_string(), "others want to come in");
    }
}
