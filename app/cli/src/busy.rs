//! What is shown while something takes longer than a second: a turning sign with what is done, and for how long.
//!
//! Nothing is shown where standard error is no terminal, and nothing when it was quick.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

/// Quicker than this needs no sign.
const SHORT: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Something under way; its sign goes with the value.
#[derive(Debug)]
pub(crate) struct Busy {
    bar: ProgressBar,
    bytes: Counter,
    showing: JoinHandle<()>,
}

/// How many bytes were moved; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Busy {
    /// Must be called on the runtime.
    pub(crate) fn begin(doing: impl Into<String>) -> Self {
        let bar = ProgressBar::hidden();
        bar.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is constant"));
        let bytes = Counter::default();
        let doing = doing.into();
        bar.set_message(doing.clone());
        let (shown, counter) = (bar.clone(), bytes.clone());
        let showing = tokio::spawn(async move {
            tokio::time::sleep(SHORT).await;
            shown.set_draw_target(ProgressDrawTarget::stderr());
            loop {
                if counter.bytes() > 0 {
                    shown.set_message(format!("{doing} {}", indicatif::DecimalBytes(counter.bytes())));
                }
                shown.tick();
                tokio::time::sleep(TICK).await;
            }
        });
        Self { bar, bytes, showing }
    }

    pub(crate) fn counter(&self) -> Counter {
        self.bytes.clone()
    }

    /// Runs `print` with the sign out of the way.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

/// Waits for what the engine answers, with a sign meanwhile.
pub(crate) async fn answered<T>(asking: impl Future<Output = T>) -> T {
    let _busy = Busy::begin(rust_i18n::t!("busy.answer"));
    asking.await
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.showing.abort();
        self.bar.finish_and_clear();
    }
}
