//! Properties of the multiplexer under arbitrary use, cutting and order.

use std::collections::HashMap;

use proptest::prelude::*;

use super::core::{Core, Event, Read, SEND_MAX, STREAMS_MAX, WINDOW_MAX, WINDOW_START, Write};
use super::frame::{FRAME_MAX, FrameError, Header, Kind, Reason};
use super::{Lane, Side};
use crate::Port;

/// Two cores with bytes on their way between them, and what should arrive.
struct World {
    cores: [Core; 2],
    /// Bytes sent by side, per lane.
    wires: [[Vec<u8>; 2]; 2],
    /// Streams that both sides hold.
    streams: Vec<u32>,
    /// By stream and sender.
    directions: HashMap<(u32, usize), Direction>,
}

#[derive(Default)]
struct Direction {
    written: usize,
    read: usize,
    finished: bool,
    ended: bool,
}

#[derive(Debug, Clone)]
enum Op {
    Open { side: usize, control: bool },
    Write { side: usize, pick: usize, length: usize },
    Read { side: usize, pick: usize, length: usize },
    Finish { side: usize, pick: usize },
    Transmit { side: usize, lane: usize, limit: usize },
    Deliver { side: usize, lane: usize, length: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let (side, pick) = (0usize..2, 0usize..64);
    prop_oneof![
        1 => (side.clone(), any::<bool>()).prop_map(|(side, control)| Op::Open { side, control }),
        6 => (side.clone(), pick.clone(), 0usize..40_000)
            .prop_map(|(side, pick, length)| Op::Write { side, pick, length }),
        6 => (side.clone(), pick.clone(), 1usize..80_000)
            .prop_map(|(side, pick, length)| Op::Read { side, pick, length }),
        1 => (side.clone(), pick).prop_map(|(side, pick)| Op::Finish { side, pick }),
        6 => (side.clone(), 0usize..2, FRAME_MAX..5 * FRAME_MAX)
            .prop_map(|(side, lane, limit)| Op::Transmit { side, lane, limit }),
        8 => (side, 0usize..2, 1usize..50_000).prop_map(|(side, lane, length)| Op::Deliver { side, lane, length }),
    ]
}

/// The byte at a place of one direction of a stream.
fn byte(stream: u32, sender: usize, at: usize) -> u8 {
    (at ^ (at >> 8) ^ (stream as usize * 7) ^ (sender * 101)) as u8
}

impl World {
    fn new() -> Self {
        World {
            cores: [Core::new(Side::Host), Core::new(Side::Guest)],
            wires: Default::default(),
            streams: Vec::new(),
            directions: HashMap::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Open { side, control } => {
                let port = if control { Port::Control } else { Port::Engine };
                let id = self.cores[side].open(port.number()).unwrap();
                self.directions.insert((id, 0), Direction::default());
                self.directions.insert((id, 1), Direction::default());
                // The opener may use it at once; the other side from its accept on (see `deliver`).
            }
            Op::Write { side, pick, length } => {
                let Some(id) = self.pick(side, pick) else { return };
                let direction = self.directions.get_mut(&(id, side)).unwrap();
                let bytes: Vec<u8> = (0..length).map(|n| byte(id, side, direction.written + n)).collect();
                match self.cores[side].write(id, &bytes) {
                    Write::Bytes(n) => direction.written += n,
                    Write::Pending => assert!(length > 0),
                    Write::Finished => assert!(direction.finished),
                    Write::Reset(reason) => panic!("{reason:?}"),
                }
            }
            Op::Read { side, pick, length } => {
                if let Some(id) = self.pick(side, pick) {
                    self.read(side, id, length);
                }
            }
            Op::Finish { side, pick } => {
                let Some(id) = self.pick(side, pick) else { return };
                self.cores[side].finish(id);
                self.directions.get_mut(&(id, side)).unwrap().finished = true;
            }
            Op::Transmit { side, lane, limit } => {
                let mut out = Vec::new();
                self.cores[side].transmit(Lane::ALL[lane], &mut out, limit);
                assert!(out.len() <= limit);
                self.wires[side][lane].extend(out);
            }
            Op::Deliver { side, lane, length } => self.deliver(side, lane, length),
        }
        for core in &mut self.cores {
            core.take_events();
        }
        self.check_memory();
    }

