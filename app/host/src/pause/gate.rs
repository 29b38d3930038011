//! Whether the guest may be spoken to.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::Lists;

/// One for each guest; shared by all who lead something to it.
#[derive(Debug)]
pub(crate) struct Gate {
    standing: watch::Sender<Standing>,
    /// How often somebody came.
    uses: AtomicU64,
    /// How many must not be interrupted though they may be silent.
    holds: AtomicUsize,
    /// What was asked of a guest that stood still and was not among its lists, the newest last.
    asked: Mutex<Vec<String>>,
}

/// So many questions are kept in mind.
const ASKED: usize = 32;

#[derive(Debug)]
enum Standing {
    Open,
    /// The guest stands still, or is about to.
    Shut(Arc<Lists>),
    /// Likewise, and somebody waits for it.
    Knocked,
}

impl Gate {
    pub(crate) fn new() -> Arc<Gate> {
        let standing = watch::Sender::new(Standing::Open);
        Arc::new(Gate { standing, uses: AtomicU64::new(0), holds: AtomicUsize::new(0), asked: Mutex::default() })
    }

    /// Somebody has something for the guest: it goes on, if it stands still, and stays awake for a while.
    pub(crate) fn knock(&self) {
        // First: whoever shuts the gate looks at it under the lock of `standing`.
        self.uses.fetch_add(1, Ordering::SeqCst);
        self.standing.send_if_modified(|standing| {
            let shut = matches!(standing, Standing::Shut(_));
            if shut {
                *standing = Standing::Knocked;
            }
            shut
        });
    }

    /// Knocks, and resolves when the guest goes on.
    pub(crate) async fn pass(&self) {
        self.knock();
        let mut standing = self.standing.subscribe();
        // The sender is ours.
        let _ = standing.wait_for(|standing| matches!(standing, Standing::Open)).await;
    }

    /// The guest does not stand still for as long as what is returned is there.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        self.holds.fetch_add(1, Ordering::SeqCst);
        self.knock();
        Hold(Arc::clone(self))
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Open)
    }

    /// What may be answered in the guest's place; `None` when it goes on.
    pub(crate) fn lists(&self) -> Option<Arc<Lists>> {
        match &*self.standing.borrow() {
            Standing::Shut(lists) => Some(Arc::clone(lists)),
            Standing::Open | Standing::Knocked => None,
        }
    }

    /// Next time this is to be among the lists.
    pub(crate) fn note(&self, question: String) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|known| *known != question);
        if asked.len() == ASKED {
            asked.remove(0);
        }
        asked.push(question);
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn uses(&self) -> u64 {
        self.uses.load(Ordering::SeqCst)
    }

    pub(super) fn is_held(&self) -> bool {
        self.holds.load(Ordering::SeqCst) > 0
    }

    /// Shuts, unless somebody came since `uses` was read, or is there.
    pub(super) fn shut(&self, lists: Lists, uses: u64) -> bool {
        let lists = Arc::new(lists);
        self.standing.send_if_modified(|standing| {
            let free = matches!(standing, Standing::Open) && self.uses() == uses && !self.is_held();
            if free {
                *standing = Standing::Shut(lists);
            }
            free
        })
    }

    pub(crate) fn open(&self) {
        self.standing.send_replace(Standing::Open);
    }

    /// Resolves when the guest stands still.
    pub(crate) async fn shuts(&self) {
        let mut standing = self.standing.subscribe();
        let _ = standing.wait_for(|standing| !matches!(standing, Standing::Open)).await;
    }

    /// Resolves when the gate is not shut, or no longer with nobody before it.
    pub(crate) async fn knocked(&self) {
        let mut standing = self.standing.subscribe();
        let _ = standing.wait_for(|standing| !matches!(standing, Standing::Shut(_))).await;
    }
}

/// Somebody who must not be interrupted.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Gate>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.holds.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_comes_waits_until_the_guest_goes_on() {
        let gate = Gate::new();
        gate.pass().await;
        assert!(gate.shut(Lists::default(), gate.uses()));
        assert!(gate.lists().is_some() && !gate.is_open());
        let mut passing = Box::pin(gate.pass());
        assert!(passing.as_mut().now_or_never().is_none());
        gate.knocked().await;
        assert!(gate.lists().is_none(), "whoever comes now asks the guest");
        gate.open();
        passing.await;
    }

    #[test]
    fn nobody_is_shut_out_who_came_just_before() {
        let gate = Gate::new();
        let uses = gate.uses();
        gate.knock();
        assert!(!gate.shut(Lists::default(), uses));
        let hold = gate.hold();
        assert!(!gate.shut(Lists::default(), gate.uses()));
        drop(hold);
        assert!(gate.shut(Lists::default(), gate.uses()));
        assert!(gate.hold().0.lists().is_none());
    }
}
