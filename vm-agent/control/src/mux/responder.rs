//! The guest's end: answers every `Sync`, and makes the newest epoch the session.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::lanes::{self, Arrival, Bound};
use super::marker::{Marker, MarkerKind, VERSION};
use super::{Lane, LaneIo, Session, Side};
use crate::Secret;

/// How long a fresh connection may stay silent before it is dropped.
const SYNC_PATIENCE: Duration = Duration::from_secs(10);

/// Takes lanes as they come; gives sessions. Clones are the same responder.
#[derive(Debug, Clone)]
pub struct Responder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    secret: Secret,
    state: Mutex<State>,
    sessions: mpsc::UnboundedSender<Session>,
}

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    session: Option<Session>,
    attached: [bool; 2],
}

impl Responder {
    /// The receiver yields each session once both of its lanes are there; an older one is over by then.
    pub fn new(secret: Secret) -> (Self, mpsc::UnboundedReceiver<Session>) {
        let (sessions, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { secret, state: Mutex::default(), sessions });
        (Responder { shared }, receiver)
    }

    /// Serves one lane until it ends. A persistent lane first tells the host that this relay is new.
    pub async fn serve(&self, lane: Lane, io: LaneIo) -> io::Result<()> {
        let LaneIo { mut reader, mut writer, persistent } = io;
        let (bind, mut bound) = watch::channel(Bound::default());
        if persistent {
            bind.send_replace(self.want(lane, 0));
        }
        let (first, mut first_seen) = watch::channel(false);
        let mut current: Option<Session> = None;
        let mut lane_epoch = 0;
        let binder = &bind;
        let reading = lanes::read(lane, &mut *reader, persistent, &self.shared.secret, |arrival| {
            match arrival {
                Arrival::Bytes(bytes) => {
                    if let Some(session) = &current
                        && let Err(error) = session.receive(lane, bytes)
                    {
                        session.close(&error.to_string());
                        current = None;
                        if !persistent {
                            return Err(error);
                        }
                        binder.send_replace(self.want(lane, lane_epoch));
                    }
                }
                Arrival::Proven(marker) if marker.kind == MarkerKind::Sync => {
                    if marker.version != VERSION {
                        end(&mut current, "the host speaks another version of the link");
                        binder.send_replace(self.deny(lane, &marker));
                    } else if marker.epoch <= lane_epoch {
                        end(&mut current, "the host started a session with an old epoch");
                        binder.send_replace(self.want(lane, lane_epoch));
                    } else if let Some(session) = self.attach(lane, marker.epoch) {
                        lane_epoch = marker.epoch;
                        let ack = Marker { kind: MarkerKind::Ack, ..marker }.encode(&self.shared.secret);
                        binder.send_replace(Bound { marker: Some(ack), session: Some(session.clone()) });
                        self.publish(&session);
                        current = Some(session);
                        first.send_replace(true);
                    } else if !persistent {
                        // A connection that is older than the session: nothing will ever come of it.
                        binder.send_replace(self.want(lane, marker.epoch));
                    }
                }
                Arrival::Unproven(marker) if marker.kind == MarkerKind::Sync => {
                    if current.as_ref().is_none_or(Session::is_closed) {
                        binder.send_replace(self.deny(lane, &marker));
                    }
                }
                Arrival::Gone => {
                    end(&mut current, "the host closed the link");
                    // Should it be there after all (its coming and going overtakes its bytes), it must hear of this.
                    binder.send_replace(self.want(lane, lane_epoch));
                }
                Arrival::Proven(_) | Arrival::Unproven(_) => {}
            }
            Ok(())
        });
        let result = tokio::select! {
            read = reading => read,
            written = lanes::write(lane, &mut *writer, &mut bound) => written,
            () = silence(persistent, &mut first_seen) => Err(io::ErrorKind::TimedOut.into()),
            () = over(persistent, bind.subscribe()) => Ok(()),
        };
        if let Some(session) = bind.borrow().session.as_ref() {
            let reason = result.as_ref().err().map_or_else(|| "a lane ended".to_owned(), io::Error::to_string);
            session.close(&reason);
        }
        result
    }

    /// The session of `epoch` for this lane, a new one if it is the newest; `None` if there is a newer one.
    fn attach(&self, lane: Lane, epoch: u64) -> Option<Session> {
        let mut state = self.lock();
        if epoch < state.epoch {
            return None;
        }
        if epoch > state.epoch {
            if let Some(old) = state.session.take() {
                old.close("the host started another session");
            }
            *state = State { epoch, session: Some(Session::new(Side::Guest, epoch)), attached: [false; 2] };
        }
        if std::mem::replace(&mut state.attached[lane.index()], true) {
            return None;
        }
        state.session.clone()
    }

    /// Hands the session out once both lanes are bound.
    fn publish(&self, session: &Session) {
        let state = self.lock();
        if state.attached == [true; 2] && state.epoch == session.epoch() {
            let _ = self.shared.sessions.send(session.clone());
        }
    }

    fn want(&self, lane: Lane, epoch: u64) -> Bound {
        let want = Marker { kind: MarkerKind::Want, lane, version: VERSION, epoch, nonce: 0 };
        Bound { marker: Some(want.encode(&self.shared.secret)), session: None }
    }

    fn deny(&self, lane: Lane, sync: &Marker) -> Bound {
        let deny = Marker { kind: MarkerKind::Deny, lane, version: VERSION, epoch: sync.epoch, nonce: sync.nonce };
        Bound { marker: Some(deny.encode(&self.shared.secret)), session: None }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn end(session: &mut Option<Session>, reason: &str) {
    if let Some(session) = session.take() {
        session.close(reason);
    }
}

/// Resolves if a connection says nothing worth having for too long.
async fn silence(persistent: bool, first: &mut watch::Receiver<bool>) {
    if persistent || tokio::time::timeout(SYNC_PATIENCE, first.wait_for(|seen| *seen)).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Resolves when the session of a connection that lives no longer than its session is over.
async fn over(persistent: bool, mut bound: watch::Receiver<Bound>) {
    loop {
        let session = bound.borrow_and_update().session.clone();
        if let Some(session) = session.filter(|_| !persistent) {
            session.closed().await;
            return;
        }
        if bound.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
