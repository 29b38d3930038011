//! The execs that can be asked about: by id, until their container is gone or their result has been kept long enough.

use crate::exec::{Exec, Phase};
use crate::{Error, Result};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the result of an ended command can be asked for.
const KEPT: Duration = Duration::from_secs(5 * 60);

/// All execs of all containers.
#[derive(Debug, Default)]
pub(crate) struct Execs {
    known: Mutex<Known<Arc<Exec>>>,
}

/// Values by id, and which of them are to be forgotten when.
#[derive(Debug)]
struct Known<T> {
    by_id: HashMap<String, T>,
    /// In the order of their ends.
    ended: VecDeque<(Instant, String)>,
    /// When each was entered last: one that was left over may run after all, and end later.
    latest: HashMap<String, Instant>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Known { by_id: HashMap::new(), ended: VecDeque::new(), latest: HashMap::new() }
    }
}

impl<T> Known<T> {
    /// Without those whose time is over, but for what is still `needed`: that is entered again at its end.
    fn expire(&mut self, now: Instant, needed: impl Fn(&T) -> bool) {
        while self.ended.front().is_some_and(|(at, _)| now.duration_since(*at) >= KEPT) {
            let Some((at, id)) = self.ended.pop_front() else { return };
            if self.latest.get(&id) != Some(&at) {
                continue;
            }
            self.latest.remove(&id);
            if self.by_id.get(&id).is_some_and(|known| !needed(known)) {
                self.by_id.remove(&id);
            }
        }
    }

    fn enter(&mut self, now: Instant, id: String) {
        self.latest.insert(id.clone(), now);
        self.ended.push_back((now, id));
    }
}

impl Execs {
    pub(crate) fn find(&self, id: &str) -> Result<Arc<Exec>> {
        self.known().by_id.get(id).cloned().ok_or_else(|| Error::NoSuchExec(id.to_owned()))
    }

    pub(crate) fn add(&self, exec: Arc<Exec>) {
        self.known().by_id.insert(exec.id.clone(), exec);
    }

    /// Its result stays for a while.
    pub(crate) fn ended(&self, id: &str) {
        self.known().enter(Instant::now(), id.to_owned());
    }

    pub(crate) fn remove(&self, id: &str) {
        self.known().by_id.remove(id);
    }

    /// The container ended: who still waits for the result of a command asks for it now, and what never ran is not likely to, though it
    /// may when the container runs again.
    pub(crate) fn container_ended(&self, container: &str) {
        let mut known = self.known();
        let now = Instant::now();
        let left = |exec: &&Arc<Exec>| exec.container.id == container && matches!(*exec.phase.borrow(), Phase::Created);
        let ids: Vec<String> = known.by_id.values().filter(left).map(|exec| exec.id.clone()).collect();
        for id in ids {
            known.enter(now, id);
        }
    }

    /// The container is gone, and its execs with it; those whose end was not heard of yet go when it is.
    pub(crate) fn forget_container(&self, container: &str) {
        self.known().by_id.retain(|_, exec| {
            exec.container.id != container || matches!(*exec.phase.borrow(), Phase::Starting | Phase::Running { .. })
        });
    }

    /// Ids of the execs of a container that have not ended, for inspect.
    pub(crate) fn of_container(&self, container: &str) -> Vec<String> {
        let known = self.known();
        let mut ids: Vec<String> = known
            .by_id
            .values()
            .filter(|exec| exec.container.id == container && !matches!(*exec.phase.borrow(), Phase::Ended { .. }))
            .map(|exec| exec.id.clone())
            .collect();
        ids.sort();
        ids
    }

    /// Without those whose time is over: whoever looks clears up.
    fn known(&self) -> MutexGuard<'_, Known<Arc<Exec>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.expire(Instant::now(), |exec| {
            // Who hears of its end finds it here.
            matches!(*exec.phase.borrow(), Phase::Starting | Phase::Running { .. })
        });
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_kept_for_five_minutes() {
        let mut known: Known<()> = Known::default();
        let begin = Instant::now();
        for id in ["first", "second", "runs"] {
            known.by_id.insert(id.to_owned(), ());
        }
        known.enter(begin, "first".to_owned());
        known.enter(begin + Duration::from_secs(9), "second".to_owned());
        let never = |(): &()| false;
        known.expire(begin + KEPT - Duration::from_nanos(1), never);
        assert_eq!(known.by_id.len(), 3);
        known.expire(begin + KEPT, never);
        assert!(!known.by_id.contains_key("first") && known.by_id.contains_key("second"));
        known.expire(begin + KEPT * 2, never);
        assert_eq!(known.by_id.keys().collect::<Vec<_>>(), ["runs"]);
    }

    /// Created, left over when its container ended, and started in the container's next run.
    #[test]
    fn what_runs_is_known_until_it_has_ended_for_five_minutes() {
        let mut known: Known<Phase> = Known::default();
        let begin = Instant::now();
        let needed = |phase: &Phase| matches!(phase, Phase::Running { .. });
        for id in ["long", "short"] {
            known.by_id.insert(id.to_owned(), Phase::Running { pid: 1 });
            known.enter(begin, id.to_owned());
        }
        let soon = begin + Duration::from_secs(60);
        known.by_id.insert("short".to_owned(), Phase::Ended { code: 0 });
        known.enter(soon, "short".to_owned());
        known.expire(begin + KEPT, needed);
        assert_eq!(known.by_id.len(), 2);
        known.expire(soon + KEPT, needed);
        assert_eq!(known.by_id.keys().collect::<Vec<_>>(), ["long"]);
        known.by_id.insert("long".to_owned(), Phase::Ended { code: 0 });
        known.enter(begin + KEPT * 3, "long".to_owned());
        known.expire(begin + KEPT * 4 - Duration::from_nanos(1), needed);
        assert_eq!(known.by_id.len(), 1);
        known.expire(begin + KEPT * 4, needed);
        assert_eq!(known.by_id.len(), 0);
    }
}
