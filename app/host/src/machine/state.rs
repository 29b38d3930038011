//! The life of the machine.
//!
//! ```text
//!                 up               every step done
//!   Stopped ------------> Starting ----------------> Running
//!     ^ ^                  |  ^ |                     |   |
//!     | |   down           |  | | step failed         |   |
//!     | +------------------+  | |                     |   |
//!     |                    up | v                     |   |
//!     |                      Failed <-----------------+   | down, restart
//!     |                        |      exited, refused     |
//!     |                        | down (alive)             |
//!     |  exited or overdue     v                          |
//!     +--------------------- Stopping <-------------------+
//!                          (restart: on to Starting)
//! ```
//!
//! Inside Starting the steps follow each other. When the guest does not get as far as the link, because the hypervisor
//! died or a deadline passed, the boot is repeated with the next accelerator; nothing else causes that. With none left, a
//! hypervisor that died is started once more.
//!
//! A machine that an earlier daemon started enters Starting at `Link`. When such a machine, or one whose engine does not
//! answer, fails, it is left running (`Failed` with `alive`): it may hold the user's work.
//!
//! Pure: no clock, no lock, no I/O. `task` carries the actions out in order.

#![warn(clippy::wildcard_enum_match_arm)]

use serde::{Deserialize, Serialize};

use crate::driver::InstanceExit;
use crate::settings::Accelerator;

/// What a start consists of, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Is there a hypervisor that can be used?
    Check,
    /// Is the guest image there and whole?
    Image,
    /// Does the data disk exist in its size, and is there room for it?
    Disk,
    /// Does the hypervisor run the guest?
    Boot,
    /// Did the agent answer over the link, with this boot's secret and in a version that we understand?
    Link,
    /// Does the engine answer?
    Engine,
}

impl Step {
    pub const ALL: [Step; 6] = [Step::Check, Step::Image, Step::Disk, Step::Boot, Step::Link, Step::Engine];

    pub fn name(self) -> &'static str {
        match self {
            Step::Check => "check",
            Step::Image => "image",
            Step::Disk => "disk",
            Step::Boot => "boot",
            Step::Link => "link",
            Step::Engine => "engine",
        }
    }

    fn following(self) -> Option<Step> {
        Step::ALL.into_iter().find(|step| *step > self)
    }

    /// Whether the accelerator may be to blame for a failure here.
    fn tries_the_accelerator(self) -> bool {
        matches!(self, Step::Boot | Step::Link)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A start under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub step: Step,
    /// The accelerator in use or to be used, and after it those still to be tried. Empty before `Check` is done.
    pub accelerators: Vec<Accelerator>,
    /// The machine ran already when this daemon came.
    pub adopted: bool,
    /// The last accelerator got its second chance.
    pub repeated: bool,
}

/// Why there is no running machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `None`: it was running.
    pub step: Option<Step>,
    /// One line, worded for the user.
    pub cause: String,
    /// The last lines of the serial console, the oldest first; filled in where they tell something.
    #[serde(default)]
    pub console: Vec<String>,
    /// The guest may still be there: `berth down` ends it.
    pub alive: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.step {
            Some(step) => write!(f, "the machine did not start ({step}): {}", self.cause)?,
            None => write!(f, "the machine stopped: {}", self.cause)?,
        }
        if self.alive {
            write!(f, "; it is still there, `berth down` ends it")?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Stopped,
    Starting(Start),
    Running { accelerator: Accelerator },
    Stopping { then_start: bool },
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Up,
    Down,
    Restart,
    /// An earlier daemon's machine was found alive.
    Adopted {
        accelerator: Accelerator,
    },
    /// `Check` is done: what to try, never empty.
    Checked {
        accelerators: Vec<Accelerator>,
    },
    /// Any other step is done.
    Done(Step),
    /// A step failed; its deadline passing is one way to fail.
    StepFailed {
        step: Step,
        cause: String,
    },
    /// The hypervisor is gone.
    Exited(InstanceExit),
    /// The guest will have nothing to do with us: another version, another secret. A link that only broke is restored by
    /// itself and no event.
    Refused {
        cause: String,
    },
    /// The engine answered after its step had failed.
    EngineCame {
        accelerator: Accelerator,
    },
    /// The guest did not power off in time.
    StopOverdue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Run(Step),
    /// Stops whatever `Run` began.
    CancelStep,
    /// Asks the guest to stop its containers and power off; `StopOverdue` is to follow when it does not.
    PowerOff,
    /// Ends the hypervisor and waits until it is gone. No `Exited` follows.
    Kill,
    /// Opens engine and published ports to the guest.
    OpenHost,
    /// Closes the link and every published port.
    CloseHost,
    /// Keeps in mind that this accelerator works here.
    Remember(Accelerator),
    /// Tells the user, once, that another accelerator is tried, and why.
    TellFallback {
        from: Accelerator,
        to: Accelerator,
        cause: String,
    },
    /// Tells the user that the same boot is tried again, and why.
    TellRepeat {
        cause: String,
    },
    /// Removes the record by which a machine is adopted.
    Forget,
}

