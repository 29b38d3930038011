//! What a pack may be, looked at as it comes and before anybody keeps any of it (`gitformat-pack`): how many objects it has, how large they are,
//! and how much of them is had in memory at once.
//!
//! Who resolves deltas keeps every object that another one is still to be made from, and of a chain of deltas that can be all of them. A few
//! bytes that say so could fill any memory.

use crate::error::{Error, Result};
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Read};

/// What of a pack is too much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many objects it has. Each takes some hundred bytes of memory.
    pub(crate) objects: u32,
    /// Bytes of one of them.
    pub(crate) object: u64,
    /// Bytes of all that one object is made from, one on top of the other.
    pub(crate) chain: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { objects: 4_000_000, object: 512 << 20, chain: 1 << 30 }
    }
}

/// Bytes that an object may take compressed, beside twice its size: what does not grow smaller grows by a little.
const SLACK: u64 = 64 << 10;

/// Bytes of a delta that its two sizes are in.
const SIZES: usize = 20;

/// Bytes of the name of an object.
const NAME: u8 = 20;

/// Bytes that are inflated at once, to be counted.
const PIECE: usize = 32 << 10;

/// Bytes of a pack's beginning.
const HEADER: usize = 12;

/// In the place of how heavy an object is: what it is made from is known by name only.
const NAMED: u64 = u64::MAX;

/// What an object is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Nothing,
    /// An object before it; how heavy that is.
    Earlier(u64),
    Named,
}

/// What the next byte is of.
#[derive(Debug)]
enum State {
    /// So many bytes of it are there.
    Header(usize),
    /// Kind and size of an object.
    Kind,
    More {
        kind: u8,
        size: u64,
        shift: u32,
    },
    /// How far before it is what it is made from.
    Distance {
        size: u64,
        distance: Option<u64>,
    },
    /// The name of what it is made from, of which so many bytes are to come.
    Name {
        size: u64,
        left: u8,
    },
    Content {
        size: u64,
        base: Base,
    },
    End,
}

/// A pack that comes. What is too much ends it; [`Bounded::wrong`] says what.
pub(crate) struct Bounded<R> {
    pub(crate) from: R,
    limits: Limits,
    state: State,
    /// Bytes so far.
    at: u64,
    /// Where the object begins that is under way.
    begin: u64,
    header: [u8; HEADER],
    /// Objects to come.
    left: u32,
    inflate: Decompress,
    piece: Box<[u8; PIECE]>,
    /// What a delta begins with.
    sizes: Vec<u8>,
    /// Where objects begin, and how heavy they are.
    weights: Vec<(u64, u64)>,
    heaviest: u64,
    /// Bytes of all objects that are made from what is known by name: any could be on top of any.
    named: u64,
    pub(crate) wrong: Option<Error>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        match self.look(&buffer[..count]) {
            Ok(()) => Ok(count),
            Err(error) => {
                let told = io::Error::other(error.to_string());
                self.wrong = Some(error);
                Err(told)
            }
        }
    }
}

impl<R> Bounded<R> {
    pub(crate) fn new(from: R, limits: Limits) -> Bounded<R> {
        Bounded {
            from,
            limits,
            state: State::Header(0),
            at: 0,
            begin: 0,
            header: [0; HEADER],
            left: 0,
            inflate: Decompress::new(true),
            piece: Box::new([0; PIECE]),
            sizes: Vec::new(),
            weights: Vec::new(),
            heaviest: 0,
            named: 0,
            wrong: None,
        }
    }

