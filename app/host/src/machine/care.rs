//! What is asked of a machine besides its life: how much of this computer it holds, to give some of it back, to take more.

use serde::{Deserialize, Serialize};

use super::{Handle, Request, blocking, disk};
use crate::link::{Guest, LinkError};
use crate::paths::Paths;
use crate::sys::ProcessIdentity;
use crate::{Error, Result};

/// What of this computer the machine really holds, in bytes; what is not known is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Held {
    /// Of the guest's memory; where the system tells no parts of a process apart, of all that the hypervisor holds.
    pub memory: Option<u64>,
    /// Of the disk on which the data disk's file lies: it has holes.
    pub disk: Option<u64>,
}

/// What a machine gave back of its data disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Trimmed {
    /// What the guest named as free since it did so last; part of it may never have been written.
    pub named_free: u64,
    /// What the file took of this computer's disk before and after.
    pub held_before: u64,
    pub held_after: u64,
    /// The difference. What others wrote meanwhile may hide it.
    pub given_back: u64,
}

impl Handle {
    /// What the machine holds now. Reads files; call it off the event loop.
    pub(crate) fn held(&self, paths: &Paths) -> Held {
        let pid = self.status.borrow().hypervisor_pid;
        let memory = self.in_force().and_then(|in_force| in_force.get("memory_mib")?.parse::<u64>().ok());
        Held {
            memory: pid.zip(memory).and_then(|(pid, mib)| ProcessIdentity::memory(pid, mib << 20)),
            disk: disk::held(&paths.data_disk()).ok().flatten(),
        }
    }

    /// Gives back what is free on the data disk.
    pub(crate) async fn compact_disk(&self, paths: &Paths) -> Result<Trimmed> {
        let guest = self.running_guest()?;
        let path = paths.data_disk();
        let measured = || {
            let path = path.clone();
            blocking(move || Ok(disk::held(&path)?.unwrap_or(0)))
        };
        let held_before = measured().await?;
        let named_free = guest.trim().await?;
        let held_after = measured().await?;
        Ok(Trimmed { named_free, held_before, held_after, given_back: held_before.saturating_sub(held_after) })
    }

    /// Makes the data disk of the machine that runs `gib` long, which the setting says already, and its file system with it.
    pub(crate) async fn grow_disk(&self, gib: u64) -> Result<()> {
        let guest = self.running_guest()?;
        guest.knows_of_its_disk()?;
        let instance = self.instance.borrow().clone().ok_or(Error::Link(LinkError::Down))?;
        instance.grow_data_disk(gib << 30).await.map_err(|source| match source.kind() {
            std::io::ErrorKind::Unsupported => Error::DiskGrowsLater { reason: source.to_string() },
            _ => Error::Qmp { source },
        })?;
        guest.grow_disk(gib << 30).await?;
        self.request(Request::DiskIsGrown).await.map(drop)
    }

    fn running_guest(&self) -> Result<Guest> {
        self.guest().ok_or(Error::WrongState { state: "not running", remedy: "run `berth up`" })
    }
}
