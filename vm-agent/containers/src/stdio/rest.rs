//! The unfinished line of a log on disk, so that an engine that is killed at any instant leaves the old one or the new one.
//!
//! ```text
//!   0        8                    8 + SLOT              8 + 2 * SLOT
//!   | header | slot 0             | slot 1              |        header: length (u32), slot (u32), little-endian
//! ```
//!
//! A line goes to the slot that the header does not name, and then the header changes. A killed process may have written a part of
//! what it was told to, but never a part of so few bytes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// More than an unfinished line has: see `logs::split`.
const SLOT: u64 = 16 * 1024;
const HEADER: u64 = 8;

#[derive(Debug)]
pub(crate) struct Rest {
    path: PathBuf,
    /// There is one only while there is an unfinished line.
    file: Option<File>,
    slot: u32,
}

impl Rest {
    /// What an earlier engine left at `path`, with the line itself; blocking.
    pub(crate) fn open(path: PathBuf) -> io::Result<(Rest, Vec<u8>)> {
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Rest { path, file: None, slot: 0 }, Vec::new()));
            }
            Err(error) => return Err(error),
        };
        let (line, slot) = match read(&file) {
            // It was only made, or the machine went down before the disk had all of it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => (Vec::new(), 0),
            read => read?,
        };
        Ok((Rest { path, file: Some(file), slot }, line))
    }

    /// Keeps `line`; blocking.
    pub(crate) fn save(&mut self, line: &[u8]) -> io::Result<()> {
        if line.is_empty() {
            return if self.file.take().is_some() { std::fs::remove_file(&self.path) } else { Ok(()) };
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(OpenOptions::new().write(true).create(true).truncate(true).open(&self.path)?),
        };
        let slot = 1 - self.slot;
        file.write_all_at(line, place(slot))?;
        let length = u32::try_from(line.len()).expect("an unfinished line is short");
        let mut header = [0; HEADER as usize];
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[4..].copy_from_slice(&slot.to_le_bytes());
        file.write_all_at(&header, 0)?;
        self.slot = slot;
        Ok(())
    }
}

fn read(file: &File) -> io::Result<(Vec<u8>, u32)> {
    let mut header = [0; HEADER as usize];
    file.read_exact_at(&mut header, 0)?;
    let [l0, l1, l2, l3, s0, s1, s2, s3] = header;
    let slot = u32::from_le_bytes([s0, s1, s2, s3]) & 1;
    let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3])).min(SLOT - 1);
    let mut line = vec![0; usize::try_from(length).expect("a slot fits into memory")];
    file.read_exact_at(&mut line, place(slot))?;
    Ok((line, slot))
}

fn place(slot: u32) -> u64 {
    HEADER + u64::from(slot) * SLOT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_was_cut_off_leaves_the_line_before() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("stdout.part");
        let (mut rest, line) = Rest::open(path.clone()).expect("open");
        assert!(line.is_empty() && !path.exists());
        rest.save(b"a long line of old").expect("save");
        rest.save(b"short").expect("save");
        // Cut off in the middle of the line, and before the header.
        rest.file.as_ref().expect("a file").write_all_at(b"a new o", place(1 - rest.slot)).expect("write");
        drop(rest);
        let (mut rest, line) = Rest::open(path.clone()).expect("open again");
        assert_eq!(line, b"short");
        rest.save(&[b'x'; SLOT as usize - 1]).expect("save");
        assert_eq!(Rest::open(path.clone()).expect("open").1.len(), SLOT as usize - 1);
        rest.save(b"").expect("save");
        assert!(!path.exists());
        File::create(&path).expect("make");
        assert!(Rest::open(path).expect("open what was only made").1.is_empty());
    }
}
