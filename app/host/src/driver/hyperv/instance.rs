//! One machine that runs: watched by one task that hears its end from the service.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::document::Properties;
use super::failure::{self, Failure, HyperVError};
use super::guid::Guid;
use super::host::Console;
use super::systems::{Call, ComputeSystems, Event, System};
use super::vhdx::VirtualDisks;
use crate::driver::disk::AtWork;
use crate::driver::{Instance, InstanceExit, InstanceRecord};

/// What the kernel says before anything else when it gives up (kernel/panic.c).
const PANIC: &[u8] = b"Kernel panic - not syncing";

/// A machine that is ended is gone at once, and its end is told then.
pub(super) const END_IS_TOLD: Duration = Duration::from_secs(10);

/// A service that began anew, or that Windows updates, is back within seconds; a machine is not given up for a slow computer.
const SERVICE_IS_BACK: Duration = Duration::from_secs(60);
const SERVICE_PAUSE: Duration = Duration::from_millis(500);

/// How long the service may take to say what it knows of a machine.
const ANSWER: Duration = Duration::from_secs(60);

const GONE: &str = "it was gone when Windows' compute service came back";

type Shared = Arc<Mutex<Arc<dyn System>>>;

/// What a machine is made of besides its system.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) systems: Arc<dyn ComputeSystems>,
    pub(super) disks: Arc<dyn VirtualDisks>,
    pub(super) id: Guid,
    pub(super) data: PathBuf,
    pub(super) console: Box<dyn Console>,
}

#[derive(Debug)]
pub(super) struct HyperVInstance {
    record: InstanceRecord,
    system: Shared,
    exit: watch::Receiver<Option<InstanceExit>>,
    trouble: watch::Receiver<Option<String>>,
    resumed: watch::Sender<u64>,
}

impl HyperVInstance {
    pub(super) fn new(
        record: InstanceRecord,
        system: Box<dyn System>,
        events: mpsc::UnboundedReceiver<Event>,
        parts: Parts,
    ) -> HyperVInstance {
        let system: Shared = Arc::new(Mutex::new(Arc::from(system)));
        let (tell, exit) = watch::channel(None);
        let watched = Watched { system: system.clone(), parts, log: record.log.clone() };
        tokio::spawn(async move {
            let exit = watched.until_the_end(events).await;
            let Parts { disks, data, console, .. } = watched.parts;
            // The next start listens there, and waits for the disk. One in doubt is left alone.
            drop(console);
            let at_work = (exit == InstanceExit::PoweredOff).then(|| AtWork::on(&data));
            tell.send_replace(Some(exit));
            if let Some(at_work) = at_work {
                super::blocking(move || compact(&*disks, &data, &at_work)).await;
            }
        });
        HyperVInstance { record, system, exit, trouble: watch::channel(None).1, resumed: watch::channel(0).0 }
    }

    async fn call(&self, call: Call) -> Result<(), Failure> {
        let system = held(&self.system);
        super::blocking(move || system.call(call)).await.map(drop)
    }
}

fn held(system: &Shared) -> Arc<dyn System> {
    system.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[async_trait]
impl Instance for HyperVInstance {
    fn record(&self) -> &InstanceRecord {
        &self.record
    }

    /// A connection that comes too early is refused, and nothing breaks.
    async fn link_is_used(&self) {}

    fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.clone()
    }

    fn resumed(&self) -> watch::Receiver<u64> {
        self.resumed.subscribe()
    }

    async fn pause(&self) -> io::Result<()> {
        self.call(Call::Pause).await.map_err(io::Error::other)
    }

    async fn resume(&self) -> io::Result<()> {
        match self.call(Call::Resume).await {
            Ok(()) => {
                self.resumed.send_modify(|times| *times += 1);
                Ok(())
            }
            // It runs.
            Err(failure) if failure.code == failure::code::HCS_INVALID_STATE => Ok(()),
            Err(failure) => Err(io::Error::other(failure)),
        }
    }

    /// Windows lets nobody change a virtual disk that a machine has.
    async fn grow_data_disk(&self, _bytes: u64) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "under Hyper-V a disk grows while its machine is off"))
    }

    async fn press_power_button(&self) -> io::Result<()> {
        self.call(Call::ShutDown).await.map_err(io::Error::other)
    }

    async fn kill(&self) -> io::Result<()> {
        match self.call(Call::Terminate).await {
            Err(failure) if !failure.is_gone() => return Err(io::Error::other(failure)),
            Err(_) | Ok(()) => {}
        }
        match timeout(END_IS_TOLD, self.wait()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "Windows does not tell that the machine has ended")),
        }
    }

    async fn wait(&self) -> InstanceExit {
        InstanceExit::told(&self.exit).await
    }
}

#[derive(Debug)]
struct Watched {
    system: Shared,
    parts: Parts,
    log: PathBuf,
}

