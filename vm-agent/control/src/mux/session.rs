//! One session: the core behind a lock, seen as tokio streams.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};

use super::core::{Core, Event, Read, Write};
use super::frame::{FrameError, Reason};
use super::{Lane, Side};
use crate::Port;

/// A running session; clones are the same session. It ends when a lane dies, when either side starts another
/// one, or by [`Session::close`]; then every stream fails and [`Session::closed`] resolves. Dropping all handles
/// does not end it.
#[derive(Debug, Clone)]
pub struct Session(Arc<Shared>);

/// A stream that the other side opened.
#[derive(Debug)]
pub struct Incoming {
    pub port: Port,
    pub stream: MuxStream,
}

/// How long what was written before a break may stand still on its way.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// One stream. After [`tokio::io::AsyncWriteExt::shutdown`] what was written arrives, also when it is dropped. Dropped before, it is
/// reset: the other side's reads fail once they gave all that came, its writes once what was written has left here, or nothing of it
/// could for two to four seconds (until then what it writes is thrown away). Flushing does nothing: bytes leave as soon as they can.
#[derive(Debug)]
pub struct MuxStream {
    id: u32,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: u64,
    state: Mutex<State>,
    transmit: [Notify; 2],
    incoming: Notify,
    closed: watch::Sender<Option<String>>,
}

#[derive(Debug)]
struct State {
    core: Core,
    wakers: HashMap<u32, Wakers>,
}

#[derive(Debug, Default)]
struct Wakers {
    read: Option<Waker>,
    write: Option<Waker>,
    hangup: Option<Waker>,
}

impl Session {
    pub(super) fn new(side: Side, epoch: u64) -> Self {
        Session(Arc::new(Shared {
            epoch,
            state: Mutex::new(State { core: Core::new(side), wakers: HashMap::new() }),
            transmit: [Notify::new(), Notify::new()],
            incoming: Notify::new(),
            closed: watch::Sender::new(None),
        }))
    }

    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// Opens a stream. It does not wait for the other side: a refusal shows at the first read or late write.
    pub fn open(&self, port: Port) -> io::Result<MuxStream> {
        if let Some(why) = self.0.closed.borrow().as_ref() {
            return Err(lost(why));
        }
        let id = self.0.with(|core| core.open(port.number()));
        let id = id.ok_or_else(|| io::Error::new(io::ErrorKind::ResourceBusy, "too many streams on the link"))?;
        Ok(MuxStream { id, shared: self.0.clone() })
    }

    /// The next stream that the other side opens; `None` once the session is over. Streams to ports that this build does
    /// not know are refused and skipped. Meant for one task.
    pub async fn accept(&self) -> Option<Incoming> {
        loop {
            if let Some((id, number)) = self.0.with(Core::accept) {
                let stream = MuxStream { id, shared: self.0.clone() };
                match Port::from_number(number) {
                    Some(port) => return Some(Incoming { port, stream }),
                    None => stream.refuse(),
                }
                continue;
            }
            if self.0.closed.borrow().is_some() {
                return None;
            }
            self.0.incoming.notified().await;
        }
    }

    /// Resolves once the session is over, with the reason.
    pub async fn closed(&self) -> String {
        let mut closed = self.0.closed.subscribe();
        let reason = closed.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }

    pub fn is_closed(&self) -> bool {
        self.0.closed.borrow().is_some()
    }

    /// Ends the session: every stream fails, both lanes are let go.
    pub fn close(&self, reason: &str) {
        let first = self.0.closed.send_if_modified(|closed| {
            let open = closed.is_none();
            if open {
                *closed = Some(reason.to_owned());
            }
            open
        });
        if first {
            self.0.with(Core::lose);
        }
    }

