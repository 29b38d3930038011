//! A tree as a cpio archive in the portable form (POSIX.1-1997, `cpio -H odc`), which macOS' installer reads.

use std::io::{self, Write};

use super::tree::{Root, Row, Tree};

/// Writes it; all is of one date (seconds since 1970).
///
/// # Errors
/// When `to` cannot be written to.
pub fn write(tree: &Tree, root: Root, date: u32, to: &mut impl Write) -> io::Result<()> {
    let (mut number, mut result) = (0, Ok(()));
    tree.rows(root, |row| {
        number += 1;
        if result.is_ok() {
            result = member(&row, number, date, to);
        }
    });
    result?;
    member(&Row { path: "TRAILER!!!", mode: 0, group: 0, bytes: &[] }, 0, 0, to)
}

fn member(row: &Row<'_>, number: u32, date: u32, to: &mut impl Write) -> io::Result<()> {
    let Row { path, mode, group, bytes } = row;
    let (device, owner, links, special_device) = (0, 0, 1, 0);
    write!(to, "070707{device:06o}{number:06o}{mode:06o}{owner:06o}{group:06o}{links:06o}{special_device:06o}")?;
    write!(to, "{date:011o}{:06o}{:011o}{path}\0", path.len() + 1, bytes.len())?;
    to.write_all(bytes)
}
