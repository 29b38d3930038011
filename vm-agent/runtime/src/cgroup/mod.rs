//! cgroup v2: what to write ([`settings`], pure) and the directory itself ([`Cgroup`]).
//!
//! Only the engine calls this; the supervisor gets a descriptor of the directory and clones into it.

mod directory;
mod settings;

use std::{collections::BTreeSet, fs, path::PathBuf};

pub use directory::{Cgroup, Hierarchy};
pub use settings::{Settings, settings};

use crate::{Error, Result};

/// Names as in `cgroup.controllers`: `cpu`, `memory`, ...
pub type Controllers = BTreeSet<String>;

/// Where the cgroup2 tree is mounted: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` on a host with both versions.
pub fn mount_point() -> Result<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(|source| Error::Cgroup {
        action: "find",
        path: PathBuf::from("/proc/self/mountinfo"),
        source,
    })?;
    find_mount(&table).ok_or(Error::NoCgroup2)
}

/// proc_pid_mountinfo(5): `id parent maj:min root mountpoint options [tags] - fstype source super-options`.
fn find_mount(table: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| {
            let (mount, fs) = line.split_once(" - ")?;
            (fs.split(' ').next()? == "cgroup2").then(|| mount.split(' ').nth(4).map(PathBuf::from))?
        })
        .collect();
    found.sort();
    found.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_tree() {
        let hybrid = "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 30 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(find_mount(hybrid), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(find_mount("31 30 0:27 / / rw - ext4 /dev/vda rw\n"), None);
    }
}
