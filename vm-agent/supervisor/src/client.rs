//! The engine's side of the protocol, for tokio.
//!
//! One task reads the socket and hands replies to whoever waits; requests are written by the caller, packet by packet. Exits
//! arrive at the one receiver of [`Supervisor::from_fd`], in the order in which they happened.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use runtime::{Plan, plan::fd, sys};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{mpsc, oneshot},
};

use crate::{
    Error, Result,
    protocol::{
        Answer, Ask, EntryInfo, Failed, FromSupervisor, MAX_PACKET, Notice, Reply, Request, ShutdownMode, VERSION,
    },
};

/// A container's first process.
#[derive(Debug)]
pub struct Spawn {
    /// Unique among everything the supervisor holds; free again after [`Supervisor::ack`].
    pub id: String,
    pub plan: Plan,
    /// Named as the plan names them ([`runtime::plan::fd`]); `cgroup` is the directory to be born into.
    pub fds: Vec<(String, OwnedFd)>,
    /// Names of `fds` that the supervisor keeps for the next engine.
    pub keep: Vec<String>,
    /// The child's end of [`runtime::status::pair`].
    pub status: OwnedFd,
}

/// A further process in a container; `id` is its own.
#[derive(Debug)]
pub struct Exec {
    pub id: String,
    /// From [`runtime::plan_exec`].
    pub plan: Plan,
    /// Pidfd of the container's first process.
    pub target: OwnedFd,
    /// stdin, stdout, stderr, cgroup.
    pub fds: Vec<(String, OwnedFd)>,
    pub keep: Vec<String>,
    pub status: OwnedFd,
}

/// A program of the engine's own.
#[derive(Debug)]
pub struct Helper {
    pub id: String,
    pub argv: Vec<String>,
    pub env: Vec<String>,
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

#[derive(Debug)]
pub struct Spawned {
    pub pid: i32,
    /// Nanoseconds since 1970, by the supervisor's clock: the next engine reads the same.
    pub started_at: i64,
    pub pidfd: OwnedFd,
}

/// What the supervisor holds for one id.
#[derive(Debug)]
pub struct Entry {
    pub info: EntryInfo,
    /// Kept descriptors by name; the process itself is `pidfd`.
    pub fds: Vec<(String, OwnedFd)>,
}

/// Exits and shutdown, in order.
pub type Notices = mpsc::UnboundedReceiver<Notice>;

/// A handle; clones share the connection.
#[derive(Debug, Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    socket: AsyncFd<OwnedFd>,
    seq: AtomicU64,
    waiting: Mutex<Waiting>,
}

type Packet = (Answer, Vec<OwnedFd>);

#[derive(Debug, Default)]
struct Waiting {
    one: HashMap<u64, oneshot::Sender<Packet>>,
    many: HashMap<u64, mpsc::UnboundedSender<Packet>>,
    gone: bool,
}