/// Why a request cannot be served now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the machine is starting")]
    Starting,
    #[error("the machine failed and is still there: run `berth down` first")]
    StillThere,
    #[error("the machine is stopped")]
    Stopped,
    /// An event of a step or instance that is no longer current; to be dropped.
    #[error("outdated")]
    Outdated,
}

impl State {
    pub fn name(&self) -> &'static str {
        match self {
            State::Stopped => "stopped",
            State::Starting(_) => "starting",
            State::Running { .. } => "running",
            State::Stopping { .. } => "stopping",
            State::Failed(_) => "failed",
        }
    }

    /// The state after `event` and what must be done to get there; `Refused` leaves the machine as it was.
    pub fn next(&self, event: &Event) -> Result<(State, Vec<Action>), Refused> {
        match self {
            State::Stopped => idle(event),
            State::Failed(failure) if !failure.alive => idle(event),
            State::Failed(failure) => failed_alive(failure, event),
            State::Starting(start) => starting(start, event),
            State::Running { accelerator } => running(*accelerator, event),
            State::Stopping { then_start } => stopping(*then_start, event),
        }
    }
}

fn begin() -> (State, Vec<Action>) {
    let start = Start { step: Step::Check, accelerators: Vec::new(), adopted: false, repeated: false };
    (State::Starting(start), vec![Action::Run(Step::Check)])
}

/// No guest is there.
fn idle(event: &Event) -> Result<(State, Vec<Action>), Refused> {
    match event {
        Event::Up | Event::Restart => Ok(begin()),
        Event::Down => Ok((State::Stopped, vec![])),
        Event::Adopted { accelerator } => {
            let start = Start { step: Step::Link, accelerators: vec![*accelerator], adopted: true, repeated: false };
            Ok((State::Starting(start), vec![Action::Run(Step::Link)]))
        }
        Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::Exited(_)
        | Event::Refused { .. }
        | Event::EngineCame { .. }
        | Event::StopOverdue => Err(Refused::Outdated),
    }
}

fn starting(start: &Start, event: &Event) -> Result<(State, Vec<Action>), Refused> {
    match event {
        Event::Up => Ok((State::Starting(start.clone()), vec![])),
        Event::Restart => Err(Refused::Starting),
        Event::Down => {
            // A guest that was not heard of yet cannot be asked; one that was is.
            if start.step == Step::Engine || start.adopted {
                Ok((State::Stopping { then_start: false }, vec![Action::CancelStep, Action::PowerOff]))
            } else {
                Ok((State::Stopped, vec![Action::CancelStep, Action::Kill, Action::CloseHost, Action::Forget]))
            }
        }
        Event::Checked { accelerators } if start.step == Step::Check && !accelerators.is_empty() => {
            let next = Start { step: Step::Image, accelerators: accelerators.clone(), adopted: false, repeated: false };
            Ok((State::Starting(next), vec![Action::Run(Step::Image)]))
        }
        Event::Done(step) if *step == start.step && *step != Step::Check => Ok(step_done(start)),
        Event::StepFailed { step, cause } if *step == start.step => Ok(step_failed(start, cause, true)),
        // It ran before: what failed is the machine, not the step that looked for it again.
        Event::Exited(exit) if start.adopted => Ok(ended(exit, vec![Action::CancelStep])),
        Event::Exited(exit @ (InstanceExit::PoweredOff | InstanceExit::GaveUp { .. })) => {
            // The agent was reached and decided so: another accelerator would not change its mind.
            let failure =
                Failure { step: Some(start.step), cause: exit.to_string(), console: Vec::new(), alive: false };
            Ok((State::Failed(failure), vec![Action::CancelStep, Action::CloseHost, Action::Forget]))
        }
        Event::Exited(exit @ InstanceExit::Died { .. }) if start.accelerators.len() == 1 && !start.repeated => {
            Ok(repeat(start, exit))
        }
        Event::Exited(exit @ (InstanceExit::Panicked { .. } | InstanceExit::Died { .. })) => {
            Ok(step_failed(start, &exit.to_string(), false))
        }
        Event::Refused { cause } if start.step == Step::Engine => Ok(step_failed(start, cause, true)),
        Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::Refused { .. }
        | Event::EngineCame { .. }
        | Event::StopOverdue
        | Event::Adopted { .. } => Err(Refused::Outdated),
    }
}

fn step_done(start: &Start) -> (State, Vec<Action>) {
    match (start.step.following(), start.accelerators.first()) {
        (Some(step), _) => (State::Starting(Start { step, ..start.clone() }), vec![Action::Run(step)]),
        (None, Some(accelerator)) => {
            let accelerator = *accelerator;
            (State::Running { accelerator }, vec![Action::Remember(accelerator), Action::OpenHost])
        }
        (None, None) => unreachable!("`Checked` and `Adopted` name an accelerator before any later step"),
    }
}

