//! The mount namespace of the native engine: what is mounted passes between it and the host, but for the engine's own.
//!
//! A user binds a folder with `:rshared` so that what a container mounts there is seen by the host, and with `:rslave` so
//! that the container sees what the host mounts. Both need the host's peer groups, which a new namespace has. What the
//! engine mounts for itself is below its own directories: each becomes a private mount of this namespace, whose parent
//! leaves its peer group for as long as that takes.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use runtime::sys;

/// Leaves the host's mount namespace, keeping what is mounted below `directories` (resolved) to this one.
pub(crate) fn own(directories: &[&Path]) -> anyhow::Result<()> {
    let mut around = Vec::new();
    for directory in directories {
        let point = shared_mount_of(directory).context("read the table of mounts")?;
        let host = point.map(|point| open(&point).map(|file| (point, file))).transpose()?;
        around.push((directory, host));
    }
    sys::unshare(libc::CLONE_NEWNS).context("a mount namespace of its own")?;
    for (directory, host) in around {
        // What is mounted below a private or slave mount is seen nowhere else as it is.
        let Some((point, host)) = host else { continue };
        let step = || format!("keep what is mounted below {} from the host", directory.display());
        let parent = open(&point)?;
        sys::mount_setattr(parent.as_fd(), false, 0, 0, libc::MS_PRIVATE).with_context(step)?;
        let tree = sys::open_tree_clone(sys::here(), directory, true).with_context(step)?;
        sys::mount_setattr(tree.as_fd(), true, 0, 0, libc::MS_PRIVATE).with_context(step)?;
        sys::move_mount(tree.as_fd(), open(directory)?.as_fd()).with_context(step)?;
        sys::join_peers(host.as_fd(), parent.as_fd())
            .with_context(|| format!("share {} with the host again (this needs Linux 5.15)", point.display()))?;
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<File> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(path);
    opened.with_context(|| format!("open {}", path.display()))
}

/// The mount point that `directory` is below, if that mount is shared (proc_pid_mountinfo(5)).
fn shared_mount_of(directory: &Path) -> std::io::Result<Option<PathBuf>> {
    Ok(find(&fs::read_to_string("/proc/self/mountinfo")?, directory))
}

fn find(table: &str, directory: &Path) -> Option<PathBuf> {
    let entries = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        // A space in a name is written so; the other three such bytes are in no directory that an engine is given.
        let point = PathBuf::from(words.get(4)?.replace("\\040", " "));
        let optional = words.iter().skip(6).take_while(|word| **word != "-");
        let shared = optional.into_iter().any(|word| word.starts_with("shared:"));
        directory.starts_with(&point).then_some((point, shared))
    });
    // Of two mounts on one point the later covers the earlier.
    let (point, shared) = entries.max_by_key(|(point, _)| point.components().count())?;
    shared.then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_a_directory_is_the_innermost() {
        let table = "1 0 8:1 / / rw shared:1 - ext4 a rw\n2 1 8:2 / /var\\040x rw master:3 - ext4 b rw\n\
                     3 1 8:3 / /srv rw - ext4 c rw\n4 1 8:4 / /srv rw,noatime master:2 shared:5 - ext4 d rw\n";
        let of = |directory: &str| find(table, Path::new(directory));
        assert_eq!(of("/var/lib"), Some(PathBuf::from("/")));
        assert_eq!(of("/var x/lib"), None);
        assert_eq!(of("/srv/berth"), Some(PathBuf::from("/srv")));
    }
}
