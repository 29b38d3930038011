//! What the super block of an ext4 file system says (kernel: Documentation/filesystems/ext4/super.rst), and what a disk without
//! one may still hold.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::Path,
};

/// Of a disk before it is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing was ever written: neither at its beginning nor where a file system keeps its copies.
    Empty,
    /// Our own formatting did not come to its end, and nothing else was ever there.
    Unfinished,
    /// Its beginning is empty, and copies of a super block are further on: a file system that lost its head.
    Headless,
    Ext4(SuperBlock),
    /// Something that is not ours to overwrite.
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SuperBlock {
    /// Bytes.
    pub(super) size: u64,
    /// Not unmounted properly, or with errors noted: e2fsck should look before it is mounted.
    pub(super) suspicious: bool,
}

/// At byte 0, where ext4 keeps nothing, from before the first to after the last write of our formatting.
pub(super) const UNFINISHED: &[u8; 32] = b"berth: formatting is not done\n\0\0";
/// Where the super block is, and how long.
pub(super) const SUPER_BLOCK: u64 = 1024;
const SUPER_BLOCK_SIZE: usize = 1024;

const PROBE: usize = 64 * 1024;
/// Room for the group descriptors of every size of disk: a file system of any kind leaves something there.
const HEAD: u64 = 16 << 20;

pub(super) fn probe(device: &Path) -> io::Result<(Content, u64)> {
    let mut file = File::open(device)?;
    let device_size = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let mut start = Vec::with_capacity(PROBE);
    (&file).take(PROBE as u64).read_to_end(&mut start)?;
    let content = match content(&start) {
        Content::Empty => look_further(&file, device_size)?,
        sure => sure,
    };
    Ok((content, device_size))
}

fn content(start: &[u8]) -> Content {
    let Some(block) = start.get(1024..2048) else { return Content::Foreign };
    if start.starts_with(UNFINISHED) {
        return Content::Unfinished;
    }
    let u16_at = |at: usize| u16::from_le_bytes([block[at], block[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    if u16_at(0x38) != 0xef53 {
        return if start.iter().all(|b| *b == 0) { Content::Empty } else { Content::Foreign };
    }
    const INCOMPAT_RECOVER: u32 = 0x4;
    const INCOMPAT_64BIT: u32 = 0x80;
    const STATE_VALID: u16 = 1;
    const STATE_ERRORS: u16 = 2;
    let incompat = u32_at(0x60);
    let high = if incompat & INCOMPAT_64BIT != 0 { u32_at(0x150) } else { 0 };
    let blocks = u64::from(high) << 32 | u64::from(u32_at(0x4));
    let block_size = 1024_u64 << u32_at(0x18).min(16);
    let state = u16_at(0x3a);
    let suspicious = incompat & INCOMPAT_RECOVER != 0 || state & STATE_VALID == 0 || state & STATE_ERRORS != 0;
    Content::Ext4(SuperBlock { size: blocks.saturating_mul(block_size), suspicious })
}

/// A disk whose first bytes are zero: whether all that we know to look at is.
fn look_further(file: &File, device_size: u64) -> io::Result<Content> {
    let mut block = [0; SUPER_BLOCK_SIZE];
    for at in copies(device_size) {
        file.read_exact_at(&mut block, at)?;
        if block.iter().any(|byte| *byte != 0) {
            return Ok(Content::Headless);
        }
    }
    let mut chunk = vec![0; 1 << 20];
    let mut at = 0;
    while at < HEAD.min(device_size) {
        let length = chunk.len().min((device_size - at) as usize);
        file.read_exact_at(&mut chunk[..length], at)?;
        if chunk[..length].iter().any(|byte| *byte != 0) {
            return Ok(Content::Headless);
        }
        at += length as u64;
    }
    Ok(Content::Empty)
}

/// Where copies of the super block are in a file system of this size, for every block size that mke2fs takes by itself: in
/// the groups 1 and 3^n, 5^n, 7^n (feature `sparse_super`), at their first block.
fn copies(device_size: u64) -> Vec<u64> {
    let mut all = Vec::new();
    for block_size in [1024_u64, 2048, 4096] {
        // A block of bits for a group's blocks.
        let group = 8 * block_size * block_size;
        // Block 0 is the boot block where blocks are small.
        let first = if block_size == 1024 { 1024 } else { 0 };
        let powers = [3_u64, 5, 7].into_iter().flat_map(|base| {
            std::iter::successors(Some(base), move |power| power.checked_mul(base))
                .take_while(move |power| power.checked_mul(group).is_some_and(|at| at < device_size))
        });
        let starts = std::iter::once(1).chain(powers).map(|number| number * group + first);
        all.extend(starts.filter(|at| at + SUPER_BLOCK_SIZE as u64 <= device_size));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(fill: impl FnOnce(&mut [u8])) -> Content {
        let mut bytes = vec![0; PROBE];
        fill(&mut bytes[1024..]);
        content(&bytes)
    }

    #[test]
    fn tells_empty_from_foreign() {
        assert_eq!(disk(|_| {}), Content::Empty);
        assert_eq!(disk(|b| b[7] = 1), Content::Foreign);
        assert_eq!(content(&[0; 100]), Content::Foreign);
    }

    #[test]
    fn reads_a_super_block() {
        let fill = |b: &mut [u8], state: u8, recover: u8| {
            b[0x38..0x3a].copy_from_slice(&[0x53, 0xef]);
            b[0x4..0x8].copy_from_slice(&1000_u32.to_le_bytes());
            b[0x18] = 2;
            b[0x3a] = state;
            b[0x60] = recover;
        };
        let block = |suspicious| Content::Ext4(SuperBlock { size: 4_096_000, suspicious });
        assert_eq!(disk(|b| fill(b, 1, 0)), block(false));
        assert_eq!(disk(|b| fill(b, 1, 4)), block(true));
        assert_eq!(disk(|b| fill(b, 0, 0)), block(true));
        assert_eq!(disk(|b| fill(b, 3, 0)), block(true));
    }

    #[test]
    fn copies_are_where_mke2fs_says() {
        // As `mke2fs -n` lists them for 64 GiB in blocks of 4096 and for 100 MiB in blocks of 1024.
        let large = copies(64 << 30);
        for block in [32768_u64, 98304, 163840, 229376, 294912, 819200, 884736, 1605632, 2654208, 4096000, 7962624] {
            assert!(large.contains(&(block * 4096)), "{block}");
        }
        let small = copies(100 << 20);
        for block in [8193_u64, 24577, 40961, 57345, 73729] {
            assert!(small.contains(&(block * 1024)), "{block}");
        }
        assert!(large.len() < 200 && small.iter().all(|at| *at < 100 << 20));
    }
}
