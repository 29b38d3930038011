//! The client of the guest's relay: hello, control messages, streams to the engine, to containers, to a shell.

mod control_stream;
mod dial;
mod names;
mod outbound;
#[cfg(test)]
mod outbound_tests;
pub(crate) mod proxy;
mod requests;
mod shell;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control::message::{EngineState, Status};
use control::{Forward, ForwardFailure, GuestMessage, HostMessage, Port, Proxies, Registries, Target, Welcome, wire};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::requests::Requests;
use super::{BoxFuture, Link, LinkError, LinkStream};
use crate::folders::Folders;
use crate::pause::{Gate, Hold};
use crate::proxies::{InUse, ProxyReport};
use crate::settings::Settings;

pub use shell::{Shell, ShellEvent, ShellInput, ShellOutput};

/// How long a request to the guest may take; it answers from memory.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a guest may take to show that the link still leads to it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// How long work on the data disk may take: the host's disk may be slow, and busy with others.
const DISK_WORK: Duration = Duration::from_secs(300);
/// The first protocol in which the guest can be asked for such work.
const DISK_PROTOCOL: u32 = 2;
/// How long a new stream waits for a link that was lost and may come back.
const RECONNECT: Duration = Duration::from_secs(5);

/// Opens and closes listeners for published ports on the host.
///
/// Calls may run at the same time for different forwards. Both are idempotent: the same forward again (after a
/// reconnect) answers its port, closing an unknown id does nothing. `open` gets the guest, so that connections it
/// accepts can be led there by [`Guest::connect_forward`].
pub trait Ports: Send + Sync {
    /// Resolves with the port once it is listened on (`host_port` 0 asks for any).
    fn open<'a>(&'a self, guest: &'a Guest, forward: &'a Forward) -> BoxFuture<'a, Result<u16, ForwardFailure>>;

    /// Resolves once the port is free.
    fn close<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()>;

    /// The guest's own list at (re)connection: every forward that is not in it is closed, those in it are opened again. One that
    /// cannot be opened now is opened when it can.
    fn restore<'a>(&'a self, guest: &'a Guest, forwards: &'a [Forward]) -> BoxFuture<'a, ()>;
}

/// Where the link is.
#[derive(Debug, Clone, PartialEq)]
pub enum GuestState {
    Connected(Box<Welcome>),
    /// The session ended; another one is being tried.
    Lost {
        reason: String,
    },
    /// The guest turned us down; nothing more is tried.
    Refused {
        reason: String,
    },
}

/// A handle on the guest; clones are the same. The last one dropped ends the link.
#[derive(Clone)]
pub struct Guest {
    shared: Arc<Shared>,
}

/// The proxies in force, replaced as a whole.
type Dialling = Arc<RwLock<Arc<Proxies>>>;

struct Shared {
    link: Arc<Link>,
    state: watch::Sender<GuestState>,
    engine: watch::Sender<EngineState>,
    requests: Requests,
    /// Told to the guest at each change and each new link, once they are known.
    registries: watch::Sender<Option<Registries>>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// By which the guest's dials go out, as each finds them.
    proxies: Dialling,
    /// What they were made of, told to the guest as the registries are; `None` where nobody has said.
    in_use: watch::Sender<Option<InUse>>,
    looking: tokio::sync::Mutex<()>,
    /// Passed before anything is led to the guest.
    gate: Arc<Gate>,
}

impl Guest {
    /// Reaches the guest and says hello, trying until `deadline` while it boots. Then keeps the link: serves the guest's
    /// requests (published ports by `ports`, dialling out by `proxies`, files by `folders`, names) and starts a new session when one is lost.
    pub async fn connect(
        link: Link,
        ports: Arc<dyn Ports>,
        proxies: Proxies,
        folders: Arc<Folders>,
        deadline: Instant,
    ) -> Result<Guest, LinkError> {
        let link = Arc::new(link);
        let (connection, welcome) = control_stream::hello(&link, deadline).await?;
        let proxies = Dialling::new(RwLock::new(Arc::new(proxies)));
        let shared = Arc::new(Shared {
            link,
            engine: watch::Sender::new(welcome.status.engine),
            state: watch::Sender::new(GuestState::Connected(Box::new(welcome))),
            requests: Requests::default(),
            registries: watch::Sender::new(None),
            keeper: Mutex::new(None),
            proxies: proxies.clone(),
            in_use: watch::Sender::new(None),
            looking: tokio::sync::Mutex::default(),
            gate: Gate::new(),
        });
        let out = connection.attach(&shared.requests);
        let keeper = control_stream::keep(Arc::downgrade(&shared), ports, proxies, folders, connection, out);
        let keeper = tokio::spawn(keeper);
        *shared.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
        Ok(Guest { shared })
    }

