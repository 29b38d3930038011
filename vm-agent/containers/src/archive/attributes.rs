//! What a tar header has no field for: extended attributes (file capabilities, access lists) and times finer than a second.

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use std::io::{self, Read};
use std::path::Path;
use tar::Entry;

/// Names and values.
pub(super) type Xattrs = Vec<(String, Vec<u8>)>;

/// In front of an attribute's name in the extended header, for GNU tar, Go and everybody since.
pub(super) const XATTR: &str = "SCHILY.xattr.";

/// Attributes of the overlay file system, which mean nothing elsewhere and must not come from outside.
fn steers_overlay(name: &str) -> bool {
    name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")
}

/// The attributes at `path`, a link itself; none where the file system has none.
pub(super) fn read(path: &Path) -> io::Result<Xattrs> {
    let mut names = vec![0; 64 * 1024];
    let length = match rustix::fs::listxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut list = Vec::new();
    for name in names[..length].split(|byte| *byte == 0) {
        // A name that is not text has no form in an archive.
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name.is_empty() || steers_overlay(name) {
            continue;
        }
        let mut value = vec![0; 64 * 1024];
        match rustix::fs::getxattr(path, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                list.push((name.to_owned(), value));
            }
            // Removed since it was listed.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error.into()),
        }
    }
    list.sort();
    Ok(list)
}

/// Sets what the file system can keep, on what `path` leads to: a descriptor in `/proc/self/fd`.
pub(super) fn write(path: &Path, xattrs: &Xattrs) -> io::Result<()> {
    for (name, value) in xattrs {
        if steers_overlay(name) {
            continue;
        }
        match rustix::fs::setxattr(path, name.as_str(), value, XattrFlags::empty()) {
            // File systems differ in what they keep, and in for whom; dockerd ignores both as well.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The extended header of an entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) xattrs: Xattrs,
    /// Seconds and nanoseconds since 1970.
    pub(super) mtime: Option<(i64, i64)>,
}

/// Reads the extended header that came before `entry`.
pub(super) fn of<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Extensions> {
    let mut found = Extensions::default();
    let Some(records) = entry.pax_extensions()? else { return Ok(found) };
    for record in records {
        let record = record?;
        // A key that is not text is nobody's.
        let Ok(key) = record.key() else { continue };
        if let Some(name) = key.strip_prefix(XATTR) {
            found.xattrs.push((name.to_owned(), record.value_bytes().to_vec()));
        } else if key == "mtime" {
            found.mtime = record.value().ok().and_then(time);
        }
    }
    Ok(found)
}

/// `-12.5` is half a second before 12 seconds before 1970.
fn time(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9.9}").parse().ok()?;
    match (whole.starts_with('-'), nanos) {
        (true, 1..) => Some((seconds - 1, 1_000_000_000 - nanos)),
        _ => Some((seconds, nanos)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("12.5"), Some((12, 500_000_000)));
        assert_eq!(time("12.0000000019"), Some((12, 1)));
        assert_eq!(time("-12.5"), Some((-13, 500_000_000)));
        for bad in ["", "x", "1.x", "1.-5"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
