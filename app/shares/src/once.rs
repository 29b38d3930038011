//! Changes are made once, and files opened once, however often that is asked for.
//!
//! When the link is lost nobody knows whether the host had done what was asked last: it is asked again, with the same number. A
//! number is never used again for another request of the same mount.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};

/// What the kernel adds to the number of a request that it repeats by itself (`FUSE_UNIQUE_RESEND`); the answer must have it, too.
const AGAIN: u64 = 1 << 63;

/// So many answers are kept: more than the kernel has under way at once.
const KEPT: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Once {
    seen: Mutex<Seen>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    /// None: it is under way.
    answers: HashMap<u64, Option<Vec<u8>>>,
    order: VecDeque<u64>,
}

impl Once {
    /// The answer to a request: that of the first time, which is waited for. Blocking.
    pub(crate) fn answer(&self, unique: u64, work: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let (asked, unique) = (unique, unique & !AGAIN);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match seen.answers.get(&unique) {
                Some(Some(answer)) => return stamped(answer, asked),
                Some(None) => seen = self.done.wait(seen).unwrap_or_else(PoisonError::into_inner),
                None => break,
            }
        }
        seen.answers.insert(unique, None);
        drop(seen);
        let answer = work();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.answers.insert(unique, Some(answer.clone()));
        seen.order.push_back(unique);
        if seen.order.len() > KEPT
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.answers.remove(&oldest);
        }
        self.done.notify_all();
        answer
    }
}

/// The answer with the number that is asked by now.
fn stamped(answer: &[u8], unique: u64) -> Vec<u8> {
    let mut answer = answer.to_vec();
    if let Some(number) = answer.get_mut(8..16) {
        number.copy_from_slice(&unique.to_le_bytes());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, mpsc};

    #[test]
    fn who_asks_again_waits_for_the_first_answer() {
        let once = Arc::new(Once::default());
        let (go, wait) = mpsc::channel::<()>();
        let done = Arc::new(AtomicU64::new(0));
        let (first, counted) = (Arc::clone(&once), Arc::clone(&done));
        let (began, begin) = mpsc::channel();
        let first = std::thread::spawn(move || {
            first.answer(7, || {
                began.send(()).unwrap();
                wait.recv().unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                vec![1]
            })
        });
        begin.recv().unwrap();
        let second = Arc::clone(&once);
        let second = std::thread::spawn(move || second.answer(7, || unreachable!("it is under way")));
        assert_eq!(once.answer(8, || vec![2]), [2], "another one goes on");
        go.send(()).unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (vec![1], vec![1]));
        assert_eq!(done.load(Ordering::Relaxed), 1);
        once.answer(9, || vec![0; 16]);
        let again = once.answer(9 | AGAIN, || unreachable!("it was done"));
        assert_eq!(again[8..], (9 | AGAIN).to_le_bytes(), "the kernel looks for its own number");
        for unique in 100..100 + KEPT as u64 {
            once.answer(unique, Vec::new);
        }
        assert_eq!(once.answer(7, || vec![3]), [3], "forgotten by then");
    }
}
