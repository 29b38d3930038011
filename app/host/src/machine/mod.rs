//! One virtual machine: what it is (`state`), who owns it (`task`), what of it survives the daemon (`record`).
//!
//! Others hold a [`Handle`]: requests in, the published status and the guest out.

pub mod boot;
mod care;
mod clean;
pub mod console;
pub mod disk;
mod in_force;
mod news;
pub mod record;
pub mod state;
pub mod status;
mod steps;
mod task;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::driver::Instance;
use crate::link::Guest;
use crate::paths::Paths;
use crate::ports::{HostPorts, Lender};
use crate::{Error, Result};

pub use care::{Held, Trimmed};
pub(crate) use in_force::InForce;
pub use state::{During, Failure, Outcome, ResetReport, Step};
pub use status::{MachineStatus, Phase, Progress, StepReport};
pub(crate) use steps::{blocking, to_the_end};

/// What a holder of a [`Handle`] may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Start, unless it runs or starts already.
    Up,
    /// Stop in good order, unless it is stopped already.
    Down,
    /// Stop in good order, then start.
    Restart,
    /// Back to an empty machine, stopped; with `keep_volumes` to one that has only its named volumes, running.
    Reset { keep_volumes: bool },
    /// Not for the user: the machine's data disk was grown to what the setting says.
    DiskIsGrown,
    /// Not for the user: the machine was made to stand still, or to go on.
    Paused(bool),
}

/// A machine owned by a task; clones are the same machine.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<(Request, oneshot::Sender<Result<MachineStatus>>)>,
    status: watch::Receiver<MachineStatus>,
    engine: watch::Receiver<Option<Guest>>,
    guest: watch::Receiver<Option<Guest>>,
    forwards: watch::Receiver<Vec<control::Forward>>,
    looked: watch::Receiver<bool>,
    in_force: watch::Receiver<Option<InForce>>,
    lender: Lender,
    instance: watch::Receiver<Option<Arc<dyn Instance>>>,
}

impl Handle {
    /// Starts the owning task, which first looks for a machine that an earlier daemon left running.
    /// When the last handle is dropped the task ends and leaves the machine as it is.
    pub fn spawn(paths: Paths) -> Handle {
        let (requests, receiver) = mpsc::channel(16);
        let (status_to, status) = watch::channel(MachineStatus::stopped());
        let (engine_to, engine) = watch::channel(None);
        let (guest_to, guest) = watch::channel(None);
        let ports = HostPorts::new();
        let (forwards, lender) = (ports.list(), ports.lender());
        let (looked_to, looked) = watch::channel(false);
        let (in_force_to, in_force) = watch::channel(None);
        let (instance_to, instance) = watch::channel(None);
        let published = task::Published {
            status: status_to,
            engine: engine_to,
            guest: guest_to,
            looked: looked_to,
            in_force: in_force_to,
            instance: instance_to,
        };
        tokio::spawn(task::run(paths, receiver, published, ports));
        Handle { requests, status, engine, guest, forwards, looked, in_force, lender, instance }
    }

    /// Makes a request and returns once it is accepted: the status that it led to, which the published one may have left already.
    pub async fn request(&self, request: Request) -> Result<MachineStatus> {
        let (reply, answer) = oneshot::channel();
        let gone = || Error::WrongState { state: "no longer managed", remedy: "start the daemon again" };
        self.requests.send((request, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// The published status; changes wake its watchers.
    pub fn status(&self) -> watch::Receiver<MachineStatus> {
        self.status.clone()
    }

    /// Resolves when it is known whether an earlier daemon left a machine running: until then the published status only means that
    /// nobody has looked yet.
    pub async fn looked(&self) {
        // Where the owner is gone there is nothing more to be known.
        let _ = self.looked.clone().wait_for(|looked| *looked).await;
    }

    /// The settings that the machine was started with; `None` when there is no machine, or it is not known.
    pub(crate) fn in_force(&self) -> Option<InForce> {
        self.in_force.borrow().clone()
    }

    /// For a port of this computer that the machine's containers come first at.
    pub(crate) fn lender(&self) -> Lender {
        self.lender.clone()
    }

    /// As [`Handle::forwards`]; changes wake the watcher.
    pub(crate) fn forward_changes(&self) -> watch::Receiver<Vec<control::Forward>> {
        self.forwards.clone()
    }

    /// As [`Handle::engine`]; changes wake the watcher.
    pub(crate) fn engine_changes(&self) -> watch::Receiver<Option<Guest>> {
        self.engine.clone()
    }

    /// The guest, while its engine may be spoken to.
    pub fn engine(&self) -> Option<Guest> {
        self.engine.borrow().clone()
    }

    /// The guest as soon as there is a link to it, even when the engine does not answer: for the debug shell.
    pub fn guest(&self) -> Option<Guest> {
        self.guest.borrow().clone()
    }

    /// What the guest says about itself now; `None` at once when it stands still, whyever, or the link is lost, or is so before it answers.
    pub async fn guest_status(&self) -> Option<control::message::Status> {
        let guest = self.guest()?;
        let mut machine = self.status();
        let trouble = async { drop(machine.wait_for(|machine| machine.trouble.is_some()).await) };
        tokio::select! {
            biased;
            () = trouble => None,
            () = guest.gate().shuts() => None,
            status = guest.status() => status.ok(),
        }
    }

    /// The hypervisor that runs the machine, now and after each change.
    pub(crate) fn instance(&self) -> watch::Receiver<Option<Arc<dyn Instance>>> {
        self.instance.clone()
    }

    /// Ports published now.
    pub fn forwards(&self) -> Vec<control::Forward> {
        self.forwards.borrow().clone()
    }

    /// Resolves when the owning task is gone though handles are left: it panicked.
    pub async fn gone(&self) {
        let mut status = self.status();
        while status.changed().await.is_ok() {}
    }

    /// The status once nothing more happens by itself.
    pub async fn settled(&self) -> MachineStatus {
        let mut status = self.status.clone();
        match status.wait_for(|status| status.phase.is_settled()).await {
            Ok(status) => status.clone(),
            Err(_) => self.status.borrow().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_owner_that_is_gone_is_noticed() {
        let (requests, _receiver) = mpsc::channel(1);
        let (status_to, status) = watch::channel(MachineStatus::stopped());
        let nobody = || watch::channel(None).1;
        let handle = Handle {
            requests,
            status,
            engine: nobody(),
            guest: nobody(),
            forwards: watch::channel(Vec::new()).1,
            looked: watch::channel(true).1,
            in_force: watch::channel(None).1,
            lender: Lender::default(),
            instance: watch::channel(None).1,
        };
        let mut gone = Box::pin(handle.gone());
        status_to.send_modify(|status| status.phase = Phase::Starting);
        assert!(futures_util::poll!(&mut gone).is_pending());
        drop(status_to);
        gone.await;
    }
}
