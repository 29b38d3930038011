//! Mount options as words (mount(8), OCI config.md "Mounts") turned into attribute bits, propagation and file-system data.

use serde::{Deserialize, Serialize};

// include/uapi/linux/mount.h; libc has them for some targets only.
pub const MOUNT_ATTR_RDONLY: u64 = 0x0000_0001;
pub const MOUNT_ATTR_NOSUID: u64 = 0x0000_0002;
pub const MOUNT_ATTR_NODEV: u64 = 0x0000_0004;
pub const MOUNT_ATTR_NOEXEC: u64 = 0x0000_0008;
pub const MOUNT_ATTR_ATIME: u64 = 0x0000_0070;
pub const MOUNT_ATTR_NOATIME: u64 = 0x0000_0010;
pub const MOUNT_ATTR_STRICTATIME: u64 = 0x0000_0020;
pub const MOUNT_ATTR_NODIRATIME: u64 = 0x0000_0080;
pub const MOUNT_ATTR_NOSYMFOLLOW: u64 = 0x0020_0000;

/// What the words of one mount mean.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountOptions {
    /// `MOUNT_ATTR_*` to set and to clear on the mount itself.
    pub set: u64,
    pub clear: u64,
    /// The same for every mount below (`rro`, `rnoexec`, ...).
    pub recursive_set: u64,
    pub recursive_clear: u64,
    /// `MS_*` propagation changes, in order.
    pub propagation: Vec<u64>,
    pub bind: bool,
    pub recursive_bind: bool,
    /// Everything else, for the file system: `size=65536k`, `newinstance`.
    pub data: Vec<(String, Option<String>)>,
}

impl MountOptions {
    pub fn parse<'a>(words: impl Iterator<Item = &'a str>) -> MountOptions {
        let mut o = MountOptions::default();
        for word in words {
            if let Some(flags) = propagation(word) {
                o.propagation.push(flags);
            } else if let Some((set, clear)) = attribute(word) {
                o.clear = o.clear & !set | clear;
                o.set = o.set & !clear | set;
            } else if let Some((set, clear)) = word.strip_prefix('r').and_then(attribute) {
                o.recursive_clear = o.recursive_clear & !set | clear;
                o.recursive_set = o.recursive_set & !clear | set;
            } else {
                match word {
                    "bind" => o.bind = true,
                    "rbind" => (o.bind, o.recursive_bind) = (true, true),
                    "" | "defaults" | "async" | "nomand" | "loud" | "norelatime" => {}
                    _ => o.data.push(match word.split_once('=') {
                        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                        None => (word.to_owned(), None),
                    }),
                }
            }
        }
        o
    }
}

/// (bits to set, bits to clear) of a per-mount word. The access-time words are values of one field.
fn attribute(word: &str) -> Option<(u64, u64)> {
    Some(match word {
        "ro" => (MOUNT_ATTR_RDONLY, 0),
        "rw" => (0, MOUNT_ATTR_RDONLY),
        "nosuid" => (MOUNT_ATTR_NOSUID, 0),
        "suid" => (0, MOUNT_ATTR_NOSUID),
        "nodev" => (MOUNT_ATTR_NODEV, 0),
        "dev" => (0, MOUNT_ATTR_NODEV),
        "noexec" => (MOUNT_ATTR_NOEXEC, 0),
        "exec" => (0, MOUNT_ATTR_NOEXEC),
        "nodiratime" => (MOUNT_ATTR_NODIRATIME, 0),
        "diratime" => (0, MOUNT_ATTR_NODIRATIME),
        "nosymfollow" => (MOUNT_ATTR_NOSYMFOLLOW, 0),
        "symfollow" => (0, MOUNT_ATTR_NOSYMFOLLOW),
        "noatime" => (MOUNT_ATTR_NOATIME, MOUNT_ATTR_ATIME & !MOUNT_ATTR_NOATIME),
        "strictatime" => (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_ATIME & !MOUNT_ATTR_STRICTATIME),
        "relatime" | "atime" | "nostrictatime" => (0, MOUNT_ATTR_ATIME),
        _ => return None,
    })
}

/// `MS_*` of a propagation word.
pub fn propagation(word: &str) -> Option<u64> {
    Some(match word {
        "private" => libc::MS_PRIVATE,
        "rprivate" => libc::MS_PRIVATE | libc::MS_REC,
        "slave" => libc::MS_SLAVE,
        "rslave" => libc::MS_SLAVE | libc::MS_REC,
        "shared" => libc::MS_SHARED,
        "rshared" => libc::MS_SHARED | libc::MS_REC,
        "unbindable" => libc::MS_UNBINDABLE,
        "runbindable" => libc::MS_UNBINDABLE | libc::MS_REC,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, expect: MountOptions) {
        assert_eq!(MountOptions::parse(words.split(',')), expect, "{words}");
    }

    #[test]
    fn words() {
        check(
            "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620",
            MountOptions {
                set: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                data: vec![
                    ("newinstance".into(), None),
                    ("ptmxmode".into(), Some("0666".into())),
                    ("mode".into(), Some("0620".into())),
                ],
                ..Default::default()
            },
        );
        check(
            "rbind,rprivate,rro",
            MountOptions {
                bind: true,
                recursive_bind: true,
                propagation: vec![libc::MS_PRIVATE | libc::MS_REC],
                recursive_set: MOUNT_ATTR_RDONLY,
                ..Default::default()
            },
        );
        check("ro,rw", MountOptions { clear: MOUNT_ATTR_RDONLY, ..Default::default() });
        check("relatime,ro", MountOptions { set: 1, clear: MOUNT_ATTR_ATIME, ..Default::default() });
    }
}
