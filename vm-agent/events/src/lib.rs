//! The event bus of the engine: what happened to containers, images, networks and volumes.
//!
//! Services emit, `api` streams to clients, and services may listen to one another through it. Events are news, not state:
//! nothing in the engine may depend on having seen one. The last [`HISTORY`] events are kept in memory for `since`.
//!
//! ```text
//!  emit --> ring of the last 256 --> subscribe(since, until): replay, then live
//!      \--> broadcast to the subscribers; one that falls behind by more than the channel holds loses the oldest
//! ```

mod event;
mod filter;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

pub use event::{Event, Kind};
pub use filter::Filter;

/// How many past events can be replayed, as in dockerd.
pub const HISTORY: usize = 256;

/// How many events a subscriber may be behind.
const BACKLOG: usize = 4096;

/// A handle to the bus; clones share it.
#[derive(Debug, Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    history: Mutex<VecDeque<Arc<Event>>>,
    live: broadcast::Sender<Arc<Event>>,
    /// Subscribers that are parts of the engine.
    own: AtomicUsize,
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    pub fn new() -> Self {
        let history = Mutex::new(VecDeque::with_capacity(HISTORY));
        Self { inner: Arc::new(Inner { history, live: broadcast::Sender::new(BACKLOG), own: AtomicUsize::new(0) }) }
    }

    /// Records the event and hands it to every subscriber. Never waits.
    pub fn emit(&self, event: Event) {
        let event = Arc::new(event);
        // The lock also orders emitters, so that subscribers see the order of the history.
        let mut history = self.inner.history.lock().unwrap_or_else(PoisonError::into_inner);
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(Arc::clone(&event));
        // An error means that nobody listens.
        let _ = self.inner.live.send(event);
    }

    /// All events from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription { replay: VecDeque::new(), live: self.inner.live.subscribe() }
    }

    /// All events from now on, for a part of the engine that listens as long as there is one: it is no listener that is counted.
    pub fn subscribe_for_good(&self) -> Subscription {
        self.inner.own.fetch_add(1, Ordering::Relaxed);
        self.subscribe()
    }

    /// The remembered events between the two times (nanoseconds since the epoch, both included), then all from now on;
    /// none is missed or doubled between the two.
    pub fn subscribe_since(&self, since: i64, until: Option<i64>) -> Subscription {
        let history = self.inner.history.lock().unwrap_or_else(PoisonError::into_inner);
        let replay = history
            .iter()
            .filter(|event| event.time_nano >= since && until.is_none_or(|until| event.time_nano <= until))
            .cloned()
            .collect();
        Subscription { replay, live: self.inner.live.subscribe() }
    }

    /// How many subscribers there are that are not the engine's own.
    pub fn listeners(&self) -> usize {
        self.inner.live.receiver_count().saturating_sub(self.inner.own.load(Ordering::Relaxed))
    }
}

/// One listener's place in the stream.
#[derive(Debug)]
pub struct Subscription {
    replay: VecDeque<Arc<Event>>,
    live: broadcast::Receiver<Arc<Event>>,
}

impl Subscription {
    /// The next remembered event, without waiting; `None` once the replay is over.
    pub fn replayed(&mut self) -> Option<Arc<Event>> {
        self.replay.pop_front()
    }

    /// The next event; `None` when the bus is gone. Cancel safe. Events that came faster than this listener read
    /// are skipped, as dockerd does with slow clients.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        if let Some(event) = self.replay.pop_front() {
            return Some(event);
        }
        loop {
            match self.live.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time_nano: i64) -> Event {
        Event { time_nano, ..Event::new(Kind::Container, "start", "abc") }
    }

    #[tokio::test]
    async fn replay_then_live_without_gap() {
        let events = Events::new();
        for time in 1..=5 {
            events.emit(at(time));
        }
        let mut subscription = events.subscribe_since(3, None);
        events.emit(at(6));
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(subscription.next().await.expect("an event").time_nano);
        }
        assert_eq!(seen, [3, 4, 5, 6]);
    }

    #[tokio::test]
    async fn until_bounds_the_replay() {
        let events = Events::new();
        for time in 1..=5 {
            events.emit(at(time));
        }
        let mut subscription = events.subscribe_since(0, Some(2));
        let mut seen = Vec::new();
        while let Some(event) = subscription.replayed() {
            seen.push(event.time_nano);
        }
        assert_eq!(seen, [1, 2]);
    }

    #[tokio::test]
    async fn history_forgets_the_oldest() {
        let events = Events::new();
        for time in 0..(HISTORY as i64 + 10) {
            events.emit(at(time));
        }
        let first = events.subscribe_since(0, None).next().await.expect("an event");
        assert_eq!(first.time_nano, 10);
    }

    #[tokio::test]
    async fn a_slow_listener_goes_on() {
        let events = Events::new();
        let mut slow = events.subscribe();
        for time in 0..(BACKLOG as i64 * 2) {
            events.emit(at(time));
        }
        let next = slow.next().await.expect("an event");
        assert_eq!(next.time_nano, BACKLOG as i64);
        assert_eq!(events.listeners(), 1);
        let _own = events.subscribe_for_good();
        assert_eq!(events.listeners(), 1);
        drop(slow);
        assert_eq!(events.listeners(), 0);
    }
}
