//! A computer with Hyper-V as a table: what was called is written down, and what fails is told before.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::checks::Facts;
use super::failure::{Failure, code};
use super::guid::Guid;
use super::host::{Console, Host};
use super::systems::{Call, ComputeSystems, Event, Events, System};
use super::vhdx::VirtualDisks;
use super::vhdx::tests::sample;

pub(super) const SID: &str = "S-1-5-21-7-1001";

#[derive(Debug, Default)]
struct State {
    /// In the order of the calls, such as `grant disk.vhdx`, `Start`.
    calls: Vec<String>,
    /// What the calls of that name answer from now on.
    fails: BTreeMap<String, u32>,
    systems: BTreeMap<Guid, Made>,
    /// The calls of that name last until the other end is dropped.
    holds: BTreeMap<String, Receiver<()>>,
    /// Pipes that somebody listens at.
    listened: BTreeSet<String>,
    /// Nobody hears of an end.
    mute: bool,
    /// A system that was ended is there all the same.
    undying: bool,
    /// What one that ended by itself and is listed still says of its end.
    stopped: Option<String>,
}

#[derive(Debug)]
struct Made {
    document: String,
    state: &'static str,
    events: Vec<Events>,
}

/// All three parts of a computer.
#[derive(Debug, Clone, Default)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    /// Wakes who waits for a call.
    rings: Arc<Notify>,
}

/// What has not come by then does not come.
pub(super) const LIMIT: Duration = Duration::from_secs(50);

impl Fake {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Resolves once there were so many calls `name` since [`Fake::calls`] was asked last.
    pub(super) async fn called_times(&self, name: &str, times: usize) {
        self.comes(|state| state.calls.iter().filter(|call| *call == name).count() >= times).await;
    }

    /// Resolves once there is no system.
    pub(super) async fn has_none(&self) {
        self.comes(|state| state.systems.is_empty()).await;
    }

    async fn comes(&self, is_there: impl Fn(&State) -> bool) {
        loop {
            let mut rings = pin!(self.rings.notified());
            rings.as_mut().enable();
            if is_there(&self.lock()) {
                return;
            }
            timeout(LIMIT, rings).await.unwrap_or_else(|_| panic!("it does not come: {:?}", self.lock()));
        }
    }

    /// From now on nobody hears of an end.
    pub(super) fn mute(&self) {
        self.lock().mute = true;
    }

    /// From now on what is ended stays, and nobody hears of an end.
    pub(super) fn let_nothing_end(&self) {
        let mut state = self.lock();
        (state.mute, state.undying) = (true, true);
    }

    /// Has the call `name` fail from now on.
    pub(super) fn fail(&self, name: &str, code: u32) {
        self.lock().fails.insert(name.to_owned(), code);
    }

    pub(super) fn recover(&self) {
        self.lock().fails.clear();
    }

    /// The calls since this was asked last.
    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().calls)
    }

    pub(super) fn ids(&self) -> Vec<Guid> {
        self.lock().systems.keys().copied().collect()
    }

    pub(super) fn document(&self, id: Guid) -> serde_json::Value {
        serde_json::from_str(&self.lock().systems[&id].document).unwrap()
    }

    pub(super) fn listens(&self, pipe: &str) -> bool {
        self.lock().listened.contains(pipe)
    }

    /// Has the next call `name` last until what is returned is dropped.
    pub(super) fn hold(&self, name: &str) -> Sender<()> {
        let (gate, held) = channel();
        self.lock().holds.insert(name.to_owned(), held);
        gate
    }

    /// The daemon is gone, and its pipes with it.
    pub(super) fn forget_listeners(&self) {
        self.lock().listened.clear();
    }

    /// The system ends by itself.
    pub(super) fn end(&self, id: Guid, exit_type: &str) {
        let mut state = self.lock();
        let made = state.systems.remove(&id).unwrap();
        tell(&made, exit_type);
        self.rings.notify_waiters();
    }

    /// The system ends by itself and nobody hears of it; it is listed still.
    pub(super) fn stop(&self, exit_type: &str) {
        self.lock().stopped = Some(exit_type.to_owned());
    }

    fn ended(&self, id: Guid, exit_type: &str) {
        let mut state = self.lock();
        if state.undying {
            return;
        }
        let made = state.systems.remove(&id).unwrap();
        if !state.mute {
            tell(&made, exit_type);
        }
        self.rings.notify_waiters();
    }

    /// The service begins anew; systems live on.
    pub(super) fn restart_service(&self) {
        for made in self.lock().systems.values_mut() {
            for events in made.events.drain(..) {
                let _ = events.send(Event::Disconnected);
            }
        }
    }

    fn called(&self, name: &str, what: &'static str, text: String) -> Result<(), Failure> {
        let held = {
            let mut state = self.lock();
            state.calls.push(text);
            self.rings.notify_waiters();
            state.holds.remove(name)
        };
        if let Some(held) = held {
            // It ends when the other end is dropped.
            let _ = held.recv();
        }
        let state = self.lock();
        match state.fails.get(name) {
            Some(code) => Err(Failure { what, code: *code, detail: String::new() }),
            None => Ok(()),
        }
    }
}

