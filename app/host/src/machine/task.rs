//! The one task that owns a machine: it runs steps, watches the hypervisor, and does what `state` says.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control::LinkKind;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::news::{exit_of, other_trouble, refusal_of, until};
use super::record::{AcceleratorMemory, MachineRecord};
use super::state::{Action, Event, Refused, Start, State, Step};
use super::status::{MachineStatus, Phase, Progress, StepClock};
use super::steps::{self, Booted, Ground, Product};
use super::{Request, console};
use crate::driver::{self, Instance, InstanceExit};
use crate::image::GuestImage;
use crate::link::{Guest, LinkError};
use crate::paths::Paths;
use crate::ports::HostPorts;
use crate::settings::{Accelerator, Settings};
use crate::{Error, Result};

/// What a container gets to end in good order, as `docker stop` gives it.
const GRACE: Duration = Duration::from_secs(10);
/// From the request to power off until the guest must be gone: the containers' grace and the flushing of the disk.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// The same for a guest that cannot be spoken to and only has a power button.
const BUTTON_DEADLINE: Duration = Duration::from_secs(5);
/// How long a machine that was started before may take to answer again.
const REJOIN_DEADLINE: Duration = Duration::from_secs(20);
const CONSOLE_CHECK: Duration = Duration::from_secs(60);
const CONSOLE_LINES: usize = 20;

/// Where the task shows what it knows.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) status: watch::Sender<MachineStatus>,
    /// Only while the engine may be spoken to.
    pub(super) engine: watch::Sender<Option<Guest>>,
    pub(super) guest: watch::Sender<Option<Guest>>,
}

type Requests = mpsc::Receiver<(Request, oneshot::Sender<Result<()>>)>;

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
        ground: None,
        image: None,
        record: None,
        instance: None,
        guest: None,
        ports,
        farewell: JoinSet::new(),
        late_engine: JoinSet::new(),
    };
    task.adopt().await;
    let mut console_check = tokio::time::interval(CONSOLE_CHECK);
    loop {
        let stop_deadline = task.stop_deadline;
        tokio::select! {
            request = requests.recv() => match request {
                Some((request, reply)) => {
                    let accepted = task.serve(request).await;
                    // Whoever asked may be gone.
                    let _ = reply.send(accepted);
                }
                None => return,
            },
            Some(done) = task.step.join_next() => if let Ok((step, result)) = done {
                task.step_ended(step, result).await;
            },
            exit = exit_of(task.instance.clone()) => task.exited(exit).await,
            trouble = other_trouble(task.instance.clone(), task.guest.clone(), task.status.trouble.clone()) => {
                task.status.trouble = trouble;
                task.publish();
            }
            cause = refusal_of(task.guest.clone()) => task.refused(cause).await,
            Some(came) = task.late_engine.join_next() => if let Ok(Ok(())) = came {
                task.engine_came().await;
            },
            Some(answer) = task.farewell.join_next() => task.power_off_answered(answer.unwrap_or(Ok(()))).await,
            () = until(stop_deadline) => task.stop_overdue().await,
            _ = console_check.tick() => {
                if let Err(error) = console::bound(&task.paths.console_log()) {
                    tracing::warn!(error = %error.chain(), "the console's log cannot be kept short");
                }
            }
        }
    }
}

