//! Processes by their numbers: when one began, and its end.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{FILETIME, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE,
    TerminateProcess, WaitForSingleObject,
};

/// A process that cannot become another one while this is held.
#[derive(Debug)]
pub(super) struct Process(OwnedHandle);

impl Process {
    /// The process that has this number, if it may be asked.
    pub(super) fn open(pid: u32) -> io::Result<Process> {
        Process::open_for(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE)
    }

    /// Likewise, to end it.
    pub(super) fn open_to_end(pid: u32) -> io::Result<Process> {
        Process::open_for(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE | PROCESS_TERMINATE)
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn open_for(pid: u32, rights: u32) -> io::Result<Process> {
        // SAFETY: no pointers are handed over.
        let handle = unsafe { OpenProcess(rights, 0, pid) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was opened just now, for us alone.
        Ok(Process(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// When it began, in units of 100 ns since 1601 UTC; `None` when it has ended: somebody may hold what is left of it.
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    pub(super) fn started(&self) -> Option<u64> {
        // SAFETY: the handle is open, with the right to wait for it.
        if unsafe { WaitForSingleObject(self.0.as_raw_handle(), 0) } != WAIT_TIMEOUT {
            return None;
        }
        let mut times = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
        let [started, ended, kernel, user] = &mut times;
        // SAFETY: the handle is open, and what is written to are four times.
        let told = unsafe { GetProcessTimes(self.0.as_raw_handle(), started, ended, kernel, user) };
        (told != 0).then(|| u64::from(started.dwHighDateTime) << 32 | u64::from(started.dwLowDateTime))
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    pub(super) fn end(&self) -> io::Result<()> {
        // SAFETY: the handle is open; what its process holds is the system's to clear away.
        let ended = unsafe { TerminateProcess(self.0.as_raw_handle(), 1) };
        if ended == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::ProcessIdentity;

    #[test]
    fn a_process_is_known_until_its_end() {
        let mut child = Command::new("cmd").arg("/k").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        assert!(identity.is_alive());
        let other = ProcessIdentity { started: "1".to_owned(), ..identity.clone() };
        other.kill().unwrap();
        assert!(identity.is_alive(), "that one is another process");
        identity.kill().unwrap();
        child.wait().unwrap();
        // The child's handle is open still.
        assert!(!identity.is_alive());
        identity.kill().unwrap();
        assert!(Process::open(std::process::id()).unwrap().started().is_some());
    }
}