    fn look(&mut self, mut bytes: &[u8]) -> Result<()> {
        while let Some(&byte) = bytes.first() {
            let taken = match self.state {
                State::End => return Ok(()),
                State::Content { size, base } => self.content(bytes, size, base)?,
                _ => {
                    self.byte(byte)?;
                    1
                }
            };
            self.at += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<()> {
        let (low, goes_on) = (u64::from(byte & 0x7f), byte & 0x80 != 0);
        self.state = match self.state {
            State::Header(count) => {
                self.header[count] = byte;
                if count + 1 < HEADER { State::Header(count + 1) } else { self.began()? }
            }
            State::Kind => {
                self.begin = self.at;
                let (kind, size) = (byte >> 4 & 7, low & 15);
                if goes_on { State::More { kind, size, shift: 4 } } else { self.kind(kind, size)? }
            }
            State::More { kind, size, shift } => {
                let size = size | low.checked_shl(shift).filter(|_| shift < 57).ok_or_else(|| self.too_large())?;
                if goes_on { State::More { kind, size, shift: shift + 7 } } else { self.kind(kind, size)? }
            }
            State::Distance { size, distance } => {
                let distance = match distance {
                    None => low,
                    // Each further byte has one more than it says.
                    Some(distance) if distance < self.begin => ((distance + 1) << 7) | low,
                    Some(_) => return Err(damaged()),
                };
                match goes_on {
                    true => State::Distance { size, distance: Some(distance) },
                    false => State::Content { size, base: self.earlier(distance)? },
                }
            }
            State::Name { size, left: 1 } => State::Content { size, base: Base::Named },
            State::Name { size, left } => State::Name { size, left: left - 1 },
            State::Content { .. } | State::End => unreachable!("looked at piece by piece"),
        };
        Ok(())
    }

    /// After the header, which whoever reads the pack judges.
    fn began(&mut self) -> Result<State> {
        self.left = u32::from_be_bytes(self.header[8..].try_into().expect("four bytes"));
        match self.left {
            0 => Ok(State::End),
            count if count > self.limits.objects => {
                Err(Error::TooLarge(format!("its pack has more than {} objects", self.limits.objects)))
            }
            _ => Ok(State::Kind),
        }
    }

    fn kind(&self, kind: u8, size: u64) -> Result<State> {
        if size > self.limits.object {
            return Err(self.too_large());
        }
        match kind {
            1..=4 => Ok(State::Content { size, base: Base::Nothing }),
            6 => Ok(State::Distance { size, distance: None }),
            7 => Ok(State::Name { size, left: NAME }),
            _ => Err(damaged()),
        }
    }

    /// An object so far before the one that is under way.
    fn earlier(&self, distance: u64) -> Result<Base> {
        let begin = self.begin.checked_sub(distance).ok_or_else(damaged)?;
        let found = self.weights.binary_search_by_key(&begin, |(begin, _)| *begin).map_err(|_| damaged())?;
        Ok(match self.weights[found].1 {
            NAMED => Base::Named,
            weight => Base::Earlier(weight),
        })
    }

    /// A part of an object's content; how many of the bytes were.
    fn content(&mut self, bytes: &[u8], size: u64, base: Base) -> Result<usize> {
        let (read, told) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(bytes, &mut self.piece[..], FlushDecompress::None);
        let status = status.map_err(|_| damaged())?;
        let taken = usize::try_from(self.inflate.total_in() - read).map_err(|_| damaged())?;
        let given = usize::try_from(self.inflate.total_out() - told).map_err(|_| damaged())?;
        if self.inflate.total_out() > size || self.inflate.total_in() > 2 * size + SLACK {
            return Err(damaged());
        }
        if base != Base::Nothing {
            let wanted = SIZES.saturating_sub(self.sizes.len()).min(given);
            self.sizes.extend_from_slice(&self.piece[..wanted]);
        }
        if status == Status::StreamEnd {
            self.whole(size, base)?;
        } else if taken == 0 && given == 0 {
            return Err(damaged());
        }
        Ok(taken)
    }

    /// An object is there.
    fn whole(&mut self, size: u64, base: Base) -> Result<()> {
        let size = if base == Base::Nothing { size } else { result_size(&self.sizes).ok_or_else(damaged)? };
        if size > self.limits.object {
            return Err(self.too_large());
        }
        let weight = match base {
            Base::Nothing => size,
            Base::Earlier(weight) => weight.saturating_add(size),
            Base::Named => NAMED,
        };
        match weight {
            NAMED => self.named = self.named.saturating_add(size),
            weight => self.heaviest = self.heaviest.max(weight),
        }
        // One object by itself is as large as objects may be.
        if (base != Base::Nothing || self.named > 0) && self.heaviest.saturating_add(self.named) > self.limits.chain {
            let limit = self.limits.chain;
            return Err(Error::TooLarge(format!("an object is made from others of more than {limit} bytes")));
        }
        self.weights.push((self.begin, weight));
        self.inflate.reset(true);
        self.sizes.clear();
        self.left -= 1;
        self.state = if self.left == 0 { State::End } else { State::Kind };
        Ok(())
    }

    fn too_large(&self) -> Error {
        Error::TooLarge(format!("an object has more than {} bytes", self.limits.object))
    }
}

fn damaged() -> Error {
    Error::Damaged("what comes is no pack".to_owned())
}

/// The second of the two sizes that a delta begins with: of what comes of it.
fn result_size(delta: &[u8]) -> Option<u64> {
    let mut rest = delta.iter();
    let mut size = || {
        let mut size = 0;
        for shift in (0..57).step_by(7) {
            let byte = *rest.next()?;
            size |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(size);
            }
        }
        None
    };
    size()?;
    size()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write as _;

    /// A pack that is written by hand.
    struct Written {
        bytes: Vec<u8>,
        count: u32,
    }

    impl Written {
        fn new() -> Written {
            Written { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0 }
        }

        /// Where it begins.
        fn object(&mut self, kind: u8, size: usize, base: &[u8], content: &[u8]) -> u64 {
            let begin = self.bytes.len() as u64;
            let mut rest = size >> 4;
            self.bytes.push(kind << 4 | (size & 15) as u8 | if rest > 0 { 0x80 } else { 0 });
            while rest > 0 {
                let byte = (rest & 0x7f) as u8;
                rest >>= 7;
                self.bytes.push(byte | if rest > 0 { 0x80 } else { 0 });
            }
            self.bytes.extend(base);
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).expect("in memory");
            self.bytes.extend(encoder.finish().expect("in memory"));
            self.count += 1;
            begin
        }

        fn blob(&mut self, size: usize) -> u64 {
            self.object(3, size, b"", &vec![0; size])
        }

        /// A delta on an object of `from` bytes that makes one of `to`.
        fn delta(&mut self, base: u64, from: usize, to: usize) -> u64 {
            let content = delta(from, to);
            let distance = self.bytes.len() as u64 - base;
            // As packs have it: the highest part first, each but the last less one.
            let mut distances = vec![(distance & 0x7f) as u8];
            let mut rest = distance >> 7;
            while rest > 0 {
                rest -= 1;
                distances.insert(0, (rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            self.object(6, content.len(), &distances, &content)
        }

        fn named(&mut self, from: usize, to: usize) -> u64 {
            let content = delta(from, to);
            self.object(7, content.len(), &[7; 20], &content)
        }

        /// What is wrong with it, however it comes.
        fn wrong(&self, limits: Limits) -> Option<String> {
            let mut bytes = self.bytes.clone();
            bytes[8..HEADER].copy_from_slice(&self.count.to_be_bytes());
            bytes.extend([0; 20]);
            let mut told = [1, 3, 1000].map(|step| {
                let mut bounded = Bounded::new(io::BufReader::with_capacity(step, &bytes[..]), limits);
                let mut copy = Vec::new();
                let copied = bounded.read_to_end(&mut copy);
                assert!(copied.is_err() || copy == bytes);
                assert_eq!(copied.is_err(), bounded.wrong.is_some());
                bounded.wrong.map(|error| error.to_string())
            });
            assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
            told[0].take()
        }
    }

    fn delta(from: usize, to: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for size in [from, to] {
            let mut rest = size;
            while rest > 0x7f {
                out.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            out.push(rest as u8);
        }
        out.extend([0x90, 1]);
        out
    }

    const LIMITS: Limits = Limits { objects: 10, object: 1000, chain: 2000 };

    const CHAIN: &str = "the commit is too large: an object is made from others of more than 2000 bytes";

    #[test]
    fn chains_of_deltas_are_weighed() {
        let mut pack = Written::new();
        let base = pack.blob(500);
        let one = pack.delta(base, 500, 500);
        let two = pack.delta(one, 500, 600);
        for _ in 0..3 {
            pack.delta(one, 500, 900);
        }
        assert_eq!(pack.wrong(LIMITS), None, "side by side they are not heavy");
        pack.delta(two, 600, 401);
        assert_eq!(pack.wrong(LIMITS).as_deref(), Some(CHAIN));
    }

    #[test]
    fn what_is_known_by_name_could_be_one_chain() {
        let mut pack = Written::new();
        pack.named(7, 900);
        pack.blob(1000);
        assert_eq!(pack.wrong(LIMITS), None);
        pack.named(7, 101);
        assert_eq!(pack.wrong(LIMITS).as_deref(), Some(CHAIN));
    }

    #[test]
    fn objects_are_not_larger_than_they_say() {
        let large = "the commit is too large: an object has more than 1000 bytes";
        let damaged = "the repository's objects are damaged: what comes is no pack";
        let of = |make: &dyn Fn(&mut Written) -> u64| {
            let mut pack = Written::new();
            make(&mut pack);
            pack.wrong(LIMITS)
        };
        assert_eq!(of(&|pack| pack.blob(1000)), None);
        assert_eq!(of(&|pack| pack.blob(1001)).as_deref(), Some(large));
        assert_eq!(of(&|pack| pack.named(1, 1001)).as_deref(), Some(large));
        assert_eq!(of(&|pack| pack.object(3, 10, b"", &[0; 11])).as_deref(), Some(damaged));
        assert_eq!(of(&|pack| pack.object(6, 4, b"\x05", &delta(1, 1))).as_deref(), Some(damaged));
        assert_eq!(of(&|pack| pack.object(5, 1, b"", b"x")).as_deref(), Some(damaged));
        let many = of(&|pack| (0..11).fold(0, |_, _| pack.blob(1)));
        assert_eq!(many.as_deref(), Some("the commit is too large: its pack has more than 10 objects"));
        // Nothing, in as many empty pieces as one likes.
        let mut pack = Written::new();
        pack.bytes.extend(b"\x30\x78\x01");
        pack.bytes.extend(b"\0\0\0\xff\xff".repeat(20_000));
        pack.count = 1;
        assert_eq!(pack.wrong(LIMITS).as_deref(), Some(damaged));
    }
}
