//! What `init` tells the roles: the boot file and how long each step took, in a sealed memory file at descriptor 4. Never in
//! arguments or the environment, which other processes can read.

use std::{
    fs::File,
    io::{Read, Seek},
    os::fd::{FromRawFd, OwnedFd},
};

use anyhow::Context;
use control::{BootInfo, message::BootStep};
use serde::{Deserialize, Serialize};

/// Next to the supervisor's channel.
const FD: i32 = supervisor::protocol::CHANNEL_FD + 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Handover {
    pub(crate) boot: BootInfo,
    pub(crate) steps: Vec<BootStep>,
}

impl Handover {
    pub(crate) fn to_fd(&self) -> anyhow::Result<OwnedFd> {
        let bytes = serde_json::to_vec(self).context("boot information")?;
        runtime::sys::sealed_memfd(c"boot", &bytes).context("a memory file for the boot information")
    }

    /// As a role started by the supervisor. Call it once.
    pub(crate) fn receive() -> anyhow::Result<Handover> {
        // SAFETY: the supervisor put it there for this process, and this is the only reader.
        Handover::read(unsafe { OwnedFd::from_raw_fd(FD) })
    }

    pub(crate) fn read(fd: OwnedFd) -> anyhow::Result<Handover> {
        let mut file = File::from(fd);
        let mut text = Vec::new();
        // Engine and relay share the offset, and a restarted one finds it at the end.
        file.rewind().context("the boot information at descriptor 4")?;
        file.read_to_end(&mut text).context("the boot information at descriptor 4")?;
        serde_json::from_slice(&text).context("the boot information at descriptor 4")
    }
}

/// Milliseconds since the kernel started.
pub(crate) fn since_boot() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: now lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// A step that is done now.
pub(crate) fn step(name: &str) -> BootStep {
    BootStep { name: name.to_owned(), at_ms: since_boot() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_second_reader() {
        let boot = BootInfo::native("host", control::EngineSettings::default()).expect("a secret");
        let handover = Handover { boot: boot.clone(), steps: vec![step("kernel")] };
        let fd = handover.to_fd().expect("a memory file");
        let again = fd.try_clone().expect("dup");
        assert_eq!(Handover::read(fd).expect("readable").boot, boot);
        assert_eq!(Handover::read(again).expect("readable").steps[0].name, "kernel");
    }
}
