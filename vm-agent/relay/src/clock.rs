//! The guest's clock follows the host's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use tracing::{info, warn};

/// Below this, setting the clock would only add the link's own delay as an error.
const TOLERANCE: Duration = Duration::from_millis(200);

/// Steps the clock if it is off by more than [`TOLERANCE`].
pub(crate) fn follow(host_time_ns: u64) {
    let host = Duration::from_nanos(host_time_ns);
    let guest = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let off = host.abs_diff(guest);
    if host.is_zero() || off <= TOLERANCE {
        return;
    }
    match clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(host)) {
        Ok(()) => info!(off_ms = u64::try_from(off.as_millis()).unwrap_or(u64::MAX), "clock set by the host's"),
        Err(error) => warn!(%error, "the clock cannot be set"),
    }
}
