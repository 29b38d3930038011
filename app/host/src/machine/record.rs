//! What outlives the daemon: the record by which the next one adopts a running machine, and which accelerator worked.

use std::collections::BTreeMap;
use std::path::Path;

use control::{LinkKind, Secret};
use serde::{Deserialize, Serialize};

use crate::driver::InstanceRecord;
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
    /// Seconds since 1970 UTC.
    pub started_at: u64,
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

/// Which accelerator booted a guest, by hypervisor and host kernel: another of either is tried anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AcceleratorMemory(BTreeMap<String, Accelerator>);

impl AcceleratorMemory {
    /// What cannot be read is as good as nothing: then all are tried again.
    pub fn load(path: &Path) -> AcceleratorMemory {
        std::fs::read(path).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    }

    pub fn key(hypervisor: &str) -> String {
        format!("{hypervisor}, kernel {}", sys::kernel_release())
    }

    /// `offered` from the one that worked on; all of them when none is known.
    pub fn order(&self, key: &str, offered: &[Accelerator]) -> Vec<Accelerator> {
        let known = self.0.get(key).and_then(|known| offered.iter().position(|accelerator| accelerator == known));
        offered[known.unwrap_or(0)..].to_vec()
    }

    /// Keeps only this key: older hypervisors and kernels do not come back.
    pub fn remember(&mut self, key: String, accelerator: Accelerator, path: &Path) -> Result<()> {
        let new = AcceleratorMemory(BTreeMap::from([(key, accelerator)]));
        if *self == new {
            return Ok(());
        }
        *self = new;
        sys::write_private(path, &serde_json::to_vec_pretty(self).expect("the memory has only string keys"))
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
        assert_eq!(memory.order(&key, &[Kvm, Tcg]), [Kvm, Tcg]);
        memory.remember(key.clone(), Tcg, &path).unwrap();
        let memory = AcceleratorMemory::load(&path);
        assert_eq!(memory.order(&key, &[Kvm, Tcg]), [Tcg]);
        assert_eq!(memory.order(&AcceleratorMemory::key("QEMU 11.0.0"), &[Kvm, Tcg]), [Kvm, Tcg]);
        assert_eq!(memory.order(&key, &[Kvm]), [Kvm]);
    }
}
