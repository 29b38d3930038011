//! Flows of datagrams: UDP between two addresses, and echo requests of one program. Each is a stream of the link while it lives.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::mux::MuxStream;
use control::{DialError, DialKind, datagram};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::debug;

use super::packet::{self, Pair, Why};
use super::places::{Full, Place, Places};
use super::{Outside, why};
use crate::dial;

/// Flows at a time, in all and of one sender; another one takes the place of the one that was idle longest.
pub(super) const FLOWS_MAX: usize = 1024;
const FLOWS_EACH: usize = FLOWS_MAX / 4;
/// Datagrams of one flow, bytes of all, and of one sender, that wait for the link; what comes then is lost.
const QUEUE: usize = 128;
const QUEUED_MAX: usize = 8 << 20;
const QUEUED_EACH: usize = QUEUED_MAX / 4;
/// Queries at our own name server that wait for an answer, in all and of one sender.
const QUERIES_MAX: usize = 512;
const QUERIES_EACH: usize = QUERIES_MAX / 4;
/// As Linux's connection tracking has them: nothing came back, there were answers, and a name server.
const ONE_WAY: Duration = Duration::from_secs(30);
const TWO_WAY: Duration = Duration::from_secs(120);
const NAME_SERVER: Duration = Duration::from_secs(10);
/// What of a flow's first packet is kept, to be quoted in an error.
const HEAD: usize = 128;

#[derive(Debug)]
pub(super) struct Flows {
    all: Mutex<HashMap<Flow, Known>>,
    places: Arc<Places>,
    queued: Arc<Places>,
    queries: Arc<Places>,
}

/// A flow that lives; it ends when this is dropped.
#[derive(Debug)]
struct Known {
    queue: mpsc::Sender<Datagram>,
    clock: Arc<Clock>,
    _place: Place,
    _alive: oneshot::Sender<Infallible>,
}

/// One that waits, and its bytes among those that do.
#[derive(Debug)]
struct Datagram {
    data: Vec<u8>,
    _place: Place,
}

/// The task's end of a flow.
struct Served {
    datagrams: mpsc::Receiver<Datagram>,
    clock: Arc<Clock>,
    replaced: oneshot::Receiver<Infallible>,
}

/// What datagrams belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Flow {
    Udp(Pair),
    Echo { from: IpAddr, to: IpAddr, id: u16 },
}

impl Default for Flows {
    fn default() -> Self {
        Flows {
            all: Mutex::default(),
            places: Places::new(FLOWS_MAX, FLOWS_EACH),
            queued: Places::new(QUEUED_MAX, QUEUED_EACH),
            queries: Places::new(QUERIES_MAX, QUERIES_EACH),
        }
    }
}

impl Flows {
    fn lock(&self) -> MutexGuard<'_, HashMap<Flow, Known>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a datagram in its flow's queue; the flow is returned if it is new.
    fn queue(&self, flow: Flow, data: &[u8]) -> Option<Served> {
        let datagram = Datagram { data: data.to_vec(), _place: self.queued.take(flow.from(), data.len()).ok()? };
        let mut all = self.lock();
        if let Some(known) = all.get(&flow) {
            let _ = known.queue.try_send(datagram);
            return None;
        }
        let place = match self.places.take(flow.from(), 1) {
            Ok(place) => place,
            Err(full) => {
                let others = all.iter().filter(|(other, _)| full == Full::All || other.from() == flow.from());
                let idlest = others.min_by_key(|(_, known)| known.clock.last()).map(|(other, _)| *other)?;
                all.remove(&idlest);
                self.places.take(flow.from(), 1).ok()?
            }
        };
        let (queue, datagrams) = mpsc::channel(QUEUE);
        let (_alive, replaced) = oneshot::channel();
        let clock = Arc::new(Clock::new());
        let _ = queue.try_send(datagram);
        all.insert(flow, Known { queue, clock: clock.clone(), _place: place, _alive });
        Some(Served { datagrams, clock, replaced })
    }

    /// Forgets the flow that ended, unless another one has its name by now.
    fn forget(&self, flow: Flow, clock: &Arc<Clock>) {
        let mut all = self.lock();
        if all.get(&flow).is_some_and(|known| Arc::ptr_eq(&known.clock, clock)) {
            all.remove(&flow);
        }
    }
}

impl Flow {
    fn from(self) -> IpAddr {
        match self {
            Flow::Udp(pair) => pair.from.ip(),
            Flow::Echo { from, .. } => from,
        }
    }

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
    let Ok(place) = ours.flows.queries.take(pair.from.ip(), 1) else { return };
    let (ours, query) = (ours.clone(), query.to_vec());
    tokio::spawn(async move {
        let _place = place;
        let answer = ours.relay.names.answer_machine(&ours.relay, &query).await;
        if let Some(packet) = answer.and_then(|answer| packet::datagram(pair, &answer)) {
            ours.write(&packet);
        }
    });
}

