//! Health checks: what a series of probes says about a container. The probing itself is in `probe`.

use crate::state::UnixNanos;
use engine_api::{ContainerConfig, Healthcheck, Timestamp, ZERO_TIME};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Probe results kept for inspect.
const KEPT: usize = 5;
/// Bytes of a probe's output kept.
pub(crate) const MAX_OUTPUT: usize = 4096;

/// When and how to probe, with dockerd's defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) command: Vec<String>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) start_period: Duration,
    pub(crate) start_interval: Duration,
    pub(crate) retries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Starting,
    Healthy,
    Unhealthy,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) start: UnixNanos,
    pub(crate) end: UnixNanos,
    /// -1 when it could not be run or took too long.
    pub(crate) exit_code: i32,
    pub(crate) output: String,
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) status: Status,
    pub(crate) failing_streak: u32,
    pub(crate) log: VecDeque<Probe>,
}

/// What outlives the engine: how the run that began then was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Judgement {
    pub(crate) started_at: UnixNanos,
    pub(crate) status: Status,
    pub(crate) failing_streak: u32,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Starting => "starting",
            Status::Healthy => "healthy",
            Status::Unhealthy => "unhealthy",
        }
    }
}

impl Plan {
    /// `None` when there is no check or it is switched off.
    pub(crate) fn of(config: &ContainerConfig) -> Option<Plan> {
        let check = config.healthcheck.as_ref()?;
        let test = check.test.as_deref()?;
        let command = match test.first().map(String::as_str)? {
            "CMD" => test[1..].to_vec(),
            "CMD-SHELL" => {
                let shell = config.shell.as_deref().filter(|shell| !shell.is_empty());
                let shell = shell.map_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()], <[String]>::to_vec);
                shell.into_iter().chain(test[1..].iter().cloned()).collect()
            }
            _ => return None,
        };
        let or = |nanos: i64, seconds: u64| match u64::try_from(nanos) {
            Ok(nanos) if nanos > 0 => Duration::from_nanos(nanos),
            _ => Duration::from_secs(seconds),
        };
        let Healthcheck { interval, timeout, start_period, start_interval, retries, .. } = check;
        Some(Plan {
            command,
            interval: or(*interval, 30),
            timeout: or(*timeout, 30),
            start_period: or(*start_period, 0),
            start_interval: or(*start_interval, 5),
            retries: u32::try_from(*retries).ok().filter(|retries| *retries > 0).unwrap_or(3),
        })
    }

    /// How long to wait before the next probe.
    pub(crate) fn pause(&self, health: &Health, running_for: Duration) -> Duration {
        if health.status == Status::Starting && running_for < self.start_period {
            self.start_interval
        } else {
            self.interval
        }
    }
}

impl Health {
    pub(crate) fn new() -> Health {
        Health { status: Status::Starting, failing_streak: 0, log: VecDeque::new() }
    }

    /// Of the run that began at `started_at`, as an earlier engine left it.
    pub(crate) fn resume(started_at: UnixNanos, judged: Option<Judgement>) -> Health {
        match judged.filter(|judged| judged.started_at == started_at) {
            Some(Judgement { status, failing_streak, .. }) => Health { status, failing_streak, log: VecDeque::new() },
            None => Health::new(),
        }
    }

    pub(crate) fn judgement(&self, started_at: UnixNanos) -> Judgement {
        Judgement { started_at, status: self.status, failing_streak: self.failing_streak }
    }

    /// Takes a result in; failures within the start period do not count unless the container was healthy before.
    pub(crate) fn note(&mut self, probe: Probe, plan: &Plan, running_for: Duration) {
        if probe.exit_code == 0 {
            self.failing_streak = 0;
            self.status = Status::Healthy;
        } else if self.status != Status::Starting || running_for >= plan.start_period {
            self.failing_streak += 1;
            if self.failing_streak >= plan.retries {
                self.status = Status::Unhealthy;
            }
        }
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.log.push_back(probe);
    }

    /// Nobody looks any more: the container is frozen or has ended. dockerd's word for it.
    pub(crate) fn lost_sight(&mut self) {
        self.status = Status::Unhealthy;
    }

    /// For inspect.
    pub(crate) fn report(&self) -> engine_api::inspect::Health {
        engine_api::inspect::Health {
            status: self.status.name().to_owned(),
            failing_streak: i64::from(self.failing_streak),
            log: Some(
                self.log
                    .iter()
                    .map(|probe| engine_api::inspect::HealthLog {
                        start: timestamp(probe.start),
                        end: timestamp(probe.end),
                        exit_code: i64::from(probe.exit_code),
                        output: probe.output.clone(),
                    })
                    .collect(),
            ),
        }
    }
}

