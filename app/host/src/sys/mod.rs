//! What differs between operating systems, apart from hypervisors: private folders, local sockets, processes that outlive
//! us, facts about the host. Every function here exists on every system.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

pub use platform::{LocalListener, LocalStream};

/// What the defaults of the settings are computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostFacts {
    pub cpus: u32,
    pub memory_mib: u64,
}

impl HostFacts {
    pub fn read() -> HostFacts {
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        HostFacts { cpus, memory_mib: platform::memory_mib().unwrap_or(4096) }
    }
}

/// The user's own folder below the shared temporary one, for sockets whose other names are too long.
pub fn shared_temp_dir() -> PathBuf {
    platform::shared_temp_dir()
}

/// Creates `dir` with its parents, for this user only (mode 0700).
///
/// A folder that exists must belong to this user, else [`Error::ForeignDirectory`]; its mode is corrected.
pub fn create_private_dir(dir: &Path) -> Result<()> {
    platform::create_private_dir(dir)
}

/// Writes `bytes` to `path` so that readers see the old or the new file and a power cut leaves one of them;
/// only this user can read it.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    platform::write_private(&temporary, bytes).map_err(Error::file("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(Error::file("replace", path))?;
    platform::sync_parent(path).map_err(Error::file("write the folder of", path))
}

/// Opens `path` for writing from its beginning, readable by this user only.
pub fn create_private_file(path: &Path) -> std::io::Result<std::fs::File> {
    platform::create_private_file(path)
}

/// Bytes that this user can still write on the file system of `path`.
pub fn free_space(path: &Path) -> Result<u64> {
    platform::free_space(path).map_err(Error::file("measure the free space of", path))
}

/// Bytes that `file` occupies, less than its length when it is sparse.
pub fn allocated(metadata: &std::fs::Metadata) -> u64 {
    platform::allocated(metadata)
}

/// Whether `path` is a local socket of a process that is gone. A symbolic link to one is not: what it leads to may come back.
pub fn nobody_listens(path: &Path) -> bool {
    platform::nobody_listens(path)
}

/// Makes `path` a symbolic link to the file `target`.
pub fn link_to(target: &Path, path: &Path) -> std::io::Result<()> {
    platform::link_to(target, path)
}

/// What tells whether a file changed without reading it: length, modification time in ns, inode number (0 where there is none).
pub fn fingerprint(metadata: &std::fs::Metadata) -> (u64, u128, u64) {
    let modified = metadata.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    (metadata.len(), modified.map_or(0, |t| t.as_nanos()), platform::inode(metadata))
}

/// Release of the host's kernel, as `uname -r`.
pub fn kernel_release() -> String {
    platform::kernel_release()
}

/// Certificates (PEM) of the authorities that this host trusts beyond those of its distributor; empty when there are none.
pub fn local_authorities() -> String {
    platform::local_authorities()
}

/// Makes the process a session of its own, so that no terminal's end reaches it.
pub fn leave_terminal() {
    platform::leave_terminal();
}

/// Arranges that the child neither gets the signals of our terminal nor ends with us.
pub fn detach(command: &mut std::process::Command) {
    platform::detach(command);
}

/// Resolves when the system asks this process to end (SIGTERM, SIGINT, SIGHUP; Ctrl-C on Windows).
pub async fn termination() {
    platform::termination().await;
}

/// A process that can be recognised after its number was used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    pub pid: u32,
    /// When it started, in the system's own unit and since the system's own origin (Linux: clock ticks since boot,
    /// field 22 of /proc/PID/stat, after the boot's id).
    pub started: String,
}

impl ProcessIdentity {
    /// The identity of the process that has this number now.
    pub fn of(pid: u32) -> Option<ProcessIdentity> {
        Some(ProcessIdentity { pid, started: platform::process_start(pid)? })
    }

    pub fn is_alive(&self) -> bool {
        platform::process_start(self.pid).as_ref() == Some(&self.started)
    }

    /// The arguments of the process that has this number now; `None` where the system does not tell.
    pub fn arguments(pid: u32) -> Option<Vec<String>> {
        platform::process_arguments(pid)
    }

    /// Ends the process at once; does nothing when it is gone already or the number belongs to another process.
    pub fn kill(&self) -> std::io::Result<()> {
        platform::kill(self)
    }

    /// Resolves when the process is gone.
    pub async fn gone(&self) {
        platform::gone(self).await;
    }
}

/// Connects to a [`LocalListener`] of this path.
pub async fn connect(path: &Path) -> std::io::Result<LocalStream> {
    platform::connect(path).await
}
