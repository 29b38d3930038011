//! The host: its session, the control conversation, and requests to it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::message::{EngineState, Family, ResolveError};
use control::mux::{Incoming, MuxStream, Session};
use control::{
    Forward, ForwardFailure, GuestMessage, Hello, HelloReply, HostMessage, Port, Refusal, Registries, Versions,
    Welcome, wire,
};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::state::Relay;
use crate::{clock, disk, engine, forward, shell, status};

/// How long the host may take to say hello on a fresh session.
const HELLO: Duration = Duration::from_secs(10);
/// How long a request waits for a host whose daemon is being restarted.
const RECONNECT: Duration = Duration::from_secs(10);
/// How long the host may take over one request.
const ANSWER: Duration = Duration::from_secs(30);

/// The way to the host, if there is one now.
#[derive(Debug)]
pub(crate) struct Host(watch::Sender<Option<Connection>>);

#[derive(Debug, Clone)]
struct Connection {
    session: Session,
    out: mpsc::UnboundedSender<GuestMessage>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    next_id: u64,
    answers: HashMap<u64, oneshot::Sender<HostMessage>>,
}

impl Default for Host {
    fn default() -> Self {
        Host(watch::Sender::new(None))
    }
}

impl Host {
    /// The session with a host that said hello; `None` if none comes soon.
    pub(crate) async fn session(&self) -> Option<Session> {
        self.connection(Instant::now() + RECONNECT).await.map(|connection| connection.session)
    }

    /// Has the host listen for a published port.
    pub(crate) async fn open_forward(&self, forward: &Forward) -> Result<u16, ForwardFailure> {
        let forward = forward.clone();
        match self.ask(move |id| GuestMessage::OpenForward { id, forward: forward.clone() }).await {
            Some(HostMessage::ForwardOpened { answer, .. }) => answer.map(|opened| opened.host_port),
            _ => Err(ForwardFailure::Failed { text: "the host does not answer".to_owned() }),
        }
    }

    /// Has the host stop listening. Without a host there is nothing open.
    pub(crate) async fn close_forward(&self, forward_id: &str) {
        let forward_id = forward_id.to_owned();
        self.ask(move |id| GuestMessage::CloseForward { id, forward_id: forward_id.clone() }).await;
    }