/// As Go prints a duration, which is how dockerd's messages have it: `1.5s`, `100ms`, `1m30s`.
pub(crate) fn go_duration(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    let fraction = |unit: u32, name: &str| {
        let (whole, rest) = (nanos / unit, nanos % unit);
        let digits = unit.ilog10() as usize;
        let rest = format!("{rest:0digits$}");
        let rest = rest.trim_end_matches('0');
        if digits == 0 || rest.is_empty() { format!("{whole}{name}") } else { format!("{whole}.{rest}{name}") }
    };
    match (seconds, nanos) {
        (0, 0) => "0s".to_owned(),
        (0, ..1_000) => fraction(1, "ns"),
        (0, ..1_000_000) => fraction(1_000, "µs"),
        (0, _) => fraction(1_000_000, "ms"),
        (_, _) => {
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let mut text = String::new();
            if hours > 0 {
                text = format!("{hours}h");
            }
            if hours > 0 || minutes > 0 {
                text = format!("{text}{minutes}m");
            }
            let last = seconds % 60;
            match format!("{nanos:09}").trim_end_matches('0') {
                "" => format!("{text}{last}s"),
                rest => format!("{text}{last}.{rest}s"),
            }
        }
    }
}

fn timestamp(nanos: UnixNanos) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(ZERO_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(json: &str) -> Option<Plan> {
        let check: Healthcheck = serde_json::from_str(json).expect("valid JSON");
        Plan::of(&ContainerConfig { healthcheck: Some(check), ..ContainerConfig::default() })
    }

    fn probe(exit_code: i32) -> Probe {
        Probe { start: 1, end: 2, exit_code, output: String::new() }
    }

    #[test]
    fn plans() {
        let check = plan(r#"{"Test": ["CMD-SHELL", "true || false"], "Retries": 2}"#).expect("a check");
        assert_eq!(check.command, ["/bin/sh", "-c", "true || false"]);
        assert_eq!((check.interval, check.retries), (Duration::from_secs(30), 2));
        assert_eq!(plan(r#"{"Test": ["CMD", "a", "b"]}"#).expect("a check").command, ["a", "b"]);
        assert_eq!(plan(r#"{"Test": ["NONE"]}"#), None);
        let shell = ContainerConfig {
            healthcheck: serde_json::from_str(r#"{"Test": ["CMD-SHELL", "true"]}"#).expect("valid JSON"),
            shell: Some(Vec::new().into()),
            ..ContainerConfig::default()
        };
        assert_eq!(Plan::of(&shell).expect("a check").command, ["/bin/sh", "-c", "true"]);
        assert_eq!(plan("{}"), None);
    }

    #[test]
    fn durations_read_as_gos() {
        let check = |nanos, expect: &str| assert_eq!(go_duration(Duration::from_nanos(nanos)), expect);
        check(0, "0s");
        check(7, "7ns");
        check(1_500, "1.5µs");
        check(100_000_000, "100ms");
        check(2_250_001, "2.250001ms");
        check(1_500_000_000, "1.5s");
        check(30_000_000_000, "30s");
        check(90_000_000_000, "1m30s");
        check(3_600_000_000_000, "1h0m0s");
    }

    #[test]
    fn a_judgement_belongs_to_its_run() {
        let judged = Judgement { started_at: 7, status: Status::Unhealthy, failing_streak: 4 };
        let resumed = Health::resume(7, Some(judged));
        assert_eq!((resumed.status, resumed.failing_streak), (Status::Unhealthy, 4));
        assert_eq!(resumed.judgement(7), judged);
        assert_eq!(Health::resume(8, Some(judged)), Health::new());
        assert_eq!(Health::resume(7, None), Health::new());
    }

    #[test]
    fn a_streak_of_failures_is_unhealthy_and_one_success_cures() {
        let plan = plan(r#"{"Test": ["CMD", "x"], "Retries": 2, "StartPeriod": 10000000000}"#).expect("a check");
        let (early, late) = (Duration::from_secs(1), Duration::from_secs(20));
        let mut health = Health::new();
        health.note(probe(1), &plan, early);
        assert_eq!((health.status, health.failing_streak), (Status::Starting, 0));
        assert_eq!(plan.pause(&health, early), Duration::from_secs(5));
        health.note(probe(1), &plan, late);
        assert_eq!(health.status, Status::Starting);
        health.note(probe(1), &plan, late);
        assert_eq!(health.status, Status::Unhealthy);
        for _ in 0..7 {
            health.note(probe(0), &plan, late);
        }
        assert_eq!((health.status, health.failing_streak, health.log.len()), (Status::Healthy, 0, KEPT));
    }
}