fn send(ours: &Arc<Outside>, flow: Flow, data: &[u8], packet: &[u8]) {
    let Some(served) = ours.flows.queue(flow, data) else { return };
    let (ours, head) = (ours.clone(), packet[..packet.len().min(HEAD)].to_vec());
    tokio::spawn(async move { serve(&ours, flow, served, &head).await });
}

/// Serves a flow to its end; `head` is the beginning of its first packet.
async fn serve(ours: &Outside, flow: Flow, served: Served, head: &[u8]) {
    let Served { mut datagrams, clock, replaced } = served;
    let carried = async {
        let stream = flow.dial(ours).await.map_err(why)?;
        carry(ours, flow, stream, &mut datagrams, &clock).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Why::Port),
            _ => None,
        })
    };
    let ended = tokio::select! {
        ended = carried => ended,
        _ = replaced => Ok(()),
    };
    ours.flows.forget(flow, &clock);
    if let Err(Some(why)) = ended {
        ours.refuse(head, why);
    }
}

/// Carries datagrams both ways until the flow is idle or the host ends it.
async fn carry(
    ours: &Outside,
    flow: Flow,
    stream: MuxStream,
    datagrams: &mut mpsc::Receiver<Datagram>,
    clock: &Clock,
) -> io::Result<()> {
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        ended = outward(datagrams, writer, clock) => ended,
        ended = inward(ours, flow, reader, clock) => ended,
        () = clock.idle(flow) => Ok(()),
    }
}

async fn outward(
    datagrams: &mut mpsc::Receiver<Datagram>,
    mut writer: WriteHalf<MuxStream>,
    clock: &Clock,
) -> io::Result<()> {
    while let Some(Datagram { data, _place }) = datagrams.recv().await {
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
#[derive(Debug)]
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

    fn last(&self) -> Instant {
        self.begin + Duration::from_millis(self.used.load(Ordering::Relaxed))
    }

    /// Resolves once the flow was not used for its time.
    async fn idle(&self, flow: Flow) {
        loop {
            let end = self.last() + flow.idle(self.answered.load(Ordering::Relaxed));
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(from: &str, port: u16) -> Flow {
        let to = ([192, 0, 2, 1], port).into();
        Flow::Udp(Pair { from: from.parse().unwrap(), to })
    }

    #[test]
    fn a_sender_of_many_flows_ends_its_own() {
        let (flows, each) = (Flows::default(), u16::try_from(FLOWS_EACH).unwrap());
        let mut other = flows.queue(flow("172.17.0.3:9", 9), b"x").unwrap();
        let mut held: Vec<_> = (1..=each).map(|port| flows.queue(flow("172.17.0.2:9", port), b"x").unwrap()).collect();
        held[0].clock.used.store(600_000, Ordering::Relaxed);
        let _new = flows.queue(flow("172.17.0.2:9", each + 1), b"x").unwrap();
        assert_eq!(flows.lock().len(), FLOWS_EACH + 1);
        assert!(matches!(other.replaced.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        let ended = |served: &mut Served| served.replaced.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        assert!(!ended(&mut held[0]) && ended(&mut held[1]), "the one that was idle longest");
        // The task that ends late does not forget the flow that came in its place.
        let again = flows.queue(flow("172.17.0.2:9", 2), b"x").unwrap();
        flows.forget(flow("172.17.0.2:9", 2), &held[1].clock);
        assert!(flows.lock().contains_key(&flow("172.17.0.2:9", 2)));
        flows.forget(flow("172.17.0.2:9", 2), &again.clock);
        assert!(!flows.lock().contains_key(&flow("172.17.0.2:9", 2)));
    }

    #[test]
    fn a_sender_of_much_leaves_room_for_others() {
        let (flows, data) = (Flows::default(), vec![0; 60000]);
        let held: Vec<_> = (1..=2).map(|port| flows.queue(flow("172.17.0.2:9", port), &data).unwrap()).collect();
        for _ in 0..QUEUE {
            assert!(flows.queue(flow("172.17.0.2:9", 1), &data).is_none());
        }
        assert!(flows.queue(flow("172.17.0.2:9", 3), &data).is_none());
        assert!(flows.queue(flow("172.17.0.3:9", 3), &data).is_some());
        drop(held);
        assert!(flows.queue(flow("172.17.0.2:9", 3), &data).is_some());
    }
}