    fn pick(&self, side: usize, pick: usize) -> Option<u32> {
        let own = |id: u32| (id % 2 == 1) == (side == 0);
        let mut ids: Vec<u32> =
            self.directions.keys().map(|(id, _)| *id).filter(|id| own(*id) || self.streams.contains(id)).collect();
        ids.sort_unstable();
        ids.dedup();
        (!ids.is_empty()).then(|| ids[pick % ids.len()])
    }

    fn read(&mut self, side: usize, id: u32, length: usize) {
        let sender = 1 - side;
        let direction = self.directions.get_mut(&(id, sender)).unwrap();
        let mut buffer = vec![0; length];
        match self.cores[side].read(id, &mut buffer) {
            Read::Bytes(n) => {
                for (at, got) in buffer[..n].iter().enumerate() {
                    assert_eq!(*got, byte(id, sender, direction.read + at), "stream {id} at {}", direction.read + at);
                }
                direction.read += n;
                assert!(direction.read <= direction.written);
            }
            Read::End => {
                assert!(direction.finished);
                assert_eq!(direction.read, direction.written, "the end came before the last byte");
                direction.ended = true;
            }
            Read::Pending => assert!(!direction.ended),
            Read::Reset(reason) => panic!("{reason:?}"),
        }
    }

    fn deliver(&mut self, side: usize, lane: usize, length: usize) {
        let wire = &mut self.wires[side][lane];
        let n = length.min(wire.len());
        let bytes: Vec<u8> = wire.drain(..n).collect();
        self.cores[1 - side].receive(Lane::ALL[lane], &bytes).expect("our own frames are sound");
        while let Some((id, _)) = self.cores[1 - side].accept() {
            self.streams.push(id);
        }
    }

    fn check_memory(&self) {
        for core in &self.cores {
            assert!(core.bytes_held() <= core.stream_count() * (SEND_MAX + super::core::WINDOW_MAX));
        }
    }

    /// Everybody finishes, reads and delivers until nothing moves: then all must have arrived.
    fn drain(&mut self) {
        let ids: Vec<(u32, usize)> = self.directions.keys().copied().collect();
        self.directions.values_mut().for_each(|direction| direction.finished = true);
        for _ in 0..1000 {
            for side in 0..2 {
                for lane in 0..2 {
                    let mut out = Vec::new();
                    self.cores[side].transmit(Lane::ALL[lane], &mut out, 4 * FRAME_MAX);
                    self.wires[side][lane].extend(out);
                    self.deliver(side, lane, usize::MAX);
                }
            }
            for (id, sender) in &ids {
                // The side that has only now learnt of the stream included.
                self.cores[*sender].finish(*id);
                if !self.directions[&(*id, *sender)].ended {
                    self.read(1 - sender, *id, 1 << 20);
                }
            }
            if self.directions.values().all(|direction| direction.ended) {
                for (id, _) in &ids {
                    self.cores.iter_mut().for_each(|core| core.drop_stream(*id));
                }
                assert_eq!(self.cores.each_ref().map(Core::stream_count), [0, 0]);
                return;
            }
        }
        panic!("something hangs");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_arrives_once_and_in_order(ops in proptest::collection::vec(op(), 1..250)) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.apply(op));
        world.drain();
    }

    #[test]
    fn nonsense_is_an_error_or_nothing_never_a_panic(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..20),
        kinds in proptest::collection::vec((1u8..6, 0u16..20, 0u32..8), 0..20),
    ) {
        let mut core = Core::new(Side::Guest);
        core.open(Port::Dial.number());
        for (kind, length, stream) in kinds {
            let mut frame = vec![kind, 0];
            frame.extend(length.to_be_bytes());
            frame.extend(stream.to_be_bytes());
            frame.extend(vec![0; length.into()]);
            if core.receive(Lane::Bulk, &frame).is_err() {
                return Ok(());
            }
        }
        for chunk in chunks {
            if core.receive(Lane::Control, &chunk).is_err() {
                return Ok(());
            }
        }
    }
}

fn frame(kind: Kind, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut bytes = Header { kind, length, stream }.encode().to_vec();
    bytes.extend(payload);
    bytes
}

fn open(core: &mut Core, id: u32) {
    core.receive(Lane::Bulk, &frame(Kind::Open, id, &Port::Engine.number().to_be_bytes())).unwrap();
}

