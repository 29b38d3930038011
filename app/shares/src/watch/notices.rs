//! What waits to be told to the guest. So much at once is under way as the relay can be expected to deal with soon.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use control::notice::{self, Invalid, Operation};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::nodes::Identity;

/// One change, and what the guest shall see while it repeats it.
#[derive(Debug, Default)]
pub(crate) struct Notice {
    pub(crate) invalid: Vec<Invalid>,
    pub(crate) echo: Option<Operation>,
    /// What was by these names before.
    pub(crate) before: Vec<((u64, Vec<u8>), Before)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    /// What has that name now.
    Now(u64, Vec<u8>),
    /// A node that has lost its name, or one that the guest never knew.
    Gone {
        node: u64,
        identity: Option<Identity>,
        is_directory: bool,
    },
}

#[derive(Debug)]
pub(super) struct Notices(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    guest: Option<mpsc::Sender<Vec<u8>>>,
    /// Counts those who listened.
    listener: u64,
    waiting: VecDeque<Waiting>,
    /// How much waits: names and nodes. That everything is to be forgotten does not count.
    size: usize,
    /// What waits and would be the same twice: changes of content and attributes since something got or lost a name.
    repeats: HashSet<Repeat>,
    under_way: HashMap<u16, Arc<Notice>>,
    last: u16,
}

type Repeat = (Vec<Invalid>, Option<Operation>);

#[derive(Debug)]
struct Waiting {
    notice: Notice,
    size: usize,
}

const UNDER_WAY: usize = 128;
/// With more the guest is told to forget everything.
const WAITING: usize = 1 << 14;

impl Notices {
    /// The numbers begin behind `last`: the guest may have dealt with those of another share of this folder only now.
    pub(super) fn new(last: u16) -> Notices {
        Notices(Mutex::new(State { last, ..State::default() }))
    }

    /// Somebody listens from now on, in the place of whoever did; by the number he leaves again.
    pub(super) fn listen(&self) -> (u64, mpsc::Receiver<Vec<u8>>) {
        let (guest, receiver) = mpsc::channel(UNDER_WAY);
        let mut state = self.lock();
        state.listener += 1;
        state.guest = Some(guest);
        state.clear();
        state.under_way.clear();
        (state.listener, receiver)
    }

    pub(super) fn leave(&self, listener: u64) {
        let mut state = self.lock();
        if state.listener == listener {
            state.guest = None;
            state.clear();
            state.under_way.clear();
        }
    }

    pub(super) fn is_heard(&self) -> bool {
        self.lock().guest.is_some()
    }

    /// Whether there was room; if not, what waits is gone, and everything is to be forgotten.
    pub(super) fn push(&self, notice: Notice) -> bool {
        let mut state = self.lock();
        if state.guest.is_none() {
            return true;
        }
        if notice.before.is_empty() {
            let repeat = (notice.invalid.clone(), notice.echo.clone());
            if !state.repeats.insert(repeat) {
                return true;
            }
        } else {
            // What has a name now need not be what had it before.
            state.repeats.clear();
        }
        let size = notice.invalid.len() + 1;
        if state.size + size > WAITING {
            state.clear();
            return false;
        }
        state.size += size;
        state.waiting.push_back(Waiting { notice, size });
        state.send();
        true
    }

    /// Nothing of what waits counts any more, but this.
    pub(super) fn replace(&self, notices: impl Iterator<Item = Notice>) {
        let mut state = self.lock();
        state.clear();
        if state.guest.is_some() {
            state.waiting.extend(notices.map(|notice| Waiting { notice, size: 0 }));
            state.send();
        }
    }

    /// The stream has taken one, and has room for another.
    pub(super) fn taken(&self) {
        self.lock().send();
    }

    /// The relay has dealt with one.
    pub(super) fn acknowledged(&self, number: u16) {
        let mut state = self.lock();
        state.under_way.remove(&number);
        state.send();
    }

