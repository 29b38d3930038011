//! The daemon's look, once a day at most.

use std::time::Duration;

use super::{Updates, now};
use crate::machine;

const DAY: u64 = 24 * 60 * 60;
/// A daemon that has just begun has other things to do, and so has a network that has just come back.
const SETTLING: Duration = Duration::from_secs(120);
/// How often it is seen to whether a day is over: a computer that sleeps lets no time pass for a timer.
const GLANCE: Duration = Duration::from_secs(15 * 60);

/// Never ends, but for a build that looks nowhere.
pub(crate) async fn daily(updates: Updates) {
    if updates.source.is_err() {
        return;
    }
    tokio::time::sleep(SETTLING).await;
    loop {
        let glance = updates.clone();
        let due = machine::blocking(move || Ok(glance.is_on() && is_due(glance.known().tried_at, now()))).await;
        if due.unwrap_or(false)
            && let Err(error) = updates.look().await
        {
            tracing::warn!(error = %error.chain(), "what was found of updates cannot be kept");
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// A clock that was set back is no reason never to look again.
pub(super) fn is_due(tried_at: Option<u64>, now: u64) -> bool {
    tried_at.and_then(|tried_at| now.checked_sub(tried_at)).is_none_or(|since| since >= DAY)
}
