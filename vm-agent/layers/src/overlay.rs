//! Detached overlay mounts.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};

use crate::{Error, OverlaySpec, Result};

/// `fsconfig` takes strings of up to 256 bytes, the final zero included (kernel `fs/fsopen.c`).
const MAX_VALUE: usize = 255;

/// Mounts without attaching: nothing appears in any mount table until the caller moves the mount somewhere.
pub(crate) fn mount(spec: &OverlaySpec) -> Result<OwnedFd> {
    if let (None, [only]) = (&spec.upper, spec.lowers.as_slice()) {
        // An overlay needs two directories; a clone of the only one is the same view.
        return rustix::mount::open_tree(
            rustix::fs::CWD,
            only,
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
        )
        .map_err(|e| failed("open_tree", e));
    }
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(|e| failed("fsopen", e))?;
    // Directories that were opened to shorten their names must stay open until the mount is made.
    let mut opened = Vec::new();
    let mut set = |key: &'static str, directory: &Path| -> Result<()> {
        let value = short(directory, &mut opened)?;
        rustix::mount::fsconfig_set_string(context.as_fd(), key, &value).map_err(|e| logged(&context, key, e))
    };
    for lower in &spec.lowers {
        set("lowerdir+", lower)?;
    }
    if let Some(upper) = &spec.upper {
        set("upperdir", &upper.upper)?;
        set("workdir", &upper.work)?;
    }
    // dockerd's choice: no inode index, so that layers may be shared and stay plain directories; no metadata-only copies
    // and no redirects, which would make an upper directory unreadable without its layers.
    for (key, value) in [("index", "off"), ("metacopy", "off"), ("redirect_dir", "off")] {
        rustix::mount::fsconfig_set_string(context.as_fd(), key, value).map_err(|e| logged(&context, key, e))?;
    }
    rustix::mount::fsconfig_create(context.as_fd()).map_err(|e| logged(&context, "create", e))?;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
        .map_err(|e| logged(&context, "fsmount", e))
}

/// The path itself, or a short name for it when it is too long for `fsconfig`.
fn short(directory: &Path, opened: &mut Vec<OwnedFd>) -> Result<PathBuf> {
    if directory.as_os_str().as_bytes().len() <= MAX_VALUE {
        return Ok(directory.to_owned());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd =
        rustix::fs::open(directory, flags, Mode::empty()).map_err(|e| Error::io("cannot open", directory)(e.into()))?;
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    opened.push(fd);
    Ok(name.into())
}

fn failed(step: &'static str, errno: Errno) -> Error {
    Error::Mount { step, source: errno.into(), log: String::new() }
}

/// With the kernel's own words, which a mount context hands out one message a read.
fn logged(context: &OwnedFd, step: &'static str, errno: Errno) -> Error {
    let mut log = String::new();
    if let Ok(fd) = context.try_clone() {
        let mut file = std::fs::File::from(fd);
        let mut message = [0; 1024];
        while let Ok(count @ 1..) = file.read(&mut message) {
            log.push_str("; ");
            log.push_str(String::from_utf8_lossy(&message[..count]).trim_end());
        }
    }
    Error::Mount { step, source: errno.into(), log }
}
