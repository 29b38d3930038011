//! Layers by gzip, on a thread of their own. What does not get smaller is only stored: archives and pictures, which are
//! compressed already, would take most of the time.
//!
//! It is one member of RFC 1952, whose blocks are compressed or stored by turns (RFC 1951, 3.2.4): of several members many readers
//! take the first for all.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// A member's beginning: deflate, nothing optional, compressed fast, by a system that does not matter (2.3.1).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// Bytes that a stored block has at most.
const STORED: usize = 0xffff;
/// Bytes that are looked at, and compressed or stored, as one.
const PIECE: usize = 128 * 1024;
/// Pieces that may be on their way.
const ON_THE_WAY: usize = 8;
/// Bits of a byte, of eight: what has more than that in it hardly gets smaller, unless it repeats itself.
const NOISE: f64 = 7.9;

/// Compresses what `reading` reads of `source` into `out`, beside it.
///
/// # Errors
///
/// Where there is no thread for it. Beside what came of reading are those of `out`: they must not look like failures to read.
pub(crate) fn beside<R: Read, T>(
    source: R,
    out: impl Write + Send,
    reading: impl FnOnce(Tee<'_, R>) -> T,
) -> io::Result<(T, io::Result<()>)> {
    let (mut pieces, receiver) = pieces();
    std::thread::scope(|scope| {
        let compressing = Builder::new().spawn_scoped(scope, move || compress(receiver, out))?;
        let read = reading(Tee { source, pieces: Some(&mut pieces) });
        let passed = pieces.finish();
        let compressed = compressing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((read, compressed.and(passed)))
    })
}

/// A reader whose bytes go two ways, until nobody takes the pieces.
pub(crate) struct Tee<'a, R> {
    source: R,
    pieces: Option<&'a mut Pieces>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        // Whoever takes no more tells why himself.
        if self.pieces.as_mut().is_some_and(|pieces| pieces.write_all(&buffer[..count]).is_err()) {
            self.pieces = None;
        }
        Ok(count)
    }
}

/// What is written to it comes out of the receiver, in pieces.
fn pieces() -> (Pieces, Receiver<Vec<u8>>) {
    let (sender, receiver) = sync_channel(ON_THE_WAY);
    (Pieces { piece: Vec::with_capacity(PIECE), sender }, receiver)
}

/// [`pieces`]
#[derive(Debug)]
struct Pieces {
    piece: Vec<u8>,
    sender: SyncSender<Vec<u8>>,
}

impl Pieces {
    /// Passes the last piece on.
    ///
    /// # Errors
    ///
    /// When nobody takes it.
    fn finish(mut self) -> io::Result<()> {
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
fn compress(pieces: Receiver<Vec<u8>>, out: impl Write) -> io::Result<()> {
    let mut member = Member::begin(out)?;
    for piece in pieces {
        member.add(&piece)?;
    }
    member.end()
}

/// A member that is being written.
struct Member<W> {
    out: W,
    deflate: Compress,
    /// What comes of it, on its way.
    buffer: Vec<u8>,
    crc: Crc,
    /// A block was begun, and is not at its end.
    is_within: bool,
}

impl<W: Write> Member<W> {
    fn begin(mut out: W) -> io::Result<Member<W>> {
        out.write_all(&HEADER)?;
        let deflate = Compress::new(Compression::fast(), false);
        Ok(Member { out, deflate, buffer: Vec::with_capacity(PIECE), crc: Crc::new(), is_within: false })
    }

    fn add(&mut self, piece: &[u8]) -> io::Result<()> {
        self.crc.update(piece);
        if !is_noise(piece) {
            self.is_within = true;
            return self.deflate(piece, FlushCompress::None);
        }
        if self.is_within {
            // To the end of a byte, and what follows refers to nothing before it.
            self.deflate(&[], FlushCompress::Full)?;
            self.is_within = false;
        }
        for block in piece.chunks(STORED) {
            let length = u16::try_from(block.len()).expect("blocks are that short");
            self.out.write_all(&[0])?;
            self.out.write_all(&length.to_le_bytes())?;
            self.out.write_all(&(!length).to_le_bytes())?;
            self.out.write_all(block)?;
        }
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        self.deflate(&[], FlushCompress::Finish)?;
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        self.out.write_all(&self.crc.amount().to_le_bytes())
    }

    fn deflate(&mut self, mut bytes: &[u8], flush: FlushCompress) -> io::Result<()> {
        loop {
            let before = self.deflate.total_in();
            let status = self.deflate.compress_vec(bytes, &mut self.buffer, flush)?;
            bytes = &bytes[usize::try_from(self.deflate.total_in() - before).expect("no more than there was")..];
            let is_full = self.buffer.len() == self.buffer.capacity();
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => bytes.is_empty() && !is_full,
            };
            if is_done {
                return Ok(());
            }
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
            // By readers that know one member alone, too.
            let (mut back, mut reader) = (Vec::new(), flate2::bufread::GzDecoder::new(&out[..]));
            reader.read_to_end(&mut back).unwrap();
            assert_eq!(back, content);
            assert!(reader.into_inner().is_empty(), "nothing is behind it");
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
