//! The control stream: hello, then messages both ways, for as long as the guest lives.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use control::hello::REGISTRIES;
use control::message::{EngineState, Opened};
use control::mux::{Incoming, Session};
use control::{
    Forward, GuestMessage, Hello, HelloReply, HostMessage, Port, ProxySettings, Registries, Versions, Welcome, wire,
};
use tokio::io::ReadHalf;
use tokio::sync::watch::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::info;

use super::super::{Link, LinkError, LinkStream};
use super::requests::Requests;
use super::{Dialling, Guest, GuestState, Ports, Shared, dial, now_ns};
use crate::folders::Folders;
use crate::proxies::InUse;

/// How long the guest may take to answer a hello.
const HELLO: Duration = Duration::from_secs(10);
/// One attempt to get a lost link back.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How often the guest's clock is set.
const TIME: Duration = Duration::from_secs(60);

type Out = (mpsc::UnboundedSender<HostMessage>, mpsc::UnboundedReceiver<HostMessage>);

/// A control stream on which both sides said hello.
#[derive(Debug)]
pub(super) struct Connection {
    session: Session,
    stream: LinkStream,
    /// What the guest had open at hello.
    forwards: Vec<Forward>,
    /// The newest version of the messages that it understands.
    protocol: u32,
}

impl Connection {
    /// Leads `requests` into a queue that [`keep`] empties.
    pub(super) fn attach(&self, requests: &Requests) -> Out {
        let out = mpsc::unbounded_channel();
        requests.attach(out.0.clone());
        out
    }
}

