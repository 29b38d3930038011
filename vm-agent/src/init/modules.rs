//! Kernel modules from lists: one absolute path a line, dependencies first (docs/guest-image.md).

use std::{fs, io, os::fd::AsRawFd, path::Path};

use anyhow::Context;

/// Every module of a list that the machine needs.
pub(crate) fn load(list: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(list).with_context(|| format!("read {}", list.display()))?;
    text.lines().try_for_each(load_one)
}

/// Modules that nothing of ours waits for; one that does not load is only missed by whoever wants it.
pub(crate) fn load_late() {
    let Ok(text) = fs::read_to_string("/lib/berth/modules/late.list") else { return };
    for path in text.lines() {
        if let Err(error) = load_one(path) {
            tracing::warn!("{error:#}");
        }
    }
}

fn load_one(path: &str) -> anyhow::Result<()> {
    let file = fs::File::open(path).with_context(|| format!("open the kernel module {path}"))?;
    // SAFETY: a descriptor, an empty C string and flags.
    let done = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    let error = io::Error::last_os_error();
    // EEXIST: there already.
    if done != 0 && error.raw_os_error() != Some(libc::EEXIST) {
        return Err(error).with_context(|| format!("load the kernel module {path}"));
    }
    Ok(())
}
