//! What is published about the machine: one value, replaced as a whole, the same on the control socket and in the window.

use std::time::Instant;

use control::LinkKind;
use serde::{Deserialize, Serialize};

use super::state::{Failure, ResetReport, Step};
use crate::settings::Accelerator;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Stopped,
    Starting,
    Running,
    Stopping,
    /// Its disk, or all but its volumes, is being removed.
    Resetting,
    Failed,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Stopped => "stopped",
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Stopping => "stopping",
            Phase::Resetting => "resetting",
            Phase::Failed => "failed",
        }
    }

    /// Whether nothing further happens by itself.
    pub fn is_settled(self) -> bool {
        matches!(self, Phase::Stopped | Phase::Running | Phase::Failed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    Waiting,
    Active,
    Done,
    Failed,
}

/// One step of the current or latest start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepReport {
    pub step: Step,
    pub progress: Progress,
    /// How long it took, or has taken so far.
    pub milliseconds: u64,
    /// What makes it take long just now, such as `checking the data disk`.
    #[serde(default)]
    pub doing: Option<String>,
}

/// Everything that the host knows about the machine without asking the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MachineStatus {
    pub phase: Phase,
    pub steps: Vec<StepReport>,
    /// What the user must know, each said once: another accelerator was taken, a port could not be opened again.
    pub notes: Vec<String>,
    pub failure: Option<Failure>,
    /// How far the latest reset came; `None` when there was none, or the machine was started anew since.
    #[serde(default)]
    pub reset: Option<ResetReport>,
    /// There is a data disk: the machine was started before, by whichever daemon, and perhaps there is something on it.
    #[serde(default)]
    pub has_disk: bool,
    /// Why a machine that is there does not serve right now; it goes away by itself or says what to do.
    pub trouble: Option<String>,
    /// It runs and stands still, since it has nothing to do; it goes on for whoever comes.
    #[serde(default)]
    pub paused: bool,
    pub accelerator: Option<Accelerator>,
    pub link: Option<LinkKind>,
    /// Such as `QEMU 10.0.2`.
    pub hypervisor: Option<String>,
    pub hypervisor_pid: Option<u32>,
    pub image_version: Option<String>,
    /// The version of berth in the guest.
    pub guest_version: Option<String>,
    /// Seconds since 1970 UTC.
    pub started_at: Option<u64>,
    /// How long the latest start took, from the request to the engine's answer.
    pub start_milliseconds: Option<u64>,
}

impl MachineStatus {
    pub fn stopped() -> MachineStatus {
        MachineStatus {
            phase: Phase::Stopped,
            steps: Vec::new(),
            notes: Vec::new(),
            failure: None,
            reset: None,
            has_disk: false,
            trouble: None,
            paused: false,
            accelerator: None,
            link: None,
            hypervisor: None,
            hypervisor_pid: None,
            image_version: None,
            guest_version: None,
            started_at: None,
            start_milliseconds: None,
        }
    }
}

/// Measures the steps of one start.
#[derive(Debug)]
pub(super) struct StepClock {
    began: Instant,
    active: Option<(Step, Instant)>,
}

impl StepClock {
    pub(super) fn new() -> StepClock {
        StepClock { began: Instant::now(), active: None }
    }

    /// Reports for a new start, all waiting.
    pub(super) fn reset(&mut self, status: &mut MachineStatus) {
        *self = StepClock::new();
        let waiting = |step| StepReport { step, progress: Progress::Waiting, milliseconds: 0, doing: None };
        status.steps = Step::ALL.into_iter().map(waiting).collect();
        status.start_milliseconds = None;
    }

    /// `step` begins; later ones wait again, which matters when a boot is repeated.
    pub(super) fn begin(&mut self, status: &mut MachineStatus, step: Step) {
        self.active = Some((step, Instant::now()));
        for report in &mut status.steps {
            report.doing = None;
            if report.step == step {
                report.progress = Progress::Active;
                report.milliseconds = 0;
            } else if report.step > step {
                report.progress = Progress::Waiting;
                report.milliseconds = 0;
            }
        }
    }

    pub(super) fn end(&mut self, status: &mut MachineStatus, progress: Progress) {
        let Some((step, since)) = self.active.take() else { return };
        for report in &mut status.steps {
            report.doing = None;
            if report.step == step {
                report.progress = progress;
                report.milliseconds = milliseconds(since);
            }
        }
    }

    pub(super) fn total(&self) -> u64 {
        milliseconds(self.began)
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
