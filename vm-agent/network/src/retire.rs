//! Removal of links in the background.
//!
//! Removing a veth pair waits for all processors to let go of it, milliseconds during which the kernel's network lock
//! is held. A container's exit does not wait for that: its link is cut off at once and removed here, many at a time.

use std::sync::mpsc;

use crate::link::Route;
use crate::sandbox::kernel;
use crate::{Error, Result};

/// Wakes the thread; dropped, the thread removes what is left and ends.
#[derive(Debug)]
pub(crate) struct Retirement {
    wake: mpsc::SyncSender<()>,
}

/// How many links may wait: a bridge takes 1,023 ports, those that wait among them.
const WAITING: usize = 128;

impl Retirement {
    /// Starts the thread in the calling thread's network namespace. It begins with what an earlier engine left.
    pub(crate) fn start() -> Result<Retirement> {
        let mut route = Route::open().map_err(kernel("open a route socket"))?;
        let (wake, mailbox) = mpsc::sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("links".into());
        let work = move || {
            loop {
                if let Err(error) = route.remove_retired() {
                    tracing::warn!(%error, "cannot remove links of ended containers");
                }
                if mailbox.recv().is_err() {
                    break;
                }
                mailbox.try_iter().take(WAITING).for_each(drop);
            }
        };
        thread.spawn(work).map_err(|source| Error::Kernel { what: "start a thread", source })?;
        Ok(Retirement { wake })
    }

    /// There is a retired link. Blocks while too many wait.
    pub(crate) fn wake(&self) {
        // The thread ends only when this sender is gone.
        let _ = self.wake.send(());
    }
}
