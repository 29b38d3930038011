//! What a process that this one starts holds of it.

use std::io;
use std::os::windows::io::{AsRawHandle, RawHandle};

use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};

/// Keeps this program's streams from what it starts, which would hold them as long as it lives, whatever streams of its own it has: who
/// reads what a command says to its end would wait for the end of the daemon. The standard library gives on copies of those that a command
/// is to have.
pub(super) fn keep_own_streams() {
    for stream in own_streams() {
        keep(stream);
    }
}

fn own_streams() -> [RawHandle; 3] {
    [io::stdin().as_raw_handle(), io::stdout().as_raw_handle(), io::stderr().as_raw_handle()]
}

#[expect(unsafe_code, reason = "no library has a safe call for it")]
fn keep(stream: RawHandle) {
    // A program without this stream has none to keep, and the call fails.
    // SAFETY: a flag of a handle is changed, whichever it is; it stays open.
    unsafe { SetHandleInformation(stream, HANDLE_FLAG_INHERIT, 0) };
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use windows_sys::Win32::Foundation::GetHandleInformation;

    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn streams_are_kept_and_copies_of_them_are_given_on() {
        keep_own_streams();
        for stream in own_streams() {
            let mut flags = 0;
            // SAFETY: it is written to a number.
            let told = unsafe { GetHandleInformation(stream, &mut flags) };
            assert!(told == 0 || flags & HANDLE_FLAG_INHERIT == 0);
        }
        // The child says it to this program's own output.
        let said = Command::new("cmd").args(["/c", "echo said"]).stdout(Stdio::inherit()).status().unwrap();
        assert!(said.success());
    }
}
