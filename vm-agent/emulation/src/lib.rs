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

pub use format::{Entry, registration};
pub use here::BINFMT_MISC;
pub use processor::{PROCESSORS, Processor};

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::OnceCell;

/// Whether programs of other processors can be started yet, and of which ones. Clones share one state.
#[derive(Clone)]
pub struct Emulation(Arc<State>);

struct State {
    prepare: Box<dyn Fn() + Send + Sync>,
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
        Self::prepared_by(|| {})
    }

    /// By emulators that `prepare` registers: once, when they are wanted first.
    pub fn prepared_by(prepare: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(State { prepare: Box::new(prepare), prepared: OnceCell::new() }))
    }

    /// Whether [`Emulation::ready`] has nothing to wait for.
    pub fn is_ready(&self) -> bool {
        self.0.prepared.initialized()
    }

    /// Comes back when the emulators are registered, as far as they can be.
    pub async fn ready(&self) {
        let state = Arc::clone(&self.0);
        let prepare = || async move {
            if let Err(error) = tokio::task::spawn_blocking(move || (state.prepare)()).await {
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

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
    async fn a_failure_is_not_waited_for_again() {
        let emulation = Emulation::prepared_by(|| panic!("no such module"));
        assert!(!emulation.is_ready());
        emulation.ready().await;
        assert!(emulation.is_ready());
    }
}
