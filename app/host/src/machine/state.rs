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
//!     ^                      |  (restart: on to Starting)
//!     |  erased              | reset
//!     +------------------ Erasing
//! ```
//!
//! Inside Starting the steps follow each other. When the guest does not get as far as the link for a cause that may be the
//! accelerator's ([`Blame`]), the boot is repeated with the next one; nothing else causes that. With none left, a hypervisor
//! that died, or an emulated guest that never spoke, is started once more. A link that fails under a guest that is up makes way
//! for the serial one, where the user left the choice: that guest ends first (`ChangingLink`).
//!
//! A reset stops the machine, by force if nothing was heard of it yet, and erases its disk. One that keeps volumes needs the
//! engine instead: `Running --reset--> Cleaning --cleaned--> Stopping --> Starting --> Running`; a machine that does not run is
//! started for it (`Purpose::Clean`).
//!
//! A machine that an earlier daemon started enters Starting at `Link`. When such a machine, or one whose engine does not
//! answer, fails, it is left running (`Failed` with `alive`): it may hold the user's work. So is one that is alive and cannot be
//! controlled any more (`Stranded`). One that only did not answer (`Unanswered`) is looked for again by `up`.
//!
//! Pure: no clock, no lock, no I/O. `task` carries the actions out in order.

#![warn(clippy::wildcard_enum_match_arm)]

mod resets;
mod transitions;

pub use resets::{Outcome, ResetReport};

use serde::{Deserialize, Serialize};

use crate::driver::InstanceExit;
use crate::settings::Accelerator;

/// What a start consists of, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

    /// Whether the accelerator or the link may be to blame for a failure here.
    fn tries_the_accelerator(self) -> bool {
        matches!(self, Step::Boot | Step::Link)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What may do better where a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Another accelerator: the guest was not heard of in time, or QEMU died by itself.
    Accelerator,
    /// Another link: its device does not work, or a guest that is up was not reached.
    Link,
    /// Nothing else, perhaps another attempt: the guest runs, and came to a halt on its way.
    Guest,
    /// Whatever would be the same with any accelerator: files, other programs, versions.
    Other,
}

/// What a start is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Use,
    /// To remove all but volumes once the engine answers.
    Clean,
}

/// What follows when the machine has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Stay,
    Start(Purpose),
    Erase { then_start: bool },
}

/// A start under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub step: Step,
    /// The accelerator in use or to be used, and after it those still to be tried. Empty before `Check` is done.
    pub accelerators: Vec<Accelerator>,
    /// The serial link may be used instead of the one that was chosen.
    pub other_link: bool,
    /// The machine ran already when this daemon came.
    pub adopted: bool,
    /// The last accelerator got its second chance.
    pub repeated: bool,
    pub purpose: Purpose,
}

/// What the machine was at when it failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum During {
    Start,
    #[default]
    Run,
    /// What was to go is not all gone, and perhaps none of it.
    Reset,
}

/// Why there is no running machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Failure {
    #[serde(default)]
    pub during: During,
    /// The step of the start that failed; `None`: the start was over.
    pub step: Option<Step>,
    /// One line, worded for the user.
    pub cause: String,
    /// The last lines of the serial console, the oldest first; filled in where they tell something.
    #[serde(default)]
    pub console: Vec<String>,
    /// The guest may still be there: `berth down` ends it.
    pub alive: bool,
    /// It is there and only did not answer: a start looks for it again, as it takes one that is not there.
    #[serde(default)]
    pub unanswered: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.during, self.step) {
            (During::Reset, Some(step)) => write!(f, "the reset is not complete ({step}): {}", self.cause)?,
            (During::Reset, None) => write!(f, "the reset is not complete: {}", self.cause)?,
            (_, Some(step)) => write!(f, "the machine did not start ({step}): {}", self.cause)?,
            (_, None) if self.alive => write!(f, "the machine cannot be used: {}", self.cause)?,
            (_, None) => write!(f, "the machine stopped: {}", self.cause)?,
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
    /// The guest ends, to be started again at `Boot` with the other link.
    ChangingLink(Start),
    Running {
        accelerator: Accelerator,
    },
    /// Containers, images and networks are being removed; the engine is not offered meanwhile.
    Cleaning {
        accelerator: Accelerator,
    },
    Stopping {
        then: Then,
    },
    /// The data disk is being removed.
    Erasing {
        then_start: bool,
    },
    Failed(Failure),
    /// An earlier daemon's machine that is there and did not answer.
    Unanswered {
        failure: Failure,
        accelerator: Accelerator,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Up,
    Down,
    Restart,
    /// Back to an empty machine, or to one that has only its volumes.
    Reset {
        keep_volumes: bool,
    },
    /// An earlier daemon's machine was found alive.
    Adopted {
        accelerator: Accelerator,
    },
    /// An earlier daemon's machine is alive and cannot be controlled.
    Stranded {
        cause: String,
    },
    /// `Check` is done: what to try, never empty, and whether there is another link to try.
    Checked {
        accelerators: Vec<Accelerator>,
        other_link: bool,
    },
    /// Any other step is done.
    Done(Step),
    /// A step failed; its deadline passing is one way to fail.
    StepFailed {
        step: Step,
        cause: String,
        blame: Blame,
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
    /// The engine removed all but volumes.
    Cleaned,
    CleanFailed {
        cause: String,
    },
    /// The data disk is gone.
    Erased,
    EraseFailed {
        cause: String,
    },
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
    /// The start is complete: the engine may be spoken to.
    OpenHost,
    /// Has the engine remove containers, images and networks; `Cleaned` or `CleanFailed` is to follow.
    Clean,
    CancelClean,
    /// Removes the data disk; `Erased` or `EraseFailed` is to follow.
    Erase,
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
    /// Lets a guest that is out of reach end by its power button; `Exited` or `StopOverdue` is to follow.
    EndGuest,
    /// Takes the serial link from here on, and tells the user, once, why.
    ChangeLink {
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
            State::Starting(_) | State::ChangingLink(_) => "starting",
            State::Running { .. } => "running",
            State::Cleaning { .. } | State::Erasing { .. } => "being reset",
            State::Stopping { .. } => "stopping",
            State::Failed(_) | State::Unanswered { .. } => "failed",
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