#[test]
fn streams_take_turns() {
    let mut core = Core::new(Side::Host);
    let ids: Vec<u32> = (0..3).map(|_| core.open(Port::Engine.number()).unwrap()).collect();
    for id in &ids {
        assert_eq!(core.write(*id, &[0; SEND_MAX]), Write::Bytes(SEND_MAX));
    }
    let mut order = Vec::new();
    loop {
        let mut out = Vec::new();
        core.transmit(Lane::Bulk, &mut out, FRAME_MAX);
        let Some(head) = out.first_chunk() else { break };
        let header = Header::decode(*head).unwrap();
        if header.kind == Kind::Data {
            order.push(header.stream);
        }
        if order.len() == 9 {
            break;
        }
    }
    assert_eq!(order, [ids.clone(), ids.clone(), ids].concat());
}

#[test]
fn more_than_was_granted_breaks_the_session() {
    let mut core = Core::new(Side::Guest);
    open(&mut core, 1);
    for _ in 0..WINDOW_START / 16_000 {
        core.receive(Lane::Bulk, &frame(Kind::Data, 1, &[0; 16_000])).unwrap();
    }
    assert_eq!(core.receive(Lane::Bulk, &frame(Kind::Data, 1, &[0; 16_000])), Err(FrameError::Window(1)));
}

#[test]
fn streams_are_opened_once_in_order_and_by_their_side() {
    let mut core = Core::new(Side::Guest);
    open(&mut core, 5);
    let again = |core: &mut Core, lane, id, port: Port| {
        core.receive(lane, &frame(Kind::Open, id, &port.number().to_be_bytes()))
    };
    assert_eq!(again(&mut core, Lane::Bulk, 5, Port::Engine), Err(FrameError::Open(5)));
    assert_eq!(again(&mut core, Lane::Bulk, 3, Port::Engine), Err(FrameError::Open(3)));
    assert_eq!(again(&mut core, Lane::Bulk, 8, Port::Engine), Err(FrameError::Open(8)));
    assert_eq!(again(&mut core, Lane::Control, 7, Port::Engine), Err(FrameError::Open(7)));
    assert_eq!(core.receive(Lane::Bulk, &frame(Kind::Fin, 9, &[])), Err(FrameError::Unopened(9)));
}

#[test]
fn data_behind_the_end_breaks_the_session() {
    let mut core = Core::new(Side::Guest);
    open(&mut core, 1);
    core.receive(Lane::Bulk, &frame(Kind::Fin, 1, &[])).unwrap();
    assert_eq!(core.receive(Lane::Bulk, &frame(Kind::Data, 1, &[1])), Err(FrameError::AfterEnd(1)));
}

#[test]
fn an_answer_that_is_complete_survives_a_reset_and_the_loss_of_the_link() {
    for lose in [false, true] {
        let mut core = Core::new(Side::Guest);
        open(&mut core, 1);
        core.receive(Lane::Bulk, &frame(Kind::Data, 1, b"answer")).unwrap();
        core.receive(Lane::Bulk, &frame(Kind::Fin, 1, &[])).unwrap();
        if lose {
            core.lose();
        } else {
            core.receive(Lane::Bulk, &frame(Kind::Reset, 1, &[Reason::Dropped.number()])).unwrap();
        }
        let mut buffer = [0; 16];
        assert_eq!(core.read(1, &mut buffer), Read::Bytes(6));
        assert_eq!(core.read(1, &mut buffer), Read::End);
        assert_eq!(core.write(1, b"x"), Write::Reset(Reason::Dropped));
    }
}

#[test]
fn a_break_follows_its_data() {
    let (mut sender, mut receiver) = (Core::new(Side::Host), Core::new(Side::Guest));
    let id = sender.open(Port::Engine.number()).unwrap();
    let mut sent = 0;
    let mut received = 0;
    let mut buffer = vec![0; SEND_MAX];
    // More than is granted at first, so that some waits for the reader.
    while sent < WINDOW_START + SEND_MAX {
        let Write::Bytes(n) = sender.write(id, &buffer) else { panic!("at {sent}") };
        sent += n;
        let mut out = Vec::new();
        if sent <= WINDOW_START {
            sender.transmit(Lane::Bulk, &mut out, WINDOW_START + 8 * FRAME_MAX);
        }
        receiver.receive(Lane::Bulk, &out).unwrap();
    }
    sender.drop_stream(id);
    loop {
        let mut out = Vec::new();
        sender.transmit(Lane::Bulk, &mut out, 8 * FRAME_MAX);
        receiver.receive(Lane::Bulk, &out).unwrap();
        match receiver.read(id, &mut buffer) {
            Read::Bytes(n) => received += n,
            Read::Reset(Reason::Dropped) => break,
            other => panic!("{other:?} after {received} of {sent}"),
        }
        let mut granted = Vec::new();
        receiver.transmit(Lane::Control, &mut granted, FRAME_MAX);
        sender.receive(Lane::Control, &granted).unwrap();
    }
    assert_eq!(received, sent);
    assert_eq!(sender.stream_count(), 0);
    receiver.drop_stream(id);
    assert_eq!(receiver.stream_count(), 0);
}

