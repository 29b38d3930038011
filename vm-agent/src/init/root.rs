//! From the initramfs to the real root.
//!
//! The root is moved over `/` and entered by chroot: then `/` is an ordinary mount, and pivot_root works in containers, which
//! it does not while `/` is the initramfs. The initramfs is emptied first, since its files are memory.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::mount::mount;

pub(super) fn switch_to(new_root: &Path) -> io::Result<()> {
    for moved in ["/proc", "/sys", "/dev", "/run"] {
        let target = format!("{}{moved}", new_root.display());
        mount(moved, &target, "", libc::MS_MOVE, None)?;
    }
    let device = fs::metadata("/")?.dev();
    empty(&PathBuf::from("/"), device);
    std::env::set_current_dir(new_root)?;
    mount(".", "/", "", libc::MS_MOVE, None)?;
    std::os::unix::fs::chroot(".")?;
    std::env::set_current_dir("/")
}

/// Removes what is on this file system and leaves others alone. What cannot be removed only costs memory.
fn empty(directory: &Path, device: u64) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.dev() != device {
            continue;
        }
        if metadata.is_dir() {
            empty(&path, device);
            let _ = fs::remove_dir(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
    }
}
