//! Extended attributes: file capabilities, access lists and the like.

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// In front of an attribute's name in the extended header, for GNU tar, Go and everybody since.
pub(super) const XATTR: &str = "SCHILY.xattr.";

/// Attributes of the overlay file system, which mean nothing elsewhere and must not come from outside.
fn steers_overlay(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// The attributes at `path`, a link itself; none where the file system has none.
pub(super) fn read(path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
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
        if name.is_empty() || steers_overlay(name.as_bytes()) {
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
pub(super) fn write(path: &Path, xattrs: &[(Vec<u8>, Vec<u8>)]) -> io::Result<()> {
    for (name, value) in xattrs {
        if steers_overlay(name) {
            continue;
        }
        match rustix::fs::setxattr(path, name.as_slice(), value, XattrFlags::empty()) {
            // File systems differ in what they keep, and in for whom; dockerd ignores both as well.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