    /// Streams alive, and bytes held for them: for status and tests.
    pub fn load(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.core.stream_count(), state.core.bytes_held())
    }

    pub(super) fn receive(&self, lane: Lane, bytes: &[u8]) -> Result<(), FrameError> {
        if self.is_closed() {
            return Ok(());
        }
        self.0.with(|core| core.receive(lane, bytes))
    }

    pub(super) fn transmit(&self, lane: Lane, out: &mut Vec<u8>, limit: usize) {
        if !self.is_closed() {
            self.0.with(|core| core.transmit(lane, out, limit));
        }
    }

    /// Resolves when [`Session::transmit`] may have something again.
    pub(super) async fn transmittable(&self, lane: Lane) {
        self.0.transmit[lane.index()].notified().await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Runs `act` and tells everybody whom it concerns.
    fn with<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        let mut wake = Vec::new();
        let mut state = self.lock();
        let State { core, wakers } = &mut *state;
        let result = act(core);
        let mut incoming = false;
        for event in core.take_events() {
            match event {
                Event::Readable(id) => wake.extend(wakers.get_mut(&id).and_then(|wakers| wakers.read.take())),
                Event::Writable(id) => {
                    if let Some(wakers) = wakers.get_mut(&id) {
                        wake.extend(wakers.write.take());
                        wake.extend(wakers.hangup.take());
                    }
                }
                Event::Incoming => incoming = true,
            }
        }
        let transmit = Lane::ALL.map(|lane| core.wants_transmit(lane));
        drop(state);
        wake.into_iter().for_each(Waker::wake);
        if incoming {
            self.incoming.notify_one();
        }
        for (wants, notify) in transmit.into_iter().zip(&self.transmit) {
            if wants {
                notify.notify_one();
            }
        }
        result
    }

    fn error(&self, reason: Reason) -> io::Error {
        if let Some(why) = self.closed.borrow().as_ref() {
            return lost(why);
        }
        match reason {
            Reason::Dropped => {
                io::Error::new(io::ErrorKind::ConnectionReset, "the other end of the link reset the stream")
            }
            Reason::Refused => {
                io::Error::new(io::ErrorKind::ConnectionRefused, "the other end of the link refused the stream")
            }
            Reason::Busy => io::Error::new(io::ErrorKind::ConnectionRefused, "too many streams on the link"),
        }
    }
}

impl MuxStream {
    /// Resets the stream as one that nobody serves, or whose target turned it down.
    pub fn refuse(self) {
        self.shared.with(|core| core.reset(self.id, Reason::Refused));
    }

    /// Lets go of a stream whose user has gone and will read no answer. What was written arrives, unless it stands still, and its end; then the other side's
    /// [`MuxStream::hangup`] resolves.
    pub fn give_up(self) {
        self.shared.with(|core| core.give_up(self.id));
    }

    /// Resolves once the other side reset the stream, or the link was lost: also for who has read an end and has nothing to write, and
    /// would not hear of it otherwise. Meant for one task at a time.
    pub fn hangup(&self) -> impl Future<Output = ()> + Send + use<> {
        let (id, shared) = (self.id, self.shared.clone());
        std::future::poll_fn(move |cx| {
            let mut state = shared.lock();
            let State { core, wakers } = &mut *state;
            if core.is_reset(id) {
                return Poll::Ready(());
            }
            wakers.entry(id).or_default().hangup = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    fn remember(&self, which: impl FnOnce(&mut Wakers) -> &mut Option<Waker>, cx: &Context<'_>) {
        let mut state = self.shared.lock();
        *which(state.wakers.entry(self.id).or_default()) = Some(cx.waker().clone());
    }
}

impl AsyncRead for MuxStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // The waker first: an event between a look and its registration would be missed otherwise.
        self.remember(|wakers| &mut wakers.read, cx);
        match self.shared.with(|core| core.read(self.id, buffer.initialize_unfilled())) {
            Read::Bytes(n) => {
                buffer.advance(n);
                Poll::Ready(Ok(()))
            }
            Read::End => Poll::Ready(Ok(())),
            Read::Pending => Poll::Pending,
            Read::Reset(reason) => Poll::Ready(Err(self.shared.error(reason))),
        }
    }
}

impl AsyncWrite for MuxStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.remember(|wakers| &mut wakers.write, cx);
        match self.shared.with(|core| core.write(self.id, bytes)) {
            Write::Bytes(n) => Poll::Ready(Ok(n)),
            Write::Pending => Poll::Pending,
            Write::Finished => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Write::Reset(reason) => Poll::Ready(Err(self.shared.error(reason))),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.with(|core| core.finish(self.id));
        Poll::Ready(Ok(()))
    }
}

impl Drop for MuxStream {
    fn drop(&mut self) {
        self.shared.lock().wakers.remove(&self.id);
        self.shared.with(|core| core.drop_stream(self.id));
        let owed = self.shared.lock().core.owed_by_broken(self.id);
        // Without a runtime nobody looks at it any more: it stands still until its peer reads, or goes.
        if let (Some(owed), Ok(runtime)) = (owed, tokio::runtime::Handle::try_current()) {
            runtime.spawn(break_off(self.shared.clone(), self.id, owed));
        }
    }
}

/// Resets a stream that was broken off once nothing of what it owes has left for [`LAST_WORDS`]: the other side may be one that never
/// reads, and goes on for nobody until it hears of the break. It looks at intervals, so that takes up to twice as long.
async fn break_off(shared: Arc<Shared>, id: u32, mut owed: usize) {
    loop {
        tokio::time::sleep(LAST_WORDS).await;
        let left = shared.lock().core.owed_by_broken(id);
        match left {
            None => return,
            Some(left) if left < owed => owed = left,
            Some(_) => return shared.with(|core| core.reset(id, Reason::Dropped)),
        }
    }
}

fn lost(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, format!("the link to the other side was lost: {why}"))
}