    /// From now on what the guest dials goes by these; what is open stays as it is.
    pub(crate) fn use_proxies(&self, in_use: InUse) {
        *self.shared.proxies.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_use.proxies());
        self.shared.in_use.send_replace(Some(in_use));
    }

    /// Reads anew what this computer's desktop says of proxies.
    pub(crate) async fn look_for_proxies(&self) {
        // One after the other, or the older answer could be the last.
        let _looking = self.shared.looking.lock().await;
        let before = self.shared.in_use.borrow().clone();
        let Some(before) = before else { return };
        self.change_proxies(before.with_desktop().await);
    }

    /// From now on what the guest dials goes by the settings that `read` gives, this process' environment and the desktop.
    ///
    /// # Errors
    /// Those of `read`: then all stays as it is.
    pub(crate) async fn follow_proxies(
        &self,
        read: impl Future<Output = crate::Result<Settings>>,
    ) -> crate::Result<()> {
        // Each reads behind the others, so that the last word is the newest.
        let _looking = self.shared.looking.lock().await;
        self.change_proxies(InUse::of(&*read.await?).await);
        Ok(())
    }

    /// As [`Guest::use_proxies`], said where they are others than before.
    fn change_proxies(&self, now: InUse) {
        let differs = self.shared.in_use.borrow().as_ref() != Some(&now);
        if differs {
            tracing::info!("the proxy is now {}", now.report());
            self.use_proxies(now);
        }
    }

    /// By which proxies the guest's dials go out.
    pub(crate) fn proxies(&self) -> Option<ProxyReport> {
        self.shared.in_use.borrow().as_ref().map(InUse::report)
    }

    /// Where the link is, now and after each change.
    pub fn state(&self) -> watch::Receiver<GuestState> {
        self.shared.state.subscribe()
    }

    /// Whether the engine answers, now and after each change.
    pub fn engine(&self) -> watch::Receiver<EngineState> {
        self.shared.engine.subscribe()
    }

    /// What the guest said at the last hello, while the link is up.
    pub fn welcome(&self) -> Option<Welcome> {
        match &*self.shared.state.borrow() {
            GuestState::Connected(welcome) => Some((**welcome).clone()),
            GuestState::Lost { .. } | GuestState::Refused { .. } => None,
        }
    }

    /// A stream to the engine's socket in the guest. It waits a little when the link is being restored; the guest holds it
    /// for a moment when the engine is.
    pub async fn connect_engine(&self) -> Result<LinkStream, LinkError> {
        self.open(Port::Engine).await
    }

    /// A stream to something the guest can reach. If that fails the stream is reset. UDP: `control::datagram`s.
    pub async fn connect_forward(&self, target: &Target) -> Result<LinkStream, LinkError> {
        let mut stream = self.open(Port::Forward).await?;
        wire::send(&mut stream, target).await?;
        Ok(stream)
    }

    /// A shell, or another program of the guest, on a terminal there.
    pub async fn shell(&self, start: control::shell::Start) -> Result<Shell, LinkError> {
        Shell::start(self.connect_shell().await?, start).await
    }

    /// The bare stream of a shell, for whoever passes its [`control::shell::Frame`]s on.
    pub async fn connect_shell(&self) -> Result<LinkStream, LinkError> {
        self.open(Port::Shell).await
    }

    /// What is passed before anything is led to the guest.
    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.shared.gate
    }

    /// The guest does not stand still for as long as what is returned is there.
    pub(crate) fn hold(&self) -> Hold {
        self.shared.gate.hold()
    }

    /// As [`Guest::connect_engine`] for whoever only wants to know whether anybody else comes; does not wait.
    pub(crate) fn connect_quietly(&self) -> Result<LinkStream, LinkError> {
        self.shared.link.connect(Port::Engine)
    }

    /// Asks, once the guest goes on, which it does until it has answered.
    async fn ask(
        &self,
        patience: Duration,
        request: impl FnOnce(u64) -> HostMessage,
    ) -> Result<GuestMessage, LinkError> {
        let _hold = self.hold();
        self.shared.gate.pass().await;
        self.shared.requests.ask(patience, request).await
    }

    /// Has the engine reach registries from now on as `read` says, if it can be known; a guest that is older takes it at its next start.
    /// Of several at a time each reads behind the others, so that the last word is the newest. Blocking, if `read` is.
    pub fn set_registries(&self, read: impl FnOnce() -> Option<Registries>) {
        self.shared.registries.send_if_modified(|now| {
            let Some(registries) = read() else { return false };
            let differs = now.as_ref() != Some(&registries);
            *now = Some(registries);
            differs
        });
    }

    /// How the guest is; no reason for one that stands still to go on, which does not answer.
    pub async fn status(&self) -> Result<Status, LinkError> {
        match self.shared.requests.ask(ANSWER, |id| HostMessage::Status { id }).await? {
            GuestMessage::Status { status, .. } => Ok(status),
            _ => Err(LinkError::NoAnswer),
        }
    }

    /// Whether the relay answers at all, within `patience`; no reason for a guest that stands still to go on.
    pub async fn ping(&self, patience: Duration) -> Result<(), LinkError> {
        self.shared.requests.ask(patience, |id| HostMessage::Ping { id }).await.map(|_| ())
    }

    /// Tells the guest the time; one that stands still is told when it goes on.
    pub fn tell_time(&self) -> Result<(), LinkError> {
        if !self.shared.gate.is_open() {
            return Ok(());
        }
        self.shared.requests.tell(HostMessage::Time { host_time_ns: now_ns() })
    }

    /// Begins another session when the guest gives no sign of life by this one, as after a time in which it could not be heard.
    pub async fn prove_the_link(&self) {
        // Once more: a computer that has too much to do is late with the answer, too, and with the link all that is under way is lost.
        for _ in 0..2 {
            let answer = tokio::select! {
                biased;
                // One that stands still gives none, and is not dead.
                () = self.shared.gate.shuts() => return,
                answer = self.ping(SIGN_OF_LIFE) => answer,
            };
            match answer {
                Err(LinkError::NoAnswer) => {}
                Ok(_) | Err(_) => return,
            }
        }
        self.shared.link.close("the guest gave no sign of life after this computer slept");
    }

    /// Has the guest give back what is free on its data disk; how many bytes that were.
    pub async fn trim(&self) -> Result<u64, LinkError> {
        match self.ask_of_disk(|id| HostMessage::Trim { id }).await? {
            GuestMessage::Trimmed { answer, .. } => answer.map_err(|reason| LinkError::Failed { reason }),
            _ => Err(LinkError::NoAnswer),
        }
    }

    /// Has the guest's file system take all of a data disk that is `bytes` long now; its size then.
    pub async fn grow_disk(&self, bytes: u64) -> Result<u64, LinkError> {
        match self.ask_of_disk(|id| HostMessage::GrowDisk { id, bytes }).await? {
            GuestMessage::DiskGrown { answer, .. } => answer.map_err(|reason| LinkError::Failed { reason }),
            _ => Err(LinkError::NoAnswer),
        }
    }

    /// Whether the guest knows of [`Guest::trim`] and [`Guest::grow_disk`]; fails while there is no link.
    pub(crate) fn knows_of_its_disk(&self) -> Result<(), LinkError> {
        match self.welcome() {
            Some(welcome) if welcome.versions.protocol < DISK_PROTOCOL => Err(LinkError::OldGuest),
            Some(_) => Ok(()),
            None => Err(LinkError::Down),
        }
    }

    async fn ask_of_disk(&self, request: impl FnOnce(u64) -> HostMessage) -> Result<GuestMessage, LinkError> {
        self.knows_of_its_disk()?;
        self.ask(DISK_WORK, request).await
    }

    /// Has containers stopped and the guest powered off; resolves when containers are stopped and the data disk is safe. After
    /// `grace` the caller ends the guest: this waits a moment longer, so that it is the caller who decides. The hypervisor's exit
    /// tells the rest; it may come first, and then this fails with [`LinkError::Down`].
    pub async fn shutdown(&self, grace: Duration) -> Result<(), LinkError> {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let request = |id| HostMessage::Shutdown { id, grace_ms };
        self.ask(grace + ANSWER, request).await.map(|_| ())
    }

    /// Ends the link for good. The guest goes on.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Opens a stream, waiting a little for a link that is being restored. A session may be over before the keeper says so:
    /// then its word is waited for too.
    async fn open(&self, port: Port) -> Result<LinkStream, LinkError> {
        self.shared.gate.pass().await;
        let mut state = self.shared.state.subscribe();
        let attempts = async {
            loop {
                let settled = state.wait_for(|state| !matches!(state, GuestState::Lost { .. })).await;
                let refused = settled.map_or(true, |state| matches!(*state, GuestState::Refused { .. }));
                match self.shared.link.connect(port) {
                    Err(LinkError::Down) if !refused => state.changed().await.map_err(|_| LinkError::Down)?,
                    result => return result,
                }
            }
        };
        tokio::time::timeout(RECONNECT, attempts).await.unwrap_or(Err(LinkError::Down))
    }
}

impl Shared {
    fn close(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.abort();
        }
        self.requests.detach();
        // Whoever waits learns that there is no link.
        self.gate.open();
        self.link.close("the host let go of the link");
        self.state.send_if_modified(|state| {
            let connected = matches!(state, GuestState::Connected(_));
            if connected {
                *state = GuestState::Lost { reason: "the host let go of the link".to_owned() };
            }
            connected
        });
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("state", &*self.shared.state.borrow()).finish_non_exhaustive()
    }
}

/// The host's clock in nanoseconds since 1970 UTC.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
