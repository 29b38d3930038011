//! Memory for those who carry what is written.
//!
//! Where none is left the kernel finds some by writing, and what it writes to a mounted folder is carried by this very process: it must not
//! wait for that writing. That it is not ended to make room either `init` has seen to, for all of the agent's processes.

use std::io;

use nix::libc;

const OOM_SCORE: &str = "/proc/self/oom_score_adj";
/// `PR_SET_IO_FLUSHER` of `include/uapi/linux/prctl.h`.
const IO_FLUSHER: libc::c_int = 57;

/// From now on, for the calling thread and all that it starts.
pub(crate) fn carries_writes() {
    if let Err(error) = flushes(true) {
        tracing::debug!(%error, "the kernel does not treat this process as one that writes for it");
    }
}

/// In a child that carries nothing: it waits for memory, and is ended for want of it, as any other. Async-signal-safe.
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
