//! What the task publishes.

use std::path::PathBuf;
use std::sync::Arc;

use control::{LinkKind, LongWork};

use super::Task;
use crate::machine::news::Trouble;
use crate::machine::record::MachineRecord;
use crate::machine::state::{During, State, Step};
use crate::machine::status::{Phase, Progress};
use crate::machine::{InForce, console};
use crate::ports::Blocked;
use crate::settings::Settings;

const CONSOLE_LINES: usize = 20;

impl Task {
    pub(super) fn show_boot(&mut self, record: &MachineRecord) {
        self.status.accelerator = Some(record.accelerator);
        self.status.hypervisor.clone_from(&record.hypervisor);
        self.status.link = Some(record.link).filter(|link| *link != LinkKind::None);
        self.status.hypervisor_pid = record.instance.processes().map(|processes| processes.process.pid);
        self.status.image_version = Some(record.image_version.clone());
        self.status.started_at = Some(record.started_at);
    }

    pub(super) fn show_state(&mut self) {
        self.status.failure = None;
        self.status.paused &= matches!(self.state, State::Running { .. });
        self.status.phase = match &mut self.state {
            State::Stopped => Phase::Stopped,
            State::Starting(_) | State::ChangingLink(_) => Phase::Starting,
            State::Running { .. } => Phase::Running,
            State::Cleaning { .. } | State::Erasing { .. } => Phase::Resetting,
            State::Stopping { .. } => Phase::Stopping,
            State::Failed(failure) | State::Unanswered { failure, .. } => {
                // Of a disk that cannot be removed its console knows nothing.
                let of_disk =
                    failure.during == During::Reset && self.status.reset.is_some_and(|reset| !reset.keep_volumes);
                let speaks = failure.step.is_none_or(|step| step >= Step::Boot) && !of_disk;
                if speaks && failure.console.is_empty() {
                    failure.console = console::last_lines(&self.paths.console_log(), CONSOLE_LINES);
                }
                self.status.failure = Some(failure.clone());
                Phase::Failed
            }
        };
        let there = match &self.state {
            State::Stopped | State::Erasing { .. } => false,
            State::Failed(failure) => failure.alive,
            State::Unanswered { .. }
            | State::Starting(_)
            | State::ChangingLink(_)
            | State::Running { .. }
            | State::Cleaning { .. }
            | State::Stopping { .. } => true,
        };
        self.status.has_disk = self.paths.data_disk().exists();
        if !there {
            self.show_trouble(None);
            self.status.hypervisor_pid = None;
            self.status.started_at = None;
            self.status.guest_version = None;
        }
    }

    /// What the machine that is there was started with, or is being started with.
    fn in_force(&self) -> Option<InForce> {
        match &self.state {
            State::Stopped | State::Erasing { .. } => None,
            State::Failed(failure) if !failure.alive => None,
            _ => self.in_force.clone(),
        }
    }

    /// What was grown is in force, for this daemon and the next.
    pub(super) fn disk_is_grown(&mut self) {
        let settings = Settings::load_or_default(&self.paths.settings());
        if let Some(in_force) = &mut self.in_force {
            in_force.disk_is_grown(&settings);
        }
        if let Some(record) = &mut self.record {
            record.settings.clone_from(&self.in_force);
            if let Err(error) = record.save(&self.paths.machine_record()) {
                tracing::warn!(error = %error.chain(), "the next daemon will not know that the disk was grown");
            }
        }
        self.publish();
    }

    pub(super) fn show_trouble(&mut self, trouble: Option<Trouble>) {
        self.status.trouble = trouble.as_ref().map(|trouble| trouble.text().to_owned());
        self.trouble = trouble;
    }

    /// Of a guest that was not heard of yet over the link.
    pub(super) fn console_of_a_boot(&self) -> Option<PathBuf> {
        match &self.state {
            State::Starting(start) if start.step == Step::Link && !start.adopted => Some(self.paths.console_log()),
            _ => None,
        }
    }

    pub(super) fn shown_work(&self) -> Option<String> {
        self.status.steps.iter().find_map(|report| report.doing.clone())
    }

    pub(super) fn show_work(&mut self, work: Option<LongWork>) {
        for report in &mut self.status.steps {
            let doing = work.filter(|_| report.progress == Progress::Active);
            report.doing = doing.map(|work| work.words().to_owned());
        }
    }

    /// Ports that were published before and are somebody else's now.
    pub(super) fn show_blocked_ports(&mut self, blocked: &[Blocked]) {
        let notes = &mut self.status.notes;
        notes.retain(|note| !self.port_notes.contains(note));
        self.port_notes = blocked.iter().map(Blocked::to_string).collect();
        notes.extend(self.port_notes.iter().cloned());
    }

    pub(super) fn forget_notes(&mut self) {
        self.status.notes.clear();
        self.port_notes.clear();
    }

    pub(super) fn publish(&self) {
        // Who would speak to the engine of a guest that stands still would hang.
        let open =
            matches!(self.state, State::Running { .. }) && !matches!(self.trouble, Some(Trouble::StandsStill(_)));
        let engine = self.guest.clone().filter(|_| open);
        self.published.engine.send_if_modified(|offered| {
            let differs = offered.is_some() != engine.is_some();
            if differs {
                *offered = engine;
            }
            differs
        });
        let instance = &self.instance;
        self.published.instance.send_if_modified(|published| {
            let same = match (&*published, instance) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            if !same {
                published.clone_from(instance);
            }
            !same
        });
        let in_force = self.in_force();
        // Before the status: whoever is told of a machine may ask at once what it was started with.
        self.published.in_force.send_if_modified(|published| {
            let differs = *published != in_force;
            *published = in_force;
            differs
        });
        self.published.status.send_if_modified(|published| {
            let differs = *published != self.status;
            if differs {
                published.clone_from(&self.status);
            }
            differs
        });
    }
}
