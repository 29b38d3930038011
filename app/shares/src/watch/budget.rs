//! How many folders this process watches, for all its shares: the user's other programs watch, too.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
    /// Nothing is asked for until then: others of this user watch as much as he may.
    closed: Mutex<Option<Instant>>,
}

/// Of this process.
pub(super) static ALL: LazyLock<Budget> = LazyLock::new(|| Budget::new(limit()));

/// For so long the user's other programs are left what they make room for.
const CLOSED: Duration = Duration::from_secs(10);

/// One folder more may be watched for as long as this is there.
#[derive(Debug)]
pub(super) struct Slot(&'static Budget);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budget {
    pub(super) fn new(limit: usize) -> Budget {
        Budget { limit, used: AtomicUsize::new(0), closed: Mutex::new(None) }
    }

    /// `None`: there is no room.
    pub(super) fn take(&'static self) -> Option<Slot> {
        let slot = Slot(self);
        (self.used.fetch_add(1, Ordering::Relaxed) < self.limit).then_some(slot)
    }

    /// The user has no room, whatever there is in the budget.
    pub(super) fn close(&self, now: Instant) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + CLOSED);
    }

    pub(super) fn is_closed(&self, now: Instant) -> bool {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until)
    }
}

/// An eighth of what the user may watch.
fn limit() -> usize {
    let all = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches");
    let all: usize = all.ok().and_then(|all| all.trim().parse().ok()).unwrap_or(8192);
    (all / 8).clamp(16, 16_384)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_is_there_for_another() {
        let budget = Box::leak(Box::new(Budget::new(2)));
        let (one, _two) = (budget.take().unwrap(), budget.take().unwrap());
        assert!(budget.take().is_none() && budget.take().is_none());
        drop(one);
        let _three = budget.take().unwrap();
        assert!(budget.take().is_none());
        let now = Instant::now();
        budget.close(now);
        assert!(budget.is_closed(now) && !budget.is_closed(now + CLOSED));
    }
}
