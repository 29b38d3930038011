//! Looks at the certificates' files, one at a time: where the home folder hangs, one thread hangs with it and no more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::tls::Security;
use crate::{Result, machine};

#[derive(Debug, Clone)]
pub(super) struct Looks {
    security: Security,
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Since when the one looks whose turn it is.
    since: Arc<Mutex<Option<Instant>>>,
}

impl Looks {
    pub(super) fn new(security: Security) -> Looks {
        Looks { security, turn: Arc::default(), since: Arc::default() }
    }

    /// Looks off the event loop, when its turn has come.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(Security) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = Turn::begin(self.turn.clone().lock_owned().await, self.since.clone());
        let security = self.security.clone();
        machine::blocking(move || {
            // Also when nobody waits for it any more.
            let _turn = turn;
            work(security)
        })
        .await
    }

    /// Likewise; `None` when it takes longer than `patience`. How long the one whose turn it is has looked counts: where one hangs,
    /// who comes later need not wait to learn it.
    pub(super) async fn look_within<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(Security) -> Result<T> + Send + 'static,
    ) -> Option<Result<T>> {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let left = patience.saturating_sub(since.map_or(Duration::ZERO, |since| since.elapsed()));
        if left.is_zero() {
            return None;
        }
        tokio::time::timeout(left, self.look(work)).await.ok()
    }
}

/// While it is there it is nobody else's turn.
struct Turn {
    since: Arc<Mutex<Option<Instant>>>,
    _turn: OwnedMutexGuard<()>,
}

impl Turn {
    fn begin(turn: OwnedMutexGuard<()>, since: Arc<Mutex<Option<Instant>>>) -> Turn {
        *since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Turn { since, _turn: turn }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the turn is the next one's.
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;
    use crate::paths::Paths;

    const PATIENCE: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_one_hangs_does_not_wait_again() {
        let dir = tempfile::tempdir().unwrap();
        let looks = Looks::new(Security::new(&Paths::below(dir.path()).unwrap()));
        let (end, hangs) = mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let hanging = looks.clone();
        let first = tokio::spawn(async move {
            let work = move |_| {
                begun.send(()).unwrap();
                hangs.recv().unwrap();
                Ok(1)
            };
            hanging.look_within(PATIENCE, work).await.map(Result::unwrap)
        });
        begins.await.unwrap();
        tokio::time::advance(PATIENCE / 2).await;
        // For one that comes now the rest of it is left.
        let looking = looks.clone();
        let second = tokio::spawn(async move { looking.look_within(PATIENCE, |_| Ok(2)).await.is_none() });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        tokio::time::advance(PATIENCE / 2).await;
        assert_eq!(first.await.unwrap(), None);
        assert!(second.await.unwrap());
        // No time passes here.
        let third = looks.look_within(PATIENCE, |_| Ok(3)).now_or_never();
        assert!(third.expect("it is told at once").is_none());
        end.send(()).unwrap();
        assert_eq!(looks.look(|_| Ok(4)).await.unwrap(), 4);
        assert_eq!(looks.look_within(PATIENCE, |_| Ok(5)).await.map(Result::unwrap), Some(5));
    }
}