/// Both sides have written all that they may when one of them lets go; the other one reads only once it has written everything.
fn dropped_while_both_directions_are_full(finish: bool) {
    let mut cores = [Core::new(Side::Host), Core::new(Side::Guest)];
    let id = cores[0].open(Port::Engine.number()).unwrap();
    let exchange = |cores: &mut [Core; 2]| {
        for (side, lane) in [(0, Lane::Control), (1, Lane::Control), (0, Lane::Bulk), (1, Lane::Bulk)] {
            let mut out = Vec::new();
            cores[side].transmit(lane, &mut out, 64 * FRAME_MAX);
            cores[1 - side].receive(lane, &out).unwrap();
        }
    };
    exchange(&mut cores);
    let buffer = vec![0; SEND_MAX];
    let mut sent = 0;
    loop {
        let mut moved = 0;
        for core in &mut cores {
            if let Write::Bytes(n) = core.write(id, &buffer) {
                moved += n;
            }
        }
        exchange(&mut cores);
        sent += moved / 2;
        if moved == 0 {
            break;
        }
    }
    assert_eq!(sent, WINDOW_START + SEND_MAX);
    if finish {
        cores[0].finish(id);
    }
    cores[0].drop_stream(id);
    // More than any window: it can be written only if what nobody reads is granted again.
    let mut left = 4 * WINDOW_MAX;
    for _ in 0..1000 {
        match cores[1].write(id, &buffer[..SEND_MAX.min(left)]) {
            Write::Bytes(n) => left -= n,
            Write::Pending => {}
            other => panic!("{other:?} before what the other side had written was read"),
        }
        exchange(&mut cores);
        if left == 0 {
            break;
        }
    }
    assert_eq!(left, 0, "it waits for ever");
    assert!(cores[0].bytes_held() <= SEND_MAX, "what nobody reads is kept");
    let mut buffer = vec![0; SEND_MAX];
    let mut received = 0;
    let end = loop {
        match cores[1].read(id, &mut buffer) {
            Read::Bytes(n) => received += n,
            Read::Pending => panic!("{received} of {sent} bytes came, and no end"),
            end => break end,
        }
        exchange(&mut cores);
    };
    assert_eq!(received, sent);
    assert_eq!(end, if finish { Read::End } else { Read::Reset(Reason::Dropped) });
    // Not everything that was written was read by anybody.
    assert_eq!(cores[1].write(id, b"x"), Write::Reset(Reason::Dropped));
    cores[1].drop_stream(id);
    assert_eq!(cores.each_ref().map(Core::stream_count), [0, 0]);
}

#[test]
fn a_break_comes_through_though_both_directions_are_full() {
    dropped_while_both_directions_are_full(false);
}

#[test]
fn an_end_comes_through_though_both_directions_are_full() {
    dropped_while_both_directions_are_full(true);
}

#[test]
fn what_came_before_a_reset_can_be_read() {
    let mut core = Core::new(Side::Guest);
    open(&mut core, 1);
    core.receive(Lane::Bulk, &frame(Kind::Data, 1, b"answer")).unwrap();
    core.receive(Lane::Bulk, &frame(Kind::Reset, 1, &[Reason::Dropped.number()])).unwrap();
    assert_eq!(core.write(1, b"x"), Write::Reset(Reason::Dropped));
    let mut buffer = [0; 16];
    assert_eq!(core.read(1, &mut buffer), Read::Bytes(6));
    assert_eq!(core.read(1, &mut buffer), Read::Reset(Reason::Dropped));
}

