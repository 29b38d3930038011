//! Who does the same one after the other.

use layers::Digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// By what it is that is done. Clones share one state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<Digest, Arc<Turn<()>>>>>);

impl Turns {
    pub(crate) async fn turn(&self, key: Digest) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody has or waits for.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(key).or_default())
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_that_nobody_takes_are_forgotten() {
        let turns = Turns::default();
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
            let first = turns.turn(Digest::of(b"a")).await;
            drop(turns.turn(Digest::of(b"b")).await);
            let other = turns.turn(Digest::of(b"c")).await;
            assert_eq!(turns.0.lock().expect("not poisoned").len(), 2);
            drop((first, other));
        });
    }
}
