//! The multiplexer itself: streams, windows, turns. Pure: bytes in, bytes out; no clock, lock, task or I/O.
//!
//! A stream's life, seen from one side (each direction ends on its own):
//!
//! ```text
//!  open / Open ---> sending, receiving ---finish---> receiving only ---Fin in---> over
//!                        |                               ^
//!                        | Fin in                        | (the mirror image likewise)
//!                        v                               |
//!                   sending only ---finish---------------+--> over
//!  any of these ---drop before the end, or Reset in---> over
//! ```
//!
//! Memory is bounded: a stream sends only what the other side granted, and holds at most [`SEND_MAX`] unsent bytes.
//! Windows start at [`WINDOW_START`] and double, while the reader keeps up, to [`WINDOW_MAX`]; all growth together
//! stays below [`GROWTH_MAX`].

use std::collections::{HashMap, VecDeque};

use bytes::{Buf, BytesMut};

use super::frame::{FRAME_MAX, FrameError, HEADER, Header, Kind, PAYLOAD_MAX, Reason};
use super::{Lane, Side};
use crate::Port;

/// What a side may send on a new stream before it hears anything.
pub const WINDOW_START: usize = 64 << 10;
/// The largest window of one stream.
pub const WINDOW_MAX: usize = 512 << 10;
/// By how much all windows of a session together may exceed their start.
pub const GROWTH_MAX: usize = 16 << 20;
/// Unsent bytes that a stream holds for its writer.
pub const SEND_MAX: usize = 64 << 10;
/// Streams of one session.
pub const STREAMS_MAX: usize = 4096;
/// Streams opened by the other side that wait to be accepted.
pub const BACKLOG_MAX: usize = 512;
/// Unsent resets and window updates per lane; a peer that makes more is broken.
const ANSWERS_MAX: usize = 4 * STREAMS_MAX;

/// What happened to a stream; whoever waits for it should look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Readable(u32),
    Writable(u32),
    /// [`Core::accept`] has something.
    Incoming,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Bytes(usize),
    End,
    Pending,
    Reset(Reason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Bytes(usize),
    Pending,
    /// The writer already said that it is finished.
    Finished,
    Reset(Reason),
}

#[derive(Debug)]
pub struct Core {
    side: Side,
    streams: HashMap<u32, Stream>,
    next_id: u32,
    /// The newest stream that the other side opened, per lane.
    last_peer: [u32; 2],
    inbound: [Inbound; 2],
    outbound: [Outbound; 2],
    backlog: VecDeque<(u32, u32)>,
    growth: usize,
    events: Vec<Event>,
}

#[derive(Debug)]
struct Stream {
    lane: Lane,
    /// Unsent bytes, and how many of them the other side would take now.
    send: BytesMut,
    credit: usize,
    finished: bool,
    fin_sent: bool,
    /// In its lane's queue of streams with something to send.
    queued: bool,
    received: BytesMut,
    /// `received + granted + ungranted == window` while the other side is not finished.
    granted: usize,
    ungranted: usize,
    window: usize,
    fin_received: bool,
    reset: Option<Reason>,
    /// Its user is gone; it lives on only to send what is left.
    dropped: bool,
    /// Its user went without finishing: a reset follows what is left, unless [`Core::reset`] comes first.
    broken: bool,
    /// Something arrived that nobody will read any more: a reset must follow our end.
    unread: bool,
    /// Nobody waits for its answer: what it still owes is not waited for without end.
    given_up: bool,
}

/// Bytes of the frame that is arriving.
#[derive(Debug, Default)]
struct Inbound {
    head: Vec<u8>,
    data: Option<(u32, usize)>,
}

#[derive(Debug, Default)]
struct Outbound {
    /// Whole small frames: opens, resets, windows.
    answers: VecDeque<(Header, [u8; 4])>,
    ready: VecDeque<u32>,
}

impl Core {
    pub fn new(side: Side) -> Self {
        Core {
            side,
            streams: HashMap::new(),
            next_id: match side {
                Side::Host => 1,
                Side::Guest => 2,
            },
            last_peer: [0; 2],
            inbound: Default::default(),
            outbound: Default::default(),
            backlog: VecDeque::new(),
            growth: 0,
            events: Vec::new(),
        }
    }

    /// Opens a stream to the other side's `port`. `None` when there are too many.
    pub fn open(&mut self, port: u32) -> Option<u32> {
        if self.streams.len() >= STREAMS_MAX {
            return None;
        }
        let id = self.next_id;
        self.next_id = id.checked_add(2)?;
        let lane = lane_of(port);
        self.streams.insert(id, Stream::new(lane));
        self.answer(lane, Kind::Open, id, port.to_be_bytes(), 4);
        Some(id)
    }

