//! The mount namespace of the native engine: what the host mounts is seen in it, and nothing of it reaches the host.
//!
//! A namespace that shared the host's peer groups would let `:rshared` binds pass mounts on to the host, and would make every mount and
//! unmount of the engine the host's as well: an unmounted volume took along what the host had mounted below its source. So the host's
//! mounts are followed (slave), and what the host shares is shared again among the engine and its containers alone. What the engine mounts for itself, below its
//! own directories, is private to it.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use layers::mount_table;
use runtime::sys;

/// Leaves the host's mount namespace for one like that; `directories` (resolved) are the engine's own.
pub(crate) fn own(directories: &[&Path]) -> anyhow::Result<()> {
    sys::unshare(libc::CLONE_NEWNS).context("a mount namespace of its own")?;
    let root = open(Path::new("/"))?;
    sys::mount_setattr(root.as_fd(), true, 0, 0, libc::MS_SLAVE).context("part the mounts from the host's")?;
    for mount in mount_table::read().context("read the table of mounts")?.iter().filter(|mount| mount.slave) {
        // One that another covers cannot be opened, and need not be shared.
        if let Ok(mount) = open(&mount.point) {
            sys::mount_setattr(mount.as_fd(), false, 0, 0, libc::MS_SHARED).context("share the host's mounts here")?;
        }
    }
    for directory in directories {
        let step = || format!("keep what is mounted below {} private", directory.display());
        let tree = sys::open_tree_clone(sys::here(), directory, true).with_context(step)?;
        sys::move_mount(tree.as_fd(), open(directory)?.as_fd()).with_context(step)?;
        sys::mount_setattr(tree.as_fd(), true, 0, 0, libc::MS_PRIVATE).with_context(step)?;
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<File> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path);
    opened.with_context(|| format!("open {}", path.display()))
}