#[test]
fn who_gives_up_is_seen_to_have_gone_after_the_end_of_what_it_said() {
    let (mut sender, mut receiver) = (Core::new(Side::Host), Core::new(Side::Guest));
    let id = sender.open(Port::Engine.number()).unwrap();
    let mut buffer = [0; 16];
    assert_eq!(sender.write(id, b"request"), Write::Bytes(7));
    sender.give_up(id);
    sender.drop_stream(id);
    // The end and the reset come in frames of their own.
    let mut out = Vec::new();
    while sender.wants_transmit(Lane::Bulk) {
        let limit = out.len() + FRAME_MAX;
        sender.transmit(Lane::Bulk, &mut out, limit);
    }
    receiver.receive(Lane::Bulk, &out).unwrap();
    assert_eq!(receiver.read(id, &mut buffer), Read::Bytes(7));
    assert_eq!(receiver.read(id, &mut buffer), Read::End);
    assert!(receiver.is_reset(id), "nobody waits for its answer");
    assert_eq!(sender.stream_count(), 0);
    // Given up after its end has left already.
    let id = sender.open(Port::Engine.number()).unwrap();
    sender.finish(id);
    let mut out = Vec::new();
    sender.transmit(Lane::Bulk, &mut out, 8 * FRAME_MAX);
    receiver.receive(Lane::Bulk, &out).unwrap();
    assert!(!receiver.is_reset(id), "it is only done with speaking");
    sender.give_up(id);
    sender.drop_stream(id);
    out.clear();
    sender.transmit(Lane::Bulk, &mut out, 8 * FRAME_MAX);
    receiver.receive(Lane::Bulk, &out).unwrap();
    assert!(receiver.is_reset(id));
}

#[test]
fn who_gives_up_and_still_owes_something_can_be_broken_off() {
    let (mut sender, mut receiver) = (Core::new(Side::Host), Core::new(Side::Guest));
    let id = sender.open(Port::Engine.number()).unwrap();
    assert_eq!(sender.write(id, b"request"), Write::Bytes(7));
    sender.give_up(id);
    sender.drop_stream(id);
    assert_eq!(sender.owed_by_broken(id), Some(7));
    sender.reset(id, Reason::Dropped);
    let mut out = Vec::new();
    sender.transmit(Lane::Bulk, &mut out, 8 * FRAME_MAX);
    receiver.receive(Lane::Bulk, &out).unwrap();
    assert!(receiver.is_reset(id));
    assert_eq!(sender.stream_count(), 0);
}

#[test]
fn frames_of_a_stream_that_is_gone_are_ignored() {
    let mut core = Core::new(Side::Guest);
    open(&mut core, 1);
    core.reset(1, Reason::Dropped);
    for late in [frame(Kind::Data, 1, b"late"), frame(Kind::Fin, 1, &[]), frame(Kind::Reset, 1, &[0])] {
        core.receive(Lane::Bulk, &late).unwrap();
    }
    core.receive(Lane::Control, &frame(Kind::Window, 1, &[0, 0, 1, 0])).unwrap();
    assert_eq!(core.stream_count(), 0);
}

#[test]
fn too_many_streams_are_turned_down_one_by_one() {
    let mut core = Core::new(Side::Guest);
    let mut accepted = 0;
    for n in 0..STREAMS_MAX as u32 + 5 {
        open(&mut core, 2 * n + 1);
        accepted += usize::from(core.accept().is_some());
    }
    assert_eq!(accepted, STREAMS_MAX);
    assert!(core.open(Port::Dial.number()).is_none());
    let mut out = Vec::new();
    core.transmit(Lane::Bulk, &mut out, 2 * FRAME_MAX);
    assert_eq!(out.len(), 5 * (8 + 1));
    assert_eq!(out[8], Reason::Busy.number());
}

#[test]
fn whoever_waits_is_told() {
    let mut core = Core::new(Side::Guest);
    open(&mut core, 1);
    assert_eq!(core.take_events().collect::<Vec<_>>(), [Event::Incoming]);
    core.receive(Lane::Bulk, &frame(Kind::Data, 1, b"x")).unwrap();
    assert_eq!(core.take_events().collect::<Vec<_>>(), [Event::Readable(1)]);
    core.write(1, &[0; SEND_MAX]);
    core.transmit(Lane::Bulk, &mut Vec::new(), FRAME_MAX);
    assert_eq!(core.take_events().collect::<Vec<_>>(), [Event::Writable(1)]);
    core.receive(Lane::Bulk, &frame(Kind::Reset, 1, &[0])).unwrap();
    assert_eq!(core.take_events().collect::<Vec<_>>(), [Event::Readable(1), Event::Writable(1)]);
}
