//! What the kernel has asked and was not answered yet, and what of it is still to be sent.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::unwanted;

/// Opcodes (`enum fuse_opcode`): those without an answer, what is long, and what says that somebody has a signal.
const UNANSWERED: [u32; 2] = [2, 42];
const DATA: [u32; 2] = [15, 16];
const INTERRUPT: u32 = 36;

type Message = Arc<Vec<u8>>;

/// The streams to the host: names do not wait behind data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Names,
    Data,
}

/// Nothing here has a bound of its own: what waits is a guest's thread that waits for it, and holds its data anyway.
#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<State>,
    ready: [Notify; 2],
}

#[derive(Debug, Default)]
struct State {
    unanswered: BTreeMap<u64, Waiting>,
    /// What opens something, and whose asker was killed: what the host opens for it is closed when the answer comes. And what closes
    /// that, until the host has answered.
    unwanted: BTreeMap<u64, Message>,
    queues: [VecDeque<Message>; 2],
    refusing: bool,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    message: Message,
    interrupted: bool,
}

/// The head of a request (`fuse_in_header`).
struct Header {
    opcode: u32,
    unique: u64,
    thread: u32,
}

fn header(request: &[u8]) -> Option<Header> {
    let number = |at: usize| Some(u32::from_le_bytes(*request.get(at..)?.first_chunk()?));
    let unique = u64::from_le_bytes(*request.get(8..)?.first_chunk()?);
    Some(Header { opcode: number(4)?, unique, thread: number(32)? })
}

/// The number of a request.
pub(super) fn number(request: &[u8]) -> Option<u64> {
    header(request).map(|header| header.unique)
}

fn stream(opcode: u32) -> Stream {
    if DATA.contains(&opcode) { Stream::Data } else { Stream::Names }
}

impl Pending {
    /// The kernel has sent this. Answers the number of a request that is to be refused.
    pub(super) fn received(&self, request: Vec<u8>) -> Option<u64> {
        let Header { opcode, unique, .. } = header(&request)?;
        let mut state = self.lock();
        if opcode == INTERRUPT {
            let of = request.get(40..)?.first_chunk().map(|unique| u64::from_le_bytes(*unique))?;
            if let Some(waiting) = state.unanswered.get_mut(&of) {
                waiting.interrupted = true;
            }
            return None;
        }
        let message = Arc::new(request);
        if !UNANSWERED.contains(&opcode) {
            if state.refusing {
                return Some(unique);
            }
            state.unanswered.insert(unique, Waiting { message: Arc::clone(&message), interrupted: false });
        }
        drop(state);
        self.push(stream(opcode), message);
        None
    }

    /// Something for the host that is no question of the kernel's, and is lost with the link.
    pub(super) fn push(&self, stream: Stream, message: Message) {
        self.lock().queues[stream as usize].push_back(message);
        self.ready[stream as usize].notify_one();
    }

    /// There is a way to the host: what was not answered is asked again.
    pub(super) fn connected(&self) {
        let mut state = self.lock();
        let names = std::mem::take(&mut state.queues[Stream::Names as usize]);
        let opcode = |message: &Message| header(message).map_or(0, |header| header.opcode);
        let forgotten = names.into_iter().filter(|message| UNANSWERED.contains(&opcode(message))).collect();
        state.queues = [forgotten, VecDeque::new()];
        let wanted = state.unanswered.values().map(|waiting| &waiting.message);
        let again: Vec<_> = wanted.chain(state.unwanted.values()).cloned().collect();
        again.into_iter().for_each(|message| state.queues[stream(opcode(&message)) as usize].push_back(message));
        drop(state);
        self.ready.iter().for_each(Notify::notify_one);
    }

    /// The next message for a stream; `None` once it is unmounted.
    pub(super) async fn next(&self, stream: Stream) -> Option<Message> {
        loop {
            {
                let mut state = self.lock();
                if let Some(message) = state.queues[stream as usize].pop_front() {
                    return Some(message);
                }
                if state.closed {
                    return None;
                }
            }
            self.ready[stream as usize].notified().await;
        }
    }

    /// Whether somebody waits for this answer. What it opened for somebody who does not any more is closed.
    pub(super) fn answered(&self, unique: u64, answer: &[u8]) -> bool {
        let mut state = self.lock();
        if state.unanswered.remove(&unique).is_some() {
            return true;
        }
        let unwanted = state.unwanted.remove(&unique);
        drop(state);
        for closing in unwanted.iter().flat_map(|request| unwanted::closing(request, answer)) {
            let closing = Arc::new(closing);
            if let Some(Header { unique, .. }) = header(&closing).filter(|of| !UNANSWERED.contains(&of.opcode)) {
                self.lock().unwanted.insert(unique, Arc::clone(&closing));
            }
            self.push(Stream::Names, closing);
        }
        false
    }

    /// From now on everything is refused, or nothing any more. Answers what waits and is to be refused.
    pub(super) fn refuse(&self, refusing: bool) -> Vec<u64> {
        let mut state = self.lock();
        state.refusing = refusing;
        if !refusing {
            return Vec::new();
        }
        std::mem::take(&mut state.unanswered).into_keys().collect()
    }

