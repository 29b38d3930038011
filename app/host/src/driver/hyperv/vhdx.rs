//! The data disk as a VHDX, which grows on Windows' disk as the guest writes, and is never shortened.
//!
//! How long a disk is is read here from the file itself, so that it can be told wherever the file lies; making and changing one is
//! Windows' (virtdisk.dll), behind [`VirtualDisks`]. Layout after [MS-VHDX]; numbers are little-endian.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::guid::Guid;
use crate::driver::DataDisks;

/// Both copies of the region table ([MS-VHDX] 2.2.3); the second is for when the first was torn.
const REGION_TABLES: [u64; 2] = [192 << 10, 256 << 10];
const REGION_ENTRIES_MAX: usize = 2047;
const METADATA_ENTRIES_MAX: usize = 2047;
const METADATA_REGION: Guid = Guid(0x8b7c_a206_4790_4b9a_b8fe_575f_050f_886e);
const VIRTUAL_DISK_SIZE: Guid = Guid(0x2fa5_4224_cd1b_4876_b211_5dbe_d83b_f4b8);

/// What Windows does with virtual disks. All calls block.
pub trait VirtualDisks: Send + Sync + Debug {
    /// Makes a disk of `bytes`, of which hardly any are on Windows' disk. Fails when there is a file.
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// Makes a disk longer that nobody uses.
    fn resize(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// Gives back what the guest named as free, of a disk that nobody uses.
    fn compact(&self, path: &Path) -> io::Result<()>;
}

/// Data disks in files of this format.
#[derive(Debug, Clone)]
pub struct Vhdx(pub Arc<dyn VirtualDisks>);

impl DataDisks for Vhdx {
    fn size(&self, path: &Path) -> io::Result<u64> {
        virtual_size(path)
    }

    fn make(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.0.create(path, bytes)
    }

    fn grow(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.0.resize(path, bytes)
    }
}

/// How long the disk in the file `path` is, in bytes.
///
/// # Errors
/// When the file cannot be read, as while a machine uses it, or is no VHDX ([`io::ErrorKind::InvalidData`]).
pub fn virtual_size(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut signature = [0; 8];
    file.read_exact(&mut signature)?;
    if signature != *b"vhdxfile" {
        return Err(invalid("it is no virtual disk (VHDX)"));
    }
    let metadata = REGION_TABLES.iter().find_map(|at| region(&mut file, *at, METADATA_REGION).transpose());
    let metadata = metadata.transpose()?.ok_or_else(|| invalid("its table of regions is damaged"))?;
    let item =
        item(&mut file, metadata, VIRTUAL_DISK_SIZE)?.ok_or_else(|| invalid("it does not say how long it is"))?;
    let mut size = [0; 8];
    file.seek(SeekFrom::Start(item))?;
    file.read_exact(&mut size)?;
    Ok(u64::from_le_bytes(size))
}

/// Where the region `wanted` begins, by the table at `at`; `None` when that is no table or has no such region.
fn region(file: &mut File, at: u64, wanted: Guid) -> io::Result<Option<u64>> {
    let mut head = [0; 16];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut head)?;
    let count = number(&head[8..12]) as usize;
    if head[..4] != *b"regi" || count > REGION_ENTRIES_MAX {
        return Ok(None);
    }
    for _ in 0..count {
        let mut entry = [0; 32];
        file.read_exact(&mut entry)?;
        if guid(&entry[..16]) == wanted {
            return Ok(Some(number(&entry[16..24])));
        }
    }
    Ok(None)
}

/// Where the item `wanted` of the metadata region at `at` is.
fn item(file: &mut File, at: u64, wanted: Guid) -> io::Result<Option<u64>> {
    let mut head = [0; 32];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut head)?;
    let count = number(&head[10..12]) as usize;
    if head[..8] != *b"metadata" || count > METADATA_ENTRIES_MAX {
        return Err(invalid("its metadata are damaged"));
    }
    for _ in 0..count {
        let mut entry = [0; 32];
        file.read_exact(&mut entry)?;
        if guid(&entry[..16]) == wanted {
            return Ok(at.checked_add(number(&entry[16..20])));
        }
    }
    Ok(None)
}

/// As Windows lays GUIDs out: the first three groups little-endian, the rest as it is read.
fn guid(bytes: &[u8]) -> Guid {
    let mut ordered: [u8; 16] = bytes.try_into().expect("GUIDs have 16 bytes");
    ordered[..4].reverse();
    ordered[4..6].reverse();
    ordered[6..8].reverse();
    Guid(u128::from_be_bytes(ordered))
}

/// Of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As much of a VHDX as says how long it is.
    pub(in super::super) fn sample(size: u64) -> Vec<u8> {
        const METADATA: usize = 1 << 20;
        let mut bytes = vec![0; METADATA + (68 << 10)];
        let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
        put(0, b"vhdxfile");
        // The first table is torn.
        let table = 256 << 10;
        put(table, b"regi");
        put(table + 8, &2_u32.to_le_bytes());
        // The block allocation table comes first: 2DC27766-F623-4200-9D64-115E9BFD4A08.
        put(
            table + 16,
            &[0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08],
        );
        put(
            table + 48,
            &[0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e],
        );
        put(table + 64, &(METADATA as u64).to_le_bytes());
        put(METADATA, b"metadata");
        put(METADATA + 10, &1_u16.to_le_bytes());
        put(
            METADATA + 32,
            &[0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8],
        );
        put(METADATA + 48, &(65_544_u32).to_le_bytes());
        put(METADATA + 65_544, &size.to_le_bytes());
        bytes
    }

    #[test]
    fn the_length_is_read_also_when_the_first_table_is_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.vhdx");
        std::fs::write(&path, sample(60 << 30)).unwrap();
        assert_eq!(virtual_size(&path).unwrap(), 60 << 30);
    }

    #[test]
    fn other_files_and_damaged_ones_are_told_apart_from_disks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.vhdx");
        let mut damaged = sample(1 << 30);
        damaged[256 << 10] = 0;
        for (bytes, why) in
            [(vec![0; 64], "it is no virtual disk (VHDX)"), (damaged, "its table of regions is damaged")]
        {
            std::fs::write(&path, bytes).unwrap();
            let error = virtual_size(&path).unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::InvalidData, why.to_owned()));
        }
        std::fs::write(&path, &sample(1)[..300 << 10]).unwrap();
        assert_eq!(virtual_size(&path).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
