//! The root file system as a virtual disk: a fixed VHD is the bytes themselves and a footer behind them.
//!
//! Layout after Microsoft's "Virtual Hard Disk Image Format Specification"; numbers are big-endian.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::sys;

const FOOTER: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 64..68;
/// Sizes of disks are whole MiB.
const UNIT: u64 = 1 << 20;
const FIXED: u32 = 2;

/// Writes the image `from` to `to` as a fixed VHD, unless that was made of this very image already.
pub fn make(from: &Path, to: &Path) -> io::Result<()> {
    let mut image = File::open(from)?;
    let metadata = image.metadata()?;
    let length = metadata.len();
    let size = length.next_multiple_of(UNIT);
    let footer = footer(size, &mark(sys::fingerprint(&metadata)));
    if read_footer(to, size).is_ok_and(|known| known == footer) {
        return Ok(());
    }
    // An unfinished one has no footer, and is made anew.
    let mut disk = sys::create_private_file(to)?;
    io::copy(&mut image, &mut disk)?;
    disk.set_len(size)?;
    disk.seek(SeekFrom::End(0))?;
    disk.write_all(&footer)?;
    disk.sync_all()
}

/// What the disk is recognised by; it takes the place of its identifier.
fn mark(fingerprint: (u64, u128, u64)) -> [u8; 16] {
    Sha256::digest(format!("{fingerprint:?}"))[..16].try_into().expect("a digest is longer")
}

fn read_footer(path: &Path, size: u64) -> io::Result<[u8; FOOTER]> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != size + FOOTER as u64 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    file.seek(SeekFrom::Start(size))?;
    let mut footer = [0; FOOTER];
    file.read_exact(&mut footer)?;
    Ok(footer)
}

/// Of a disk of `size` bytes with the identifier `id`.
fn footer(size: u64, id: &[u8; 16]) -> [u8; FOOTER] {
    let mut footer = Vec::with_capacity(FOOTER);
    footer.extend_from_slice(b"conectix");
    // Features: none but the bit that is always set. Version 1.0. Nothing follows elsewhere, in a fixed disk.
    footer.extend_from_slice(&2_u32.to_be_bytes());
    footer.extend_from_slice(&0x0001_0000_u32.to_be_bytes());
    footer.extend_from_slice(&u64::MAX.to_be_bytes());
    // Time, which would make two disks of one image differ; creator and its version; made on Windows.
    footer.extend_from_slice(&0_u32.to_be_bytes());
    footer.extend_from_slice(b"brth");
    footer.extend_from_slice(&0x0001_0000_u32.to_be_bytes());
    footer.extend_from_slice(b"Wi2k");
    footer.extend_from_slice(&size.to_be_bytes());
    footer.extend_from_slice(&size.to_be_bytes());
    let (cylinders, heads, sectors) = geometry(size / 512);
    footer.extend_from_slice(&cylinders.to_be_bytes());
    footer.extend_from_slice(&[heads, sectors]);
    footer.extend_from_slice(&FIXED.to_be_bytes());
    footer.extend_from_slice(&[0; 4]);
    footer.extend_from_slice(id);
    footer.resize(FOOTER, 0);
    let sum: u32 = footer.iter().map(|byte| u32::from(*byte)).sum();
    footer[CHECKSUM].copy_from_slice(&(!sum).to_be_bytes());
    footer.try_into().expect("it was made so long")
}

/// Cylinders, heads and sectors, which nobody uses and everybody checks (appendix "CHS Calculation").
fn geometry(sectors: u64) -> (u16, u8, u8) {
    const MOST: u64 = 65535 * 16 * 255;
    let total = sectors.min(MOST);
    let split = |track: u64, heads: u64| ((total / track / heads) as u16, heads as u8, track as u8);
    if total >= 65535 * 16 * 63 {
        return split(255, 16);
    }
    let tracks = total / 17;
    let heads = tracks.div_ceil(1024).max(4);
    if tracks < heads * 1024 && heads <= 16 {
        return split(17, heads);
    }
    let tracks = total / 31;
    if tracks < 16 * 1024 { split(31, 16) } else { split(63, 16) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_padded_and_has_a_footer_that_sums_up() {
        let dir = tempfile::tempdir().unwrap();
        let (image, disk) = (dir.path().join("root.erofs"), dir.path().join("root.vhd"));
        std::fs::write(&image, vec![7; UNIT as usize + 1]).unwrap();
        make(&image, &disk).unwrap();
        let bytes = std::fs::read(&disk).unwrap();
        assert_eq!(bytes.len() as u64, 2 * UNIT + FOOTER as u64);
        assert!(bytes[..=UNIT as usize].iter().all(|byte| *byte == 7));
        assert!(bytes[UNIT as usize + 1..2 * UNIT as usize].iter().all(|byte| *byte == 0));
        let footer = &bytes[2 * UNIT as usize..];
        assert_eq!(&footer[..8], b"conectix");
        assert_eq!(footer[48..56], (2 * UNIT).to_be_bytes());
        let told = u32::from_be_bytes(footer[CHECKSUM].try_into().unwrap());
        let summed: u32 =
            footer.iter().enumerate().filter(|(at, _)| !CHECKSUM.contains(at)).map(|(_, b)| u32::from(*b)).sum();
        assert_eq!(told, !summed);
    }

    #[test]
    fn it_is_made_anew_for_another_image_alone_and_when_it_was_not_finished() {
        let dir = tempfile::tempdir().unwrap();
        let (image, disk) = (dir.path().join("root.erofs"), dir.path().join("root.vhd"));
        let begins_with = || std::fs::read(&disk).unwrap()[0];
        std::fs::write(&image, [1]).unwrap();
        make(&image, &disk).unwrap();
        let mut bytes = std::fs::read(&disk).unwrap();
        bytes[0] = 9;
        std::fs::write(&disk, &bytes).unwrap();
        make(&image, &disk).unwrap();
        assert_eq!(begins_with(), 9, "it was taken for what it was");

        std::fs::write(&disk, &bytes[..bytes.len() - 1]).unwrap();
        make(&image, &disk).unwrap();
        assert_eq!(begins_with(), 1);
        std::fs::write(&image, [2, 2]).unwrap();
        make(&image, &disk).unwrap();
        assert_eq!(begins_with(), 2);
    }

    /// The values of the specification's procedure, worked out by hand.
    #[test]
    fn the_geometry_is_that_of_the_specification() {
        // 32 MiB: 65536 sectors are 3855 tracks of 17; 4 heads, 963 cylinders.
        assert_eq!(geometry(65_536), (963, 4, 17));
        // 1 GiB: 2097152 / 17 = 123361 tracks, too many for 16 heads; 67650 of 31 are, too; 63 it is.
        assert_eq!(geometry(2_097_152), (2080, 16, 63));
        assert_eq!(geometry(u64::MAX), (65_535, 16, 255));
    }
}
