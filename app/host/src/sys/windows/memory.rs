//! How much memory there is.

use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};

/// Memory that the system can use, in MiB.
#[expect(unsafe_code, reason = "no library has a safe call for it")]
pub(in crate::sys) fn memory_mib() -> Option<u64> {
    let length = u32::try_from(size_of::<MEMORYSTATUSEX>()).expect("a few bytes");
    let mut status = MEMORYSTATUSEX { dwLength: length, ..MEMORYSTATUSEX::default() };
    // SAFETY: the structure is this function's, and says how long it is.
    let known = unsafe { GlobalMemoryStatusEx(&mut status) };
    (known != 0).then_some(status.ullTotalPhys >> 20)
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_known() {
        let mib = super::memory_mib().expect("it is known");
        assert!((128..1 << 24).contains(&mib), "{mib} MiB");
    }
}
