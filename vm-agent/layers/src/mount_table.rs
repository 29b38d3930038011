//! What is mounted in this thread's namespace, by the kernel's table: no file system is asked, not even one that does not answer.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// One mount; of two on one point the later covers the earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    pub point: PathBuf,
    /// It passes mounts on to the others of its peer group.
    pub shared: bool,
    /// It follows another peer group.
    pub slave: bool,
}

/// All of them, in the order in which they were made.
///
/// # Errors
/// When proc(5) is not there.
pub fn read() -> io::Result<Vec<MountPoint>> {
    Ok(parse(&std::fs::read("/proc/thread-self/mountinfo")?))
}

/// proc_pid_mountinfo(5): `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
pub fn parse(text: &[u8]) -> Vec<MountPoint> {
    let entries = text.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        let point = unescape(words.nth(4)?);
        let optional: Vec<&[u8]> = words.skip(1).take_while(|word| *word != b"-").collect();
        let has = |prefix: &[u8]| optional.iter().any(|word| word.starts_with(prefix));
        Some(MountPoint { point, shared: has(b"shared:"), slave: has(b"master:") })
    });
    entries.collect()
}

/// `\040` and the like are bytes.
fn unescape(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bytes_and_groups_are_told() {
        let text = b"1 0 8:1 / / rw shared:1 master:2 - ext4 a rw\n2 1 8:2 / /a\\040b\\134\\011/\xe9 rw - ext4 b rw\n";
        let table = parse(text);
        let flags: Vec<_> = table.iter().map(|mount| (mount.shared, mount.slave)).collect();
        assert_eq!(flags, [(true, true), (false, false)]);
        assert_eq!(table[1].point.as_os_str().as_encoded_bytes(), b"/a b\\\t/\xe9");
    }
}
