//! Layers by gzip, on a thread of their own. What does not get smaller is only stored: archives and pictures, which are
//! compressed already, would take most of the time.
//!
//! What is compressed and what is stored are members of one file by turns (RFC 1952, 2.2), which whoever reads gzip reads as one.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Bytes that are looked at, and compressed or stored, as one.
const PIECE: usize = 128 * 1024;
/// Pieces that may be on their way.
const ON_THE_WAY: usize = 8;
/// Bits of a byte, of eight: what has more than that in it would become one hundredth smaller at most.
const NOISE: f64 = 7.9;

/// What is written to it comes out of the receiver, in pieces.
pub(crate) fn pieces() -> (Pieces, Receiver<Vec<u8>>) {
    let (sender, receiver) = sync_channel(ON_THE_WAY);
    (Pieces { piece: Vec::with_capacity(PIECE), sender }, receiver)
}

/// [`pieces`]
#[derive(Debug)]
pub(crate) struct Pieces {
    piece: Vec<u8>,
    sender: SyncSender<Vec<u8>>,
}

impl Pieces {
    /// Passes the last piece on.
    ///
    /// # Errors
    ///
    /// When nobody takes it.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.pass_on()
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sender.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE {
            self.pass_on()?;
        }
        let count = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compresses pieces until there are no more. The same bytes become the same ones.
///
/// # Errors
///
/// Those of `out`.
pub(crate) fn compress<W: Write>(pieces: Receiver<Vec<u8>>, mut out: W) -> io::Result<()> {
    let mut pieces = pieces.into_iter().peekable();
    loop {
        let stores = pieces.peek().is_some_and(|piece| is_noise(piece));
        let level = if stores { Compression::none() } else { Compression::fast() };
        let mut encoder = GzEncoder::new(out, level);
        while let Some(piece) = pieces.next_if(|piece| is_noise(piece) == stores) {
            encoder.write_all(&piece)?;
        }
        out = encoder.finish()?;
        if pieces.peek().is_none() {
            return Ok(());
        }
    }
}

/// Whether all bytes are about as frequent (Shannon's entropy).
fn is_noise(piece: &[u8]) -> bool {
    // Less of it tells nothing.
    if piece.len() < PIECE / 8 {
        return false;
    }
    let mut counts = [0_u32; 256];
    for byte in piece {
        counts[usize::from(*byte)] += 1;
    }
    let count = |count: u32| f64::from(count);
    let length = counts.iter().map(|times| count(*times)).sum::<f64>();
    let inner =
        counts.iter().filter(|times| **times > 0).map(|times| count(*times) * count(*times).log2()).sum::<f64>();
    length.log2() - inner / length > NOISE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::decompress;
    use std::io::Read as _;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(&mut next).take(length).collect()
    }

    /// Written by so many bytes at a time.
    fn compressed(content: &[u8], at_a_time: usize) -> Vec<u8> {
        let (mut sender, receiver) = pieces();
        let mut out = Vec::new();
        std::thread::scope(|scope| {
            let compressing = scope.spawn(|| compress(receiver, &mut out));
            content.chunks(at_a_time).for_each(|some| sender.write_all(some).unwrap());
            sender.finish().unwrap();
            compressing.join().unwrap().unwrap();
        });
        out
    }

    #[test]
    fn all_of_it_comes_back() {
        let (text, noise) = (b"0123456789 ".repeat(40_000), noise(300_000));
        let mixed = [&*text, &noise, &text, &noise[..5]].concat();
        for content in [b"".as_slice(), b"x", &text, &noise, &mixed] {
            let out = compressed(content, 1000);
            let mut back = Vec::new();
            decompress(&out[..]).unwrap().read_to_end(&mut back).unwrap();
            assert_eq!(back, content);
            assert_eq!(compressed(content, 77_777), out, "it is the same however it comes");
        }
        let length = compressed(&mixed, 1000).len();
        assert!((300_000..330_000).contains(&length), "{length}");
    }

    #[test]
    fn only_what_is_no_smaller_is_stored() {
        let noise = noise(PIECE);
        // Headers between files that are compressed.
        let mut files = noise.clone();
        for header in files.chunks_mut(50_000) {
            header[..512].fill(0);
        }
        // Six bits of eight, as in base64.
        let letters: Vec<u8> = noise.iter().map(|byte| byte & 0x3f).collect();
        for (piece, expect) in [(&noise, true), (&files, true), (&letters, false), (&noise[..100].to_vec(), false)] {
            assert_eq!(is_noise(piece), expect);
        }
    }

    #[test]
    fn a_failure_ends_it() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (mut sender, receiver) = pieces();
        let compressing = std::thread::spawn(|| compress(receiver, Full));
        let told = io::copy(&mut io::repeat(0).take(100 << 20), &mut sender).unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::BrokenPipe, "nobody waits for who takes nothing");
        assert_eq!(compressing.join().unwrap().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