/// A hypervisor that crashes while the guest boots, and has no other accelerator, is started once more: QEMU's emulator of
/// several processors sometimes does (`iotlb_to_section`, <https://gitlab.com/qemu-project/qemu/-/issues/1921>).
fn repeat(start: &Start, exit: &InstanceExit) -> (State, Vec<Action>) {
    let next = Start { step: Step::Boot, repeated: true, ..start.clone() };
    let tell = Action::TellRepeat { cause: exit.to_string() };
    (State::Starting(next), vec![Action::CancelStep, Action::CloseHost, tell, Action::Run(Step::Boot)])
}

/// `alive`: the hypervisor may still be there.
fn step_failed(start: &Start, cause: &str, alive: bool) -> (State, Vec<Action>) {
    let fail =
        |alive| State::Failed(Failure { step: Some(start.step), cause: cause.to_owned(), console: Vec::new(), alive });
    match start.accelerators.as_slice() {
        [from, to, ..] if start.step.tries_the_accelerator() && !start.adopted => {
            let next = Start {
                step: Step::Boot,
                accelerators: start.accelerators[1..].to_vec(),
                adopted: false,
                repeated: false,
            };
            let tell = Action::TellFallback { from: *from, to: *to, cause: cause.to_owned() };
            let actions = vec![Action::CancelStep, Action::Kill, Action::CloseHost, tell, Action::Run(Step::Boot)];
            (State::Starting(next), actions)
        }
        // The guest is up, as far as we know: not ours to throw away.
        _ if alive && (start.adopted || start.step == Step::Engine) => (fail(true), vec![Action::CancelStep]),
        _ => (fail(false), vec![Action::CancelStep, Action::Kill, Action::CloseHost, Action::Forget]),
    }
}

fn running(accelerator: Accelerator, event: &Event) -> Result<(State, Vec<Action>), Refused> {
    match event {
        Event::Up => Ok((State::Running { accelerator }, vec![])),
        Event::Down => Ok((State::Stopping { then_start: false }, vec![Action::PowerOff])),
        Event::Restart => Ok((State::Stopping { then_start: true }, vec![Action::PowerOff])),
        Event::Exited(exit) => Ok(ended(exit, vec![])),
        Event::Refused { cause } => {
            let failure = Failure { step: None, cause: cause.clone(), console: Vec::new(), alive: true };
            Ok((State::Failed(failure), vec![Action::CloseHost]))
        }
        Event::Adopted { .. }
        | Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::EngineCame { .. }
        | Event::StopOverdue => Err(Refused::Outdated),
    }
}

/// The end of a machine that ran. A guest that powered itself off did what it was told by somebody inside.
fn ended(exit: &InstanceExit, mut actions: Vec<Action>) -> (State, Vec<Action>) {
    actions.extend([Action::CloseHost, Action::Forget]);
    let failure = Failure { step: None, cause: exit.to_string(), console: Vec::new(), alive: false };
    (State::Failed(failure), actions)
}

fn stopping(then_start: bool, event: &Event) -> Result<(State, Vec<Action>), Refused> {
    let stopped = |mut actions: Vec<Action>| {
        actions.extend([Action::CloseHost, Action::Forget]);
        if then_start {
            let (state, more) = begin();
            actions.extend(more);
            (state, actions)
        } else {
            (State::Stopped, actions)
        }
    };
    match event {
        Event::Exited(_) => Ok(stopped(vec![])),
        Event::StopOverdue => Ok(stopped(vec![Action::Kill])),
        Event::Up | Event::Restart => Ok((State::Stopping { then_start: true }, vec![])),
        Event::Down => Ok((State::Stopping { then_start: false }, vec![])),
        Event::Refused { .. } => Ok((State::Stopping { then_start }, vec![])),
        Event::Adopted { .. }
        | Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::EngineCame { .. } => Err(Refused::Outdated),
    }
}

fn failed_alive(failure: &Failure, event: &Event) -> Result<(State, Vec<Action>), Refused> {
    match event {
        Event::Up => Err(Refused::StillThere),
        Event::Down => Ok((State::Stopping { then_start: false }, vec![Action::PowerOff])),
        Event::Restart => Ok((State::Stopping { then_start: true }, vec![Action::PowerOff])),
        Event::Exited(_) => {
            let failure = Failure { alive: false, ..failure.clone() };
            Ok((State::Failed(failure), vec![Action::CloseHost, Action::Forget]))
        }
        Event::EngineCame { accelerator } => {
            let accelerator = *accelerator;
            Ok((State::Running { accelerator }, vec![Action::Remember(accelerator), Action::OpenHost]))
        }
        Event::Refused { .. } => Ok((State::Failed(failure.clone()), vec![])),
        Event::Adopted { .. }
        | Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::StopOverdue => Err(Refused::Outdated),
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