impl Task {
    /// Looks for a machine that an earlier daemon started.
    async fn adopt(&mut self) {
        let path = self.paths.machine_record();
        let record = match MachineRecord::load(&path) {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "a machine that an earlier daemon started cannot be adopted");
                return;
            }
        };
        // The settings file may be broken: it has no say in finding what runs.
        let settings =
            Settings::load(&self.paths.settings()).unwrap_or_else(|_| Settings::of_host(crate::sys::HostFacts::read()));
        let found = match driver::for_this_system(&settings) {
            Ok(driver) => driver.adopt(&record.instance).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(Some(instance)) => {
                self.show_boot(&record);
                self.instance = Some(Arc::from(instance));
                let accelerator = record.accelerator;
                self.record = Some(record);
                self.clock.reset(&mut self.status);
                self.happen(Event::Adopted { accelerator }).await;
            }
            Ok(None) => self.forget(),
            Err(error) => {
                tracing::warn!(error = %error.chain(), "the machine of an earlier daemon hangs and is ended");
                for process in std::iter::once(&record.instance.process).chain(&record.instance.helpers) {
                    if let Err(error) = process.kill() {
                        tracing::warn!(pid = process.pid, %error, "it could not be ended");
                    }
                }
                self.forget();
            }
        }
    }

    async fn serve(&mut self, request: Request) -> Result<()> {
        let event = match request {
            Request::Up => Event::Up,
            Request::Down => Event::Down,
            Request::Restart => Event::Restart,
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
        let before = std::mem::replace(&mut self.state, next);
        if !matches!(self.state, State::Stopping { .. }) {
            self.stop_deadline = None;
        }
        if !matches!(before, State::Starting(_)) && matches!(self.state, State::Starting(_)) {
            self.clock.reset(&mut self.status);
            if matches!(event, Event::Up | Event::Restart | Event::StopOverdue | Event::Exited(_)) {
                self.status.notes.clear();
            }
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
            Action::Kill => {
                if let Some(instance) = self.instance.take()
                    && let Err(error) = instance.kill().await
                {
                    tracing::warn!(%error, "the hypervisor could not be ended");
                }
            }
            Action::OpenHost => {
                self.status.start_milliseconds = Some(self.clock.total());
                self.published.engine.send_replace(self.guest.clone());
            }
            Action::CloseHost => self.close_host().await,
            Action::Remember(accelerator) => self.remember(accelerator),
            Action::TellFallback { from, to, cause } => {
                tracing::warn!(%from, %to, cause, "the machine is started with another accelerator");
                self.status.notes.push(format!("{from} cannot run the machine here ({cause}): using {to} from now on"));
            }
            Action::TellRepeat { cause } => {
                tracing::warn!(cause, "the boot is tried once more");
                self.status.notes.push(format!("the boot was tried twice: {cause}"));
            }
            Action::Forget => self.forget(),
        }
    }

    /// Ends the running step; a hypervisor that it had started by then ends with it.
    async fn cancel_step(&mut self) {
        self.step.abort_all();
        while let Some(ended) = self.step.join_next().await {
            if let Ok((_, Ok(Product::Boot(booted)))) = ended
                && let Err(error) = booted.instance.kill().await
            {
                tracing::warn!(%error, "the hypervisor could not be ended");
            }
        }
    }

    fn run_step(&mut self, step: Step) {
        let State::Starting(start) = self.state.clone() else { return };
        self.clock.begin(&mut self.status, step);
        self.publish();
        let (deadline, patience) = self.deadline_of(step, &start);
        let paths = self.paths.clone();
        let (ground, image) = (self.ground.clone(), self.image.clone());
        let record = self.record.clone();
        let (instance, guest, ports) = (self.instance.clone(), self.guest.clone(), self.ports.clone());
        let work = async move {
            let early = "the steps before left what this one needs";
            Ok(match step {
                Step::Check => Product::Check(Box::new(steps::check(paths).await?)),
                Step::Image => Product::Image(steps::find_image(paths).await?),
                Step::Disk => {
                    steps::prepare_disk(paths, ground.expect(early)).await?;
                    Product::Disk
                }
                Step::Boot => {
                    let accelerator = *start.accelerators.first().expect(early);
                    Product::Boot(steps::boot(paths, ground.expect(early), image.expect(early), accelerator).await?)
                }
                Step::Link => {
                    let record = record.expect(early);
                    Product::Link(
                        steps::join(instance.expect(early), record.instance.link, record.secret, ports, deadline)
                            .await?,
                    )
                }
                Step::Engine => {
                    steps::await_engine(guest.expect(early)).await?;
                    Product::Engine
                }
            })
        };
        self.step.spawn(async move {
            // The link keeps the deadline itself and knows better what was missing: it gets a moment to say so.
            match tokio::time::timeout_at(deadline + Duration::from_millis(100), work).await {
                Ok(result) => (step, result),
                Err(_) => (step, Err(overdue(step, patience))),
            }
        });
    }

    /// By when the step must be done, and how long it may take.
    fn deadline_of(&mut self, step: Step, start: &Start) -> (Instant, Duration) {
        let settings = self.ground.as_ref().map(|ground| &ground.settings);
        let within = |patience| (Instant::now() + patience, patience);
        match step {
            Step::Check => within(Duration::from_secs(20)),
            Step::Image | Step::Disk => within(Duration::from_secs(60)),
            // One deadline from the start of the hypervisor to hello: which of the two steps eats it up does not matter.
            Step::Boot => {
                let wanted = settings.and_then(|settings| settings.boot_deadline);
                self.boot_deadline = within(wanted.unwrap_or_else(|| boot_patience(start.accelerators.first())));
                self.boot_deadline
            }
            Step::Link if start.adopted => within(REJOIN_DEADLINE),
            Step::Link => self.boot_deadline,
            Step::Engine => within(settings.map_or(Duration::from_secs(60), |settings| settings.engine_deadline)),
        }
    }

    async fn step_ended(&mut self, step: Step, result: Result<Product>) {
        let product = match result {
            Ok(product) => product,
            Err(error) => {
                self.clock.end(&mut self.status, Progress::Failed);
                self.happen(Event::StepFailed { step, cause: error.chain() }).await;
                if let (State::Failed(_), Step::Engine, Some(guest)) = (&self.state, step, self.guest.clone()) {
                    self.late_engine.spawn(steps::await_engine(guest));
                }
                return;
            }
        };
        self.clock.end(&mut self.status, Progress::Done);
        match product {
            Product::Check(ground) => {
                let accelerators = self.choose(&ground);
                self.status.hypervisor = Some(ground.hypervisor.version.clone());
                self.ground = Some(*ground);
                self.happen(Event::Checked { accelerators }).await;
            }
            Product::Image(image) => {
                self.image = Some(image);
                self.happen(Event::Done(step)).await;
            }
            Product::Disk | Product::Engine => self.happen(Event::Done(step)).await,
            Product::Boot(booted) => self.booted(booted).await,
            Product::Link(guest) => {
                self.status.guest_version = guest.welcome().map(|welcome| welcome.versions.berth);
                self.published.guest.send_replace(Some(guest.clone()));
                self.guest = Some(guest);
                self.happen(Event::Done(step)).await;
            }
        }
    }

    /// What to try, the first one first.
    fn choose(&self, ground: &Ground) -> Vec<Accelerator> {
        if let Some(accelerator) = ground.settings.accelerator {
            return vec![accelerator];
        }
        let offered = match ground.settings.accelerator_order.as_slice() {
            [] => ground.hypervisor.accelerators.clone(),
            order => order.to_vec(),
        };
        let memory = AcceleratorMemory::load(&self.paths.accelerator_memory());
        memory.order(&AcceleratorMemory::key(&ground.hypervisor.version), &offered)
    }

    async fn booted(&mut self, booted: Booted) {
        let (State::Starting(start), Some(ground), Some(image)) = (&self.state, &self.ground, &self.image) else {
            return;
        };
        let Some(accelerator) = start.accelerators.first() else { return };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = MachineRecord {
            instance: booted.instance.record().clone(),
            accelerator: *accelerator,
            link: ground.link,
            secret: booted.secret,
            image_version: image.version.clone(),
            started_at: since.as_secs(),
        };
        self.instance = Some(booted.instance);
        self.show_boot(&record);
        let saved = record.save(&self.paths.machine_record());
        self.record = Some(record);
        match saved {
            Ok(()) => self.happen(Event::Done(Step::Boot)).await,
            // A machine that the next daemon could not find must not run.
            Err(error) => self.happen(Event::StepFailed { step: Step::Boot, cause: error.chain() }).await,
        }
    }

    async fn exited(&mut self, exit: InstanceExit) {
        self.instance = None;
        let console = self.paths.console_log();
        let exit = match (exit, &self.state) {
            (InstanceExit::PoweredOff, State::Starting(_)) => console::agent_gave_up(&console)
                .map_or(InstanceExit::PoweredOff, |message| InstanceExit::GaveUp { message }),
            (InstanceExit::Panicked { .. }, _) => {
                InstanceExit::Panicked { message: console::kernel_panic(&console).unwrap_or_default() }
            }
            (exit, _) => exit,
        };
        self.happen(Event::Exited(exit)).await;
    }

    async fn refused(&mut self, cause: String) {
        self.close_host().await;
        self.happen(Event::Refused { cause }).await;
    }

    async fn engine_came(&mut self) {
        if let Some(record) = &self.record {
            let accelerator = record.accelerator;
            self.happen(Event::EngineCame { accelerator }).await;
        }
    }

    /// Asks the guest to power off; its exit tells that it did.
    async fn power_off(&mut self) {
        self.farewell.abort_all();
        match self.guest.clone() {
            Some(guest) => {
                self.farewell.spawn(async move { guest.shutdown(GRACE, STOP_DEADLINE).await });
                self.stop_deadline = Some(Instant::now() + STOP_DEADLINE);
            }
            None => self.press_power_button("there is no link to it").await,
        }
    }

    async fn power_off_answered(&mut self, answer: std::result::Result<(), LinkError>) {
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
        self.stop_deadline = Some(Instant::now() + if pressed { BUTTON_DEADLINE } else { Duration::ZERO });
    }

    async fn stop_overdue(&mut self) {
        self.stop_deadline = None;
        self.status.notes.push("the machine did not power off in time and was ended".to_owned());
        self.happen(Event::StopOverdue).await;
    }

    async fn close_host(&mut self) {
        self.published.engine.send_replace(None);
        self.published.guest.send_replace(None);
        self.farewell.abort_all();
        self.late_engine.abort_all();
        if let Some(guest) = self.guest.take() {
            guest.close();
        }
        self.ports.close_all().await;
    }

    fn remember(&mut self, accelerator: Accelerator) {
        // What the user prescribed says nothing about what works best; an adopted machine was remembered when it started.
        let Some(ground) = self.ground.as_ref().filter(|ground| ground.settings.accelerator.is_none()) else { return };
        let path = self.paths.accelerator_memory();
        let key = AcceleratorMemory::key(&ground.hypervisor.version);
        if let Err(error) = AcceleratorMemory::load(&path).remember(key, accelerator, &path) {
            tracing::warn!(error = %error.chain(), "which accelerator works cannot be kept and is tried again next time");
        }
    }

    fn forget(&mut self) {
        self.record = None;
        if let Err(error) = MachineRecord::forget(&self.paths.machine_record()) {
            tracing::warn!(error = %error.chain(), "the record of the machine cannot be removed");
        }
    }

    fn show_boot(&mut self, record: &MachineRecord) {
        self.status.accelerator = Some(record.accelerator);
        self.status.link = Some(record.link).filter(|link| *link != LinkKind::None);
        self.status.hypervisor_pid = Some(record.instance.process.pid);
        self.status.image_version = Some(record.image_version.clone());
        self.status.started_at = Some(record.started_at);
    }

    fn show_state(&mut self) {
        self.status.failure = None;
        self.status.phase = match &mut self.state {
            State::Stopped => Phase::Stopped,
            State::Starting(_) => Phase::Starting,
            State::Running { .. } => Phase::Running,
            State::Stopping { .. } => Phase::Stopping,
            State::Failed(failure) => {
                let speaks = failure.step.is_none_or(|step| step >= Step::Boot);
                if speaks && failure.console.is_empty() {
                    failure.console = console::last_lines(&self.paths.console_log(), CONSOLE_LINES);
                }
                self.status.failure = Some(failure.clone());
                Phase::Failed
            }
        };
        let there = match &self.state {
            State::Stopped => false,
            State::Failed(failure) => failure.alive,
            State::Starting(_) | State::Running { .. } | State::Stopping { .. } => true,
        };
        if !there {
            self.status.trouble = None;
            self.status.hypervisor_pid = None;
            self.status.started_at = None;
            self.status.guest_version = None;
        }
    }

    fn publish(&self) {
        self.published.status.send_if_modified(|published| {
            let differs = *published != self.status;
            if differs {
                published.clone_from(&self.status);
            }
            differs
        });
    }
}

/// A guest with hardware help speaks within a second or two; an emulated one on a busy host may need a minute.
fn boot_patience(accelerator: Option<&Accelerator>) -> Duration {
    match accelerator {
        Some(Accelerator::Kvm | Accelerator::Hvf | Accelerator::Whpx) => Duration::from_secs(20),
        Some(Accelerator::Tcg) | None => Duration::from_secs(120),
    }
}

fn overdue(step: Step, patience: Duration) -> Error {
    let what = match step {
        Step::Boot | Step::Link => "no word came from the guest",
        Step::Engine => "the engine in the guest did not answer",
        Step::Check => "QEMU did not say its version",
        Step::Image | Step::Disk => "the host's disk did not answer",
    };
    Error::Overdue { what, seconds: patience.as_secs_f64() }
}
