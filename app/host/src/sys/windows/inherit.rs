//! What a process that this one starts holds of it.

use std::os::windows::io::RawHandle;
use std::ptr::without_provenance_mut;

use windows_sys::Win32::Foundation::{GetHandleInformation, HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

/// Whoever starts a program of ours has fewer handles than fit below it.
const HANDLES_END: usize = 1 << 16;

/// Keeps what this program was given, its streams and all else, from what it starts: a daemon would hold it as long as it lives, whatever
/// streams of its own it has, and who reads what a command says to its end would wait for the end of the daemon. A shell gives its
/// commands both ends of their pipes. The standard library gives on copies of those streams that a command is to have.
pub(super) fn keep_what_was_given() {
    let mut left = handle_count();
    // The lower two bits of a handle are for its owner ("Kernel objects", Object Handles).
    for handle in (4..HANDLES_END).step_by(4).map(without_provenance_mut) {
        if left == 0 {
            break;
        }
        if let Some(is_given_on) = is_given_on(handle) {
            left -= 1;
            if is_given_on {
                keep(handle);
            }
        }
    }
}

/// As good as endless where it is not told: wine says 0.
#[expect(unsafe_code, reason = "no library has a safe call for it")]
fn handle_count() -> u32 {
    let mut count = 0;
    // SAFETY: it is written to a number.
    let told = unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut count) };
    if told == 0 || count == 0 { u32::MAX } else { count }
}

/// `None` of one that is none.
#[expect(unsafe_code, reason = "no library has a safe call for it")]
fn is_given_on(handle: RawHandle) -> Option<bool> {
    let mut flags = 0;
    // SAFETY: it is written to a number.
    let told = unsafe { GetHandleInformation(handle, &mut flags) };
    (told != 0).then_some(flags & HANDLE_FLAG_INHERIT != 0)
}

#[expect(unsafe_code, reason = "no library has a safe call for it")]
fn keep(handle: RawHandle) {
    // SAFETY: a flag of a handle is changed, whichever it is; it stays open.
    unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) };
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::windows::io::AsRawHandle;
    use std::os::windows::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    /// Has this program be the one that keeps its handles: other tests start programs, too.
    const KEEPER: &str = "BERTH_TEST_KEEPER";

    #[test]
    fn a_command_has_its_own_streams_and_nothing_else() {
        if std::env::var_os(KEEPER).is_some() {
            return keeper();
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args([
            "--exact",
            "--nocapture",
            "sys::windows::inherit::tests::a_command_has_its_own_streams_and_nothing_else",
        ]);
        let out = again.env(KEEPER, "1").output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && said.lines().any(|line| line.trim() == "said"), "{said}");
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn keeper() {
        let (_read, write) = io::pipe().unwrap();
        let given = write.as_raw_handle();
        // SAFETY: a flag of a handle that is open is changed.
        assert_ne!(unsafe { SetHandleInformation(given, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) }, 0);
        assert_eq!(is_given_on(given), Some(true));
        keep_what_was_given();
        for handle in [given, io::stdin().as_raw_handle(), io::stdout().as_raw_handle(), io::stderr().as_raw_handle()] {
            assert_ne!(is_given_on(handle), Some(true));
        }
        // To this program's own output.
        let said = Command::new("cmd").raw_arg("/c echo said").stdout(Stdio::inherit()).status().unwrap();
        assert!(said.success());
    }
}