    /// The next stream that the other side opened, and its port.
    pub fn accept(&mut self) -> Option<(u32, u32)> {
        self.backlog.pop_front()
    }

    /// Takes bytes for sending, up to what the stream may hold.
    pub fn write(&mut self, id: u32, bytes: &[u8]) -> Write {
        let Some(stream) = self.streams.get_mut(&id) else { return Write::Reset(Reason::Dropped) };
        if let Some(reason) = stream.reset {
            return Write::Reset(reason);
        }
        if stream.finished {
            return Write::Finished;
        }
        let n = bytes.len().min(SEND_MAX - stream.send.len());
        if n == 0 && !bytes.is_empty() {
            return Write::Pending;
        }
        stream.send.extend_from_slice(&bytes[..n]);
        self.enqueue(id);
        Write::Bytes(n)
    }

    /// No more bytes will be written: the other side sees the end once it has read them all.
    pub fn finish(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.finished = true;
            self.enqueue(id);
        }
    }

    /// Whether everything written has left for the lane (the stream is over, or nothing is unsent).
    pub fn is_flushed(&self, id: u32) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.reset.is_some() || stream.send.is_empty())
    }

    /// Moves received bytes into `buffer`.
    pub fn read(&mut self, id: u32, buffer: &mut [u8]) -> Read {
        let Some(stream) = self.streams.get_mut(&id) else { return Read::Reset(Reason::Dropped) };
        if stream.received.is_empty() {
            return match stream.reset {
                _ if stream.fin_received => Read::End,
                Some(reason) => Read::Reset(reason),
                None => Read::Pending,
            };
        }
        let n = buffer.len().min(stream.received.len());
        stream.received.copy_to_slice(&mut buffer[..n]);
        if stream.received.is_empty() && stream.received.capacity() > WINDOW_START {
            stream.received = BytesMut::new();
        }
        stream.ungranted += n;
        self.grant(id);
        Read::Bytes(n)
    }

    /// The user lets go of the stream. What was written still arrives; then the stream is reset unless it was finished. One that was not
    /// loses what is left when its session breaks it off before ([`Core::reset`]).
    pub fn drop_stream(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.dropped = true;
        stream.broken = !stream.finished;
        if stream.reset.is_some() || (stream.fin_sent && stream.fin_received) {
            self.remove(id);
        } else if (stream.broken && stream.send.is_empty())
            || (stream.fin_sent && (stream.unread || !stream.received.is_empty()))
        {
            self.reset(id, Reason::Dropped);
        } else {
            let unread = std::mem::take(&mut stream.received).len();
            self.discard(id, unread);
        }
    }

    /// The user is about to let go of a stream whose answer nobody will read: a reset follows all that was written, and its end.
    pub fn give_up(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.unread = true;
            stream.given_up = true;
        }
        self.finish(id);
    }

    /// Whether the other side reset the stream, or is lost.
    pub fn is_reset(&self, id: u32) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.reset.is_some())
    }

    /// Bytes that a stream still owes whose user broke it off, or gave it up; `None` for any other.
    pub fn owed_by_broken(&self, id: u32) -> Option<usize> {
        self.streams.get(&id).filter(|stream| stream.broken || stream.given_up).map(|stream| stream.send.len())
    }

    /// Turns a stream down or breaks it off; it is forgotten.
    pub fn reset(&mut self, id: u32, reason: Reason) {
        if let Some(stream) = self.remove(id)
            && stream.reset.is_none()
        {
            self.answer(stream.lane, Kind::Reset, id, [reason.number(), 0, 0, 0], 1);
        }
    }

    /// Takes in bytes of a lane, however they are cut. After an error the session is of no more use.
    pub fn receive(&mut self, lane: Lane, mut bytes: &[u8]) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            if let Some((id, left)) = self.inbound[lane.index()].data {
                let n = left.min(bytes.len());
                self.receive_data(id, &bytes[..n]);
                bytes = &bytes[n..];
                self.inbound[lane.index()].data = (left > n).then_some((id, left - n));
                continue;
            }
            let head = &mut self.inbound[lane.index()].head;
            let whole = match <[u8; HEADER]>::try_from(head.get(..HEADER).unwrap_or_default()) {
                Ok(header) => HEADER + usize::from(Header::decode(header)?.length),
                Err(_) => HEADER,
            };
            let n = bytes.len().min(whole - head.len());
            head.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            let Some(header) = head.first_chunk::<HEADER>() else { continue };
            let header = Header::decode(*header)?;
            if header.kind == Kind::Data {
                head.clear();
                self.begin_data(lane, header)?;
            } else if head.len() == HEADER + usize::from(header.length) {
                let mut payload = [0; 4];
                payload[..usize::from(header.length)].copy_from_slice(&head[HEADER..]);
                head.clear();
                self.receive_small(lane, header, payload)?;
            }
        }
        if self.outbound.iter().any(|out| out.answers.len() > ANSWERS_MAX) {
            return Err(FrameError::Flood);
        }
        Ok(())
    }

    /// Appends whole frames of a lane to `out`, one per stream and turn, while they fit in `limit` (at least one
    /// [`FRAME_MAX`]).
    pub fn transmit(&mut self, lane: Lane, out: &mut Vec<u8>, limit: usize) {
        while out.len() + FRAME_MAX <= limit {
            let outbound = &mut self.outbound[lane.index()];
            if let Some((header, payload)) = outbound.answers.pop_front() {
                out.extend_from_slice(&header.encode());
                out.extend_from_slice(&payload[..usize::from(header.length)]);
            } else if let Some(id) = outbound.ready.pop_front() {
                self.transmit_stream(id, out);
            } else {
                break;
            }
        }
    }

    /// Whether [`Core::transmit`] would give anything.
    pub fn wants_transmit(&self, lane: Lane) -> bool {
        let out = &self.outbound[lane.index()];
        !out.answers.is_empty() || !out.ready.is_empty()
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> std::vec::Drain<'_, Event> {
        self.events.drain(..)
    }

    /// The lanes are gone. Streams that had received their whole input can still be read to their end; all else fails.
    pub fn lose(&mut self) {
        for (id, stream) in &mut self.streams {
            stream.reset = Some(Reason::Dropped);
            stream.send = BytesMut::new();
            if !stream.fin_received {
                stream.received = BytesMut::new();
            }
            self.events.extend([Event::Readable(*id), Event::Writable(*id)]);
        }
        self.streams.retain(|_, stream| !stream.dropped);
        self.outbound = Default::default();
        self.backlog.clear();
        self.events.push(Event::Incoming);
    }

    /// Streams that either side still has a hold on.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Bytes held for all readers and writers.
    pub fn bytes_held(&self) -> usize {
        self.streams.values().map(|stream| stream.send.len() + stream.received.len()).sum()
    }

    fn transmit_stream(&mut self, id: u32, out: &mut Vec<u8>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.queued = false;
        if stream.reset.is_some() {
            return;
        }
        let n = stream.send.len().min(stream.credit).min(PAYLOAD_MAX);
        if n > 0 {
            let length = u16::try_from(n).expect("a payload is shorter than 64 KiB");
            out.extend_from_slice(&Header { kind: Kind::Data, length, stream: id }.encode());
            out.extend_from_slice(&stream.send[..n]);
            stream.send.advance(n);
            stream.credit -= n;
            if stream.broken && stream.send.is_empty() {
                self.reset(id, Reason::Dropped);
                return;
            }
            self.events.push(Event::Writable(id));
        } else if stream.send.is_empty() && stream.finished && !stream.fin_sent {
            stream.fin_sent = true;
            out.extend_from_slice(&Header { kind: Kind::Fin, length: 0, stream: id }.encode());
            self.events.push(Event::Writable(id));
            if stream.dropped && stream.fin_received {
                self.remove(id);
            } else if stream.dropped && stream.unread {
                self.reset(id, Reason::Dropped);
            }
            return;
        }
        self.enqueue(id);
    }

    /// Puts the stream in its lane's queue if it has something to send.
    fn enqueue(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let data = !stream.send.is_empty() && stream.credit > 0;
        let fin = stream.send.is_empty() && stream.finished && !stream.fin_sent;
        if (data || fin) && !stream.queued && stream.reset.is_none() {
            stream.queued = true;
            self.outbound[stream.lane.index()].ready.push_back(id);
        }
    }

    /// Grants what the reader took, once it is worth a frame; enlarges the window of a reader that keeps up.
    fn grant(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.ungranted < stream.window / 2 || stream.fin_received || stream.reset.is_some() {
            return;
        }
        let mut more = std::mem::take(&mut stream.ungranted);
        let keeps_up = stream.received.is_empty() && !stream.dropped;
        if keeps_up && stream.window < WINDOW_MAX && self.growth + stream.window <= GROWTH_MAX {
            self.growth += stream.window;
            more += stream.window;
            stream.window *= 2;
        }
        stream.granted += more;
        let more = u32::try_from(more).expect("a window is smaller than 4 GiB");
        self.answer(Lane::Control, Kind::Window, id, more.to_be_bytes(), 4);
    }

    fn begin_data(&mut self, lane: Lane, header: Header) -> Result<(), FrameError> {
        let (id, length) = (header.stream, usize::from(header.length));
        self.inbound[lane.index()].data = Some((id, length));
        let Some(stream) = self.known(lane, id)? else { return Ok(()) };
        if stream.fin_received {
            return Err(FrameError::AfterEnd(id));
        }
        if length > stream.granted {
            return Err(FrameError::Window(id));
        }
        stream.granted -= length;
        Ok(())
    }

    fn receive_data(&mut self, id: u32, bytes: &[u8]) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.dropped {
            if stream.fin_sent {
                self.reset(id, Reason::Dropped);
            } else {
                self.discard(id, bytes.len());
            }
            return;
        }
        stream.received.extend_from_slice(bytes);
        self.events.push(Event::Readable(id));
    }

    /// Throws away what nobody reads any more, of a stream whose user is gone and that still owes bytes: the reset waits until they are
    /// sent. It is granted again as if it had been read, since the other side may be one that reads only once it has written.
    fn discard(&mut self, id: u32, length: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.unread |= length > 0;
        stream.ungranted += length;
        self.grant(id);
    }

    fn receive_small(&mut self, lane: Lane, header: Header, payload: [u8; 4]) -> Result<(), FrameError> {
        let id = header.stream;
        match header.kind {
            Kind::Open => return self.receive_open(lane, id, u32::from_be_bytes(payload)),
            Kind::Window => {
                // Comes on the control lane, so possibly after the end of its stream.
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.credit = stream.credit.saturating_add(u32::from_be_bytes(payload) as usize);
                    self.enqueue(id);
                }
            }
            Kind::Fin => {
                let Some(stream) = self.known(lane, id)? else { return Ok(()) };
                if stream.fin_received {
                    return Err(FrameError::AfterEnd(id));
                }
                stream.fin_received = true;
                if stream.dropped && stream.fin_sent {
                    self.remove(id);
                } else {
                    self.events.push(Event::Readable(id));
                }
            }
            Kind::Reset => {
                let Some(stream) = self.known(lane, id)? else { return Ok(()) };
                stream.reset = Some(Reason::from_number(payload[0]));
                stream.send = BytesMut::new();
                // What came before it can still be read: a peer may answer and break off.
                if stream.dropped {
                    self.remove(id);
                }
                self.events.extend([Event::Readable(id), Event::Writable(id)]);
            }
            Kind::Data => unreachable!("data has its own path"),
        }
        Ok(())
    }

    fn receive_open(&mut self, lane: Lane, id: u32, port: u32) -> Result<(), FrameError> {
        if id.is_multiple_of(2) == (self.side == Side::Guest)
            || id <= self.last_peer[lane.index()]
            || lane != lane_of(port)
        {
            return Err(FrameError::Open(id));
        }
        self.last_peer[lane.index()] = id;
        if self.streams.len() >= STREAMS_MAX || self.backlog.len() >= BACKLOG_MAX {
            self.answer(lane, Kind::Reset, id, [Reason::Busy.number(), 0, 0, 0], 1);
            return Ok(());
        }
        self.streams.insert(id, Stream::new(lane));
        self.backlog.push_back((id, port));
        self.events.push(Event::Incoming);
        Ok(())
    }

    /// The stream; `None` if it is over already, an error if there never was one.
    fn known(&mut self, lane: Lane, id: u32) -> Result<Option<&mut Stream>, FrameError> {
        let ours = id.is_multiple_of(2) == (self.side == Side::Guest);
        let newest = if ours { self.next_id - 1 } else { self.last_peer[lane.index()] };
        if id > newest {
            return Err(FrameError::Unopened(id));
        }
        Ok(self.streams.get_mut(&id).filter(|stream| stream.lane == lane))
    }

    fn answer(&mut self, lane: Lane, kind: Kind, stream: u32, payload: [u8; 4], length: u16) {
        self.outbound[lane.index()].answers.push_back((Header { kind, length, stream }, payload));
    }

    fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        self.growth -= stream.window - WINDOW_START;
        Some(stream)
    }
}

impl Stream {
    fn new(lane: Lane) -> Self {
        Stream {
            lane,
            send: BytesMut::new(),
            credit: WINDOW_START,
            finished: false,
            fin_sent: false,
            queued: false,
            received: BytesMut::new(),
            granted: WINDOW_START,
            ungranted: 0,
            window: WINDOW_START,
            fin_received: false,
            reset: None,
            dropped: false,
            broken: false,
            unread: false,
            given_up: false,
        }
    }
}

/// The lane of a port's streams.
fn lane_of(port: u32) -> Lane {
    if port == Port::Control.number() { Lane::Control } else { Lane::Bulk }
}
