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
    use std::os::windows::process::CommandExt;
    use std::process::{Command, Stdio};

    use windows_sys::Win32::Foundation::GetHandleInformation;

    use super::*;

    /// Has this program be the one that keeps its streams.
    const KEEPER: &str = "BERTH_TEST_KEEPER";

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn is_given_on(stream: RawHandle) -> bool {
        let mut flags = 0;
        // SAFETY: it is written to a number.
        let told = unsafe { GetHandleInformation(stream, &mut flags) };
        assert_ne!(told, 0, "{}", io::Error::last_os_error());
        flags & HANDLE_FLAG_INHERIT != 0
    }

    #[test]
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn what_is_kept_is_given_on_to_nobody() {
        let (_read, write) = io::pipe().unwrap();
        let stream = write.as_raw_handle();
        // SAFETY: a flag of a handle that is open is changed.
        assert_ne!(unsafe { SetHandleInformation(stream, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) }, 0);
        assert!(is_given_on(stream));
        keep(stream);
        assert!(!is_given_on(stream));
    }

    /// As a daemon whose caller reads what it says while a command shares its output.
    #[test]
    fn a_command_is_given_copies_of_streams_that_are_kept() {
        if std::env::var_os(KEEPER).is_some() {
            keep_own_streams();
            let said = Command::new("cmd").raw_arg("/c echo said").stdout(Stdio::inherit()).status().unwrap();
            assert!(said.success());
            return;
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args([
            "--exact",
            "--nocapture",
            "sys::windows::inherit::tests::a_command_is_given_copies_of_streams_that_are_kept",
        ]);
        let out = again.env(KEEPER, "1").output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && said.lines().any(|line| line.trim() == "said"), "{said}");
    }
}
