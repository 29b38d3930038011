//! Markers start a session on a lane, in the middle of whatever bytes were on their way.
//!
//! A virtio-serial port keeps bytes of the dead while one side is replaced, and neither side learns reliably
//! that the other one was. So a marker is recognised at any place in the stream. What makes that safe is its
//! keyed hash: data cannot contain a marker by chance or by malice, since only the two sides know the secret, and
//! an epoch is used once.
//!
//! - `Sync`, host to guest: a session of this epoch starts here.
//! - `Ack`, guest to host: so be it; answers the nonce of one `Sync`.
//! - `Want`, guest to host: there is no session here (this relay is new, the epoch was old, frames made no sense); please
//!   `Sync` with an epoch above mine.
//! - `Deny`, guest to host: the hash of your `Sync` is wrong, or its version. Not hashed; believed only while
//!   the host waits for an answer to that very nonce.

use memchr::memmem::Finder;

use super::Lane;
use crate::Secret;

/// The version of markers and frames.
pub const VERSION: u16 = 1;

/// Starts with a byte that is no frame's kind, so that a marker is never taken for a header.
const MAGIC: [u8; 16] =
    [0xb5, b'B', b'E', b'R', b'T', b'H', 0x0d, 0x0a, 0x1a, 0x0a, 0x9e, 0x37, 0x79, 0xb9, 0xf4, 0xa7];
const BODY: usize = 16 + 1 + 1 + 2 + 8 + 8;

/// Bytes of a marker: magic 16, kind 1, lane 1, version 2, epoch 8, nonce 8, HMAC-SHA256 of these 32.
pub const MARKER: usize = BODY + 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerKind {
    Sync,
    Ack,
    Want,
    Deny,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    pub kind: MarkerKind,
    pub lane: Lane,
    pub version: u16,
    pub epoch: u64,
    pub nonce: u64,
}

impl Marker {
    pub fn encode(&self, secret: &Secret) -> [u8; MARKER] {
        let mut bytes = [0; MARKER];
        bytes[..16].copy_from_slice(&MAGIC);
        bytes[16] = match self.kind {
            MarkerKind::Sync => 1,
            MarkerKind::Ack => 2,
            MarkerKind::Want => 3,
            MarkerKind::Deny => 4,
        };
        bytes[17] = match self.lane {
            Lane::Control => 0,
            Lane::Bulk => 1,
        };
        bytes[18..20].copy_from_slice(&self.version.to_be_bytes());
        bytes[20..28].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[28..36].copy_from_slice(&self.nonce.to_be_bytes());
        if self.kind != MarkerKind::Deny {
            let tag = secret.tag(&bytes[..BODY]);
            bytes[BODY..].copy_from_slice(&tag);
        }
        bytes
    }

    /// The marker in `bytes`, if they have the shape of one, and whether its hash is right.
    fn decode(bytes: &[u8; MARKER], secret: &Secret) -> Option<(Marker, bool)> {
        let kind = match bytes[16] {
            1 => MarkerKind::Sync,
            2 => MarkerKind::Ack,
            3 => MarkerKind::Want,
            4 => MarkerKind::Deny,
            _ => return None,
        };
        let lane = match bytes[17] {
            0 => Lane::Control,
            1 => Lane::Bulk,
            _ => return None,
        };
        let eight = |at: usize| <[u8; 8]>::try_from(&bytes[at..at + 8]).map(u64::from_be_bytes).ok();
        let version = u16::from_be_bytes([bytes[18], bytes[19]]);
        let marker = Marker { kind, lane, version, epoch: eight(20)?, nonce: eight(28)? };
        let tag = <[u8; 32]>::try_from(&bytes[BODY..]).ok()?;
        Some((marker, secret.verify(&bytes[..BODY], &tag)))
    }
}

/// Finds markers in one lane's bytes, however they were cut.
#[derive(Debug)]
pub struct Scanner {
    secret: Secret,
    magic: Finder<'static>,
    /// The last `MARKER - 1` bytes that went by: a marker may have begun in them.
    tail: Vec<u8>,
    unproven: Option<Marker>,
}

impl Scanner {
    pub fn new(secret: Secret) -> Self {
        Scanner { secret, magic: Finder::new(&MAGIC).into_owned(), tail: Vec::new(), unproven: None }
    }

