//! Running the steps of a start, and what becomes of their results.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control::LinkKind;
use tokio::time::Instant;

use super::Task;
use crate::architecture::Architecture;
use crate::driver::InstanceExit;
use crate::folders::Folders;
use crate::link::LinkError;
use crate::machine::InForce;
use crate::machine::console::{self, Heard};
use crate::machine::news::until;
use crate::machine::record::{AcceleratorMemory, MachineRecord};
use crate::machine::state::{Blame, Event, Start, State, Step};
use crate::machine::status::Progress;
use crate::machine::steps::{self, Booted, Ground, Product, link};
use crate::machine::{blocking, boot};
use crate::settings::{Accelerator, LinkChoice, Settings};
use crate::{Error, Result};

/// How long a machine that was started before may take to answer again.
const REJOIN_DEADLINE: Duration = Duration::from_secs(20);

impl Task {
    /// Ends the running step; a hypervisor that it had started by then ends with it.
    pub(super) async fn cancel_step(&mut self) {
        self.step.abort_all();
        while let Some(ended) = self.step.join_next().await {
            if let Ok((_, Ok(Product::Boot(booted)))) = ended
                && let Err(error) = booted.instance.kill().await
            {
                tracing::warn!(%error, "the hypervisor could not be ended");
            }
        }
    }

