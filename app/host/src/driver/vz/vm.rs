//! What is asked of Virtualization.framework, and nothing more: `macos` asks it.

use std::io;
use std::os::fd::OwnedFd;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::checks::Facts;
use super::plan::VmPlan;
use super::protocol::Call;

/// The framework.
pub trait Virtualization: Send + Sync + std::fmt::Debug {
    /// What it says of this computer and this program.
    fn facts(&self) -> Facts;

    /// Makes a machine that is not started yet. `console` is written to; `events` tells of its end, once.
    ///
    /// # Errors
    /// What the framework says, for the user.
    fn make(
        &self,
        plan: &VmPlan,
        console: OwnedFd,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<Box<dyn Vm>, String>;
}

/// One machine of this process. Calls come one after the other; it ends with the process.
pub trait Vm: Send + Sync + std::fmt::Debug {
    /// Resolves once it is done; of [`Call::RequestStop`] once the guest is told.
    ///
    /// # Errors
    /// What the framework says, for the user.
    fn call(&self, call: Call) -> BoxFuture<'static, Result<(), String>>;

    /// A stream to a vsock port of the guest.
    ///
    /// # Errors
    /// While nobody listens there.
    fn connect(&self, port: u32) -> BoxFuture<'static, io::Result<OwnedFd>>;
}

/// How a machine ended that was not stopped by a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The guest powered itself off.
    Stopped,
    /// The framework gave it up.
    Failed(String),
}
