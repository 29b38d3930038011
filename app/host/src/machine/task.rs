//! The one task that owns a machine: it runs steps, watches the hypervisor, and does what `state` says.

mod adopt;
mod reset;
mod show;
mod start;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use control::LinkKind;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::news::{Trouble, exit_of, other_trouble, other_work, refusal_of, until};
use super::record::MachineRecord;
use super::state::{Action, Event, Refused, State, Step};
use super::status::{MachineStatus, Progress, StepClock};
use super::steps::{Ground, Product};
use super::{InForce, Request, console};
use crate::driver::Instance;
use crate::image::GuestImage;
use crate::link::{Guest, LinkError};
use crate::paths::Paths;
use crate::ports::HostPorts;
use crate::{Error, Result};

/// How often the logs are looked at.
const LOG_CHECK: Duration = Duration::from_secs(60);

/// Where the task shows what it knows.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) status: watch::Sender<MachineStatus>,
    /// Only while the engine may be spoken to.
    pub(super) engine: watch::Sender<Option<Guest>>,
    pub(super) guest: watch::Sender<Option<Guest>>,
    /// An earlier daemon's machine was looked for.
    pub(super) looked: watch::Sender<bool>,
    pub(super) in_force: watch::Sender<Option<InForce>>,
    /// The machine itself, for what is asked of it besides its life.
    pub(super) instance: watch::Sender<Option<Arc<dyn Instance>>>,
}

type Requests = mpsc::Receiver<(Request, oneshot::Sender<Result<MachineStatus>>)>;

struct Task {
    paths: Paths,
    published: Published,
    state: State,
    status: MachineStatus,
    clock: StepClock,
    step: JoinSet<(Step, Result<Product>)>,
    /// By when the guest of this boot must have said hello, and how long that is from its start.
    boot_deadline: (Instant, Duration),
    stop_deadline: Option<Instant>,
    /// Since the present stop began.
    button_pressed: bool,
    ground: Option<Ground>,
    image: Option<GuestImage>,
    record: Option<MachineRecord>,
    instance: Option<Arc<dyn Instance>>,
    guest: Option<Guest>,
    ports: Arc<HostPorts>,
    /// The guest's answer to the request to power off.
    farewell: JoinSet<std::result::Result<(), LinkError>>,
    /// Waits on for an engine whose step failed.
    late_engine: JoinSet<Result<()>>,
    /// The engine at work on a reset that keeps volumes.
    cleaning: JoinSet<Result<()>>,
    /// The removal of the data disk.
    erasing: JoinSet<Result<()>>,
    trouble: Option<Trouble>,
    /// The settings of the present start.
    in_force: Option<InForce>,
    /// Those of the status' notes that are about published ports.
    port_notes: Vec<String>,
}

/// Runs until the last handle is dropped; the machine then goes on without us.
pub(super) async fn run(paths: Paths, mut requests: Requests, published: Published, ports: Arc<HostPorts>) {
    let mut task = Task {
        paths,
        published,
        state: State::Stopped,
        status: MachineStatus::stopped(),
        clock: StepClock::new(),
        step: JoinSet::new(),
        boot_deadline: (Instant::now(), Duration::ZERO),
        stop_deadline: None,
        button_pressed: false,
        ground: None,
        image: None,
        record: None,
        instance: None,
        guest: None,
        ports,
        farewell: JoinSet::new(),
        late_engine: JoinSet::new(),
        cleaning: JoinSet::new(),
        erasing: JoinSet::new(),
        trouble: None,
        in_force: None,
        port_notes: Vec::new(),
    };
    task.adopt().await;
    task.show_state();
    task.publish();
    task.published.looked.send_replace(true);
    let mut blocked_ports = task.ports.blocked();
    let mut log_check = tokio::time::interval(LOG_CHECK);
    loop {
        let stop_deadline = task.stop_deadline;
        let (boot_console, shown_work) = (task.console_of_a_boot(), task.shown_work());
        tokio::select! {
            request = requests.recv() => match request {
                Some((request, reply)) => {
                    let accepted = task.serve(request).await.map(|()| task.status.clone());
                    // Whoever asked may be gone.
                    let _ = reply.send(accepted);
                }
                None => return,
            },
            Some(done) = task.step.join_next() => match done {
                Ok((step, result)) => task.step_ended(step, result).await,
                Err(crash) => task.step_crashed(&crash).await,
            },
            exit = exit_of(task.instance.clone()) => task.exited(exit).await,
            trouble = other_trouble(task.instance.clone(), task.guest.clone(), task.trouble.clone()) => {
                task.show_trouble(trouble);
                task.publish();
            }
            work = other_work(boot_console, shown_work) => {
                task.show_work(work);
                task.publish();
            }
            Ok(()) = blocked_ports.changed() => {
                let blocked = blocked_ports.borrow_and_update().clone();
                task.show_blocked_ports(&blocked);
                task.publish();
            }
            cause = refusal_of(task.guest.clone()) => task.refused(cause).await,
            Some(came) = task.late_engine.join_next() => if let Ok(Ok(())) = came {
                task.engine_came().await;
            },
            Some(cleaned) = task.cleaning.join_next() => if let Ok(cleaned) = cleaned {
                task.cleaned(cleaned).await;
            },
            Some(erased) = task.erasing.join_next() => if let Ok(erased) = erased {
                task.erased(erased).await;
            },
            Some(answer) = task.farewell.join_next() => task.power_off_answered(answer.unwrap_or(Ok(()))).await,
            () = until(stop_deadline) => task.stop_overdue().await,
            _ = log_check.tick() => {
                for log in task.paths.growing_logs() {
                    if let Err(error) = console::bound(&log) {
                        tracing::warn!(error = %error.chain(), "a log cannot be kept short");
                    }
                }
            }
        }
    }
}