    pub(super) fn run_step(&mut self, step: Step) {
        let State::Starting(start) = self.state.clone() else { return };
        self.clock.begin(&mut self.status, step);
        self.publish();
        let patience = self.deadline_of(step, &start);
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
                    // A machine that an earlier daemon started was checked by it: no step before this one has run. A settings
                    // file that is broken since then is no reason not to reach it.
                    let settings = match ground {
                        Some(ground) => ground.settings,
                        None => Settings::load_or_default(&paths.settings()),
                    };
                    let instance = instance.expect(early);
                    let way = link::way(record.instance.link, record.secret, &paths, !start.adopted);
                    let folders = Arc::new(Folders::new(paths.settings(), paths.own_folders()));
                    Product::Link(link::join(settings, instance, way, ports, folders, patience).await?)
                }
                Step::Engine => {
                    steps::await_engine(guest.expect(early)).await?;
                    Product::Engine
                }
            })
        };
        // The link keeps the deadline itself: it knows when a guest may have more time.
        let deadline = (step != Step::Link).then_some(patience.0);
        self.step.spawn(async move {
            tokio::select! {
                result = work => (step, result),
                () = until(deadline) => (step, Err(overdue(step, patience.1))),
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

    /// The agent's last word, when QEMU ended because the agent did: it may be gone before its end was told.
    fn gave_up(&self, error: &Error) -> Option<String> {
        match error {
            Error::QemuDied { .. } | Error::Qmp { .. } => console::agent_gave_up(&self.paths.console_log()),
            _ => None,
        }
    }

    pub(super) async fn step_ended(&mut self, step: Step, result: Result<Product>) {
        let product = match result {
            Ok(product) => product,
            Err(error) => {
                self.clock.end(&mut self.status, Progress::Failed);
                let event = match self.gave_up(&error) {
                    Some(message) => Event::Exited(InstanceExit::GaveUp { message }),
                    None => {
                        let blame = match (&error, &self.state) {
                            // No other attempt reaches a machine whose device is gone.
                            (Error::VsockDevice { .. }, State::Starting(start)) if start.adopted => Blame::Other,
                            _ => blame(&error, console::heard(&self.paths.console_log())),
                        };
                        Event::StepFailed { step, cause: error.chain(), blame }
                    }
                };
                self.happen(event).await;
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
                let other_link = ground.settings.link == LinkChoice::Auto
                    && ground.link != LinkKind::Serial
                    && ground.hypervisor.links.contains(&LinkKind::Serial);
                self.status.hypervisor = Some(ground.hypervisor.version.clone());
                if !ground.guest.is_native() {
                    let (guest, host) = (ground.guest, Architecture::NATIVE);
                    tracing::warn!(%guest, %host, "the guest image is of another architecture");
                    self.status.notes.push(format!(
                        "the guest image is for {guest} and this computer's processor is {host}: the machine is emulated, which is slow"
                    ));
                }
                self.in_force = Some(InForce::of(&ground.settings));
                self.ground = Some(*ground);
                self.happen(Event::Checked { accelerators, other_link }).await;
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
                // After that: whoever changes them from now on finds the guest and tells it.
                // Settings that cannot be read leave the engine with what it has.
                guest.set_registries(|| Settings::load(&self.paths.settings()).ok().map(|now| boot::registries(&now)));
                let (joined, file) = (guest.clone(), self.paths.settings());
                // A desktop may not answer for a while.
                tokio::spawn(async move {
                    let _ = joined.follow_proxies(blocking(move || Settings::load(&file))).await;
                });
                self.guest = Some(guest);
                self.joined().await;
            }
        }
    }

    /// The step will never tell an end of its own. What it was cancelled for has been seen to already.
    pub(super) async fn step_crashed(&mut self, crash: &tokio::task::JoinError) {
        if let (State::Starting(start), true) = (&self.state, crash.is_panic()) {
            let step = start.step;
            self.clock.end(&mut self.status, Progress::Failed);
            let cause = format!("berth itself failed ({crash}): please report it");
            self.happen(Event::StepFailed { step, cause, blame: Blame::Other }).await;
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
        memory.order(&AcceleratorMemory::key(&ground.hypervisor.version), &offered, now())
    }

    async fn booted(&mut self, booted: Booted) {
        let (State::Starting(start), Some(ground), Some(image)) = (&self.state, &self.ground, &self.image) else {
            return;
        };
        let Some(accelerator) = start.accelerators.first() else { return };
        let record = MachineRecord {
            instance: booted.instance.record().clone(),
            accelerator: *accelerator,
            link: ground.link,
            secret: booted.secret,
            image_version: image.version.clone(),
            hypervisor: Some(ground.hypervisor.version.clone()),
            started_at: now(),
            joined: false,
            settings: self.in_force.clone(),
        };
        self.instance = Some(booted.instance);
        self.show_boot(&record);
        self.record = Some(record);
        self.record_then_go_on(Step::Boot).await;
    }

    /// The guest said hello: from now on the next daemon takes it over rather than ending it.
    async fn joined(&mut self) {
        if let Some(record) = &mut self.record {
            record.joined = true;
        }
        self.record_then_go_on(Step::Link).await;
    }

    async fn record_then_go_on(&mut self, step: Step) {
        let saved = self.record.as_ref().map_or(Ok(()), |record| record.save(&self.paths.machine_record()));
        let event = match saved {
            Ok(()) => Event::Done(step),
            // A machine that the next daemon could not find must not run.
            Err(error) => Event::StepFailed { step, cause: error.chain(), blame: Blame::Other },
        };
        self.happen(event).await;
    }

    pub(super) fn remember(&mut self, accelerator: Accelerator) {
        // What the user prescribed says nothing about what works best; an adopted machine was remembered when it started.
        let Some(ground) = self.ground.as_ref().filter(|ground| ground.settings.accelerator.is_none()) else { return };
        let path = self.paths.accelerator_memory();
        let key = AcceleratorMemory::key(&ground.hypervisor.version);
        if let Err(error) = AcceleratorMemory::load(&path).remember(key, accelerator, now(), &path) {
            tracing::warn!(error = %error.chain(), "which accelerator works cannot be kept and is tried again next time");
        }
    }

    pub(super) fn forget(&mut self) {
        self.record = None;
        if let Err(error) = MachineRecord::forget(&self.paths.machine_record()) {
            tracing::warn!(error = %error.chain(), "the record of the machine cannot be removed");
        }
    }
}

/// What may do better, by the error and by what was heard of the guest until then.
fn blame(error: &Error, heard: Heard) -> Blame {
    match error {
        Error::QemuDied { .. } => Blame::Accelerator,
        Error::VsockDevice { .. } | Error::NoVsockDevice => Blame::Link,
        // At the deadline: the link tries until then.
        Error::Overdue { .. } | Error::Link(LinkError::Unreachable { .. }) => match heard {
            Heard::Nothing => Blame::Accelerator,
            Heard::Agent => Blame::Guest,
            Heard::Services => Blame::Link,
        },
        Error::Link(error) => match error {
            // The guest answered, and turned us down.
            LinkError::Control(
                control::Error::Refused(_) | control::Error::WrongSecret | control::Error::LinkVersion { .. },
            ) => Blame::Other,
            // A session was begun, so the guest is up.
            _ => Blame::Link,
        },
        _ => Blame::Other,
    }
}

/// Seconds since 1970 UTC.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A guest with hardware help speaks within a second or two; an emulated one on a busy host may need a minute.
fn boot_patience(accelerator: Option<&Accelerator>) -> Duration {
    match accelerator {
        Some(Accelerator::Tcg) | None => Duration::from_secs(120),
        Some(_) => Duration::from_secs(20),
    }
}

fn overdue(step: Step, patience: Duration) -> Error {
    let what = match step {
        Step::Boot | Step::Link => link::SILENCE,
        Step::Engine => "the engine in the guest did not answer",
        Step::Check if cfg!(windows) => "Hyper-V did not answer",
        Step::Check if cfg!(target_os = "macos") => "the hypervisor did not answer",
        Step::Check => "QEMU did not say its version",
        Step::Image | Step::Disk => "the host's disk did not answer",
    };
    Error::Overdue { what, seconds: patience.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn only_silence_and_a_death_of_qemu_are_blamed_on_the_accelerator() {
        let unheard = |error: &Error| blame(error, Heard::Nothing);
        let io = || std::io::Error::other("no");
        let path = PathBuf::from;
        let accelerators = [
            overdue(Step::Boot, Duration::from_secs(1)),
            overdue(Step::Link, Duration::from_secs(1)),
            Error::QemuDied { status: "1".to_owned(), message: String::new() },
            Error::Link(LinkError::Unreachable { last: None }),
        ];
        for error in accelerators {
            assert_eq!(unheard(&error), Blame::Accelerator, "{error}");
        }
        for error in [
            Error::NoVsockDevice,
            Error::VsockDevice { reason: "it ended".to_owned() },
            Error::Link(LinkError::NoAnswer),
            Error::Link(LinkError::Down),
            Error::Link(LinkError::Io(io())),
        ] {
            assert_eq!(unheard(&error), Blame::Link, "{error}");
        }
        for error in [overdue(Step::Link, Duration::from_secs(1)), Error::Link(LinkError::Unreachable { last: None })] {
            assert_eq!(blame(&error, Heard::Agent), Blame::Guest, "{error}");
            assert_eq!(blame(&error, Heard::Services), Blame::Link, "{error}");
        }
        let others = [
            Error::File { action: "write", path: path("/initrd"), source: io() },
            Error::DiskInUse { path: path("/disk") },
            Error::NoQemu { looked_for: "qemu".to_owned(), remedy: "" },
            Error::Spawn { program: path("/qemu"), source: io() },
            Error::Qmp { source: io() },
            Error::NoRoom { path: path("/"), needed_mib: 2, available_mib: 1 },
            Error::Link(LinkError::Control(control::Error::WrongSecret)),
        ];
        for error in others {
            assert_eq!(unheard(&error), Blame::Other, "{error}");
        }
    }
}