impl Watched {
    async fn until_the_end(&self, mut events: mpsc::UnboundedReceiver<Event>) -> InstanceExit {
        loop {
            match events.recv().await {
                Some(Event::Exited(said)) => return self.exit(&said).await,
                Some(Event::Disconnected) | None => match self.found_again().await {
                    Ok(Sought::Runs(found)) => {
                        *self.system.lock().unwrap_or_else(PoisonError::into_inner) = Arc::from(found.system);
                        events = found.events;
                    }
                    Ok(Sought::Over(over)) => match over.told().await {
                        Some(said) => return self.exit(&said).await,
                        None => return self.died(GONE),
                    },
                    Ok(Sought::Gone) => return self.died(GONE),
                    Err(error) => return self.died(&error.to_string()),
                },
            }
        }
    }

    /// The service began anew: a handle of the one before is of no use any more, and the machine may run on. While the service is not
    /// there it answers nothing that says what became of the machine.
    async fn found_again(&self) -> Result<Sought, HyperVError> {
        let end = Instant::now() + SERVICE_IS_BACK;
        loop {
            match find(&self.parts.systems, self.parts.id).await {
                Ok(sought) => return Ok(sought),
                Err(error) if Instant::now() >= end => return Err(error),
                Err(error) => tracing::debug!(%error, "Windows' compute service does not answer yet"),
            }
            sleep(SERVICE_PAUSE).await;
        }
    }

    async fn exit(&self, said: &str) -> InstanceExit {
        // What the guest said last has been read by the end of this.
        self.parts.console.drained().await;
        let exit_type = Properties::of_json(said).exit_type.unwrap_or_default();
        let log = self.log.clone();
        let has_panicked = super::blocking(move || has_panicked(&log)).await;
        match exit_type.as_str() {
            _ if has_panicked => InstanceExit::Panicked { message: String::new() },
            "GracefulExit" => InstanceExit::PoweredOff,
            "ForcedExit" => self.died("it was ended by force"),
            _ => self.died(&format!("Windows ended it ({})", if exit_type.is_empty() { said } else { &exit_type })),
        }
    }

    fn died(&self, message: &str) -> InstanceExit {
        InstanceExit::Lost { message: message.to_owned() }
    }
}

fn compact(disks: &dyn VirtualDisks, data: &Path, _at_work: &AtWork) {
    if let Err(error) = disks.compact(data) {
        tracing::warn!(%error, "what is free on the data disk could not be given back to Windows");
    }
}

/// What became of a system that is looked for.
#[derive(Debug)]
pub(super) enum Sought {
    Runs(Found),
    /// There is none.
    Gone,
    /// It is at its end, or came to it while it was looked for.
    Over(Over),
}

/// A system that is there.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) system: Box<dyn System>,
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    pub(super) properties: Properties,
}

/// A system that was there, and at its end.
#[derive(Debug)]
pub(super) struct Over {
    /// What is known of its end.
    said: Option<String>,
    events: mpsc::UnboundedReceiver<Event>,
    /// A handle that is closed tells nothing.
    _system: Box<dyn System>,
}

impl Over {
    /// How it ended. One that came to its end while it was looked for is told of that in a moment; an end from before is not told again.
    async fn told(mut self) -> Option<String> {
        if self.said.is_some() {
            return self.said;
        }
        match timeout(END_IS_TOLD, self.events.recv()).await {
            Ok(Some(Event::Exited(said))) => Some(said),
            Ok(Some(Event::Disconnected) | None) | Err(_) => None,
        }
    }
}

/// The system `id` with its properties, while it is there and not at its end. A service that is silent is given up.
pub(super) async fn find(systems: &Arc<dyn ComputeSystems>, id: Guid) -> Result<Sought, HyperVError> {
    let systems = systems.clone();
    let asked = super::blocking(move || {
        let (tell, events) = mpsc::unbounded_channel();
        let system = systems.open(id, tell)?;
        let properties = system.call(Call::Properties);
        Ok((system, events, properties))
    });
    let opened = timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(Failure::timed_out(Call::Properties.verb())));
    let (system, events, properties) = match opened {
        Ok(opened) => opened,
        Err(failure) if failure.is_gone() => return Ok(Sought::Gone),
        Err(failure) => return Err(failure.into()),
    };
    let said = match properties {
        Ok(text) => {
            let properties = Properties::of_json(&text);
            if !properties.is_over() {
                return Ok(Sought::Runs(Found { system, events, properties }));
            }
            properties.exit_type.is_some().then_some(text)
        }
        Err(failure) if failure.is_gone() => None,
        Err(failure) => return Err(failure.into()),
    };
    Ok(Sought::Over(Over { said, events, _system: system }))
}

/// A guest that panics resets, which to the service is an end like others.
fn has_panicked(log: &Path) -> bool {
    std::fs::read(log).is_ok_and(|text| text.windows(PANIC.len()).any(|part| part == PANIC))
}
