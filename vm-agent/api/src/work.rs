//! What is under way, for whoever lets the machine stand still while nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many requests are being served; clones are the same count.
#[derive(Debug, Clone, Default)]
pub struct Work(Arc<AtomicUsize>);

impl Work {
    /// One more, until what is returned is dropped.
    pub(crate) fn begin(&self) -> Underway {
        self.0.fetch_add(1, Ordering::Relaxed);
        Underway(Arc::clone(&self.0))
    }

    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// A request that is being served, to the end of its answer.
#[derive(Debug)]
pub(crate) struct Underway(Arc<AtomicUsize>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
