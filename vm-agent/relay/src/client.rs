//! The engine's connection to the relay.
//!
//! It remembers what it asked to be open and served, and asks again when the relay was restarted, so that nobody else
//! has to notice.

mod connection;
mod wanted;

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use control::message::BootStep;
use control::{BootInfo, Forward, Registries, ShareRequest, wire};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Mutex as AsyncMutex, oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use self::connection::{keep_connected, reach};
use self::wanted::Wanted;
use crate::fdpass::{self, Receiver};
use crate::protocol::{Answer, Ask, Request};
use crate::{Error, NameChange, Resolver, Result};

/// How long a request waits for a relay that is being restarted.
const RECONNECT: Duration = Duration::from_secs(10);

/// A cheap handle; clones share one connection. Requests may run at the same time.
#[derive(Debug, Clone)]
pub struct RelayClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    writer: AsyncMutex<Option<OwnedWriteHalf>>,
    connected: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    wanted: Wanted,
}

impl RelayClient {
    /// Connects to `relay.sock`, trying for up to `patience` while it is not there. Must be called inside a tokio runtime.
    pub async fn connect(path: &Path, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        let stream = reach(path, deadline).await?;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            writer: AsyncMutex::new(None),
            connected: watch::Sender::new(false),
            state: Mutex::default(),
        });
        let receiver = shared.install(stream).await;
        tokio::spawn(keep_connected(Arc::downgrade(&shared), receiver));
        Ok(RelayClient { shared })
    }

    /// The boot file, as the relay got it.
    pub async fn boot_info(&self) -> Result<BootInfo> {
        match self.ask(Ask::BootInfo, &[]).await? {
            Answer::BootInfo { boot } => Ok(*boot),
            other => Err(unexpected(other)),
        }
    }

    /// How registries are reached, once that is otherwise than `known`.
    pub async fn registries_other_than(&self, known: &Registries) -> Result<Registries> {
        match self.ask(Ask::RegistriesOtherThan { known: known.clone() }, &[]).await? {
            Answer::Registries { registries } => Ok(registries),
            other => Err(unexpected(other)),
        }
    }

    /// Has a published port listened for, on the host or in native mode by the relay; the answer is the port (chosen
    /// if `host_port` was 0). The same forward again answers as the first time. Fails with [`Error::Forward`].
    pub async fn open_forward(&self, forward: &Forward) -> Result<u16> {
        let host_port = self.open_once(forward).await?;
        let bound = Forward { host_port, ..forward.clone() };
        self.shared.lock().wanted.forwards.insert(bound.id.clone(), bound);
        Ok(host_port)
    }

    /// Returns once the port is free; an unknown id is no error.
    pub async fn close_forward(&self, id: &str) -> Result<()> {
        self.shared.lock().wanted.forwards.remove(id);
        self.done(Ask::CloseForward { forward_id: id.to_owned() }, &[]).await
    }

    /// The forwards that are open, of earlier engines too.
    pub async fn list_forwards(&self) -> Result<Vec<Forward>> {
        match self.ask(Ask::ListForwards, &[]).await? {
            Answer::Forwards { forwards } => {
                let mut state = self.shared.lock();
                state.wanted.forwards.extend(forwards.iter().map(|forward| (forward.id.clone(), forward.clone())));
                Ok(forwards)
            }
            other => Err(unexpected(other)),
        }
    }

    /// Answers a sandbox's DNS queries by `resolver`, on `sockets` (bound UDP, listening TCP), or on those given before.
    pub async fn serve(&self, resolver: Resolver, sockets: Option<(OwnedFd, OwnedFd)>) -> Result<()> {
        let sockets = sockets.map(|(udp, tcp)| vec![Arc::new(udp), Arc::new(tcp)]);
        {
            let wanted = &mut self.shared.lock().wanted;
            wanted.resolvers.insert(resolver.sandbox.clone(), resolver.clone());
            if let Some(sockets) = &sockets {
                wanted.sockets.insert(resolver.sandbox.clone(), sockets.clone());
            }
        }
        self.done(Ask::Serve { resolver }, &sockets.unwrap_or_default()).await
    }

    /// Changes names on networks; may come before any sandbox is served.
    pub async fn update(&self, changes: Vec<NameChange>) -> Result<()> {
        self.shared.lock().wanted.remember(&changes);
        self.done(Ask::Update { changes }, &[]).await
    }

    /// Stops answering a sandbox and closes its sockets.
    pub async fn drop_sandbox(&self, sandbox: &str) -> Result<()> {
        {
            let wanted = &mut self.shared.lock().wanted;
            wanted.resolvers.remove(sandbox);
            wanted.sockets.remove(sandbox);
        }
        self.done(Ask::DropSandbox { sandbox: sandbox.to_owned() }, &[]).await
    }

    /// The sandboxes that are served, of earlier engines too.
    pub async fn sandboxes(&self) -> Result<Vec<String>> {
        match self.ask(Ask::ListSandboxes, &[]).await? {
            Answer::Sandboxes { sandboxes } => Ok(sandboxes),
            other => Err(unexpected(other)),
        }
    }

    /// Whether the host would share this, and what it is there. Fails with [`Error::Share`].
    pub async fn look_at_share(&self, request: ShareRequest) -> Result<control::Shared> {
        match self.ask(Ask::LookAtShare { request }, &[]).await? {
            Answer::Share { shared } => Ok(shared),
            Answer::NotShared { refusal } => Err(refusal.into()),
            other => Err(unexpected(other)),
        }
    }

    /// Has a mount's messages carried to the host and back for as long as it is mounted, by the next relay too.
    pub async fn serve_share(&self, request: ShareRequest, place: PathBuf, device: OwnedFd) -> Result<()> {
        let device = Arc::new(device);
        self.shared
            .lock()
            .wanted
            .shares
            .insert(request.mount.clone(), (request.clone(), place.clone(), Arc::clone(&device)));
        self.done(Ask::ServeShare { request, place }, &[device]).await
    }

    /// The mount is gone.
    pub fn forget_share(&self, mount: &str) {
        self.shared.lock().wanted.shares.remove(mount);
    }

    /// Says that the engine listens on its socket; `steps` are added to the boot timings that the host sees.
    pub async fn engine_ready(&self, steps: Vec<BootStep>) -> Result<()> {
        self.shared.lock().wanted.ready = Some(steps.clone());
        self.done(Ask::Ready { steps }, &[]).await
    }

    /// Says that containers are stopped and nothing more will be written; the host is told, if it asked for the shutdown.
    pub async fn stopped(&self) -> Result<()> {
        self.done(Ask::Stopped, &[]).await
    }

    async fn open_once(&self, forward: &Forward) -> Result<u16> {
        match self.ask(Ask::OpenForward { forward: forward.clone() }, &[]).await? {
            Answer::Bound { host_port } => Ok(host_port),
            Answer::NotBound { failure } => Err(failure.into()),
            other => Err(unexpected(other)),
        }
    }

    async fn done(&self, ask: Ask, fds: &[Arc<OwnedFd>]) -> Result<()> {
        match self.ask(ask, fds).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// Asks, waiting for a relay that is being restarted. A request whose answer was lost with the relay fails with
    /// [`Error::RelayGone`] unless it is only a question, which is asked again.
    async fn ask(&self, ask: Ask, fds: &[Arc<OwnedFd>]) -> Result<Answer> {
        let mut connected = self.shared.connected.subscribe();
        match tokio::time::timeout(RECONNECT, connected.wait_for(|connected| *connected)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Err(Error::RelayGone),
        }
        self.shared.ask(ask, fds).await
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn install(&self, stream: UnixStream) -> Receiver {
        let (reader, writer) = stream.into_split();
        *self.writer.lock().await = Some(writer);
        self.connected.send_replace(true);
        Receiver::new(reader)
    }

    async fn ask(&self, ask: Ask, fds: &[Arc<OwnedFd>]) -> Result<Answer> {
        let (tell, answer) = oneshot::channel();
        let id = {
            let mut state = self.lock();
            state.next_id += 1;
            let id = state.next_id;
            state.waiting.insert(id, tell);
            id
        };
        let message = wire::encode(&Request { id, fds: fds.len(), ask })?;
        let borrowed: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        let sent = match self.writer.lock().await.as_mut() {
            Some(writer) => fdpass::send(writer, &message, &borrowed).await.is_ok(),
            None => false,
        };
        if !sent {
            self.lock().waiting.remove(&id);
            return Err(Error::RelayGone);
        }
        match answer.await {
            Ok(Answer::Refused { text }) => Err(Error::Refused(text)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(Error::RelayGone),
        }
    }

    /// Asks a fresh relay for everything again. What fails is logged: its user learns when it is used.
    async fn replay(self: Arc<Self>) {
        let asks = self.lock().wanted.asks();
        info!(requests = asks.len(), "the relay was restarted; asking for everything again");
        for (ask, fds) in asks {
            match self.ask(ask.clone(), &fds).await {
                Ok(Answer::NotBound { failure }) => warn!(?ask, %failure, "a port could not be opened again"),
                Ok(_) => {}
                // What it cannot do of one is no reason not to do the rest.
                Err(Error::Refused(text)) => warn!(?ask, text, "the restarted relay refuses a request"),
                Err(error) => {
                    warn!(?ask, %error, "the restarted relay did not take a request");
                    return;
                }
            }
        }
    }
}

fn unexpected(answer: Answer) -> Error {
    match answer {
        Answer::Refused { text } => Error::Refused(text),
        Answer::NotBound { failure } => failure.into(),
        Answer::NotShared { refusal } => refusal.into(),
        Answer::Done
        | Answer::BootInfo { .. }
        | Answer::Bound { .. }
        | Answer::Forwards { .. }
        | Answer::Sandboxes { .. }
        | Answer::Registries { .. }
        | Answer::Share { .. } => Error::WrongAnswer,
    }
}
