//! Published ports on the host: what connects to them is copied over the link to the container.
//!
//! The guest decides what is published; this module listens, and says why it cannot. Everything closes when the machine
//! stops; the guest names its forwards again at the next hello.

mod bind;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use control::{Forward, ForwardFailure, Protocol};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::link::{BoxFuture, Guest, Ports};

/// The open ports of one machine. Dropping it closes them all.
#[derive(Debug)]
pub struct HostPorts {
    open: Mutex<BTreeMap<String, Open>>,
    list: watch::Sender<Vec<Forward>>,
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

impl Default for HostPorts {
    fn default() -> Self {
        HostPorts { open: Mutex::default(), list: watch::Sender::new(Vec::new()) }
    }
}

impl HostPorts {
    /// What is open now, with the ports in use; changes wake the watchers.
    pub fn list(&self) -> watch::Receiver<Vec<Forward>> {
        self.list.subscribe()
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
                let listener = bind::tcp(address).map_err(failed)?;
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
        open.insert(forward.id.clone(), Open { forward, task });
        self.publish(&open);
        Ok(port)
    }

    async fn retain_in(&self, keep: impl Fn(&str) -> bool) {
        let mut open = self.open.lock().await;
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

impl Ports for HostPorts {
    fn open<'a>(&'a self, guest: &'a Guest, forward: &'a Forward) -> BoxFuture<'a, Result<u16, ForwardFailure>> {
        Box::pin(self.open_one(guest, forward))
    }

    /// Connections that exist go on until either side ends them.
    fn close<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.retain_in(move |open| open != id))
    }

    fn retain<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, ()> {
        Box::pin(self.retain_in(move |open| ids.iter().any(|id| id == open)))
    }
}