impl Task {
    async fn serve(&mut self, request: Request) -> Result<()> {
        let event = match request {
            Request::DiskIsGrown => {
                self.disk_is_grown();
                return Ok(());
            }
            Request::Paused(paused) => {
                self.status.paused = paused && matches!(self.state, State::Running { .. });
                self.publish();
                return Ok(());
            }
            Request::Up => Event::Up,
            Request::Down => Event::Down,
            Request::Restart => Event::Restart,
            Request::Reset { keep_volumes } => Event::Reset { keep_volumes },
        };
        self.try_happen(event).await.map_err(|refused| Error::WrongState {
            state: self.state.name(),
            remedy: match refused {
                Refused::StillThere => "run `berth down` first, `berth machine logs` shows why it failed",
                Refused::Starting => "wait until it runs, or run `berth down`",
                Refused::Stopped => "run `berth up`",
                Refused::Outdated => "try again",
            },
        })
    }

    /// For what happens by itself: a refusal means that it no longer matters.
    async fn happen(&mut self, event: Event) {
        if let Err(refused) = self.try_happen(event.clone()).await {
            tracing::debug!(?event, %refused, "an event came too late");
        }
    }

    async fn try_happen(&mut self, event: Event) -> std::result::Result<(), Refused> {
        let (next, actions) = self.state.next(&event)?;
        self.status.reset = self.state.reset_after(&event, &next, self.status.reset);
        let before = std::mem::replace(&mut self.state, next);
        if !matches!(self.state, State::Stopping { .. } | State::ChangingLink(_)) {
            self.stop_deadline = None;
        }
        let stops = matches!(self.state, State::Stopping { .. }) && !matches!(before, State::Stopping { .. });
        if stops || (event == Event::Down && self.state == State::Stopped) {
            // What was said about the start is over; from now on it is about the stop.
            self.forget_notes();
        }
        let goes_on = matches!(before, State::Starting(_) | State::ChangingLink(_));
        if !goes_on && matches!(self.state, State::Starting(_)) {
            self.clock.reset(&mut self.status);
            if matches!(&self.state, State::Starting(start) if !start.adopted) {
                // It is read at the first step.
                self.in_force = None;
            }
            // What is said about finding an earlier daemon's machine belongs to this start.
            if !matches!(event, Event::Adopted { .. }) {
                self.forget_notes();
            }
        }
        if matches!((&before, &event), (State::Stopping { .. }, Event::StopOverdue)) {
            self.status.notes.push("the machine did not power off in time and was ended".to_owned());
        }
        self.show_state();
        for action in actions {
            self.act(action).await;
        }
        self.publish();
        Ok(())
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Run(step) => self.run_step(step),
            Action::CancelStep => {
                self.clock.end(&mut self.status, Progress::Failed);
                self.cancel_step().await;
            }
            Action::PowerOff => self.power_off().await,
            Action::Kill => self.kill().await,
            Action::EndGuest => self.end_guest().await,
            Action::OpenHost => {
                self.status.start_milliseconds = Some(self.clock.total());
                self.images_are_renewed();
            }
            Action::Clean => self.clean(),
            Action::CancelClean => self.cleaning.abort_all(),
            Action::Erase => self.erase(),
            Action::CloseHost => self.close_host().await,
            Action::Remember(accelerator) => self.remember(accelerator),
            Action::TellFallback { from, to, cause } => {
                tracing::warn!(%from, %to, cause, "the machine is started with another accelerator");
                self.status.notes.push(format!("{from} cannot run the machine here ({cause}): using {to} from now on"));
            }
            Action::ChangeLink { cause } => {
                tracing::warn!(cause, "the machine is started with the serial link");
                if let Some(ground) = &mut self.ground {
                    self.status.notes.push(format!(
                        "the {} link does not work here ({cause}): the serial one is used for now",
                        ground.link
                    ));
                    ground.link = LinkKind::Serial;
                }
            }
            Action::TellRepeat { cause } => {
                tracing::warn!(cause, "the boot is tried once more");
                self.status.notes.push(format!("the boot was tried twice: {cause}"));
            }
            Action::Forget => self.forget(),
        }
    }
}
