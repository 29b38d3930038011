//! Flows of datagrams: UDP between two addresses, and echo requests of one program. Each is a stream of the link while it lives.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::mux::MuxStream;
use control::{DialError, DialKind, datagram};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tracing::debug;

use super::packet::{self, Pair, Why};
use super::{Outside, why};
use crate::dial;

/// Flows at a time; a datagram that would begin another one is lost.
const FLOWS_MAX: usize = 1024;
/// Datagrams of one flow, and bytes of all, that wait for the link; what comes then is lost.
const QUEUE: usize = 128;
const QUEUED_MAX: usize = 8 << 20;
/// Queries at our own name server that wait for an answer.
const QUERIES_MAX: usize = 512;
/// As Linux's connection tracking has them: nothing came back, there were answers, and a name server.
const ONE_WAY: Duration = Duration::from_secs(30);
const TWO_WAY: Duration = Duration::from_secs(120);
const NAME_SERVER: Duration = Duration::from_secs(10);
/// What of a flow's first packet is kept, to be quoted in an error.
const HEAD: usize = 128;

#[derive(Debug)]
pub(super) struct Flows {
    all: Mutex<HashMap<Flow, mpsc::Sender<Vec<u8>>>>,
    queued: AtomicUsize,
    queries: Arc<Semaphore>,
}

/// What datagrams belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Flow {
    Udp(Pair),
    Echo { from: IpAddr, to: IpAddr, id: u16 },
}

impl Default for Flows {
    fn default() -> Self {
        Flows { all: Mutex::default(), queued: AtomicUsize::new(0), queries: Arc::new(Semaphore::new(QUERIES_MAX)) }
    }
}

impl Flows {
    fn lock(&self) -> MutexGuard<'_, HashMap<Flow, mpsc::Sender<Vec<u8>>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flow {
    fn idle(self, answered: bool) -> Duration {
        match self {
            Flow::Udp(pair) if pair.to.port() == 53 => NAME_SERVER,
            Flow::Udp(_) if answered => TWO_WAY,
            Flow::Udp(_) | Flow::Echo { .. } => ONE_WAY,
        }
    }

    async fn dial(self, ours: &Outside) -> Result<MuxStream, DialError> {
        let (to, port, kind) = match self {
            Flow::Udp(pair) => (pair.to.ip(), pair.to.port(), DialKind::Udp),
            Flow::Echo { to, .. } => (to, 0, DialKind::Echo),
        };
        dial::dial(&ours.relay, &to.to_string(), port, kind).await
    }

    fn answer(self, data: &[u8]) -> Option<Vec<u8>> {
        match self {
            Flow::Udp(pair) => packet::datagram(pair, data),
            Flow::Echo { from, to, id } => packet::echo(to, from, id, data),
        }
    }
}

pub(super) fn udp(ours: &Arc<Outside>, pair: Pair, data: &[u8], packet: &[u8]) {
    send(ours, Flow::Udp(pair), data, packet);
}

pub(super) fn echo(ours: &Arc<Outside>, from: IpAddr, to: IpAddr, id: u16, data: &[u8], packet: &[u8]) {
    send(ours, Flow::Echo { from, to, id }, data, packet);
}

/// A query for our own name server.
pub(super) fn query(ours: &Arc<Outside>, pair: Pair, query: &[u8]) {
    let Ok(permit) = ours.flows.queries.clone().try_acquire_owned() else { return };
    let (ours, query) = (ours.clone(), query.to_vec());
    tokio::spawn(async move {
        let _permit = permit;
        let answer = ours.relay.names.answer_machine(&ours.relay, &query).await;
        if let Some(packet) = answer.and_then(|answer| packet::datagram(pair, &answer)) {
            ours.write(&packet);
        }
    });
}

fn send(ours: &Arc<Outside>, flow: Flow, data: &[u8], packet: &[u8]) {
    if ours.flows.queued.load(Ordering::Relaxed) + data.len() > QUEUED_MAX {
        return;
    }
    let mut flows = ours.flows.lock();
    let room = flows.len() < FLOWS_MAX;
    let queue = match flows.entry(flow) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(_) if !room => return,
        Entry::Vacant(new) => {
            let (queue, datagrams) = mpsc::channel(QUEUE);
            let (ours, head) = (ours.clone(), packet[..packet.len().min(HEAD)].to_vec());
            tokio::spawn(async move { serve(&ours, flow, datagrams, &head).await });
            new.insert(queue)
        }
    };
    if queue.try_send(data.to_vec()).is_ok() {
        ours.flows.queued.fetch_add(data.len(), Ordering::Relaxed);
    }
}

/// Serves a flow to its end; `head` is the beginning of its first packet.
async fn serve(ours: &Outside, flow: Flow, mut datagrams: mpsc::Receiver<Vec<u8>>, head: &[u8]) {
    let ended = match flow.dial(ours).await {
        Ok(stream) => carry(ours, flow, stream, &mut datagrams).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Why::Port),
            _ => None,
        }),
        Err(error) => Err(why(error)),
    };
    ours.flows.lock().remove(&flow);
    datagrams.close();
    while let Ok(lost) = datagrams.try_recv() {
        ours.flows.queued.fetch_sub(lost.len(), Ordering::Relaxed);
    }
    if let Err(Some(why)) = ended {
        ours.refuse(head, why);
    }
}

/// Carries datagrams both ways until the flow is idle or the host ends it.
async fn carry(
    ours: &Outside,
    flow: Flow,
    stream: MuxStream,
    datagrams: &mut mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let (reader, writer) = tokio::io::split(stream);
    let clock = Clock::new();
    tokio::select! {
        ended = outward(ours, datagrams, writer, &clock) => ended,
        ended = inward(ours, flow, reader, &clock) => ended,
        () = clock.idle(flow) => Ok(()),
    }
}

async fn outward(
    ours: &Outside,
    datagrams: &mut mpsc::Receiver<Vec<u8>>,
    mut writer: WriteHalf<MuxStream>,
    clock: &Clock,
) -> io::Result<()> {
    while let Some(data) = datagrams.recv().await {
        ours.flows.queued.fetch_sub(data.len(), Ordering::Relaxed);
        clock.touch();
        if let Err(error) = datagram::send(&mut writer, &data).await {
            debug!(%error, "a flow to the outside ended");
            // Why, the reading side knows.
            return std::future::pending().await;
        }
    }
    Ok(())
}

async fn inward(ours: &Outside, flow: Flow, mut reader: ReadHalf<MuxStream>, clock: &Clock) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        match datagram::receive(&mut reader, &mut buffer).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(control::Error::Io(error)) => return Err(error),
            Err(error) => return Err(io::Error::other(error)),
        }
        clock.answered.store(true, Ordering::Relaxed);
        clock.touch();
        if let Some(packet) = flow.answer(&buffer) {
            ours.write(&packet);
        }
    }
}

/// When a flow was last used.
struct Clock {
    begin: Instant,
    /// Milliseconds after the beginning.
    used: AtomicU64,
    answered: AtomicBool,
}

impl Clock {
    fn new() -> Clock {
        Clock { begin: Instant::now(), used: AtomicU64::new(0), answered: AtomicBool::new(false) }
    }

    fn touch(&self) {
        let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.store(now, Ordering::Relaxed);
    }

    /// Resolves once the flow was not used for its time.
    async fn idle(&self, flow: Flow) {
        loop {
            let used = self.begin + Duration::from_millis(self.used.load(Ordering::Relaxed));
            let end = used + flow.idle(self.answered.load(Ordering::Relaxed));
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}
