//! Restart policies: whether and when an ended container runs again. Pure.
//!
//! The back-off is dockerd's: it doubles from 100 ms to a minute and starts over after a run of ten seconds.

use crate::state::Verdict;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// A run this long was a healthy one: the next delay is the first again.
const HEALTHY_RUN: Duration = Duration::from_secs(10);

/// `HostConfig.RestartPolicy`, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Policy {
    #[default]
    No,
    Always,
    UnlessStopped,
    /// At most this many times; 0 means without limit.
    OnFailure(u32),
}

/// Why a policy is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    #[error("invalid restart policy: maximum retry count can only be used with 'on-failure'")]
    RetriesWithoutFailure,
    #[error("invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative")]
    NegativeWithoutFailure,
    #[error("invalid restart policy: maximum retry count cannot be negative")]
    Negative,
    #[error(
        "invalid restart policy: unknown policy '{0}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
    )]
    Unknown(String),
}

impl Policy {
    /// From the two fields of the wire.
    pub(crate) fn parse(name: &str, maximum_retry_count: i64) -> Result<Policy, InvalidPolicy> {
        let policy = match name {
            "" | "no" => Policy::No,
            "always" => Policy::Always,
            "unless-stopped" => Policy::UnlessStopped,
            "on-failure" if maximum_retry_count < 0 => return Err(InvalidPolicy::Negative),
            "on-failure" => return Ok(Policy::OnFailure(u32::try_from(maximum_retry_count).unwrap_or(u32::MAX))),
            other => return Err(InvalidPolicy::Unknown(other.to_owned())),
        };
        match maximum_retry_count {
            0 => Ok(policy),
            negative if negative < 0 => Err(InvalidPolicy::NegativeWithoutFailure),
            _ => Err(InvalidPolicy::RetriesWithoutFailure),
        }
    }

    pub(crate) fn is_none(self) -> bool {
        self == Policy::No
    }
}

/// What a policy looks back on. It is stored with the container: an engine that dies must not begin anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backoff {
    /// The delay before the last restart.
    last: Option<Duration>,
    /// Restarts since the last start by a user.
    pub(crate) count: u32,
}

impl Backoff {
    /// What to do after an exit with `code` of a run that lasted `ran`.
    pub(crate) fn verdict(&mut self, policy: Policy, code: i32, stopped_by_user: bool, ran: Duration) -> Verdict {
        if stopped_by_user {
            return Verdict::Stay;
        }
        let again = match policy {
            Policy::No => false,
            Policy::Always | Policy::UnlessStopped => true,
            Policy::OnFailure(limit) => code != 0 && self.tries_left(limit),
        };
        if !again {
            return Verdict::Stay;
        }
        let delay = match self.last {
            Some(last) if ran < HEALTHY_RUN => (last * 2).min(LONGEST_DELAY),
            _ => FIRST_DELAY,
        };
        self.last = Some(delay);
        self.count += 1;
        Verdict::RestartAfter(delay)
    }

    /// What is left of the delay of a container that ended so long ago.
    pub(crate) fn remaining(&self, ended_ago: Duration) -> Duration {
        self.last.unwrap_or_default().saturating_sub(ended_ago)
    }

    /// Whether a limit of restarts (0: none) is not reached.
    pub(crate) fn tries_left(&self, limit: u32) -> bool {
        limit == 0 || self.count < limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    fn delay(verdict: Verdict) -> Option<u64> {
        match verdict {
            Verdict::Stay => None,
            Verdict::RestartAfter(delay) => Some(u64::try_from(delay.as_millis()).expect("short")),
        }
    }

    #[test]
    fn policies_parse_as_in_dockerd() {
        assert_eq!(Policy::parse("", 0), Ok(Policy::No));
        assert_eq!(Policy::parse("", 3), Err(InvalidPolicy::RetriesWithoutFailure));
        assert_eq!(Policy::parse("on-failure", 3), Ok(Policy::OnFailure(3)));
        assert_eq!(Policy::parse("always", 1), Err(InvalidPolicy::RetriesWithoutFailure));
        assert_eq!(Policy::parse("on-failure", -1), Err(InvalidPolicy::Negative));
        assert_eq!(
            Policy::parse("sometimes", 0).expect_err("unknown").to_string(),
            "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or \
             'unless-stopped'"
        );
    }

    #[test]
    fn the_delay_doubles_up_to_a_minute_and_starts_over_after_a_long_run() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> =
            (0..12).map(|_| delay(backoff.verdict(Policy::Always, 0, false, SHORT)).expect("restarts")).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
        assert_eq!(delay(backoff.verdict(Policy::Always, 0, false, HEALTHY_RUN)), Some(100));
    }

    #[test]
    fn a_delay_goes_on_where_an_engine_left_it() {
        let mut backoff = Backoff::default();
        for _ in 0..3 {
            backoff.verdict(Policy::Always, 1, false, SHORT);
        }
        let stored = serde_json::to_string(&backoff).expect("JSON");
        let mut stored: Backoff = serde_json::from_str(&stored).expect("the same");
        assert_eq!(stored.remaining(Duration::from_millis(150)), Duration::from_millis(250));
        assert_eq!(stored.remaining(Duration::from_secs(9)), Duration::ZERO);
        assert_eq!(delay(stored.verdict(Policy::Always, 1, false, SHORT)), Some(800));
    }

    #[test]
    fn on_failure_counts_and_a_user_stop_is_final() {
        let mut backoff = Backoff::default();
        assert_eq!(delay(backoff.verdict(Policy::OnFailure(2), 0, false, SHORT)), None);
        assert!(delay(backoff.verdict(Policy::OnFailure(2), 1, false, SHORT)).is_some());
        assert!(delay(backoff.verdict(Policy::OnFailure(2), 1, false, SHORT)).is_some());
        assert_eq!(delay(backoff.verdict(Policy::OnFailure(2), 1, false, SHORT)), None);
        assert!(!backoff.tries_left(2) && backoff.tries_left(3) && backoff.tries_left(0));
        assert_eq!(delay(backoff.verdict(Policy::Always, 1, true, SHORT)), None);
    }
}