    pub(super) fn under_way(&self, number: u16) -> Option<Arc<Notice>> {
        self.lock().under_way.get(&number).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn clear(&mut self) {
        self.waiting.clear();
        self.repeats.clear();
        self.size = 0;
    }

    /// As much as may be under way, and the stream takes: a guest may say that it has dealt with what it did not even read.
    fn send(&mut self) {
        while self.under_way.len() < UNDER_WAY
            && let Some(guest) = &self.guest
        {
            let place = match guest.try_reserve() {
                Ok(place) => Some(place),
                Err(TrySendError::Full(())) => return,
                // It has gone: whoever listens next is told to forget everything.
                Err(TrySendError::Closed(())) => None,
            };
            let Some(Waiting { notice, size }) = self.waiting.pop_front() else { return };
            self.size -= size;
            if notice.before.is_empty() && !self.repeats.is_empty() {
                self.repeats.remove(&(notice.invalid.clone(), notice.echo.clone()));
            }
            self.last = self.last.checked_add(1).unwrap_or(1);
            if let Some(place) = place {
                place.send(notice::encode(self.last, &notice.invalid, notice.echo.as_ref()));
            }
            self.under_way.insert(self.last, Arc::new(notice));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid(node: u64) -> Notice {
        Notice { invalid: vec![Invalid::Attributes(node)], ..Notice::default() }
    }

    fn named(name: u64) -> Notice {
        let before = vec![((1, name.to_le_bytes().to_vec()), Before::Nothing)];
        Notice { before, ..invalid(name) }
    }

    fn told(guest: &mut mpsc::Receiver<Vec<u8>>) -> usize {
        std::iter::from_fn(|| guest.try_recv().ok()).count()
    }

    #[test]
    fn so_many_are_under_way_and_no_more() {
        let notices = Notices::new(0);
        assert!(notices.push(named(0)), "nobody listens");
        let (_, mut guest) = notices.listen();
        for node in 0..UNDER_WAY as u64 + 1 {
            assert!(notices.push(named(node)));
        }
        assert_eq!(told(&mut guest), UNDER_WAY);
        notices.taken();
        assert_eq!(told(&mut guest), 0, "none of them was dealt with");
        notices.acknowledged(1);
        notices.acknowledged(1);
        assert_eq!(told(&mut guest), 1);
        assert!(notices.under_way(1).is_none() && notices.under_way(2).is_some());
        let (first, _) = notices.listen();
        let (_, mut second) = notices.listen();
        notices.leave(first);
        notices.push(named(1));
        assert!(second.try_recv().is_ok(), "the one before has left, not this one");
    }

    #[test]
    fn who_says_that_he_has_read_and_has_not_is_sent_no_more_than_that() {
        let notices = Notices::new(0);
        let (_, mut guest) = notices.listen();
        for node in 0..1000 {
            assert!(notices.push(named(node)));
        }
        (0..1000).for_each(|number| notices.acknowledged(number));
        assert_eq!(told(&mut guest), UNDER_WAY);
        notices.taken();
        assert_eq!(told(&mut guest), UNDER_WAY);
    }

    #[test]
    fn what_only_repeats_waits_once() {
        let notices = Notices::new(0);
        let (_, mut guest) = notices.listen();
        for _ in 0..UNDER_WAY {
            notices.push(named(1));
        }
        for _ in 0..10 * WAITING {
            assert!(notices.push(invalid(5)) && notices.push(invalid(6)));
        }
        notices.push(named(7));
        assert!(notices.push(invalid(5)), "behind a name it is told once more");
        assert_eq!(told(&mut guest), UNDER_WAY);
        (1..=UNDER_WAY as u16).for_each(|number| notices.acknowledged(number));
        assert_eq!(told(&mut guest), 4);
        notices.push(invalid(5));
        assert_eq!(told(&mut guest), 1, "what was told is told again");
    }

    #[test]
    fn what_is_too_much_is_replaced_as_a_whole_however_much_that_is() {
        let notices = Notices::new(0);
        let (_, mut guest) = notices.listen();
        let pushed = (0..).take_while(|node| notices.push(named(*node))).count();
        assert!(pushed > WAITING / 2 - 1 && pushed < WAITING + UNDER_WAY);
        let all = 3 * WAITING as u64;
        notices.replace((0..all).map(invalid));
        assert!(notices.push(named(9)), "there is room behind it");
        let mut count = 0;
        while let Ok(message) = guest.try_recv() {
            notices.acknowledged(notice::number(&message).unwrap());
            count += 1;
        }
        assert_eq!(count as u64, UNDER_WAY as u64 + all + 1);
    }
}
