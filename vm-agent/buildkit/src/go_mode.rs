//! Modes of files as Go has them, which clients send and take.

use rustix::fs::{FileType, Mode};

pub(crate) const DIRECTORY: u32 = 1 << 31;
pub(crate) const SYMLINK: u32 = 1 << 27;
pub(crate) const DEVICE: u32 = 1 << 26;
pub(crate) const PIPE: u32 = 1 << 25;
pub(crate) const SETUID: u32 = 1 << 23;
pub(crate) const SETGID: u32 = 1 << 22;
pub(crate) const CHARACTER: u32 = 1 << 21;
pub(crate) const STICKY: u32 = 1 << 20;
/// Whatever is no regular file.
pub(crate) const TYPES: u32 = DIRECTORY | SYMLINK | DEVICE | PIPE | CHARACTER | 1 << 24 | 1 << 19;

/// What stands apart from the nine permissions, here and in the kernel.
const SPECIAL: [(u32, u32); 3] = [(SETUID, 0o4000), (SETGID, 0o2000), (STICKY, 0o1000)];

/// The permissions of a mode.
pub(crate) fn permissions(mode: u32) -> Mode {
    let special = SPECIAL.into_iter().filter(|(bit, _)| mode & bit != 0).map(|(_, bits)| bits).sum::<u32>();
    Mode::from_raw_mode(mode & 0o777 | special)
}

/// The mode of what the kernel has as `raw`; nothing for what has no form in an image.
pub(crate) fn of(raw: u32) -> Option<u32> {
    let kind = match FileType::from_raw_mode(raw) {
        FileType::RegularFile => 0,
        FileType::Directory => DIRECTORY,
        FileType::Symlink => SYMLINK,
        FileType::BlockDevice => DEVICE,
        FileType::CharacterDevice => DEVICE | CHARACTER,
        FileType::Fifo => PIPE,
        FileType::Socket | FileType::Unknown => return None,
    };
    let special = SPECIAL.into_iter().filter(|(_, bits)| raw & bits != 0).map(|(bit, _)| bit).sum::<u32>();
    Some(kind | special | raw & 0o777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_go_both_ways() {
        for (raw, go) in [
            (0o100_644, 0o644),
            (0o104_755, SETUID | 0o755),
            (0o041_777, DIRECTORY | STICKY | 0o777),
            (0o120_777, SYMLINK | 0o777),
            (0o020_600, DEVICE | CHARACTER | 0o600),
            (0o060_600, DEVICE | 0o600),
            (0o012_600, PIPE | SETGID | 0o600),
        ] {
            assert_eq!(of(raw), Some(go), "{raw:o}");
            assert_eq!(permissions(go).as_raw_mode(), raw & 0o7777, "{raw:o}");
        }
        assert_eq!(of(0o140_777), None);
    }
}
