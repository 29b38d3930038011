//! What the super block of an ext4 file system says (kernel: Documentation/filesystems/ext4/super.rst).

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// Of a disk before it is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing was ever written to its beginning.
    Empty,
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

const PROBE: usize = 64 * 1024;

pub(super) fn probe(device: &Path) -> io::Result<(Content, u64)> {
    let mut file = File::open(device)?;
    let device_size = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let mut start = Vec::with_capacity(PROBE);
    file.take(PROBE as u64).read_to_end(&mut start)?;
    Ok((content(&start), device_size))
}

fn content(start: &[u8]) -> Content {
    let Some(block) = start.get(1024..2048) else { return Content::Foreign };
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
}