fn tell(made: &Made, exit_type: &str) {
    for events in &made.events {
        let _ = events.send(Event::Exited(format!(r#"{{"Status":0,"ExitType":"{exit_type}"}}"#)));
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn failure(what: &'static str, code: u32) -> Failure {
    Failure { what, code, detail: String::new() }
}

impl ComputeSystems for Fake {
    fn ask(&self) -> Result<(), Failure> {
        self.called("ask", "ask the compute service", "ask".to_owned())
    }

    fn grant(&self, _id: Guid, file: &Path) -> Result<(), Failure> {
        let file = name(file);
        self.called(&format!("grant {file}"), "open a file of the machine", format!("grant {file}"))
    }

    fn create(&self, id: Guid, document: &str, events: Events) -> Result<Box<dyn System>, Failure> {
        let done = self.called("create", "make the machine", "create".to_owned());
        // What is not made in time comes to be all the same.
        if done.as_ref().is_err_and(|failure| failure.code != code::HCS_OPERATION_TIMEOUT) {
            return Err(done.unwrap_err());
        }
        let mut state = self.lock();
        if state.systems.contains_key(&id) {
            return Err(failure("make the machine", code::HCS_SYSTEM_ALREADY_EXISTS));
        }
        state.systems.insert(id, Made { document: document.to_owned(), state: "Created", events: vec![events] });
        done.map(|()| -> Box<dyn System> { Box::new(FakeSystem { id, fake: self.clone() }) })
    }

    fn open(&self, id: Guid, events: Events) -> Result<Box<dyn System>, Failure> {
        self.called("open", "find the machine", "open".to_owned())?;
        let mut state = self.lock();
        let made = state.systems.get_mut(&id).ok_or(failure("find the machine", code::HCS_SYSTEM_NOT_FOUND))?;
        made.events.push(events);
        Ok(Box::new(FakeSystem { id, fake: self.clone() }))
    }
}

#[derive(Debug)]
struct FakeSystem {
    id: Guid,
    fake: Fake,
}

impl System for FakeSystem {
    fn call(&self, call: Call) -> Result<String, Failure> {
        let name = format!("{call:?}");
        self.fake.called(&name, call.verb(), name.clone())?;
        let mut state = self.fake.lock();
        let made = state.systems.get_mut(&self.id).ok_or(failure(call.verb(), code::HCS_SYSTEM_NOT_FOUND))?;
        let wrong = Err(failure(call.verb(), code::HCS_INVALID_STATE));
        match (call, made.state) {
            (Call::Start, "Created") | (Call::Resume, "Paused") => made.state = "Running",
            (Call::Pause, "Running") => made.state = "Paused",
            (Call::Start | Call::Resume | Call::Pause, _) => return wrong,
            (Call::Properties, _) if state.stopped.is_some() => {
                let exit_type = state.stopped.as_deref().unwrap_or_default();
                return Ok(format!(r#"{{"Stopped":true,"ExitType":"{exit_type}"}}"#));
            }
            (Call::Properties, at) => {
                return Ok(format!(
                    r#"{{"Id":"X","RuntimeId":"{}","State":"{at}"}}"#,
                    self.id.to_string().to_uppercase()
                ));
            }
            (Call::ShutDown | Call::Terminate, _) => {
                drop(state);
                self.fake.ended(self.id, if call == Call::Terminate { "ForcedExit" } else { "GracefulExit" });
            }
        }
        Ok(String::new())
    }
}

impl VirtualDisks for Fake {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.called("create disk", "", format!("create {} {}", name(path), bytes >> 30)).map_err(io::Error::other)?;
        std::fs::write(path, sample(bytes))
    }

    fn resize(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.called("resize", "", format!("resize {} {}", name(path), bytes >> 30)).map_err(io::Error::other)?;
        std::fs::write(path, sample(bytes))
    }

    fn compact(&self, path: &Path) -> io::Result<()> {
        self.called("compact", "", format!("compact {}", name(path))).map_err(io::Error::other)
    }
}

impl Host for Fake {
    fn facts(&self) -> io::Result<Facts> {
        Ok(Facts { hypervisor: true, firmware: true, sid: SID.to_owned() })
    }

    fn listen(&self, name: &str, access: &str, log: &Path) -> io::Result<Box<dyn Console>> {
        assert!(access.contains(SID) && access.contains("S-1-5-83-0"), "{access}");
        std::fs::File::create(log)?;
        if !self.lock().listened.insert(name.to_owned()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(Box::new(FakeConsole { name: name.to_owned(), fake: self.clone() }))
    }
}

#[derive(Debug)]
struct FakeConsole {
    name: String,
    fake: Fake,
}

#[async_trait]
impl Console for FakeConsole {
    async fn drained(&self) {}
}

impl Drop for FakeConsole {
    fn drop(&mut self) {
        self.fake.lock().listened.remove(&self.name);
    }
}

/// Files of an image and a machine in `dir`.
pub(super) fn files(dir: &Path) -> [PathBuf; 4] {
    let files = ["vmlinuz", "root.erofs", "initrd", "disk.vhdx"].map(|name| dir.join(name));
    for file in &files {
        std::fs::write(file, "content").unwrap();
    }
    files
}
