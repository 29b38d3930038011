//! Which events come of what the guest itself does: it knows of that already, and must not be told.
//!
//! The host's kernel does not say who did it. But it tells in order: an event of a change is in the queue when the change is made. So
//! a change is expected from before it is made until the queue was seen empty after it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::event::What;

/// Folder and name.
type Key = (u64, Vec<u8>);

/// One event that a request will raise; of a file's content and attributes any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) folder: u64,
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Made,
    Gone,
    Left,
    Came,
    /// Content or attributes.
    Changed,
}

impl Kind {
    fn of(what: What) -> Option<Kind> {
        Some(match what {
            What::Made => Kind::Made,
            What::Gone => Kind::Gone,
            What::Left => Kind::Left,
            What::Came => Kind::Came,
            What::Modified | What::Closed | What::Attributes => Kind::Changed,
            What::Ended | What::Overflow => return None,
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Own(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    expected: HashMap<Key, Vec<Entry>>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    began: u64,
    ended: Option<u64>,
}

/// The request is under way.
#[derive(Debug)]
#[must_use]
pub(crate) struct Begun {
    at: u64,
    keys: Vec<Key>,
}

impl Own {
    pub(super) fn begin(&self, expected: Vec<Expected>) -> Begun {
        let mut state = self.lock();
        state.clock += 1;
        let at = state.clock;
        let keys = expected.into_iter().map(|Expected { folder, name, kind }| {
            let key = (folder, name);
            state.expected.entry(key.clone()).or_default().push(Entry { kind, began: at, ended: None });
            key
        });
        Begun { at, keys: keys.collect() }
    }

    /// Done, or failed: then no event is to be expected. Whether the queue is to be looked at: nothing may have come of it, and then
    /// what comes later is the host's.
    pub(super) fn end(&self, begun: Begun, done: bool) -> bool {
        let mut state = self.lock();
        state.clock += 1;
        let (now, mut left) = (state.clock, false);
        for key in begun.keys {
            let Some(entries) = state.expected.get_mut(&key) else { continue };
            match done {
                true => {
                    // Of content and attributes this one stands for those that ended before it: it is expected the longest.
                    if entries.iter().any(|entry| entry.began == begun.at && entry.kind == Kind::Changed) {
                        entries.retain(|entry| {
                            entry.kind != Kind::Changed || entry.ended.is_none_or(|ended| ended == now)
                        });
                    }
                    entries.iter_mut().filter(|entry| entry.began == begun.at).for_each(|entry| entry.ended = Some(now))
                }
                false => entries.retain(|entry| entry.began != begun.at),
            }
            left |= entries.iter().any(|entry| entry.ended == Some(now));
            if entries.is_empty() {
                state.expected.remove(&key);
            }
        }
        left
    }

    /// Whether the guest did it. What comes once is expected no more.
    pub(super) fn is(&self, folder: u64, name: &[u8], what: What) -> bool {
        let Some(kind) = Kind::of(what) else { return false };
        let mut state = self.lock();
        let Some(entries) = state.expected.get_mut(&(folder, name.to_vec())) else { return false };
        let Some(at) = entries.iter().position(|entry| entry.kind == kind) else { return false };
        if kind != Kind::Changed {
            entries.remove(at);
        }
        true
    }

    /// The same for both halves of a move, which are the guest's together or not at all: what the host moves to where the guest moves something
    /// at the same moment would be taken for the guest's half, and that for the host's.
    pub(super) fn is_move(&self, from: (u64, &[u8]), to: (u64, &[u8])) -> bool {
        let mut state = self.lock();
        let keys = [(from, Kind::Left), (to, Kind::Came)].map(|((folder, name), kind)| ((folder, name.to_vec()), kind));
        let began = |(key, kind): &(Key, Kind)| {
            let of_kind = state.expected.get(key).into_iter().flatten().filter(|entry| entry.kind == *kind);
            of_kind.map(|entry| entry.began).collect::<Vec<_>>()
        };
        let [left, came] = [&keys[0], &keys[1]].map(began);
        let Some(at) = left.into_iter().find(|at| came.contains(at)) else { return false };
        for (key, kind) in keys {
            let entries = state.expected.get_mut(&key).expect("it was just found");
            entries.retain(|entry| (entry.began, entry.kind) != (at, kind));
        }
        true
    }

    /// To be taken before the queue is read.
    pub(super) fn fence(&self) -> u64 {
        self.lock().clock
    }

    /// The queue was empty after the fence was taken: what had ended by then has told all.
    pub(super) fn seen(&self, fence: u64) {
        let mut state = self.lock();
        state.expected.retain(|_, entries| {
            entries.retain(|entry| entry.ended.is_none_or(|ended| ended > fence));
            !entries.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(name: &str, kind: Kind) -> Vec<Expected> {
        vec![Expected { folder: 1, name: name.into(), kind }]
    }

    #[test]
    fn what_the_guest_does_is_told_once_and_the_hosts_the_next_time() {
        let own = Own::default();
        let begun = own.begin(expected("a", Kind::Made));
        assert!(!own.is(1, b"b", What::Made) && !own.is(2, b"a", What::Made) && !own.is(1, b"a", What::Gone));
        assert!(own.is(1, b"a", What::Made));
        assert!(!own.is(1, b"a", What::Made), "the host's");
        own.end(begun, true);
        let begun = own.begin(expected("a", Kind::Changed));
        assert!(own.is(1, b"a", What::Modified) && own.is(1, b"a", What::Attributes));
        let before = own.fence();
        own.end(begun, true);
        own.seen(before);
        assert!(own.is(1, b"a", What::Modified), "it may have come after the queue was read");
        own.seen(own.fence());
        assert!(!own.is(1, b"a", What::Modified));
    }

    #[test]
    fn a_move_is_the_guests_as_a_whole() {
        let own = Own::default();
        let begun = own.begin([expected("a", Kind::Left), expected("to", Kind::Came)].concat());
        assert!(!own.is_move((1, b"other"), (1, b"to")), "the host's, to the same place");
        assert!(own.is_move((1, b"a"), (1, b"to")));
        assert!(!own.is_move((1, b"a"), (1, b"to")), "the host's");
        let again = own.begin([expected("b", Kind::Left), expected("to", Kind::Came)].concat());
        assert!(!own.is_move((1, b"a"), (1, b"to")), "halves of two moves");
        assert!(own.is_move((1, b"b"), (1, b"to")));
        own.end(begun, true);
        own.end(again, true);
    }

    #[test]
    fn what_nobody_looks_at_does_not_grow() {
        let own = Own::default();
        for _ in 0..1000 {
            // Some requests raise several events of one name.
            let twice = [expected("a", Kind::Changed), expected("a", Kind::Changed)].concat();
            own.end(own.begin(twice), true);
        }
        assert_eq!(own.lock().expected.values().map(Vec::len).sum::<usize>(), 2);
        own.end(own.begin(expected("a", Kind::Gone)), true);
        assert!(own.is(1, b"a", What::Modified), "another kind stands for itself");
    }

    #[test]
    fn what_failed_is_not_expected() {
        let own = Own::default();
        let other = own.begin(expected("a", Kind::Made));
        let failed = own.begin(expected("a", Kind::Made));
        own.end(failed, false);
        assert!(own.is(1, b"a", What::Made), "the other one's");
        own.end(other, false);
        assert!(!own.is(1, b"a", What::Made));
        assert!(own.lock().expected.is_empty());
    }
}
