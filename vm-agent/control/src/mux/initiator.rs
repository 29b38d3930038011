//! The host's end: starts a session over two fresh connections.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::lanes::{self, Arrival, Bound};
use super::marker::{Marker, MarkerKind, VERSION};
use super::{Lane, LaneIo, Session, Side};
use crate::{Error, Result, Secret};

/// A `Sync` without an answer is repeated, with a new epoch, after this long: the relay may have been restarted between
/// reading it and answering.
const REPEAT: Duration = Duration::from_secs(2);

/// What a lane's reader tells the one who waits for the session.
#[derive(Debug)]
enum News {
    Marker(Lane, Marker),
    Denied(Marker),
    Broken(std::io::Error),
}

/// Starts a session over `lanes` (in the order of [`Lane`]) and returns once the guest agreed on both, or an
/// error after `patience`. Bytes of earlier sessions are skipped. The lanes are closed when the session ends.
pub async fn connect(secret: &Secret, lanes: [LaneIo; 2], patience: Duration) -> Result<Session> {
    let deadline = Instant::now() + patience;
    let (news_to, mut news) = mpsc::unbounded_channel();
    let session_of: Arc<watch::Sender<Option<Session>>> = Arc::new(watch::Sender::new(None));
    let mut tasks = JoinSet::new();
    let mut bound = Vec::new();
    for (lane, io) in Lane::ALL.into_iter().zip(lanes) {
        let (bind, bound_of) = watch::channel(Bound::default());
        bound.push(bind);
        tasks.spawn(run(lane, io, secret.clone(), bound_of, news_to.clone(), session_of.clone()));
    }
    drop(news_to);
    let mut epoch = now_micros();
    'attempt: loop {
        let nonce = random()?;
        let session = Session::new(Side::Host, epoch);
        session_of.send_replace(Some(session.clone()));
        for (lane, bind) in Lane::ALL.into_iter().zip(&bound) {
            let sync = Marker { kind: MarkerKind::Sync, lane, version: VERSION, epoch, nonce };
            bind.send_replace(Bound { marker: Some(sync.encode(secret)), session: None });
        }
        let repeat = Instant::now() + REPEAT;
        let mut acks = [false; 2];
        while acks != [true; 2] {
            let next = tokio::time::timeout_at(repeat.min(deadline), news.recv()).await;
            match next {
                Err(_) if Instant::now() >= deadline => return Err(Error::SyncTimeout(patience)),
                Err(_) => {
                    epoch += 1;
                    continue 'attempt;
                }
                Ok(None) => return Err(Error::Closed { expected: "answer to the start of a session" }),
                Ok(Some(News::Broken(error))) => return Err(error.into()),
                Ok(Some(News::Denied(deny))) if deny.nonce == nonce => {
                    return Err(if deny.version == VERSION {
                        Error::WrongSecret
                    } else {
                        Error::LinkVersion { ours: VERSION, theirs: deny.version }
                    });
                }
                Ok(Some(News::Denied(_))) => {}
                Ok(Some(News::Marker(lane, marker))) => match marker.kind {
                    MarkerKind::Ack if (marker.epoch, marker.nonce) == (epoch, nonce) => acks[lane.index()] = true,
                    MarkerKind::Want => {
                        epoch = epoch.max(marker.epoch) + 1;
                        continue 'attempt;
                    }
                    MarkerKind::Ack | MarkerKind::Sync | MarkerKind::Deny => {}
                },
            }
        }
        for bind in &bound {
            bind.send_replace(Bound { marker: None, session: Some(session.clone()) });
        }
        tokio::spawn(guard(session.clone(), tasks, news, bound));
        return Ok(session);
    }
}

/// Ends the session when a lane breaks or the guest wants another one; closes the lanes when it ends.
async fn guard(
    session: Session,
    tasks: JoinSet<()>,
    mut news: mpsc::UnboundedReceiver<News>,
    bound: Vec<watch::Sender<Bound>>,
) {
    let ended = async {
        loop {
            match news.recv().await {
                None => return "both lanes ended".to_owned(),
                Some(News::Broken(error)) => return error.to_string(),
                Some(News::Marker(_, marker)) if marker.kind == MarkerKind::Want => {
                    return "the guest's relay asked for another session".to_owned();
                }
                Some(News::Marker(..) | News::Denied(_)) => {}
            }
        }
    };
    tokio::select! {
        reason = ended => session.close(&reason),
        _ = session.closed() => {}
    }
    drop(bound);
    drop(tasks);
}

/// One lane, until it breaks.
async fn run(
    lane: Lane,
    io: LaneIo,
    secret: Secret,
    mut bound: watch::Receiver<Bound>,
    news: mpsc::UnboundedSender<News>,
    session: Arc<watch::Sender<Option<Session>>>,
) {
    let LaneIo { mut reader, mut writer, persistent } = io;
    let mut current: Option<Session> = None;
    let tell = news.clone();
    let reading = lanes::read(lane, &mut *reader, persistent, &secret, |arrival| {
        match arrival {
            Arrival::Bytes(bytes) => {
                if let Some(session) = &current {
                    session.receive(lane, bytes)?;
                }
            }
            Arrival::Proven(marker) => {
                if marker.kind == MarkerKind::Ack {
                    // Frames may follow in the same read, so the session is bound here and not by the waiter.
                    current = session.borrow().clone().filter(|session| session.epoch() == marker.epoch);
                } else if marker.kind == MarkerKind::Want {
                    current = None;
                }
                let _ = tell.send(News::Marker(lane, marker));
            }
            Arrival::Unproven(marker) if marker.kind == MarkerKind::Deny => {
                let _ = tell.send(News::Denied(marker));
            }
            Arrival::Unproven(_) | Arrival::Gone => {}
        }
        Ok(())
    });
    let result = tokio::select! {
        read = reading => read.and(Err(std::io::ErrorKind::UnexpectedEof.into())),
        written = lanes::write(lane, &mut *writer, &mut bound) => written,
    };
    if let Err(error) = result {
        let _ = news.send(News::Broken(error));
    }
}

fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(1).max(1)
}

fn random() -> Result<u64> {
    getrandom::u64().map_err(Error::Random)
}