impl Supervisor {
    /// Takes over the socket (the engine has it as descriptor 3) and agrees on the version. Needs a tokio runtime.
    pub async fn from_fd(socket: OwnedFd) -> Result<(Supervisor, Notices)> {
        sys::set_nonblocking(socket.as_fd()).map_err(Error::Socket)?;
        let (notices, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            // SAFETY: an OwnedFd stays the same open descriptor as long as it lives, and the AsyncFd owns it.
            socket: unsafe { AsyncFd::register(socket) }.map_err(|e| Error::Socket(e.into()))?,
            seq: AtomicU64::new(1),
            waiting: Mutex::default(),
        });
        tokio::spawn(read_all(shared.clone(), notices));
        let supervisor = Supervisor { shared };
        match supervisor.ask("", Ask::Hello { version: VERSION }, &[]).await?.0 {
            Answer::Hello { version: VERSION } => Ok((supervisor, receiver)),
            Answer::Hello { version } => Err(Error::Version { ours: VERSION, theirs: version }),
            other => Err(unexpected(&other)),
        }
    }

    /// Clones the process. Whether its program starts is said by the status socket.
    pub async fn spawn(&self, spawn: Spawn) -> Result<Spawned> {
        let Spawn { id, plan, fds, keep, status } = spawn;
        let bytes = sys::sealed_memfd(c"plan", &plan.to_bytes()).map_err(Error::Socket)?;
        let names: Vec<String> = fds.iter().map(|(name, _)| name.clone()).collect();
        let mut all = vec![bytes.as_fd(), status.as_fd()];
        all.extend(fds.iter().map(|(_, fd)| fd.as_fd()));
        let ask = Ask::Spawn {
            id: id.clone(),
            flags: plan.clone_flags,
            intermediate: !plan.join_before.is_empty(),
            fds: names,
            keep,
        };
        let (answer, mut received) = self.ask(&id, ask, &all).await?;
        match (answer, received.pop()) {
            (Answer::Spawned { pid, started_at }, Some(pidfd)) => Ok(Spawned { pid, started_at, pidfd }),
            (other, _) => Err(unexpected(&other)),
        }
    }

    pub async fn exec(&self, exec: Exec) -> Result<Spawned> {
        let Exec { id, plan, target, mut fds, keep, status } = exec;
        fds.push((fd::TARGET.to_owned(), target));
        self.spawn(Spawn { id, plan, fds, keep, status }).await
    }

    /// Starts a helper; its end comes as an exit notice of `id`, to be acknowledged like any other.
    pub async fn run_helper(&self, helper: Helper) -> Result<Spawned> {
        let Helper { id, argv, env, stdin, stdout, stderr } = helper;
        let ask = Ask::Helper { id: id.clone(), argv, env };
        let (answer, mut fds) = self.ask(&id, ask, &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]).await?;
        match (answer, fds.pop()) {
            (Answer::Spawned { pid, started_at }, Some(pidfd)) => Ok(Spawned { pid, started_at, pidfd }),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Keeps a duplicate of a descriptor (a pty master, a network namespace) for the next engine; replaces one of that name.
    pub async fn hold(&self, id: &str, name: &str, fd: BorrowedFd<'_>) -> Result<()> {
        let ask = Ask::Hold { id: id.to_owned(), name: name.to_owned() };
        done(self.ask(id, ask, &[fd]).await?)
    }

    /// Drops a kept descriptor: closing a container's stdin needs the supervisor's duplicate gone as well.
    pub async fn release(&self, id: &str, name: &str) -> Result<()> {
        done(self.ask(id, Ask::Release { id: id.to_owned(), name: name.to_owned() }, &[]).await?)
    }

    /// The exit has been recorded: the supervisor forgets the id.
    pub async fn ack(&self, id: &str) -> Result<()> {
        done(self.ask(id, Ask::Ack { id: id.to_owned() }, &[]).await?)
    }

    /// Keeps a duplicate of a descriptor that is no process's.
    pub async fn keep(&self, name: &str, fd: BorrowedFd<'_>) -> Result<()> {
        self.hold("", name, fd).await
    }

    /// Drops it.
    pub async fn drop_kept(&self, name: &str) -> Result<()> {
        self.release("", name).await
    }

    /// All processes, running or ended, with their descriptors: what a restarted engine adopts.
    pub async fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for (answer, fds) in self.everything().await? {
            if let Answer::Entry(info) = answer {
                let names = info.fds.clone();
                entries.push(Entry { info, fds: names.into_iter().zip(fds).collect() });
            }
        }
        Ok(entries)
    }

    /// What an earlier engine had kept without a process, by name.
    pub async fn kept(&self) -> Result<Vec<(String, OwnedFd)>> {
        let packets = self.everything().await?.into_iter();
        Ok(packets
            .filter_map(|(answer, mut fds)| match answer {
                Answer::Held { name } => Some((name, fds.pop()?)),
                _ => None,
            })
            .collect())
    }

    async fn everything(&self) -> Result<Vec<Packet>> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let seq = self.shared.seq.fetch_add(1, Ordering::Relaxed);
        {
            let mut waiting = self.shared.waiting();
            if waiting.gone {
                return Err(Error::Gone);
            }
            waiting.many.insert(seq, sender);
        }
        self.shared.send(&Request { seq, ask: Ask::List }, &[]).await?;
        let mut packets = Vec::new();
        while let Some((answer, fds)) = receiver.recv().await {
            match answer {
                Answer::Entry(_) | Answer::Held { .. } => packets.push((answer, fds)),
                Answer::End => return Ok(packets),
                other => return Err(unexpected(&other)),
            }
        }
        Err(Error::Gone)
    }

    /// Begins the orderly end; the engine itself is told by [`Notice::Shutdown`].
    pub async fn shutdown(&self, mode: ShutdownMode) -> Result<()> {
        done(self.ask("", Ask::Shutdown { mode }, &[]).await?)
    }

    /// Clients are served: from now on an engine that ends is started again, in native mode too.
    pub async fn serving(&self) -> Result<()> {
        done(self.ask("", Ask::Serving, &[]).await?)
    }

    /// Everything is stopped and closed. The supervisor ends all processes and the machine.
    pub async fn finished(&self) -> Result<()> {
        done(self.ask("", Ask::Finished, &[]).await?)
    }

    async fn ask(&self, id: &str, ask: Ask, fds: &[BorrowedFd<'_>]) -> Result<Packet> {
        let seq = self.shared.seq.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting();
            if waiting.gone {
                return Err(Error::Gone);
            }
            waiting.one.insert(seq, sender);
        }
        let sent = self.shared.send(&Request { seq, ask }, fds).await;
        if let Err(e) = sent {
            self.shared.waiting().one.remove(&seq);
            return Err(e);
        }
        let packet = receiver.await.map_err(|_| Error::Gone)?;
        let id = || id.to_owned();
        match packet.0 {
            Answer::Failed(Failed::Exists) => Err(Error::Exists { id: id() }),
            Answer::Failed(Failed::Unknown) => Err(Error::Unknown { id: id() }),
            Answer::Failed(Failed::NoSibling) => Err(Error::NoSibling { id: id() }),
            Answer::Failed(Failed::Clone { errno }) => {
                Err(Error::Clone { id: id(), source: io::Error::from_raw_os_error(errno) })
            }
            Answer::Failed(Failed::Malformed { what }) => Err(Error::Unexpected(what)),
            _ => Ok(packet),
        }
    }
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder panics")
    }

    async fn send(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<()> {
        if fds.len() > sys::MAX_FDS {
            return Err(Error::TooManyDescriptors { count: fds.len() });
        }
        let bytes = serde_json::to_vec(request).map_err(Error::Malformed)?;
        let raw: Vec<i32> = fds.iter().map(|fd| fd.as_raw_fd()).collect();
        self.socket
            .async_io(Interest::WRITABLE, |socket| sys::send(socket.as_fd(), &bytes, &raw, 0))
            .await
            .map_err(Error::Socket)
    }
}

