//! Where the data of a sparse file goes (GNU tar manual, "Storing Sparse Files").

use std::io::{self, Read};

use tar::{GnuExtSparseHeader, Header};

use super::pax::PaxSparse;
use super::{Members, invalid, padding};
use crate::Result;

/// The most runs of data in one sparse file: 16 MiB of memory. A file system cannot make more of any ordinary file.
const MAX_SEGMENTS: usize = 1 << 20;

/// A run of data in a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub offset: u64,
    pub length: u64,
}

impl<R: Read> Members<R> {
    /// GNU's old sparse format: the map is in the header and in blocks that follow it.
    pub(super) fn gnu_sparse(&mut self, header: &Header) -> Result<(u64, Vec<Segment>)> {
        let gnu = header.as_gnu().ok_or_else(|| self.damaged(invalid("a sparse file without a GNU header")))?;
        let mut map = Vec::new();
        let segment = |block: &tar::GnuSparseHeader| -> io::Result<Segment> {
            Ok(Segment { offset: block.offset()?, length: block.length()? })
        };
        for block in gnu.sparse.iter().filter(|block| !block.is_empty()) {
            map.push(segment(block).map_err(|e| self.damaged(e))?);
        }
        let mut more = gnu.is_extended();
        while more {
            let mut extended = GnuExtSparseHeader::new();
            self.fill(extended.as_mut_bytes())?;
            for block in extended.sparse.iter().filter(|block| !block.is_empty()) {
                map.push(segment(block).map_err(|e| self.damaged(e))?);
            }
            if map.len() > MAX_SEGMENTS {
                return Err(self.damaged(invalid("a sparse file has too many runs of data")));
            }
            more = extended.is_extended();
        }
        let size = gnu.real_size().map_err(|e| self.damaged(e))?;
        self.check_map(size, &map)?;
        Ok((size, map))
    }

    /// PAX: the map is in the records, or in front of the data.
    pub(super) fn pax_sparse(&mut self, sparse: PaxSparse) -> Result<(u64, Vec<Segment>)> {
        let mut numbers = sparse.map;
        if sparse.major == 1 {
            // Decimal numbers, one a line: the count of segments, then their offsets and lengths, padded to a block.
            let mut consumed = 0;
            let mut next = |members: &mut Self| -> Result<u64> {
                let mut value: u64 = 0;
                loop {
                    let mut byte = [0];
                    if members.read(&mut byte)? == 0 {
                        return Err(members.damaged(invalid("a sparse map ends early")));
                    }
                    consumed += 1;
                    match byte[0] {
                        b'\n' => return Ok(value),
                        digit @ b'0'..=b'9' => {
                            value = value
                                .checked_mul(10)
                                .and_then(|value| value.checked_add(u64::from(digit - b'0')))
                                .ok_or_else(|| {
                                    members.damaged(invalid("a sparse map has a number that is too large"))
                                })?;
                        }
                        _ => return Err(members.damaged(invalid("a sparse map has a byte that is no digit"))),
                    }
                }
            };
            let count = next(self)?;
            if count > MAX_SEGMENTS as u64 {
                return Err(self.damaged(invalid("a sparse file has too many runs of data")));
            }
            for _ in 0..count.saturating_mul(2) {
                numbers.push(next(self)?);
            }
            let mut rest = vec![0; usize::try_from(padding(consumed)).expect("less than a block")];
            self.read_full(&mut rest)?;
        }
        let size = sparse.size.ok_or_else(|| self.damaged(invalid("a sparse file without a real size")))?;
        let map: Vec<Segment> =
            numbers.chunks_exact(2).map(|pair| Segment { offset: pair[0], length: pair[1] }).collect();
        self.check_map(size, &map)?;
        Ok((size, map))
    }

    /// Segments must lie in order within the file, and add up to the stored data.
    fn check_map(&self, size: u64, map: &[Segment]) -> Result<()> {
        let mut end: u64 = 0;
        let mut stored: u64 = 0;
        for segment in map {
            let next = segment.offset.checked_add(segment.length).filter(|next| *next <= size && segment.offset >= end);
            end = next.ok_or_else(|| self.damaged(invalid("a sparse map is out of order or leaves its file")))?;
            stored += segment.length;
        }
        if stored != self.data {
            return Err(self.damaged(invalid("a sparse map does not add up to the data")));
        }
        Ok(())
    }
}
