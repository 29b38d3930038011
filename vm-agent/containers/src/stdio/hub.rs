//! Where the attached clients of one container (or exec) meet its streams.

use super::pipe::Endpoint;
use crate::streams::{Frame, Stream};
use bytes::Bytes;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};

/// Chunks that a client may lag behind before it holds the container back: about dockerd's 1 MB, at 64 KiB each.
const LAG: usize = 16;

/// Names one attached client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientId(u64);

/// Lives as long as its container; runs come and go.
#[derive(Debug)]
pub(crate) struct Hub {
    clients: Mutex<Clients>,
    stdin: watch::Sender<Stdin>,
}

#[derive(Debug, Default)]
struct Clients {
    list: Vec<Client>,
    next: u64,
}

#[derive(Debug)]
struct Client {
    id: u64,
    stdout: bool,
    stderr: bool,
    sender: mpsc::Sender<Frame>,
}

/// Where input goes.
#[derive(Clone)]
pub(crate) enum Stdin {
    /// The process is not there yet.
    Waiting,
    Open {
        to: Arc<Endpoint>,
        /// Lets go of the supervisor's duplicate; `None` for a terminal, which is never half closed.
        release: Option<Arc<dyn Fn() + Send + Sync>>,
    },
    Closed,
}

impl std::fmt::Debug for Stdin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stdin::Waiting => "Waiting",
            Stdin::Open { .. } => "Open",
            Stdin::Closed => "Closed",
        })
    }
}

impl Hub {
    pub(crate) fn new() -> Hub {
        Hub { clients: Mutex::default(), stdin: watch::Sender::new(Stdin::Waiting) }
    }

    /// Adds a client that wants the output from now on.
    pub(crate) fn subscribe(&self, stdout: bool, stderr: bool) -> (ClientId, mpsc::Receiver<Frame>) {
        let (sender, receiver) = mpsc::channel(LAG);
        let mut clients = self.clients();
        let id = clients.next;
        clients.next += 1;
        clients.list.push(Client { id, stdout, stderr, sender });
        (ClientId(id), receiver)
    }

    pub(crate) fn unsubscribe(&self, id: ClientId) {
        self.clients().list.retain(|client| client.id != id.0);
    }

    /// Hands `bytes` to everybody who wants them; waits for clients that lag.
    pub(crate) async fn publish(&self, stream: Stream, bytes: Bytes) {
        let wanting: Vec<_> = self
            .clients()
            .list
            .iter()
            .filter(|client| match stream {
                Stream::Stdout => client.stdout,
                Stream::Stderr => client.stderr,
                Stream::Stdin => false,
            })
            .map(|client| (client.id, client.sender.clone()))
            .collect();
        for (id, sender) in wanting {
            if sender.send(Frame { stream, bytes: bytes.clone() }).await.is_err() {
                self.unsubscribe(ClientId(id));
            }
        }
    }

    /// The run is over: every client's output ends, and input waits for the next run.
    pub(crate) fn end(&self) {
        self.clients().list.clear();
        self.stdin.send_replace(Stdin::Waiting);
    }

    /// The container is gone for good.
    pub(crate) fn close(&self) {
        self.clients().list.clear();
        self.stdin.send_replace(Stdin::Closed);
    }

    pub(crate) fn set_stdin(&self, stdin: Stdin) {
        self.stdin.send_replace(stdin);
    }

    /// Ends the process's input. Bytes already written stay readable.
    pub(crate) fn close_stdin(&self) {
        let mut released = None;
        self.stdin.send_modify(|stdin| {
            if let Stdin::Open { release: Some(release), .. } = stdin {
                released = Some(Arc::clone(release));
                *stdin = Stdin::Closed;
            }
        });
        if let Some(release) = released {
            release();
        }
    }

    /// The process's input, once there is one; an error when there will be none.
    pub(crate) async fn stdin(&self) -> io::Result<Arc<Endpoint>> {
        let mut stdin = self.stdin.subscribe();
        let ready = stdin.wait_for(|stdin| !matches!(stdin, Stdin::Waiting)).await;
        match ready.as_deref() {
            Ok(Stdin::Open { to, .. }) => Ok(Arc::clone(to)),
            Ok(Stdin::Closed | Stdin::Waiting) | Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        // The list is whole at every await and panic point.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_lagging_client_holds_back_and_a_gone_one_does_not() {
        let hub = Arc::new(Hub::new());
        let (_, mut slow) = hub.subscribe(true, false);
        for _ in 0..LAG {
            hub.publish(Stream::Stdout, Bytes::from_static(b"x")).await;
        }
        let blocked =
            tokio::time::timeout(Duration::from_millis(20), hub.publish(Stream::Stdout, Bytes::from_static(b"y")));
        assert!(blocked.await.is_err(), "the client is full");
        hub.publish(Stream::Stderr, Bytes::from_static(b"not wanted")).await;
        assert_eq!(slow.recv().await.expect("first").bytes, "x");
        hub.publish(Stream::Stdout, Bytes::from_static(b"z")).await;
        drop(slow);
        hub.publish(Stream::Stdout, Bytes::from_static(b"z")).await;
        assert!(hub.clients().list.is_empty());
    }

    #[tokio::test]
    async fn ending_a_run_ends_the_output() {
        let hub = Hub::new();
        let (_, mut output) = hub.subscribe(true, true);
        hub.publish(Stream::Stdout, Bytes::from_static(b"last")).await;
        hub.end();
        assert_eq!(output.recv().await.expect("buffered").bytes, "last");
        assert_eq!(output.recv().await, None);
    }
}
