//! Hyper-V on Windows, by its Host Compute Service (HCS).
//!
//! The machine is a compute system of its own: made from a document, found again by its identifier, outliving the daemon. Nothing is
//! asked of an administrator but, once, what [`checks`] says. Windows itself is behind three traits ([`ComputeSystems`],
//! [`VirtualDisks`], [`Host`]), so that everything else is tried on every system; `windows` has the real ones, and no machine of ours has
//! been run by them yet (`docs/platforms.md`).

pub mod access;
pub mod checks;
pub mod document;
pub mod failure;
#[cfg(test)]
mod fake;
pub mod guid;
pub mod host;
mod instance;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod silence_tests;
pub mod start;
pub mod systems;
#[cfg(test)]
mod tests;
pub mod vhd;
pub mod vhdx;
#[cfg(windows)]
mod windows;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use control::{LinkKind, NetworkKind};
use tokio::sync::oneshot;

use super::{DataDisks, Driver, Hypervisor, Instance, InstanceRecord, LinkAddress, MachineSpec, RunBy};
use crate::settings::Accelerator;
use crate::{Error, Result};
use checks::Facts;
use document::ComputeSystem;
use failure::HyperVError;
use guid::Guid;
use host::Host;
use instance::{Found, HyperVInstance, Parts, Sought, find};
use start::{Grant, Plan, Started};
use systems::{Call, ComputeSystems};
use vhdx::{Vhdx, VirtualDisks};

const NAME: &str = "hyperv";

#[derive(Debug)]
pub struct HyperV {
    systems: Arc<dyn ComputeSystems>,
    disks: Vhdx,
    host: Arc<dyn Host>,
}

impl HyperV {
    /// The one of this computer.
    #[cfg(windows)]
    pub fn of_this_system() -> HyperV {
        HyperV::new(Arc::new(windows::Service), Arc::new(windows::Virtdisk), Arc::new(windows::ThisHost))
    }

    pub fn new(systems: Arc<dyn ComputeSystems>, disks: Arc<dyn VirtualDisks>, host: Arc<dyn Host>) -> HyperV {
        HyperV { systems, disks: Vhdx(disks), host }
    }

    async fn facts(&self) -> Result<Facts> {
        let host = self.host.clone();
        let facts = blocking(move || host.facts()).await;
        Ok(facts.map_err(|error| HyperVError::Host { reason: error.to_string() })?)
    }

    fn parts(&self, id: Guid, data: &Path, sid: &str, log: &Path) -> Result<Parts> {
        let console = self.host.listen(&host::console_pipe(id), &access::console(sid), log);
        let console = console.map_err(|error| HyperVError::Console { reason: error.to_string() })?;
        Ok(Parts { systems: self.systems.clone(), disks: self.disks.0.clone(), id, data: data.to_path_buf(), console })
    }
}

#[async_trait]
impl Driver for HyperV {
    async fn check(&self) -> Result<Hypervisor> {
        let facts = self.facts().await?;
        let systems = self.systems.clone();
        checks::verdict(blocking(move || systems.ask()).await, &facts)?;
        Ok(Hypervisor {
            version: "Hyper-V".to_owned(),
            accelerators: vec![Accelerator::HyperV],
            links: vec![LinkKind::Vsock],
        })
    }

    fn disks(&self) -> &dyn DataDisks {
        &self.disks
    }

