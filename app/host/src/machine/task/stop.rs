//! The end of a machine: asked for, found out, or enforced.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Task;
use crate::driver::InstanceExit;
use crate::link::{Guest, GuestState, LinkError};
use crate::machine::console;
use crate::machine::state::{Event, State};

/// From the request to power off until the guest is ended by force. The guest gives its containers 30 s together
/// (`SHUTDOWN_SECONDS` of its supervisor), then kills them, which may take 5 s, then flushes its disk: all of that must fit.
const STOP_DEADLINE: Duration = Duration::from_secs(45);
/// The same for a guest that does not listen to its power button yet either.
const BUTTON_DEADLINE: Duration = Duration::from_secs(5);
/// How long the guest may take to show that it hears the request: a link may be dead without a sign.
const HEARING: Duration = Duration::from_secs(10);
/// A link also breaks because the guest has powered off: then its exit is seen within this time.
const EXIT_FOLLOWS: Duration = Duration::from_secs(1);
/// How long QEMU may take to press the button: one that hangs does not.
const PRESSING: Duration = Duration::from_secs(5);

impl Task {
    pub(super) async fn exited(&mut self, exit: InstanceExit) {
        self.instance = None;
        let console = self.paths.console_log();
        let exit = match (exit, &self.state) {
            // QEMU may be gone before it could say that the guest powered off.
            (
                exit @ (InstanceExit::PoweredOff | InstanceExit::Died { .. } | InstanceExit::Lost { .. }),
                State::Starting(_),
            ) => console::agent_gave_up(&console).map_or(exit, |message| InstanceExit::GaveUp { message }),
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

    /// Asks the guest to power off, over the link or by its power button; its exit tells that it did.
    pub(super) async fn power_off(&mut self) {
        self.farewell.abort_all();
        self.button_pressed = false;
        match self.guest.clone() {
            Some(guest) if guest.welcome().is_some() => {
                self.stop_deadline = Some(Instant::now() + STOP_DEADLINE);
                self.farewell.spawn(ask_to_power_off(guest));
            }
            Some(guest) => self.press_and_ask_later(guest, "the link to it is lost").await,
            None => self.press_power_button("there is no link to it").await,
        }
    }

    /// `Err`: the guest was not asked, and is not gone either.
    pub(super) async fn power_off_answered(&mut self, answer: std::result::Result<(), LinkError>) {
        if let (Err(error), Some(guest)) = (answer, self.guest.clone()) {
            self.press_and_ask_later(guest, &error.to_string()).await;
        }
    }

    /// A relay that is being started again hears no button, but restores the link: then it is asked.
    async fn press_and_ask_later(&mut self, guest: Guest, why: &str) {
        self.press_power_button(why).await;
        self.farewell.spawn(async move {
            let mut state = guest.state();
            match state.wait_for(|state| matches!(state, GuestState::Connected(_))).await.map(drop) {
                Ok(()) => ask_to_power_off(guest).await,
                Err(_) => std::future::pending().await,
            }
        });
    }

    async fn press_power_button(&mut self, why: &str) {
        tracing::warn!(why, "the guest cannot be asked to power off: pressing its power button");
        let pressed = match &self.instance {
            Some(instance) => matches!(timeout(PRESSING, instance.press_power_button()).await, Ok(Ok(()))),
            None => false,
        };
        // A link that comes and goes may not put the end off for ever.
        if self.button_pressed {
            return;
        }
        self.button_pressed = true;
        // The console may have been cut since the relay spoke.
        let spoke = self.record.as_ref().is_some_and(|record| record.joined);
        let patience = match pressed {
            true if spoke || console::relay_spoke(&self.paths.console_log()) => STOP_DEADLINE,
            true => BUTTON_DEADLINE,
            false => Duration::ZERO,
        };
        self.stop_deadline = Some(Instant::now() + patience);
    }

    pub(super) async fn kill(&mut self) {
        if let Some(instance) = self.instance.take()
            && let Err(error) = instance.kill().await
        {
            tracing::warn!(%error, "the hypervisor could not be ended");
        }
    }

    /// For a guest that is out of reach and may be up all the same. One that does not hear its power button yet has nothing to lose.
    pub(super) async fn end_guest(&mut self) {
        self.farewell.abort_all();
        self.button_pressed = false;
        if console::relay_spoke(&self.paths.console_log()) {
            self.press_power_button("its link does not work").await;
        } else {
            self.stop_deadline = Some(Instant::now());
        }
    }

    pub(super) async fn stop_overdue(&mut self) {
        self.stop_deadline = None;
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

/// Has the guest power off. Resolves with `Ok` when it does; only the machine's deadline ends the wait for a guest that hears us.
async fn ask_to_power_off(guest: Guest) -> std::result::Result<(), LinkError> {
    let answer = tokio::select! {
        // The request goes first: an answer to what is asked after it shows that it was heard.
        biased;
        answer = guest.shutdown(STOP_DEADLINE) => answer,
        error = deafness(&guest) => Err(error),
    };
    if answer.is_err() {
        sleep(EXIT_FOLLOWS).await;
    }
    answer
}

/// Resolves when the guest does not hear us.
async fn deafness(guest: &Guest) -> LinkError {
    match guest.ping(HEARING).await {
        Ok(()) => std::future::pending().await,
        Err(error) => error,
    }
}
