//! The end: engine told, containers stopped, the rest killed, disks synced, power off.
//!
//! ```text
//!   Running --shutdown asked--> Draining --engine finished, died, or deadline--> Killing --no child left--> finish()
//! ```

use std::{
    path::PathBuf,
    ptr,
    time::{Duration, Instant},
};

use runtime::sys::{self, Cloned};

use crate::protocol::{SHUTDOWN_SECONDS, ShutdownMode};

/// What follows when nothing is left.
#[derive(Debug, Clone)]
pub enum Ending {
    /// PID 1 of the machine: unmount these (the data disk), then power off or restart.
    Machine { unmount: Vec<PathBuf> },
    /// Native mode: the server returns.
    Return,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Draining { mode: ShutdownMode, deadline: Instant },
    Killing { mode: ShutdownMode, deadline: Instant },
}

/// A killed process that hangs in the kernel must not keep the machine on.
const KILL_LIMIT: Duration = Duration::from_secs(5);

impl Phase {
    pub(crate) fn drain(mode: ShutdownMode, now: Instant) -> Phase {
        Phase::Draining { mode, deadline: now + Duration::from_secs(SHUTDOWN_SECONDS) }
    }

    pub(crate) fn kill(mode: ShutdownMode, now: Instant) -> Phase {
        Phase::Killing { mode, deadline: now + KILL_LIMIT }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Phase::Running => None,
            Phase::Draining { deadline, .. } | Phase::Killing { deadline, .. } => Some(*deadline),
        }
    }
}

/// Syncs and ends the machine, in a child: a sync can take long, and PID 1 goes on reaping meanwhile.
pub(crate) fn end_machine(mode: ShutdownMode, unmount: &[PathBuf]) {
    // SAFETY: one thread; the child ends in reboot or _exit.
    match unsafe { sys::clone3(0, None) } {
        Ok(Cloned::Parent { .. }) => {}
        Ok(Cloned::Child) | Err(_) => {
            let command = match mode {
                ShutdownMode::PowerOff => libc::RB_POWER_OFF,
                ShutdownMode::Restart => libc::RB_AUTOBOOT,
            };
            // SAFETY: paths are C strings that live through the calls.
            unsafe {
                libc::sync();
                for path in unmount {
                    use std::os::unix::ffi::OsStrExt;
                    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { continue };
                    // First read-only, which closes the file system in order at once. An unmount alone leaves that to who uses it last,
                    // and the kernel takes the overlays of killed containers apart only later.
                    let flags = libc::MS_REMOUNT | libc::MS_RDONLY;
                    libc::mount(ptr::null(), path.as_ptr(), ptr::null(), flags, ptr::null());
                    libc::umount2(path.as_ptr(), 0);
                }
                libc::reboot(command);
                libc::_exit(1)
            }
        }
    }
}
