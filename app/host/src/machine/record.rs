//! What outlives the daemon: the record by which the next one adopts a running machine, and which accelerator worked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use control::{LinkKind, Secret};
use serde::{Deserialize, Serialize};

use crate::driver::InstanceRecord;
use crate::machine::InForce;
use crate::settings::Accelerator;
use crate::sys;
use crate::{Error, Result};

/// A machine that was started and not seen ending. The file is readable by this user only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRecord {
    pub instance: InstanceRecord,
    pub accelerator: Accelerator,
    pub link: LinkKind,
    pub secret: Secret,
    pub image_version: String,
    /// Such as `QEMU 10.0.2`.
    #[serde(default)]
    pub hypervisor: Option<String>,
    /// Seconds since 1970 UTC.
    pub started_at: u64,
    /// The guest said hello. One that did not was never said to run, and nobody can have work in it.
    #[serde(default = "joined")]
    pub joined: bool,
    /// The settings that it was started with; `None` in records that were written before the question was asked.
    #[serde(default)]
    pub(crate) settings: Option<InForce>,
}

/// Of records that were written before the question was asked.
fn joined() -> bool {
    true
}

impl MachineRecord {
    pub fn load(path: &Path) -> Result<Option<MachineRecord>> {
        match std::fs::read(path) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .map_err(|error| Error::BadStateFile { path: path.to_path_buf(), reason: error.to_string() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { action: "read", path: path.to_path_buf(), source }),
        }
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).expect("a record has only string keys");
        sys::write_private(path, &json)
    }

    pub fn forget(path: &Path) -> Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .map_err(Error::file("remove", path))
    }
}

/// How long a slower accelerator is taken on trust: a faster one that failed may have been out of luck.
const TRUST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Which accelerator booted a guest, by hypervisor and host kernel: another of either is tried anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AcceleratorMemory(BTreeMap<String, Known>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    accelerator: Accelerator,
    /// When all were tried, in seconds since 1970 UTC.
    tried_at: u64,
}

impl Known {
    /// A clock that was set back makes it doubtful too.
    fn is_fresh(&self, now: u64) -> bool {
        now.checked_sub(self.tried_at).is_some_and(|age| age < TRUST.as_secs())
    }
}

impl AcceleratorMemory {
    /// What cannot be read is as good as nothing: then all are tried again.
    pub fn load(path: &Path) -> AcceleratorMemory {
        std::fs::read(path).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    }

    pub fn key(hypervisor: &str) -> String {
        format!("{hypervisor}, kernel {}", sys::kernel_release())
    }

    /// What worked under this key last, however long ago.
    pub fn known(&self, key: &str) -> Option<Accelerator> {
        self.0.get(key).map(|known| known.accelerator)
    }

    /// `offered` from the one that worked on; all of them when none is known, or not any more. `now` in seconds since 1970 UTC.
    pub fn order(&self, key: &str, offered: &[Accelerator], now: u64) -> Vec<Accelerator> {
        let known = self.0.get(key).filter(|known| known.is_fresh(now));
        let known = known.and_then(|known| offered.iter().position(|accelerator| *accelerator == known.accelerator));
        offered[known.unwrap_or(0)..].to_vec()
    }

    /// Keeps only this key: older hypervisors and kernels do not come back.
    pub fn remember(&mut self, key: String, accelerator: Accelerator, now: u64, path: &Path) -> Result<()> {
        // While it is fresh the others were left out: that is no new trial.
        if self.0.get(&key).is_some_and(|known| known.accelerator == accelerator && known.is_fresh(now)) {
            return Ok(());
        }
        *self = AcceleratorMemory(BTreeMap::from([(key, Known { accelerator, tried_at: now })]));
        sys::write_private(path, &serde_json::to_vec_pretty(self).expect("the memory has only string keys"))
    }

    /// All are tried again.
    pub fn forget(path: &Path) -> Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .map_err(Error::file("remove", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Accelerator::{Kvm, Tcg};

    #[test]
    fn what_worked_is_tried_first_until_something_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accelerators.json");
        let mut memory = AcceleratorMemory::load(&path);
        let key = AcceleratorMemory::key("QEMU 10.0.2");
        assert_eq!(memory.order(&key, &[Kvm, Tcg], 5), [Kvm, Tcg]);
        memory.remember(key.clone(), Tcg, 5, &path).unwrap();
        let memory = AcceleratorMemory::load(&path);
        assert_eq!(memory.known(&key), Some(Tcg));
        assert_eq!(memory.order(&key, &[Kvm, Tcg], 6), [Tcg]);
        assert_eq!(memory.order(&AcceleratorMemory::key("QEMU 11.0.0"), &[Kvm, Tcg], 6), [Kvm, Tcg]);
        assert_eq!(memory.order(&key, &[Kvm], 6), [Kvm]);
        AcceleratorMemory::forget(&path).unwrap();
        assert_eq!(AcceleratorMemory::load(&path).order(&key, &[Kvm, Tcg], 6), [Kvm, Tcg]);
    }

    #[test]
    fn a_faster_accelerator_is_tried_again_after_a_week_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accelerators.json");
        let (mut memory, key, day) = (AcceleratorMemory::default(), "k".to_owned(), 24 * 60 * 60);
        let order = |memory: &AcceleratorMemory, now| memory.order("k", &[Kvm, Tcg], now);
        memory.remember(key.clone(), Tcg, 10 * day, &path).unwrap();
        // Starts with the slower one in between do not put the trial off.
        memory.remember(key.clone(), Tcg, 16 * day, &path).unwrap();
        assert_eq!(order(&memory, 17 * day - 1), [Tcg]);
        assert_eq!(order(&memory, 17 * day), [Kvm, Tcg]);
        assert_eq!(order(&memory, 9 * day), [Kvm, Tcg], "the clock was set back");
        memory.remember(key, Tcg, 17 * day, &path).unwrap();
        assert_eq!(order(&AcceleratorMemory::load(&path), 18 * day), [Tcg]);
    }

    #[test]
    fn a_memory_of_the_earlier_form_is_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accelerators.json");
        std::fs::write(&path, r#"{"QEMU 10.0.2, kernel 6": "tcg"}"#).unwrap();
        assert_eq!(AcceleratorMemory::load(&path), AcceleratorMemory::default());
    }
}
