//! Reading a tar stream: ustar, GNU and PAX headers become [`Member`]s.
//!
//! The `tar` crate decodes the header blocks. What surrounds them is read here, because that crate splits PAX records
//! at newlines, which binary extended attributes may contain, and yields the holes of sparse files as zeros, of which a
//! hostile header can promise exabytes. Sources: POSIX.1-2017 `pax`, section "pax Extended Header"; GNU tar manual, "Storing
//! Sparse Files".

use std::io::{self, Read};

use tar::{GnuExtSparseHeader, Header};

use crate::{Error, Result};

const BLOCK: u64 = 512;

/// The longest extended header or long name. Linux paths have 4 KiB; extended attributes 64 KiB each, and what file
/// systems take of them for one file is less than this.
const MAX_EXTENSION: u64 = 1024 * 1024;

/// The most extended headers and long names in front of one member. Writers need three: both names and the records.
const MAX_EXTENSIONS: u32 = 64;

/// The most runs of data in one sparse file: 16 MiB of memory. A file system cannot make more of any ordinary file.
const MAX_SEGMENTS: usize = 1 << 20;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Hardlink,
    CharDevice,
    BlockDevice,
    Fifo,
}

/// A run of data in a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub offset: u64,
    pub length: u64,
}

/// One file, directory, link or device of the archive; its data is read by [`Members::read`].
#[derive(Debug)]
pub struct Member {
    /// As written in the archive.
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub kind: Kind,
    /// The permission bits, set-ID and sticky bits included.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970 and nanoseconds.
    pub mtime: (i64, i64),
    pub device: (u32, u32),
    /// Extended attributes: names and values.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The size of the file when unpacked, in bytes.
    pub size: u64,
    /// Where the data goes; `None` when it is the whole file.
    pub sparse: Option<Vec<Segment>>,
}

impl Member {
    /// The name for messages.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }
}

/// The members of a tar stream, one after another.
#[derive(Debug)]
pub struct Members<R> {
    source: R,
    /// Data of the current member that was not read yet, and the padding behind it.
    data: u64,
    padding: u64,
    /// The last name seen, for messages about damage.
    last: String,
}

/// What extended headers say about the next member.
#[derive(Debug, Default)]
struct Extensions {
    /// GNU's long names; a PAX record wins over them.
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<(i64, i64)>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    sparse: PaxSparse,
}

/// The `GNU.sparse.*` records.
#[derive(Debug, Default)]
struct PaxSparse {
    major: u64,
    /// The file's real name and size.
    name: Option<Vec<u8>>,
    size: Option<u64>,
    /// Offsets and lengths of formats 0.0 and 0.1; format 1.0 has them in front of the data.
    map: Vec<u64>,
}

impl<R: Read> Members<R> {
    pub fn new(source: R) -> Members<R> {
        Members { source, data: 0, padding: 0, last: String::new() }
    }

    /// The next member; `None` at the end-of-archive mark, or at the end of a stream that has none.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not lend the members' data")]
    pub fn next(&mut self) -> Result<Option<Member>> {
        self.skip()?;
        let mut extensions = Extensions::default();
        let mut count = 0;
        loop {
            if count > MAX_EXTENSIONS {
                return Err(self.damaged(invalid("too many extended headers in front of one member")));
            }
            count += 1;
            let mut header = Header::new_old();
            if !self.read_header(header.as_mut_bytes())? || header.as_bytes().iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            self.verify(&header)?;
            let size = self.size(&header)?;
            match header.entry_type().as_byte() {
                b'L' => extensions.long_name = Some(self.long_name(size)?),
                b'K' => extensions.long_link = Some(self.long_name(size)?),
                b'x' | b'X' => {
                    let records = self.extension(size)?;
                    // The later header replaces the earlier one, as in Go's archive/tar: nothing adds up.
                    extensions = Extensions {
                        long_name: extensions.long_name,
                        long_link: extensions.long_link,
                        ..Extensions::default()
                    };
                    self.parse_records(&records, &mut extensions)?;
                }
                // Global headers carry comments (git archive) or defaults that no image relies on; dockerd skips them too.
                b'g' => self.ignore(size)?,
                _ => return self.member(&header, extensions).map(Some),
            }
        }
    }

