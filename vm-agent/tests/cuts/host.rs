//! The host at the other end of the link: it serves one folder, and can be stopped in the middle of a request.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use control::mux::{self, Incoming, Lane, LaneIo, MuxStream, Session};
use control::{Hello, HelloReply, Port, Secret, ShareReply, ShareRequest, Shared, Versions, wire};
use shares::{Changes, Share};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(60);

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A part of it has arrived.
    HalfAsked,
    /// It has arrived, and nothing was done.
    Asked,
    /// It was done, and nobody was told.
    Done,
    /// A part of the answer was sent.
    HalfAnswered,
}

/// What is waited for, and where its coming is told. Nothing goes on in that stream from then on.
#[derive(Debug)]
pub(crate) struct Trap {
    set: Mutex<Option<(u32, Moment)>>,
    /// The number of the request whose answer is waited for.
    answer: Mutex<Option<(u64, Moment)>>,
    reached: mpsc::Sender<()>,
}

impl Trap {
    pub(crate) fn new() -> (Arc<Trap>, mpsc::Receiver<()>) {
        let (reached, told) = mpsc::channel();
        (Arc::new(Trap { set: Mutex::default(), answer: Mutex::default(), reached }), told)
    }

    /// The next request of this kind is stopped then.
    pub(crate) fn set(&self, opcode: u32, moment: Moment) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = Some((opcode, moment));
    }

    /// `head` is a request's. What comes of a change being repeated is none that a program asked for.
    fn asked(&self, head: &[u8]) -> Option<Moment> {
        let (opcode, unique) = (number(&head[4..]), long(&head[8..]));
        let mark = u16::from_le_bytes([head[38], head[39]]);
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, moment) = set.take_if(|(of, _)| mark == 0 && *of == opcode)?;
        if matches!(moment, Moment::Done | Moment::HalfAnswered) {
            *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some((unique, moment));
        }
        Some(moment)
    }

    fn answered(&self, unique: u64) -> Option<Moment> {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take_if(|(of, _)| *of == unique).map(|(_, moment)| moment)
    }

    /// Until somebody ends all of this.
    async fn spring(&self) -> io::Result<()> {
        let _ = self.reached.send(());
        std::future::pending().await
    }
}

/// A session that serves.
#[derive(Debug)]
pub(crate) struct Host {
    session: Session,
    serving: JoinSet<()>,
}

impl Host {
    /// Says hello to the relay that `lanes` lead to, and serves `share` from then on.
    pub(crate) async fn connect(
        secret: &Secret,
        lanes: &tokio::sync::mpsc::Sender<(Lane, LaneIo)>,
        share: &Arc<Share>,
        trap: &Arc<Trap>,
    ) -> Host {
        let (near, far): (Vec<_>, Vec<_>) = (0..2).map(|_| tokio::io::duplex(64 << 10)).unzip();
        for (lane, io) in Lane::ALL.into_iter().zip(far) {
            assert!(lanes.send((lane, LaneIo::new(io))).await.is_ok(), "the relay is gone");
        }
        let near: Vec<LaneIo> = near.into_iter().map(LaneIo::new).collect();
        let session = mux::connect(secret, near.try_into().unwrap(), PATIENCE).await.unwrap();
        let mut control = session.open(Port::Control).unwrap();
        // Time zero: this computer's clock is not set.
        let hello = Hello { versions: Versions::current(), epoch: session.epoch(), host_time_ns: 0 };
        wire::send(&mut control, &hello).await.unwrap();
        match wire::expect(&mut control, "reply").await.unwrap() {
            HelloReply::Welcome(_) => {}
            HelloReply::Refused { refusal, .. } => panic!("{refusal}"),
        }
        let mut serving = JoinSet::new();
        serving.spawn(serve(session.clone(), control, Arc::clone(share), Arc::clone(trap)));
        Host { session, serving }
    }
}

impl Drop for Host {
    /// The link is cut; what was under way goes no further.
    fn drop(&mut self) {
        self.session.close("the test cuts the link");
        self.serving.abort_all();
    }
}

async fn serve(session: Session, _control: MuxStream, share: Arc<Share>, trap: Arc<Trap>) {
    // They end with this.
    let mut streams = JoinSet::new();
    while let Some(Incoming { port, stream }) = session.accept().await {
        match port {
            Port::Share => drop(streams.spawn(carry(stream, Arc::clone(&share), Arc::clone(&trap)))),
            _ => stream.refuse(),
        }
    }
}

/// One stream of the share, as the daemon serves it, with the trap between the link and the server.
async fn carry(mut stream: MuxStream, share: Arc<Share>, trap: Arc<Trap>) {
    let Ok(request) = wire::expect::<ShareRequest>(&mut stream, "share").await else { return };
    let reply = ShareReply::Opened(Shared { kind: share.kind(), read_only: false });
    if wire::send(&mut stream, &reply).await.is_err() || request.only_look {
        return;
    }
    let changes = if request.changes { Changes::Told } else { Changes::Kept };
    let (own, server) = tokio::io::duplex(64 << 10);
    let served = async { shares::serve(share, server, changes).await.map_err(io::Error::other) };
    let (from_guest, to_guest) = tokio::io::split(stream);
    let (from_server, to_server) = tokio::io::split(own);
    let _ = tokio::try_join!(served, asks(from_guest, to_server, &trap), answers(from_server, to_guest, &trap));
}

async fn asks(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, trap: &Trap) -> io::Result<()> {
    loop {
        let mut message = vec![0; 40];
        if from.read(&mut message[..1]).await? == 0 {
            return to.shutdown().await;
        }
        from.read_exact(&mut message[1..]).await?;
        let moment = trap.asked(&message);
        if moment == Some(Moment::HalfAsked) {
            trap.spring().await?;
        }
        message.resize(number(&message) as usize, 0);
        from.read_exact(&mut message[40..]).await?;
        if moment == Some(Moment::Asked) {
            trap.spring().await?;
        }
        to.write_all(&message).await?;
        to.flush().await?;
    }
}

async fn answers(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, trap: &Trap) -> io::Result<()> {
    loop {
        let mut message = vec![0; 16];
        if from.read(&mut message[..1]).await? == 0 {
            return to.shutdown().await;
        }
        from.read_exact(&mut message[1..]).await?;
        message.resize(number(&message) as usize, 0);
        from.read_exact(&mut message[16..]).await?;
        match trap.answered(long(&message[8..])) {
            Some(Moment::HalfAnswered) => {
                to.write_all(&message[..message.len() / 2]).await?;
                to.flush().await?;
                trap.spring().await?;
            }
            Some(_) => trap.spring().await?,
            None => {}
        }
        to.write_all(&message).await?;
        to.flush().await?;
    }
}

fn number(of: &[u8]) -> u32 {
    u32::from_le_bytes(*of.first_chunk().expect("four bytes"))
}

fn long(of: &[u8]) -> u64 {
    u64::from_le_bytes(*of.first_chunk().expect("eight bytes"))
}