async fn read_all(shared: Arc<Shared>, notices: mpsc::UnboundedSender<Notice>) {
    let mut buffer = vec![0; MAX_PACKET];
    loop {
        let received =
            shared.socket.async_io(Interest::READABLE, |socket| sys::receive(socket.as_fd(), &mut buffer)).await;
        let (length, fds) = match received {
            Ok((0, _)) => break,
            Ok(packet) => packet,
            Err(e) => {
                tracing::error!("reading from the supervisor: {e}");
                break;
            }
        };
        match serde_json::from_slice(&buffer[..length]) {
            Ok(FromSupervisor::Notice(notice)) => {
                // Without a receiver the exits stay with the supervisor, for the next engine.
                let _ = notices.send(notice);
            }
            Ok(FromSupervisor::Reply(Reply { seq, answer })) => shared.waiting().deliver(seq, (answer, fds)),
            Err(e) => tracing::error!("a message of the supervisor cannot be read: {e}"),
        }
    }
    // Dropping the senders tells everybody who waits.
    let mut waiting = shared.waiting();
    *waiting = Waiting { gone: true, ..Waiting::default() };
}

impl Waiting {
    fn deliver(&mut self, seq: u64, packet: Packet) {
        if let Some(one) = self.one.remove(&seq) {
            // The asker may have given up.
            let _ = one.send(packet);
        } else if let Some(many) = self.many.get(&seq) {
            let last = !matches!(packet.0, Answer::Entry(_) | Answer::Held { .. });
            let _ = many.send(packet);
            if last {
                self.many.remove(&seq);
            }
        }
    }
}

fn done((answer, _): Packet) -> Result<()> {
    if answer == Answer::Done { Ok(()) } else { Err(unexpected(&answer)) }
}

fn unexpected(answer: &Answer) -> Error {
    Error::Unexpected(format!("{answer:?}"))
}
