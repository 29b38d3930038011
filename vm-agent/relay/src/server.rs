//! `relay.sock`: the engine's requests.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use control::message::EngineState;
use control::{Forward, ForwardFailure, LinkKind, wire};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::fdpass::Receiver;
use crate::protocol::{Answer, Ask, Reply, Request};
use crate::state::Relay;
use crate::{Error, Result, share, status};

/// Listens on `relay.sock`, for root only. A socket file of a relay that died is replaced.
pub(crate) fn listen(relay: &Relay) -> Result<UnixListener> {
    let path = relay.options.run_dir.join("relay.sock");
    let _ = std::fs::remove_file(&path);
    let failed = |source| Error::Listen { path: path.clone(), source };
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Serves clients for ever.
pub(crate) async fn serve(relay: &Relay, listener: UnixListener) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve_client(relay.clone(), stream))),
            Err(error) => {
                warn!(%error, "relay.sock cannot accept");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_client(relay: Relay, stream: UnixStream) {
    let (reader, writer) = stream.into_split();
    let writer = Arc::new(Mutex::new(writer));
    let mut receiver = Receiver::new(reader);
    let mut is_engine = false;
    // End with the client, whose connection they hold.
    let mut questions = JoinSet::new();
    loop {
        let request = match receiver.receive::<Request>().await {
            Ok(Some(request)) => request,
            Ok(None) => break,
            Err(error) => {
                warn!(%error, "a client of relay.sock is broken");
                break;
            }
        };
        let Some(fds) = receiver.take_fds(request.fds) else {
            warn!(id = request.id, "a request came without its descriptors");
            break;
        };
        is_engine |= matches!(request.ask, Ask::Ready { .. });
        match in_order(&relay, request.ask, fds) {
            Ok(answer) => reply(&writer, request.id, answer).await,
            // Ports wait for the host: others may overtake them.
            Err(ask) => {
                let (relay, writer) = (relay.clone(), writer.clone());
                let waits_for_ever = matches!(ask, Ask::RegistriesOtherThan { .. });
                let answering = async move {
                    let answer = in_time(&relay, ask).await;
                    reply(&writer, request.id, answer).await;
                };
                if waits_for_ever {
                    questions.spawn(answering);
                } else {
                    tokio::spawn(answering);
                }
            }
        }
    }
    if is_engine {
        relay.engine.send_replace(EngineState::Gone);
    }
}

async fn reply(writer: &Mutex<OwnedWriteHalf>, id: u64, answer: Answer) {
    if let Err(error) = wire::send(&mut *writer.lock().await, &Reply { id, answer }).await {
        debug!(%error, "the engine went away before its answer");
    }
}

/// Answers what can be answered at once, so that requests take effect in their order; gives the others back.
fn in_order(relay: &Relay, ask: Ask, mut fds: Vec<OwnedFd>) -> std::result::Result<Answer, Ask> {
    Ok(match ask {
        Ask::BootInfo => {
            let mut boot = relay.options.boot.clone();
            boot.engine = boot.engine.with_registries(relay.registries.borrow().clone());
            Answer::BootInfo { boot: Box::new(boot) }
        }
        Ask::ListForwards => Answer::Forwards { forwards: relay.forwards().values().cloned().collect() },
        Ask::Serve { resolver } => match relay.names.serve(relay, resolver, fds) {
            Ok(()) => Answer::Done,
            Err(error) => Answer::Refused { text: error.to_string() },
        },
        Ask::Update { changes } => {
            relay.names.update(changes);
            Answer::Done
        }
        Ask::DropSandbox { sandbox } => {
            relay.names.drop_sandbox(&sandbox);
            Answer::Done
        }
        Ask::ListSandboxes => Answer::Sandboxes { sandboxes: relay.names.sandboxes_served() },
        Ask::ServeShare { request, place } => {
            let served = fds.pop().ok_or_else(|| std::io::ErrorKind::InvalidInput.into());
            match served.and_then(|device| relay.shares.serve(relay, request, place, device)) {
                Ok(()) => Answer::Done,
                Err(error) => Answer::Refused { text: error.to_string() },
            }
        }
        Ask::Ready { steps } => {
            {
                let mut known = relay.steps();
                known.retain(|step| steps.iter().all(|new| new.name != step.name));
                known.extend(steps);
            }
            relay.engine.send_replace(EngineState::Ready);
            Answer::Done
        }
        Ask::Stopped => {
            debug!(uptime_ms = status::uptime_ms(), "containers are stopped");
            relay.stopped.send_replace(true);
            Answer::Done
        }
        Ask::OpenForward { .. }
        | Ask::CloseForward { .. }
        | Ask::LookAtShare { .. }
        | Ask::RegistriesOtherThan { .. } => return Err(ask),
    })
}

async fn in_time(relay: &Relay, ask: Ask) -> Answer {
    match ask {
        Ask::OpenForward { forward } => match open_forward(relay, forward).await {
            Ok(host_port) => Answer::Bound { host_port },
            Err(failure) => Answer::NotBound { failure },
        },
        Ask::CloseForward { forward_id } => {
            relay.forwards().remove(&forward_id);
            match relay.options.boot.link {
                LinkKind::None => relay.listeners.close(&forward_id).await,
                LinkKind::Vsock | LinkKind::Serial => relay.host.close_forward(&forward_id).await,
            }
            Answer::Done
        }
        Ask::LookAtShare { request } => match share::look(relay, request).await {
            Ok(shared) => Answer::Share { shared },
            Err(refusal) => Answer::NotShared { refusal },
        },
        Ask::RegistriesOtherThan { known } => {
            let mut registries = relay.registries.subscribe();
            let others = registries.wait_for(|now| *now != known).await.map(|now| now.clone());
            // The sender is the relay's own.
            others.map_or(Answer::Done, |registries| Answer::Registries { registries })
        }
        _ => Answer::Refused { text: "this request is answered at once".to_owned() },
    }
}

async fn open_forward(relay: &Relay, forward: Forward) -> std::result::Result<u16, ForwardFailure> {
    let known = relay.forwards().get(&forward.id).cloned();
    if let Some(known) = known {
        return Ok(known.host_port);
    }
    let host_port = match relay.options.boot.link {
        LinkKind::None => relay.listeners.open(&forward).await?,
        LinkKind::Vsock | LinkKind::Serial => relay.host.open_forward(&forward).await?,
    };
    relay.forwards().insert(forward.id.clone(), Forward { host_port, ..forward });
    Ok(host_port)
}
