//! Published ports on the host: what connects to them is copied over the link to the container.
//!
//! The guest decides what is published; this module listens, and says why it cannot. Everything closes when the machine
//! stops; the guest names its forwards again at the next hello. One of those that is somebody else's by then is *blocked*: it is
//! tried until it can be opened or is no longer wanted.

pub(crate) mod bind;
mod lender;
mod own;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use control::{Forward, ForwardFailure, Protocol};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::link::{BoxFuture, Guest, Ports};
pub(crate) use lender::{Lender, Wanted};
pub(crate) use own::{Own, is_own};

/// How often a blocked port is tried: no system tells when a port becomes free.
const RETRY: Duration = Duration::from_secs(1);

/// The open ports of one machine. Dropping it closes them all.
#[derive(Debug)]
pub struct HostPorts {
    open: Mutex<BTreeMap<String, Open>>,
    list: watch::Sender<Vec<Forward>>,
    blocked: watch::Sender<Vec<Blocked>>,
    lender: Lender,
    /// For the task that tries again, which must not keep the ports open.
    me: Weak<HostPorts>,
}

/// A published port that cannot be listened on now.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocked {
    pub forward: Forward,
    pub reason: String,
}

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Forward { proto, host_ip, host_port, .. } = &self.forward;
        let address = SocketAddr::new(*host_ip, *host_port);
        write!(
            f,
            "the published port {address}/{proto} cannot be opened again ({}): it is once it is free",
            self.reason
        )
    }
}

#[derive(Debug)]
struct Open {
    forward: Forward,
    task: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HostPorts {
    pub fn new() -> Arc<HostPorts> {
        Arc::new_cyclic(|me| HostPorts {
            open: Mutex::default(),
            list: watch::Sender::new(Vec::new()),
            blocked: watch::Sender::new(Vec::new()),
            lender: Lender::default(),
            me: me.clone(),
        })
    }

    /// What is open now, with the ports in use; changes wake the watchers.
    pub fn list(&self) -> watch::Receiver<Vec<Forward>> {
        self.list.subscribe()
    }

    /// What should be open and cannot be; changes wake the watchers.
    pub fn blocked(&self) -> watch::Receiver<Vec<Blocked>> {
        self.blocked.subscribe()
    }

    /// For a port that the daemon itself may have until a container publishes it.
    pub(crate) fn lender(&self) -> Lender {
        self.lender.clone()
    }

    /// Stops listening on everything.
    pub async fn close_all(&self) {
        self.retain_in(|_| false).await;
    }

    async fn open_one(&self, guest: &Guest, forward: &Forward) -> Result<u16, ForwardFailure> {
        // Held while binding: the same forward asked for twice at a time must not fail on itself.
        let mut open = self.open.lock().await;
        if let Some(known) = open.get(&forward.id) {
            return Ok(known.forward.host_port);
        }
        let address = SocketAddr::new(forward.host_ip, forward.host_port);
        let failed = |error: std::io::Error| ForwardFailure::from(&error);
        let (port, task) = match forward.proto {
            Protocol::Tcp => {
                let (listener, back) = match bind::tcp(address) {
                    Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                        let back = self.lender.take_back(address.port()).await;
                        (if back.is_some() { bind::tcp(address) } else { Err(error) }, back)
                    }
                    bound => (bound, None),
                };
                let listener = listener.map_err(failed)?;
                // It is ours: whoever had it may look for another.
                drop(back);
                let port = listener.local_addr().map_err(failed)?.port();
                (port, tokio::spawn(tcp::serve(listener, guest.clone(), forward.target())))
            }
            Protocol::Udp => {
                let socket = bind::udp(address).map_err(failed)?;
                let port = socket.local_addr().map_err(failed)?.port();
                (port, tokio::spawn(udp::serve(socket, guest.clone(), forward.target())))
            }
        };
        let forward = Forward { host_port: port, ..forward.clone() };
        self.unblock(|id| id == forward.id);
        open.insert(forward.id.clone(), Open { forward, task });
        self.publish(&open);
        Ok(port)
    }

    async fn restore_all(&self, guest: &Guest, forwards: &[Forward]) {
        self.retain_in(|open| forwards.iter().any(|forward| forward.id == open)).await;
        let mut blocked = Vec::new();
        for forward in forwards {
            if let Err(failure) = self.open_one(guest, forward).await {
                tracing::warn!(%failure, port = forward.host_port, "a published port cannot be opened again yet");
                blocked.push(Blocked { forward: forward.clone(), reason: failure.to_string() });
            }
        }
        let any = !blocked.is_empty();
        self.blocked.send_replace(blocked);
        if any {
            tokio::spawn(try_again(self.me.clone(), guest.clone()));
        }
    }

    /// Those with these ids are open or no longer wanted.
    fn unblock(&self, gone: impl Fn(&str) -> bool) {
        self.blocked.send_if_modified(|blocked| {
            let before = blocked.len();
            blocked.retain(|blocked| !gone(&blocked.forward.id));
            blocked.len() != before
        });
    }

    async fn retain_in(&self, keep: impl Fn(&str) -> bool) {
        let mut open = self.open.lock().await;
        self.unblock(|id| !keep(id));
        let gone: Vec<String> = open.keys().filter(|id| !keep(id)).cloned().collect();
        for id in gone {
            if let Some(mut closing) = open.remove(&id) {
                closing.task.abort();
                // The socket goes with its task; an aborted task's error says only that it was aborted.
                let _ = (&mut closing.task).await;
            }
        }
        self.publish(&open);
    }

    fn publish(&self, open: &BTreeMap<String, Open>) {
        self.list.send_replace(open.values().map(|open| open.forward.clone()).collect());
    }
}

/// Opens what is blocked, one by one as it becomes free; ends when nothing is blocked any more.
async fn try_again(ports: Weak<HostPorts>, guest: Guest) {
    loop {
        tokio::time::sleep(RETRY).await;
        let Some(ports) = ports.upgrade() else { return };
        let blocked = ports.blocked.borrow().clone();
        if blocked.is_empty() {
            return;
        }
        for Blocked { forward, .. } in blocked {
            // It may have been closed while an earlier one was tried.
            let wanted = ports.blocked.borrow().iter().any(|blocked| blocked.forward.id == forward.id);
            if wanted && ports.open_one(&guest, &forward).await.is_ok() {
                tracing::info!(port = forward.host_port, "a published port is open again");
            }
        }
    }
}

impl Ports for HostPorts {
    fn open<'a>(&'a self, guest: &'a Guest, forward: &'a Forward) -> BoxFuture<'a, Result<u16, ForwardFailure>> {
        Box::pin(self.open_one(guest, forward))
    }

    /// Connections that exist go on until either side ends them.
    fn close<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.retain_in(move |open| open != id))
    }

    fn restore<'a>(&'a self, guest: &'a Guest, forwards: &'a [Forward]) -> BoxFuture<'a, ()> {
        Box::pin(self.restore_all(guest, forwards))
    }
}
