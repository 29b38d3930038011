//! Waiting for something outside this process that announces itself in no other way than by being there.

use std::time::{Duration, Instant};

/// Asks `probe` again until it answers, for at most `limit`.
///
/// # Errors
/// When the limit passes; names what was awaited.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(value) = probe() {
            return Ok(value);
        }
        anyhow::ensure!(begun.elapsed() < limit, "{what} did not happen within {} s", limit.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}