/// Starts a session and says hello on it.
pub(super) async fn hello(link: &Link, deadline: Instant) -> Result<(Connection, Welcome), LinkError> {
    loop {
        let session = link.start(deadline).await?;
        match tokio::time::timeout(HELLO, greet(&session)).await {
            Ok(Ok((stream, welcome))) => {
                let forwards = welcome.forwards.clone();
                let protocol = welcome.versions.protocol;
                return Ok((Connection { session, stream, forwards, protocol }, welcome));
            }
            Ok(Err(LinkError::Control(error @ control::Error::Refused(_)))) => return Err(error.into()),
            Ok(Err(error)) if Instant::now() >= deadline => return Err(error),
            Err(_) if Instant::now() >= deadline => return Err(LinkError::NoAnswer),
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

async fn greet(session: &Session) -> Result<(LinkStream, Welcome), LinkError> {
    let mut stream = session.open(Port::Control)?;
    let versions = Versions::current();
    let hello = Hello { versions: versions.clone(), epoch: session.epoch(), host_time_ns: now_ns() };
    wire::send(&mut stream, &hello).await?;
    match wire::expect::<HelloReply>(&mut stream, "answer to hello").await? {
        HelloReply::Welcome(welcome) => {
            // The guest compared already, but by its own idea of what is too old.
            welcome.versions.agree(&versions).map_err(control::Error::from)?;
            Ok((stream, *welcome))
        }
        HelloReply::Refused { refusal, .. } => Err(control::Error::from(refusal).into()),
    }
}

/// Serves connection after connection until the guest refuses or the last [`Guest`] is dropped.
pub(super) async fn keep(
    shared: Weak<Shared>,
    ports: Arc<dyn Ports>,
    proxies: Dialling,
    folders: Arc<Folders>,
    first: Connection,
    first_out: Out,
) {
    let (mut connection, mut out) = (first, first_out);
    loop {
        let reason = serve(&shared, &ports, &proxies, &folders, connection, out).await;
        let Some(strong) = shared.upgrade() else { return };
        strong.requests.detach();
        info!(reason, "the link to the guest was lost");
        strong.state.send_replace(GuestState::Lost { reason });
        let link = strong.link.clone();
        drop(strong);
        (connection, out) = loop {
            let result = hello(&link, Instant::now() + ATTEMPT).await;
            let Some(strong) = shared.upgrade() else { return };
            match result {
                Ok((connection, welcome)) => {
                    info!(epoch = welcome.epoch, "the link to the guest is back");
                    let out = connection.attach(&strong.requests);
                    strong.engine.send_replace(welcome.status.engine);
                    strong.state.send_replace(GuestState::Connected(Box::new(welcome)));
                    break (connection, out);
                }
                Err(LinkError::Control(
                    error @ (control::Error::Refused(_)
                    | control::Error::WrongSecret
                    | control::Error::LinkVersion { .. }),
                )) => {
                    strong.state.send_replace(GuestState::Refused { reason: error.to_string() });
                    return;
                }
                Err(error) => {
                    strong.state.send_replace(GuestState::Lost { reason: error.to_string() });
                }
            }
        };
    }
}

/// What the guest may know of proxies: it dials by none of them, and needs no password.
fn shown(in_use: &InUse) -> ProxySettings {
    in_use.settings().masked()
}

/// Resolves when one of them is another than was seen last.
async fn changed<A, B>(one: &mut watch::Receiver<A>, other: &mut watch::Receiver<B>) -> Result<(), RecvError> {
    tokio::select! {
        changed = one.changed() => changed,
        changed = other.changed() => changed,
    }
}

/// Serves one connection to its end, whose reason it returns.
async fn serve(
    shared: &Weak<Shared>,
    ports: &Arc<dyn Ports>,
    proxies: &Dialling,
    folders: &Arc<Folders>,
    connection: Connection,
    out: Out,
) -> String {
    let Connection { session, stream, forwards, protocol } = connection;
    let Some((mut registries, mut in_use, gate)) =
        shared.upgrade().map(|shared| (shared.registries.subscribe(), shared.in_use.subscribe(), shared.gate.clone()))
    else {
        return "the host let go of the link".to_owned();
    };
    registries.mark_changed();
    let (reader, mut writer) = tokio::io::split(stream);
    let (out, mut messages) = out;
    let mut tasks = JoinSet::new();
    tasks.spawn(restore(shared.clone(), ports.clone(), forwards));
    tasks.spawn(Arc::clone(folders).let_go());
    let write = async {
        let mut time = tokio::time::interval(TIME);
        loop {
            let message = tokio::select! {
                Some(message) = messages.recv() => message,
                Ok(()) = changed(&mut registries, &mut in_use), if protocol >= REGISTRIES => {
                    let proxies = in_use.borrow_and_update().as_ref().map(shown);
                    match registries.borrow_and_update().clone() {
                        Some(registries) => HostMessage::Registries { registries: Registries { proxies, ..registries } },
                        None => continue,
                    }
                }
                // One that stands still would hear of all these moments at once.
                _ = time.tick() => if gate.is_open() { HostMessage::Time { host_time_ns: now_ns() } } else { continue },
            };
            if let Err(error) = wire::send(&mut writer, &message).await {
                return error.to_string();
            }
        }
    };
    let accept = async {
        let mut dials = JoinSet::new();
        while let Some(Incoming { port, stream }) = session.accept().await {
            while dials.try_join_next().is_some() {}
            match port {
                Port::Dial => {
                    let proxies = proxies.read().unwrap_or_else(PoisonError::into_inner).clone();
                    dials.spawn(dial::serve(stream, proxies));
                }
                Port::Share => drop(dials.spawn(Arc::clone(folders).serve(stream))),
                // Only the host opens these.
                Port::Control | Port::Engine | Port::Forward | Port::Shell => stream.refuse(),
            }
        }
        session.closed().await
    };
    let reason = tokio::select! {
        // First, because it knows the session's own reason.
        biased;
        reason = accept => reason,
        reason = read(shared, ports, reader, &out, &mut tasks) => reason,
        reason = write => reason,
    };
    session.close(&reason);
    reason
}

/// Opens again what the guest has open, and closes what it no longer has.
async fn restore(shared: Weak<Shared>, ports: Arc<dyn Ports>, forwards: Vec<Forward>) {
    let Some(guest) = shared.upgrade().map(|shared| Guest { shared }) else { return };
    ports.restore(&guest, &forwards).await;
}

/// Reads the guest's messages; requests are answered by tasks of their own.
async fn read(
    shared: &Weak<Shared>,
    ports: &Arc<dyn Ports>,
    mut reader: ReadHalf<LinkStream>,
    out: &mpsc::UnboundedSender<HostMessage>,
    tasks: &mut JoinSet<()>,
) -> String {
    loop {
        let message = match wire::receive::<GuestMessage>(&mut reader).await {
            Ok(Some(message)) => message,
            Ok(None) => return "the guest ended the control stream".to_owned(),
            Err(error) => return error.to_string(),
        };
        while tasks.try_join_next().is_some() {}
        let Some(strong) = shared.upgrade() else { return "the host let go of the link".to_owned() };
        let (out, ports) = (out.clone(), ports.clone());
        match message {
            GuestMessage::OpenForward { id, forward } => {
                let guest = Guest { shared: strong };
                tasks.spawn(async move {
                    let answer = ports.open(&guest, &forward).await.map(|host_port| Opened { host_port });
                    let _ = out.send(HostMessage::ForwardOpened { id, answer });
                });
            }
            GuestMessage::CloseForward { id, forward_id } => {
                tasks.spawn(async move {
                    ports.close(&forward_id).await;
                    let _ = out.send(HostMessage::ForwardClosed { id });
                });
            }
            GuestMessage::Resolve { id, name, family } => {
                tasks.spawn(async move {
                    let answer = dial::resolve(&name, family).await;
                    let _ = out.send(HostMessage::Resolved { id, answer });
                });
            }
            GuestMessage::EngineReady => drop(strong.engine.send_replace(EngineState::Ready)),
            GuestMessage::EngineGone => drop(strong.engine.send_replace(EngineState::Gone)),
            GuestMessage::Stopping { .. } => {}
            GuestMessage::Stopped { id }
            | GuestMessage::Pong { id }
            | GuestMessage::Status { id, .. }
            | GuestMessage::Trimmed { id, .. }
            | GuestMessage::DiskGrown { id, .. } => {
                strong.requests.answer(id, message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::sys::HostFacts;

    #[test]
    fn the_guest_is_told_no_password() {
        let mut settings = Settings::of_host(HostFacts { cpus: 2, memory_mib: 4096 });
        settings.set("https_proxy", "http://somebody:hunter2@proxy.example:3128").unwrap();
        let told = shown(&InUse::by(&settings, |_| None));
        assert_eq!(told.https.as_deref(), Some("http://xxxxx:xxxxx@proxy.example:3128"));
    }
}