    /// The next proven marker that ends in `chunk`, and the offset just behind it. Call again with the rest of the
    /// chunk until there is none: that last call takes in the whole rest.
    pub fn next(&mut self, chunk: &[u8]) -> Option<(Marker, usize)> {
        let old = self.tail.len();
        // Markers that began before this chunk: enough of it to complete them is appended to the tail.
        let mut seam = std::mem::take(&mut self.tail);
        seam.extend_from_slice(&chunk[..chunk.len().min(MARKER - 1)]);
        if let Some((marker, end)) = self.search(&seam, old) {
            return Some((marker, end - old));
        }
        if let Some(hit) = self.search(chunk, 0) {
            return Some(hit);
        }
        let keep = if chunk.len() >= MARKER { chunk } else { &seam };
        self.tail = keep[keep.len().saturating_sub(MARKER - 1)..].to_vec();
        None
    }

    /// The last marker that went by without a right hash, once: a `Deny`, or somebody with another secret, or
    /// merely data. It never hides a proven one that overlaps it.
    pub fn take_unproven(&mut self) -> Option<Marker> {
        self.unproven.take()
    }

    /// The first proven marker in `bytes` that ends behind `after`.
    fn search(&mut self, bytes: &[u8], after: usize) -> Option<(Marker, usize)> {
        for at in self.magic.find_iter(bytes) {
            let end = at + MARKER;
            if end <= after {
                continue;
            }
            let Some(whole) = bytes.get(at..end).and_then(|whole| whole.try_into().ok()) else { continue };
            match Marker::decode(whole, &self.secret) {
                Some((marker, true)) => return Some((marker, end)),
                Some((marker, false)) => self.unproven = Some(marker),
                None => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marker(kind: MarkerKind, epoch: u64) -> Marker {
        Marker { kind, lane: Lane::Bulk, version: VERSION, epoch, nonce: 7 }
    }

    /// Feeds `bytes` cut at `cuts` and returns the markers with their end offsets.
    fn scan(secret: &Secret, bytes: &[u8], cuts: &[usize]) -> Vec<(Marker, usize)> {
        let mut scanner = Scanner::new(secret.clone());
        let mut found = Vec::new();
        let mut borders: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        borders.push(bytes.len());
        borders.sort_unstable();
        let mut start = 0;
        for end in borders {
            while let Some((marker, length)) = scanner.next(&bytes[start..end]) {
                start += length;
                found.push((marker, start));
            }
            start = end;
        }
        found
    }

    #[test]
    fn a_wrong_secret_is_found_but_not_proven() {
        let (ours, theirs) = (Secret::random().unwrap(), Secret::random().unwrap());
        let mut changed = marker(MarkerKind::Sync, 1).encode(&ours);
        changed[27] ^= 1;
        for bytes in [marker(MarkerKind::Sync, 1).encode(&theirs), changed] {
            let mut scanner = Scanner::new(ours.clone());
            assert_eq!(scanner.next(&bytes), None);
            assert_eq!(scanner.take_unproven().map(|marker| marker.kind), Some(MarkerKind::Sync));
            assert_eq!(scanner.take_unproven(), None);
        }
    }

    proptest! {
        #[test]
        fn markers_are_found_wherever_the_bytes_are_cut(
            noise in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 3),
            torn in 0usize..MARKER,
            cuts in proptest::collection::vec(any::<usize>(), 0..40),
        ) {
            let secret = Secret::random().unwrap();
            let (one, two) = (marker(MarkerKind::Sync, 1), marker(MarkerKind::Ack, 2));
            let mut bytes = noise[0].clone();
            bytes.extend_from_slice(&one.encode(&secret));
            let first_end = bytes.len();
            bytes.extend_from_slice(&noise[1]);
            bytes.extend_from_slice(&one.encode(&secret)[..torn]);
            bytes.extend_from_slice(&two.encode(&secret));
            let second_end = bytes.len();
            bytes.extend_from_slice(&noise[2]);
            let found = scan(&secret, &bytes, &cuts);
            prop_assert_eq!(found, vec![
                (one, first_end),
                (two, second_end),
            ]);
        }
    }
}
