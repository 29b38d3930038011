//! The Host Compute Service behind two thin traits: the real one calls Windows, the fake is a table.
//!
//! All calls block. Dropping a [`System`] closes its handle alone: what runs goes on.

use std::fmt::Debug;
use std::path::Path;

use tokio::sync::mpsc;

use super::failure::Failure;
use super::guid::Guid;

/// The compute systems of this computer.
pub trait ComputeSystems: Send + Sync + Debug {
    /// Asks the service what it is, which fails as any other call would: where it is not there, or does not listen to this user.
    fn ask(&self) -> Result<(), Failure>;

    /// Lets the process that will run the system `id` open `file`. Idempotent.
    fn grant(&self, id: Guid, file: &Path) -> Result<(), Failure>;

    /// Makes a system, which does not run yet. `events` hears of it from then on.
    fn create(&self, id: Guid, document: &str, events: Events) -> Result<Box<dyn System>, Failure>;

    /// The system that somebody made.
    fn open(&self, id: Guid, events: Events) -> Result<Box<dyn System>, Failure>;
}

/// One compute system.
pub trait System: Send + Sync + Debug {
    /// Returns when it is done, with what the service wrote about it.
    fn call(&self, call: Call) -> Result<String, Failure>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Start,
    /// As a power button.
    ShutDown,
    Terminate,
    Pause,
    Resume,
    /// Answers with [`super::document::Properties`].
    Properties,
}

impl Call {
    pub fn verb(self) -> &'static str {
        match self {
            Call::Start => "start the machine",
            Call::ShutDown => "shut the machine down",
            Call::Terminate => "end the machine",
            Call::Pause => "pause the machine",
            Call::Resume => "let the machine go on",
            Call::Properties => "ask for the machine",
        }
    }
}

/// What the service tells by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The system has ended; the text is the service's (`SystemExitStatus`).
    Exited(String),
    /// The service itself ended, and with it this handle: not necessarily the system.
    Disconnected,
}

pub type Events = mpsc::UnboundedSender<Event>;
