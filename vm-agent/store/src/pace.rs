//! When to flush next: pure, the writer thread has the clock.

use std::time::{Duration, Instant};

/// The longest time for which an [`Durability::Eventual`](crate::Durability::Eventual) write is not on a disk that works.
pub const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// The longest pause between flushes that fail. A full disk may stay full for days, and readers wait while the database is opened again.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// What a group of writes was to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// It was meant for memory only.
    Untried,
    /// Neither the group nor what memory had before is known to be on disk.
    Failed,
    /// Everything is.
    Done,
}

/// When the oldest write that is not on disk must be there, and how long to wait after a flush that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) at: Option<Instant>,
    pause: Duration,
}

impl Pace {
    /// With writes `waiting` in memory, or with none.
    pub(crate) fn new(waiting: bool, now: Instant) -> Pace {
        Pace { at: waiting.then(|| now + FLUSH_WITHIN), pause: FLUSH_WITHIN }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.at.is_some_and(|at| at <= now)
    }

    /// After a group of which readers see the outcome, or do not. What they see must come to the disk, also when its writer was
    /// told of a failure.
    pub(crate) fn after(self, visible: bool, flush: Flush, now: Instant) -> Pace {
        let waiting = visible || self.at.is_some();
        match flush {
            Flush::Untried => Pace { at: waiting.then(|| self.at.unwrap_or(now + FLUSH_WITHIN)), ..self },
            Flush::Failed if waiting => Pace { at: Some(now + self.pause), pause: (self.pause * 2).min(LONGEST_PAUSE) },
            Flush::Failed | Flush::Done => Pace::new(false, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_see_is_always_on_its_way_to_the_disk() {
        let now = Instant::now();
        let (soon, later) = (now + FLUSH_WITHIN / 2, now + FLUSH_WITHIN);
        for (before, visible, flush, expect) in [
            (None, true, Flush::Done, None),
            (Some(soon), true, Flush::Done, None),
            (None, true, Flush::Untried, Some(later)),
            (Some(soon), true, Flush::Untried, Some(soon)),
            (Some(soon), false, Flush::Untried, Some(soon)),
            (None, false, Flush::Untried, None),
            (None, true, Flush::Failed, Some(later)),
            (Some(now), true, Flush::Failed, Some(later)),
            (Some(soon), false, Flush::Failed, Some(later)),
            (None, false, Flush::Failed, None),
        ] {
            let before = Pace { at: before, pause: FLUSH_WITHIN };
            assert_eq!(before.after(visible, flush, now).at, expect, "{before:?} {visible} {flush:?}");
        }
    }

    /// A disk that is full for an hour is not tried twice a second.
    #[test]
    fn flushes_that_fail_become_rare_and_one_that_works_ends_that() {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(true, start), start);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let at = pace.at.expect("it waits");
            pauses.push((at - now).as_millis());
            now = at;
            assert!(pace.is_due(now));
            // In between, writes come to memory and put nothing off.
            pace = pace.after(true, Flush::Failed, now);
            assert_eq!(pace.after(true, Flush::Untried, now), pace);
        }
        assert_eq!(pauses, [500, 500, 1000, 2000, 4000, 8000, 8000]);
        pace = pace.after(true, Flush::Done, now);
        assert_eq!(pace, Pace::new(false, now));
    }
}
