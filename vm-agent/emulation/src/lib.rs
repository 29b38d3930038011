//! Programs of other processors: which of them run here, and how the kernel is told of emulators.
//!
//! ```text
//!  processor   processors, and how the kernel knows their programs            pure
//!  format      what binfmt_misc is told, and what it says (binfmt-misc.rst)   pure
//!  here        what runs on this computer
//! ```
//!
//! The kernel's binfmt_misc starts the emulator in the program's place. In the machine the emulators are in the guest image, and whoever
//! composes the engine has them registered; on a computer where the engine runs natively they are that computer's, and only read here.

#![forbid(unsafe_code)]

mod format;
mod here;
mod processor;

pub use format::registration;
pub use here::BINFMT_MISC;
pub use processor::{PROCESSORS, Processor};

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Once};

use tokio::sync::OnceCell;

/// Whether programs of other processors can be started yet, and of which ones. Clones share one state.
#[derive(Clone)]
pub struct Emulation(Arc<State>);

struct State {
    prepare: Box<dyn Fn() + Send + Sync>,
    /// Whoever waits may give up, and what it began goes on: the next one waits for that.
    begun: Once,
    prepared: OnceCell<()>,
}

impl fmt::Debug for Emulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulation").field("prepared", &self.0.prepared).finish_non_exhaustive()
    }
}

impl Emulation {
    /// By whatever emulators the computer has registered, and may register while the engine runs.
    pub fn of_this_computer() -> Self {
        Self(Arc::new(State { prepare: Box::new(|| {}), begun: Once::new(), prepared: OnceCell::new_with(Some(())) }))
    }

    /// By emulators that `prepare` registers: once, when they are wanted first.
    pub fn prepared_by(prepare: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(State { prepare: Box::new(prepare), begun: Once::new(), prepared: OnceCell::new() }))
    }

    /// Whether [`Emulation::ready`] has nothing to wait for.
    pub fn is_ready(&self) -> bool {
        self.0.prepared.initialized()
    }

    /// Comes back when the emulators are registered, as far as they can be.
    pub async fn ready(&self) {
        let state = Arc::clone(&self.0);
        let prepare = || async move {
            let once = move || state.begun.call_once_force(|_| (state.prepare)());
            if let Err(error) = tokio::task::spawn_blocking(once).await {
                tracing::error!(%error, "the emulators of other processors were not registered");
            }
        };
        self.0.prepared.get_or_init(prepare).await;
    }

    /// The processors whose programs run here beside those that this one is made for, in the order of [`PROCESSORS`].
    pub async fn processors(&self) -> Vec<Processor> {
        self.ready().await;
        // Files of the kernel's, which it answers from memory.
        here::others(Path::new(BINFMT_MISC))
    }
}

#[cfg(test)]
mod tests {
    use super::Emulation;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    #[tokio::test]
    async fn whoever_comes_first_has_it_prepared_once() {
        let count = Arc::new(AtomicU32::new(0));
        let counting = Arc::clone(&count);
        let emulation = Emulation::prepared_by(move || {
            counting.fetch_add(1, Ordering::SeqCst);
        });
        let other = emulation.clone();
        tokio::join!(emulation.ready(), other.ready());
        assert_eq!(count.load(Ordering::SeqCst), 1);
        emulation.processors().await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_it_to_the_next_and_begins_nothing_twice() {
        let (begun, begins) = std::sync::mpsc::channel();
        let (gate, held) = std::sync::mpsc::channel::<()>();
        let held = Mutex::new(held);
        let emulation = Emulation::prepared_by(move || {
            begun.send(()).expect("somebody counts");
            let _ = held.lock().expect("nobody else").recv();
        });
        let first = tokio::spawn({
            let emulation = emulation.clone();
            async move { emulation.ready().await }
        });
        let begins = tokio::task::spawn_blocking(move || begins.recv().map(|()| begins)).await.expect("no panic");
        first.abort();
        let _ = first.await;
        let mut second = Box::pin(emulation.ready());
        tokio::select! {
            biased;
            () = &mut second => panic!("what was begun goes on"),
            () = std::future::ready(()) => {}
        }
        drop(gate);
        second.await;
        assert!(begins.expect("it was begun").try_recv().is_err(), "once");
    }

    #[tokio::test]
    async fn a_failure_is_not_waited_for_again() {
        let emulation = Emulation::prepared_by(|| panic!("no such module"));
        assert!(!emulation.is_ready());
        emulation.ready().await;
        assert!(emulation.is_ready());
    }
}