    /// Looks a name up with the host's resolver.
    pub(crate) async fn resolve(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, ResolveError> {
        let name = name.to_owned();
        match self.ask(move |id| GuestMessage::Resolve { id, name: name.clone(), family }).await {
            Some(HostMessage::Resolved { answer, .. }) => answer,
            _ => Err(ResolveError::Failed),
        }
    }

    /// Asks; if the host goes away before it answers, asks the next one.
    async fn ask(&self, request: impl Fn(u64) -> GuestMessage) -> Option<HostMessage> {
        let deadline = Instant::now() + ANSWER;
        loop {
            let connection = self.connection(deadline.min(Instant::now() + RECONNECT)).await?;
            let (tell, answer) = oneshot::channel();
            let id = {
                let mut waiting = connection.waiting();
                waiting.next_id += 1;
                let id = waiting.next_id;
                waiting.answers.insert(id, tell);
                id
            };
            if connection.out.send(request(id)).is_ok() {
                let answer = tokio::select! {
                    answer = tokio::time::timeout_at(deadline, answer) => answer,
                    _ = connection.session.closed() => continue,
                };
                match answer {
                    Ok(Ok(answer)) => return Some(answer),
                    Ok(Err(_)) => {}
                    Err(_) => {
                        connection.waiting().answers.remove(&id);
                        return None;
                    }
                }
            }
        }
    }

    async fn connection(&self, deadline: Instant) -> Option<Connection> {
        let mut current = self.0.subscribe();
        let alive = current.wait_for(|now| now.as_ref().is_some_and(|connection| !connection.session.is_closed()));
        tokio::time::timeout_at(deadline, alive).await.ok()?.ok()?.clone()
    }
}

impl Connection {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves sessions, each until it is over; a new one begins while the last of the old one still ends.
pub(crate) async fn serve(relay: &Relay, mut sessions: mpsc::UnboundedReceiver<Session>) {
    while let Some(session) = sessions.recv().await {
        tokio::spawn(serve_session(relay.clone(), session));
    }
}

async fn serve_session(relay: Relay, session: Session) {
    let mut tasks = JoinSet::new();
    let welcomed = watch::Sender::new(false);
    while let Some(Incoming { port, stream }) = session.accept().await {
        while tasks.try_join_next().is_some() {}
        // The lanes proved the secret, but a host whose versions do not fit gets nothing but the refusal.
        if port != Port::Control && !*welcomed.borrow() {
            stream.refuse();
            continue;
        }
        match port {
            Port::Control => {
                let (relay, session, welcomed) = (relay.clone(), session.clone(), welcomed.clone());
                tasks.spawn(async move {
                    if let Err(error) = converse(&relay, &session, stream, &welcomed).await {
                        debug!(%error, "the control stream broke");
                    }
                    session.close("the control stream ended");
                });
            }
            Port::Engine => drop(tasks.spawn(engine::serve(relay.clone(), stream))),
            Port::Forward => drop(tasks.spawn(forward::serve(stream))),
            Port::Shell => drop(tasks.spawn(shell::serve(stream))),
            // Only the guest opens these.
            Port::Dial | Port::Share => stream.refuse(),
        }
    }
    let reason = session.closed().await;
    info!(epoch = session.epoch(), reason, "the session with the host is over");
    // Streams of the session fail by themselves; letting their tasks end in their own way closes their other side rightly.
    while tasks.join_next().await.is_some() {}
}

/// Hello, then messages both ways until either side ends.
async fn converse(
    relay: &Relay,
    session: &Session,
    mut stream: MuxStream,
    welcomed: &watch::Sender<bool>,
) -> control::Result<()> {
    let hello = tokio::time::timeout(HELLO, wire::expect::<Hello>(&mut stream, "hello")).await;
    let hello = hello.map_err(|_| control::Error::Closed { expected: "hello" })??;
    let versions = Versions::current();
    let refusal = match versions.agree(&hello.versions) {
        Err(refusal) => Some(refusal),
        Ok(_) if hello.epoch != session.epoch() => {
            Some(Refusal::WrongEpoch { said: hello.epoch, actual: session.epoch() })
        }
        Ok(_) => None,
    };
    if let Some(refusal) = refusal {
        warn!(%refusal, "the host was turned down");
        wire::send(&mut stream, &HelloReply::Refused { refusal, versions }).await?;
        // The host ends the stream once it has read why.
        let _ = tokio::time::timeout(HELLO, wire::receive::<HostMessage>(&mut stream)).await;
        return Ok(());
    }
    clock::follow(hello.host_time_ns);
    let mut engine = relay.engine.subscribe();
    engine.mark_unchanged();
    // On its own: within the literal below the lock would be held while the status takes it again.
    let forwards = relay.forwards().values().cloned().collect();
    let welcome =
        Welcome { versions, epoch: session.epoch(), boot_id: status::boot_id(), forwards, status: status::read(relay) };
    welcomed.send_replace(true);
    wire::send(&mut stream, &HelloReply::Welcome(Box::new(welcome))).await?;
    info!(epoch = session.epoch(), host = hello.versions.berth, "the host said hello");
    let (reader, writer) = tokio::io::split(stream);
    let (out, messages) = mpsc::unbounded_channel();
    let connection = Connection { session: session.clone(), out, waiting: Arc::default() };
    relay.host.0.send_replace(Some(connection.clone()));
    let result = tokio::select! {
        read = read(relay, &connection, reader) => read,
        written = write(writer, messages, engine) => written,
    };
    relay.host.0.send_if_modified(|now| {
        let ours = now.as_ref().is_some_and(|now| now.session.epoch() == session.epoch());
        if ours {
            *now = None;
        }
        ours
    });
    result
}

async fn read(relay: &Relay, connection: &Connection, mut reader: ReadHalf<MuxStream>) -> control::Result<()> {
    while let Some(message) = wire::receive::<HostMessage>(&mut reader).await? {
        match message {
            HostMessage::Time { host_time_ns } => clock::follow(host_time_ns),
            HostMessage::Status { id } => {
                let _ = connection.out.send(GuestMessage::Status { id, status: status::read(relay) });
            }
            HostMessage::Registries { registries } => {
                relay.registries.send_if_modified(|now| {
                    let proxies = registries.proxies.or_else(|| now.proxies.take());
                    let registries = Registries { proxies, ..registries };
                    let differs = *now != registries;
                    *now = registries;
                    differs
                });
            }
            HostMessage::Ping { id } => drop(connection.out.send(GuestMessage::Pong { id })),
            HostMessage::Trim { id } => {
                let root = relay.options.data_dir.clone();
                on_disk(connection, move || disk::trim(&root), move |answer| GuestMessage::Trimmed { id, answer });
            }
            HostMessage::GrowDisk { id, bytes } => {
                let root = relay.options.data_dir.clone();
                on_disk(
                    connection,
                    move || disk::grow(&root, bytes),
                    move |answer| GuestMessage::DiskGrown { id, answer },
                );
            }
            HostMessage::Shutdown { id, grace_ms } => {
                info!(grace_ms, "the host asks for a shutdown");
                let _ = connection.out.send(GuestMessage::Stopping { id });
                (relay.options.power_off)();
                let (out, mut stopped) = (connection.out.clone(), relay.stopped.subscribe());
                tokio::spawn(async move {
                    if stopped.wait_for(|stopped| *stopped).await.is_ok() {
                        let _ = out.send(GuestMessage::Stopped { id });
                    }
                });
            }
            HostMessage::ForwardOpened { id, .. }
            | HostMessage::ForwardClosed { id }
            | HostMessage::Resolved { id, .. } => {
                let waiting = connection.waiting().answers.remove(&id);
                if let Some(waiting) = waiting {
                    let _ = waiting.send(message);
                }
            }
        }
    }
    Ok(())
}

/// Does something to the data disk that may take long, and answers; a host that is gone by then asks the next time.
fn on_disk(
    connection: &Connection,
    work: impl FnOnce() -> std::io::Result<u64> + Send + 'static,
    answer: impl FnOnce(Result<u64, String>) -> GuestMessage + Send + 'static,
) {
    let out = connection.out.clone();
    tokio::task::spawn_blocking(move || {
        let result = work().map_err(|error| error.to_string());
        let _ = out.send(answer(result));
    });
}

async fn write(
    mut writer: WriteHalf<MuxStream>,
    mut messages: mpsc::UnboundedReceiver<GuestMessage>,
    mut engine: watch::Receiver<EngineState>,
) -> control::Result<()> {
    loop {
        let message = tokio::select! {
            Some(message) = messages.recv() => message,
            Ok(()) = engine.changed() => match *engine.borrow_and_update() {
                EngineState::Ready => GuestMessage::EngineReady,
                EngineState::Gone | EngineState::Starting => GuestMessage::EngineGone,
            },
            else => return Ok(()),
        };
        wire::send(&mut writer, &message).await?;
    }
}