    /// Reads the current member's data; 0 at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let wanted = usize::try_from(self.data).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.source.read(&mut buffer[..wanted]).map_err(Error::Read)?;
        if count == 0 {
            return Err(self.damaged(io::ErrorKind::UnexpectedEof.into()));
        }
        self.data -= count as u64;
        Ok(count)
    }

    /// Fills `buffer` from the current member's data as far as it goes; returns the count.
    pub fn read_full(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// Reads what follows the end of the archive, so that the whole stream was seen.
    pub fn drain(mut self) -> Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while self.source.read(&mut buffer).map_err(Error::Read)? > 0 {}
        Ok(())
    }

    fn member(&mut self, header: &Header, extensions: Extensions) -> Result<Member> {
        let mut name = extensions.name.or(extensions.long_name).unwrap_or_else(|| header.path_bytes().into_owned());
        if let Some(real) = extensions.sparse.name.clone() {
            name = real;
        }
        self.last = String::from_utf8_lossy(&name).into_owned();
        let kind = match header.entry_type().as_byte() {
            // Archives older than ustar mark a directory by its name only.
            b'0' | 0 | b'7' if name.ends_with(b"/") => Kind::Directory,
            b'0' | 0 | b'7' | b'S' => Kind::File,
            b'1' => Kind::Hardlink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                return Err(Error::Entry {
                    entry: self.last.clone(),
                    reason: format!("unhandled tar header type {:?}", char::from(other)),
                });
            }
        };
        let stored = match extensions.size {
            Some(size) => size,
            None => self.size(header)?,
        };
        // Links and devices have no data, whatever their size field says (POSIX pax, "ustar Interchange Format").
        self.data = if kind == Kind::File { stored } else { 0 };
        self.padding = padding(self.data);
        let (size, sparse) = if kind == Kind::File && header.entry_type().is_gnu_sparse() {
            let (size, map) = self.gnu_sparse(header)?;
            (size, Some(map))
        } else if kind == Kind::File && (extensions.sparse.major == 1 || !extensions.sparse.map.is_empty()) {
            let (size, map) = self.pax_sparse(extensions.sparse)?;
            (size, Some(map))
        } else {
            (self.data, None)
        };
        let old = header.as_old();
        let number = |found: Option<u64>, field: &[u8]| match found {
            Some(found) => Ok(i128::from(found)),
            None => self.number(field),
        };
        let uid = number(extensions.uid, &old.uid)?;
        let gid = number(extensions.gid, &old.gid)?;
        let mtime = match extensions.mtime {
            Some(mtime) => mtime,
            None => (
                i64::try_from(self.number(&old.mtime)?).map_err(|_| self.damaged(invalid("a time is too large")))?,
                0,
            ),
        };
        // Archives older than ustar have no device numbers.
        let (major, minor) = match (header.as_ustar(), header.as_gnu()) {
            (Some(ustar), _) => (self.number(&ustar.dev_major)?, self.number(&ustar.dev_minor)?),
            (None, Some(gnu)) => (self.number(&gnu.dev_major)?, self.number(&gnu.dev_minor)?),
            (None, None) => (0, 0),
        };
        let small = |what: &str, number: i128| {
            u32::try_from(number).map_err(|_| Error::Entry {
                entry: self.last.clone(),
                reason: format!("{what} {number} is out of range"),
            })
        };
        Ok(Member {
            link: extensions
                .link
                .or(extensions.long_link)
                .unwrap_or_else(|| header.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default()),
            kind,
            mode: u32::try_from(self.number(&old.mode)? & 0o7777).expect("twelve bits"),
            uid: small("user", uid)?,
            gid: small("group", gid)?,
            mtime,
            device: (small("device", major)?, small("device", minor)?),
            xattrs: extensions.xattrs,
            size,
            sparse,
            name,
        })
    }

    /// GNU's old sparse format: the map is in the header and in blocks that follow it.
    fn gnu_sparse(&mut self, header: &Header) -> Result<(u64, Vec<Segment>)> {
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

    fn pax_sparse(&mut self, sparse: PaxSparse) -> Result<(u64, Vec<Segment>)> {
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

    fn parse_records(&self, mut records: &[u8], into: &mut Extensions) -> Result<()> {
        while !records.is_empty() {
            let malformed = || self.damaged(invalid("a malformed extended header"));
            let space = records.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
            let length = decimal(&records[..space]).and_then(|n| usize::try_from(n).ok()).ok_or_else(malformed)?;
            if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
                return Err(malformed());
            }
            let record = &records[space + 1..length - 1];
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            self.record(&record[..equals], &record[equals + 1..], into).ok_or_else(malformed)?;
            records = &records[length..];
        }
        Ok(())
    }

    /// One record; `None` when its value is malformed. An empty value takes an earlier one back.
    fn record(&self, key: &[u8], value: &[u8], into: &mut Extensions) -> Option<()> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            into.xattrs.push((name.to_vec(), value.to_vec()));
            return Some(());
        }
        let given = !value.is_empty();
        match key {
            b"path" => into.name = given.then(|| value.to_vec()),
            b"linkpath" => into.link = given.then(|| value.to_vec()),
            b"size" => into.size = if given { Some(decimal(value)?) } else { None },
            b"uid" => into.uid = if given { Some(decimal(value)?) } else { None },
            b"gid" => into.gid = if given { Some(decimal(value)?) } else { None },
            b"mtime" => into.mtime = if given { Some(time(value)?) } else { None },
            b"GNU.sparse.major" => into.sparse.major = decimal(value)?,
            b"GNU.sparse.name" => into.sparse.name = Some(value.to_vec()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => into.sparse.size = Some(decimal(value)?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => into.sparse.map.push(decimal(value)?),
            b"GNU.sparse.map" => {
                into.sparse.map = value.split(|byte| *byte == b',').map(decimal).collect::<Option<_>>()?;
            }
            _ => {}
        }
        Some(())
    }

    fn size(&self, header: &Header) -> Result<u64> {
        u64::try_from(self.number(&header.as_old().size)?).map_err(|_| self.damaged(invalid("a size is negative")))
    }

    /// A numeric field: octal text, or GNU's base 256. A field that nobody filled in is 0, as for every other reader.
    fn number(&self, field: &[u8]) -> Result<i128> {
        if field.first().is_some_and(|first| first & 0x80 != 0) {
            // Two's complement behind the marking bit: the next bit is the sign.
            let first = i128::from(field[0] & 0x7f);
            let start = if field[0] & 0x40 != 0 { first - 0x80 } else { first };
            return Ok(field[1..].iter().fold(start, |number, byte| (number << 8) | i128::from(*byte)));
        }
        let text = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
        if text.is_empty() {
            return Ok(0);
        }
        let octal = std::str::from_utf8(text).ok().and_then(|text| i128::from_str_radix(text, 8).ok());
        octal.ok_or_else(|| self.damaged(invalid("a number in a header is malformed")))
    }

    fn long_name(&mut self, size: u64) -> Result<Vec<u8>> {
        let mut name = self.extension(size)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }

    /// Reads past an extended header that means nothing here.
    fn ignore(&mut self, size: u64) -> Result<()> {
        self.data = size;
        self.padding = padding(size);
        self.skip()
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > MAX_EXTENSION {
            return Err(self.damaged(invalid("an extended header is larger than 1 MiB")));
        }
        let mut content = vec![0; usize::try_from(size).expect("checked above")];
        self.fill(&mut content)?;
        let mut rest = vec![0; usize::try_from(padding(size)).expect("less than a block")];
        self.fill(&mut rest)?;
        Ok(content)
    }

    fn verify(&self, header: &Header) -> Result<()> {
        let bytes = header.as_bytes();
        // The checksum field itself counts as eight spaces.
        let sum = bytes[..148].iter().chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        match header.cksum() {
            Ok(found) if found == sum => Ok(()),
            _ => Err(self.damaged(invalid("a header's checksum is wrong"))),
        }
    }

    /// Skips what is left of the current member.
    fn skip(&mut self) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        while self.read(&mut buffer)? > 0 {}
        let padding = usize::try_from(std::mem::take(&mut self.padding)).expect("less than a block");
        self.fill(&mut buffer[..padding])
    }

    /// A header block, or false at a clean end of the stream.
    fn read_header(&mut self, block: &mut [u8; BLOCK as usize]) -> Result<bool> {
        let count = self.source.read(block).map_err(Error::Read)?;
        if count == 0 {
            return Ok(false);
        }
        self.fill(&mut block[count..])?;
        Ok(true)
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            match self.source.read(buffer).map_err(Error::Read)? {
                0 => return Err(self.damaged(io::ErrorKind::UnexpectedEof.into())),
                count => buffer = &mut buffer[count..],
            }
        }
        Ok(())
    }

    fn damaged(&self, source: io::Error) -> Error {
        Error::Damaged { entry: self.last.clone(), source }
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `seconds[.fraction]`, which may be negative.
fn time(text: &[u8]) -> Option<(i64, i64)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9.9}").parse().ok()?;
    Some(match nanoseconds {
        nanoseconds if whole.starts_with('-') && nanoseconds > 0 => (seconds - 1, 1_000_000_000 - nanoseconds),
        nanoseconds => (seconds, nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions_and_signs() {
        assert_eq!(time(b"12"), Some((12, 0)));
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"12.1234567891"), Some((12, 123_456_789)));
        assert_eq!(time(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time(b"x"), None);
        assert_eq!(time(b"1.-2"), None);
    }

    #[test]
    fn numbers_have_two_forms_and_may_be_missing() {
        let members = Members::new(io::empty());
        let mut wide = [0; 12];
        wide[0] = 0x80;
        wide[11] = 5;
        assert_eq!(members.number(&wide).unwrap(), 5);
        assert_eq!(members.number(&[0xff; 12]).unwrap(), -1);
        for (field, expected) in
            [(b"0000644\0".as_slice(), 0o644), (b"   755 \0", 0o755), (b"\0\0\0\0", 0), (b"    ", 0)]
        {
            assert_eq!(members.number(field).unwrap(), expected);
        }
        assert!(members.number(b"12x\0").is_err());
        assert!(members.number(b"0000009\0").is_err());
    }

    #[test]
    fn records_may_hold_newlines_and_must_have_true_lengths() {
        let members = Members::new(io::empty());
        let mut found = Extensions::default();
        members.parse_records(b"27 SCHILY.xattr.user.a=1\n2\n12 path=a/b\n", &mut found).unwrap();
        assert_eq!(found.xattrs, [(b"user.a".to_vec(), b"1\n2".to_vec())]);
        assert_eq!(found.name.as_deref(), Some(b"a/b".as_slice()));
        for bad in ["5 a=b\n", "99 a=b\n", "6 a=bc", "x a=b\n", "4 a\n", "0 a=b\n"] {
            assert!(members.parse_records(bad.as_bytes(), &mut Extensions::default()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn random_bytes_are_damage_and_never_a_panic() {
        let mut state = 1u64;
        for length in [0, 1, 511, 512, 513, 4096] {
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            })
            .take(length)
            .collect();
            let result = Members::new(bytes.as_slice()).next();
            assert_eq!(matches!(result, Ok(None)), length == 0, "{length}: {result:?}");
        }
    }
}