    fn devices(&self) -> &'static str {
        NAME
    }

    async fn start(&self, spec: &MachineSpec) -> Result<Box<dyn Instance>> {
        let facts = self.facts().await?;
        let root = spec.files.root_disk.clone();
        let plan = plan(spec, &root, &facts.sid)?;
        let parts = self.parts(plan.id, &spec.data, &facts.sid, &spec.files.console_log)?;
        let (id, image, systems) = (plan.id, spec.root.clone(), self.systems.clone());
        let document = spec.files.hypervisor_command.clone();
        let explained = move |error| match error {
            HyperVError::Failed(failure) => Error::HyperV(checks::explained(failure, &facts)),
            other => Error::HyperV(other),
        };
        // Before anything is written that it may have open.
        start::end_leftover(&systems, id).await.map_err(&explained)?;
        let begin = move || {
            vhd::make(&image, &root).map_err(Error::file("write", &root))?;
            if let Err(error) = std::fs::write(&document, plan.document.to_json()) {
                tracing::debug!(%error, "how the machine is made cannot be kept for a report");
            }
            start::start(&*systems, &plan).map_err(explained)
        };
        let started = claimed(begin).await?;
        let record = InstanceRecord {
            driver: NAME.to_owned(),
            by: RunBy::System { system: id, data: spec.data.clone() },
            link: LinkAddress::HvSocket { system: started.runtime_id },
            log: spec.files.console_log.clone(),
        };
        Ok(Box::new(HyperVInstance::new(record, started.system, started.events, parts)))
    }

    async fn end_leftover(&self, data: &Path) -> Result<()> {
        let facts = self.facts().await?;
        Ok(start::end_leftover(&self.systems, id_of(data, &facts.sid)).await?)
    }

    async fn adopt(&self, record: &InstanceRecord) -> Result<Option<Box<dyn Instance>>> {
        let RunBy::System { system: id, data } = &record.by else { return Ok(None) };
        let id = *id;
        let Sought::Runs(Found { system, events, properties }) = find(&self.systems, id).await? else {
            return Ok(None);
        };
        let facts = self.facts().await?;
        let parts = self.parts(id, data, &facts.sid, &record.log)?;
        let instance = HyperVInstance::new(record.clone(), system, events, parts);
        // An earlier daemon had it stand still, and is not there to let it go on.
        if properties.state.as_deref() == Some("Paused")
            && let Err(error) = instance.resume().await
        {
            tracing::warn!(%error, "a machine that stood still could not be let go on");
        }
        Ok(Some(Box::new(instance)))
    }
}

/// What a start of `spec` does, for the user `sid`; `root` is where its root file system will be as a virtual disk.
///
/// # Errors
/// When Hyper-V has not what the settings ask for.
pub fn plan(spec: &MachineSpec, root: &Path, sid: &str) -> Result<Plan> {
    if spec.link != LinkKind::Vsock {
        return Err(Error::UnsupportedLink { link: "serial" });
    }
    if spec.accelerator != Accelerator::HyperV {
        return Err(Error::UnsupportedAccelerator { accelerator: spec.accelerator });
    }
    if spec.network == NetworkKind::Nic {
        return Err(HyperVError::NetworkCard.into());
    }
    let id = id_of(&spec.data, sid);
    let own = |file: &Path| Grant { file: file.to_path_buf(), own: true };
    let grants = vec![Grant { file: spec.kernel.clone(), own: false }, own(&spec.initrd), own(root), own(&spec.data)];
    Ok(Plan { id, grants, document: ComputeSystem::of(spec, root, &host::console_pipe(id), sid) })
}

/// The system of the machine with the disk `data`, of the user `sid`.
fn id_of(data: &Path, sid: &str) -> Guid {
    Guid::of_machine(sid, &data.parent().unwrap_or(Path::new("")).to_string_lossy())
}

/// Runs `begin` off the event loop. When nobody waits for the machine any more by the time that it runs, it is ended.
async fn claimed(begin: impl FnOnce() -> Result<Started> + Send + 'static) -> Result<Started> {
    let (hand_over, claim) = oneshot::channel();
    let begun = blocking(move || {
        if let Err(Ok(unclaimed)) = hand_over.send(begin())
            && let Err(error) = unclaimed.system.call(Call::Terminate)
        {
            tracing::warn!(%error, "a machine of a start that was given up could not be ended");
        }
    });
    begun.await;
    claim.await.expect("it is handed over before the call is done")
}

/// Runs calls that block off the event loop. A call that panicked is a bug of ours: its panic goes on here.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The whole program is at its end.
        Err(Err(_)) => std::future::pending().await,
    }
}
