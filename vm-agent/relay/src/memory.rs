//! Memory for those who carry what is written.
//!
//! Where none is left the kernel finds some by writing, and what it writes to a mounted folder is carried by this very process: it must not
//! wait for that writing, and not be ended to make room.

use std::io;

use nix::libc;

const OOM_SCORE: &str = "/proc/self/oom_score_adj";
/// The last one to be ended; only -1000 would mean never.
const LAST: &str = "-999";
/// `PR_SET_IO_FLUSHER` of `include/uapi/linux/prctl.h`.
const IO_FLUSHER: libc::c_int = 57;

/// From now on, for the calling thread, all that it starts, and this process.
pub(crate) fn carries_writes() {
    if let Err(error) = flushes(true) {
        tracing::debug!(%error, "the kernel does not treat this process as one that writes for it");
    }
    if let Err(error) = std::fs::write(OOM_SCORE, LAST) {
        tracing::debug!(%error, "this process may be ended for want of memory");
    }
}

/// In a child that carries nothing. Async-signal-safe.
pub(crate) fn carries_nothing() -> io::Result<()> {
    flushes(false)?;
    let file = nix::fcntl::open(OOM_SCORE, nix::fcntl::OFlag::O_WRONLY, nix::sys::stat::Mode::empty())?;
    nix::unistd::write(&file, b"0")?;
    Ok(())
}

/// prctl(2), `PR_SET_IO_FLUSHER`: memory is found without the writing of file systems, and what this thread writes itself is not slowed down for what
/// others have written. Threads and children have it of who starts them.
fn flushes(it_does: bool) -> io::Result<()> {
    // SAFETY: integers only.
    match unsafe { libc::prctl(IO_FLUSHER, libc::c_ulong::from(it_does), 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
