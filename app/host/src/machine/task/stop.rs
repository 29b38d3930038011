//! The end of a machine: asked for, found out, or enforced.

use std::time::Duration;

use tokio::time::Instant;

use super::Task;
use crate::driver::InstanceExit;
use crate::link::LinkError;
use crate::machine::console;
use crate::machine::state::{Event, State};

/// From the request to power off until the guest is ended by force. The guest gives its containers 30 s together
/// (`SHUTDOWN_SECONDS` of its supervisor), then kills them, which may take 5 s, then flushes its disk: all of that must fit.
const STOP_DEADLINE: Duration = Duration::from_secs(45);
/// The same for a guest that does not listen to its power button yet either.
const BUTTON_DEADLINE: Duration = Duration::from_secs(5);

impl Task {
    pub(super) async fn exited(&mut self, exit: InstanceExit) {
        self.instance = None;
        let console = self.paths.console_log();
        let exit = match (exit, &self.state) {
            // QEMU may be gone before it could say that the guest powered off.
            (exit @ (InstanceExit::PoweredOff | InstanceExit::Died { .. }), State::Starting(_)) => {
                console::agent_gave_up(&console).map_or(exit, |message| InstanceExit::GaveUp { message })
            }
            (InstanceExit::Panicked { .. }, _) => {
                InstanceExit::Panicked { message: console::kernel_panic(&console).unwrap_or_default() }
            }
            (exit, _) => exit,
        };
        self.happen(Event::Exited(exit)).await;
    }

    pub(super) async fn refused(&mut self, cause: String) {
        self.close_host().await;
        self.happen(Event::Refused { cause }).await;
    }

    pub(super) async fn engine_came(&mut self) {
        if let Some(record) = &self.record {
            let accelerator = record.accelerator;
            self.happen(Event::EngineCame { accelerator }).await;
        }
    }

    /// Asks the guest to power off; its exit tells that it did.
    pub(super) async fn power_off(&mut self) {
        self.farewell.abort_all();
        match self.guest.clone() {
            Some(guest) => {
                self.farewell.spawn(async move { guest.shutdown(STOP_DEADLINE).await });
                self.stop_deadline = Some(Instant::now() + STOP_DEADLINE);
            }
            None => self.press_power_button("there is no link to it").await,
        }
    }

    pub(super) async fn power_off_answered(&mut self, answer: std::result::Result<(), LinkError>) {
        match answer {
            // The link breaks when the guest is gone, perhaps before its answer.
            Ok(()) | Err(LinkError::Down | LinkError::Control(_) | LinkError::Io(_)) => {}
            Err(error) => self.press_power_button(&error.to_string()).await,
        }
    }

    async fn press_power_button(&mut self, why: &str) {
        tracing::warn!(why, "the guest cannot be asked to power off: pressing its power button");
        let pressed = match &self.instance {
            Some(instance) => instance.press_power_button().await.is_ok(),
            None => false,
        };
        let patience = match pressed {
            true if console::relay_spoke(&self.paths.console_log()) => STOP_DEADLINE,
            true => BUTTON_DEADLINE,
            false => Duration::ZERO,
        };
        self.stop_deadline = Some(Instant::now() + patience);
    }

    pub(super) async fn stop_overdue(&mut self) {
        self.stop_deadline = None;
        self.status.notes.push("the machine did not power off in time and was ended".to_owned());
        self.happen(Event::StopOverdue).await;
    }

    pub(super) async fn close_host(&mut self) {
        self.published.engine.send_replace(None);
        self.published.guest.send_replace(None);
        self.farewell.abort_all();
        self.late_engine.abort_all();
        if let Some(guest) = self.guest.take() {
            guest.close();
        }
        self.ports.close_all().await;
    }
}