    /// Those whose asker `is_killed`, and who got a signal at all: nobody waits for them any more.
    pub(super) fn abandoned(&self, is_killed: impl Fn(u32) -> bool) -> Vec<u64> {
        let mut state = self.lock();
        let interrupted = state.unanswered.iter().filter(|(_, waiting)| waiting.interrupted);
        let killed = interrupted.filter(|(_, waiting)| header(&waiting.message).is_some_and(|of| is_killed(of.thread)));
        let killed: Vec<_> = killed.map(|(unique, _)| *unique).collect();
        for unique in &killed {
            if let Some(Waiting { message, .. }) = state.unanswered.remove(unique)
                && header(&message).is_some_and(|of| unwanted::opens(of.opcode))
            {
                state.unwanted.insert(*unique, message);
            }
        }
        killed
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.iter().for_each(Notify::notify_one);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(opcode: u32, unique: u64, thread: u32) -> Vec<u8> {
        let mut request = vec![0; 40];
        request[4..8].copy_from_slice(&opcode.to_le_bytes());
        request[8..16].copy_from_slice(&unique.to_le_bytes());
        request[32..36].copy_from_slice(&thread.to_le_bytes());
        request
    }

    fn queued(pending: &Pending) -> [Vec<u64>; 2] {
        let mut state = pending.lock();
        std::mem::take(&mut state.queues).map(|queue| queue.iter().map(|m| header(m).unwrap().unique).collect())
    }

    #[test]
    fn what_was_not_answered_is_asked_again_on_its_own_stream() {
        let pending = Pending::default();
        for (opcode, unique) in [(1, 1), (16, 2), (3, 3), (15, 4)] {
            assert_eq!(pending.received(request(opcode, unique, 9)), None);
        }
        assert_eq!(queued(&pending), [vec![1, 3], vec![2, 4]]);
        assert!(pending.answered(3, &[]) && !pending.answered(3, &[]));
        pending.received(request(2, 7, 9));
        pending.push(Stream::Names, Arc::new(request(99, 8, 0)));
        pending.connected();
        assert_eq!(queued(&pending), [vec![7, 1], vec![2, 4]], "what is forgotten is so still");
    }

    #[test]
    fn who_is_killed_is_let_go_and_who_has_a_signal_waits() {
        let pending = Pending::default();
        pending.received(request(1, 1, 100));
        pending.received(request(1, 2, 200));
        assert_eq!(pending.abandoned(|_| true), [] as [u64; 0], "nobody has a signal");
        for of in [1_u64, 2, 3] {
            let mut interrupt = request(INTERRUPT, of | 1 << 40, 100);
            interrupt.extend(of.to_le_bytes());
            assert_eq!(pending.received(interrupt), None);
        }
        assert_eq!(pending.abandoned(|thread| thread == 200), [2]);
        assert!(pending.answered(1, &[]) && !pending.answered(2, &[]));
    }

    #[test]
    fn what_is_opened_for_nobody_is_closed() {
        let pending = Pending::default();
        // OPEN, which was sent; and READ, which opens nothing.
        for (opcode, unique) in [(14, 2), (15, 4)] {
            pending.received(request(opcode, unique, 9));
            let mut interrupt = request(INTERRUPT, unique | 1, 9);
            interrupt.extend(unique.to_le_bytes());
            pending.received(interrupt);
        }
        queued(&pending);
        assert_eq!(pending.abandoned(|_| true), [2, 4]);
        pending.connected();
        assert_eq!(
            queued(&pending),
            [vec![2], vec![]],
            "the answer was lost with the link: the host is asked for it again"
        );
        let mut answer = vec![0; 32];
        answer[16..24].copy_from_slice(&77_u64.to_le_bytes());
        assert!(!pending.answered(4, &answer) && !pending.answered(2, &answer));
        let state = pending.lock();
        let [names, data] = &state.queues;
        let closing = names.front().unwrap();
        assert_eq!((names.len(), data.len(), header(closing).unwrap().opcode), (1, 0, 18));
        assert_eq!(closing[40..48], 77_u64.to_le_bytes());
        drop(state);
        assert!(!pending.answered(2, &answer));
        assert_eq!(queued(&pending), [vec![3], vec![]], "closed once");
        pending.connected();
        assert_eq!(queued(&pending), [vec![3], vec![]], "the link was lost: it is closed again");
        assert!(!pending.answered(3, &[0; 16]));
        pending.connected();
        assert_eq!(queued(&pending).map(|queue| queue.len()), [0, 0], "nothing is left to be closed");
    }

    #[tokio::test]
    async fn refusing_begins_and_ends() {
        let pending = Pending::default();
        pending.received(request(1, 1, 9));
        assert_eq!(pending.refuse(true), [1]);
        assert_eq!(pending.received(request(1, 2, 9)), Some(2));
        assert_eq!(pending.received(request(2, 3, 9)), None, "nobody waits for that");
        pending.refuse(false);
        assert_eq!(pending.received(request(1, 4, 9)), None);
        pending.connected();
        pending.close();
        let mut names = Vec::new();
        while let Some(message) = pending.next(Stream::Names).await {
            names.push(header(&message).unwrap().unique);
        }
        assert_eq!(names, [3, 4]);
        assert!(pending.next(Stream::Data).await.is_none());
    }
}
