//! Names of containers: DNS servers inside sandboxes, on sockets that the engine made there (embedded DNS, 127.0.0.11).

mod answer;
mod serve;
mod table;
mod upstream;

use std::collections::HashMap;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::task::JoinSet;

use self::table::Table;
use crate::protocol::{NameChange, Resolver};
use crate::state::Relay;
use crate::{Error, Result};

/// Every sandbox that is served, and every name on every network.
#[derive(Debug, Default)]
pub(crate) struct Names {
    table: Arc<RwLock<Table>>,
    sandboxes: Mutex<HashMap<String, Sandbox>>,
}

#[derive(Debug)]
struct Sandbox {
    resolver: Arc<RwLock<Resolver>>,
    /// Its two servers; dropping them closes the sockets.
    _servers: JoinSet<()>,
}

impl Names {
    /// Answers a sandbox by `resolver`: on `fds` (UDP, TCP) if there are any, else on the sockets given before.
    pub(crate) fn serve(&self, relay: &Relay, resolver: Resolver, fds: Vec<OwnedFd>) -> Result<()> {
        let sandbox = resolver.sandbox.clone();
        let mut sandboxes = self.sandboxes();
        let Ok([udp, tcp]) = <[OwnedFd; 2]>::try_from(fds) else {
            let Some(known) = sandboxes.get(&sandbox) else {
                return Err(Error::Refused(format!("sandbox {sandbox} has no sockets to serve")));
            };
            *known.resolver.write().unwrap_or_else(PoisonError::into_inner) = resolver;
            return Ok(());
        };
        let (udp, tcp) = (UdpSocket::from(udp), TcpListener::from(tcp));
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        let (udp, tcp) = (tokio::net::UdpSocket::from_std(udp)?, tokio::net::TcpListener::from_std(tcp)?);
        let resolver = Arc::new(RwLock::new(resolver));
        let asker = serve::Asker { relay: relay.clone(), table: self.table.clone(), resolver: resolver.clone() };
        let mut servers = JoinSet::new();
        servers.spawn(serve::udp(udp, asker.clone()));
        servers.spawn(serve::tcp(tcp, asker));
        sandboxes.insert(sandbox, Sandbox { resolver, _servers: servers });
        Ok(())
    }

    /// The answer to a query at the machine's own name server, on no network of containers.
    pub(crate) async fn answer_machine(&self, relay: &Relay, query: &[u8]) -> Option<Vec<u8>> {
        self.machine(relay).ask(query, false).await
    }

    /// The same for a connection.
    pub(crate) async fn serve_machine(&self, relay: &Relay, client: tokio::net::TcpStream) -> std::io::Result<()> {
        serve::tcp_client(client, self.machine(relay)).await
    }

    fn machine(&self, relay: &Relay) -> serve::Asker {
        let resolver = Resolver {
            sandbox: String::new(),
            networks: Vec::new(),
            upstream: Vec::new(),
            external: true,
            links: Vec::new(),
        };
        serve::Asker { relay: relay.clone(), table: self.table.clone(), resolver: Arc::new(RwLock::new(resolver)) }
    }

    pub(crate) fn update(&self, changes: Vec<NameChange>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        changes.into_iter().for_each(|change| table.apply(change));
    }

    pub(crate) fn drop_sandbox(&self, sandbox: &str) {
        self.sandboxes().remove(sandbox);
    }

    pub(crate) fn sandboxes_served(&self) -> Vec<String> {
        self.sandboxes().keys().cloned().collect()
    }

    fn sandboxes(&self) -> MutexGuard<'_, HashMap<String, Sandbox>> {
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
