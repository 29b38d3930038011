//! From single events to changes: two halves of a move are one. Pure.

use std::collections::VecDeque;

/// What the host's kernel tells of a watched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) watch: i32,
    pub(super) what: What,
    pub(super) is_directory: bool,
    /// The same for both halves of a move.
    pub(super) cookie: u32,
    /// Empty: the folder itself.
    pub(super) name: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Made,
    Gone,
    Left,
    Came,
    Modified,
    Closed,
    Attributes,
    /// The folder is not watched any more.
    Ended,
    /// Some were lost.
    Overflow,
}

impl Event {
    /// One that is of no folder.
    pub(super) fn of_all(what: What) -> Event {
        Event { watch: -1, what, is_directory: false, cookie: 0, name: Vec::new() }
    }
}

/// Events that belong together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    One(Event),
    /// From, to.
    Moved(Event, Event),
}

/// The next change. `None`: none, or the second half of a move may still come: unless `all` is said, which takes the first for alone.
pub(super) fn next(events: &mut VecDeque<Event>, all: bool) -> Option<Change> {
    let first = events.front()?;
    if first.what != What::Left {
        return events.pop_front().map(Change::One);
    }
    let cookie = first.cookie;
    match events.iter().position(|event| event.what == What::Came && event.cookie == cookie) {
        Some(at) => {
            let to = events.remove(at).expect("it was just found");
            events.pop_front().map(|from| Change::Moved(from, to))
        }
        None if all => events.pop_front().map(Change::One),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(what: What, cookie: u32, name: &str) -> Event {
        Event { watch: 1, what, is_directory: false, cookie, name: name.into() }
    }

    #[test]
    fn halves_of_a_move_find_each_other() {
        let [left, came, made] = [(What::Left, 5, "a"), (What::Came, 5, "b"), (What::Made, 0, "c")]
            .map(|(what, cookie, name)| event(what, cookie, name));
        let mut events = VecDeque::from([made.clone(), left.clone(), made.clone(), came.clone()]);
        assert_eq!(next(&mut events, false), Some(Change::One(made.clone())));
        assert_eq!(next(&mut events, false), Some(Change::Moved(left.clone(), came.clone())));
        assert_eq!(next(&mut events, false), Some(Change::One(made.clone())));
        assert_eq!(next(&mut events, false), None);
        events.extend([left.clone(), event(What::Came, 6, "d")]);
        assert_eq!(next(&mut events, false), None, "the other half may come");
        assert_eq!(next(&mut events, true), Some(Change::One(left)), "it went out of what is watched");
        assert_eq!(next(&mut events, false), Some(Change::One(event(What::Came, 6, "d"))));
    }
}
