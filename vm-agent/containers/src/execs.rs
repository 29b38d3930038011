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
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Known { by_id: HashMap::new(), ended: VecDeque::new() }
    }
}

impl<T> Known<T> {
    fn expire(&mut self, now: Instant) {
        while self.ended.front().is_some_and(|(at, _)| now.duration_since(*at) >= KEPT) {
            if let Some((_, id)) = self.ended.pop_front() {
                self.by_id.remove(&id);
            }
        }
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
        self.known().ended.push_back((Instant::now(), id.to_owned()));
    }

    pub(crate) fn remove(&self, id: &str) {
        self.known().by_id.remove(id);
    }

    /// The container ended: who still waits for the result of a command asks for it now, and what never ran will not run.
    pub(crate) fn container_ended(&self, container: &str) {
        let mut known = self.known();
        let now = Instant::now();
        let left = |exec: &&Arc<Exec>| exec.container.id == container && matches!(*exec.phase.borrow(), Phase::Created);
        let ids: Vec<String> = known.by_id.values().filter(left).map(|exec| exec.id.clone()).collect();
        known.ended.extend(ids.into_iter().map(|id| (now, id)));
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
        known.expire(Instant::now());
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
        known.ended.push_back((begin, "first".to_owned()));
        known.ended.push_back((begin + Duration::from_secs(9), "second".to_owned()));
        known.expire(begin + KEPT - Duration::from_nanos(1));
        assert_eq!(known.by_id.len(), 3);
        known.expire(begin + KEPT);
        assert!(!known.by_id.contains_key("first") && known.by_id.contains_key("second"));
        known.expire(begin + KEPT * 2);
        assert_eq!(known.by_id.keys().collect::<Vec<_>>(), ["runs"]);
    }
}
