//! Reading a tar stream: ustar, GNU and PAX headers become [`Member`]s.
//!
//! The `tar` crate decodes the header blocks. What surrounds them is read here, because that crate splits PAX records
//! at newlines, which binary extended attributes may contain, and yields the holes of sparse files as zeros, of which a
//! hostile header can promise exabytes.

mod number;
mod pax;
mod sparse;

use std::io::{self, Read};

use tar::Header;

use self::pax::Extensions;
pub use self::sparse::Segment;
use crate::{Error, Result};

const BLOCK: u64 = 512;

/// The longest extended header or long name. Linux paths have 4 KiB; extended attributes 64 KiB each, and what file
/// systems take of them for one file is less than this.
const MAX_EXTENSION: u64 = 1024 * 1024;

/// The most extended headers and long names in front of one member. Writers need three: both names and the records.
const MAX_EXTENSIONS: u32 = 64;

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

/// One file, directory, link or device of the archive; its data is read by [`Members::read`].
#[derive(Debug)]
pub struct Member {
    /// As written in the archive.
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub kind: Kind,
    /// The permission bits, set-ID and sticky bits included.
    pub mode: u32,
    /// `None` where the header has -1, which is nobody's: the owner stays (chown(2)).
    pub uid: Option<u32>,
    pub gid: Option<u32>,
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
                    pax::parse(&records, &mut extensions)
                        .ok_or_else(|| self.damaged(invalid("a malformed extended header")))?;
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
        // As it is written: to the library 0 and '0' are the same.
        let flag = header.as_old().linkflag[0];
        let kind = match flag {
            // Archives older than ustar mark a directory by its name only, as Go's archive/tar reads them.
            0 if name.ends_with(b"/") => Kind::Directory,
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
        // Links and devices have no data, whatever their size field says (POSIX pax, "ustar Interchange Format"). A directory
        // that only its name tells may have some, which is nobody's.
        let regular = kind == Kind::File || flag == 0;
        self.data = if regular { stored } else { 0 };
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
        let owner = |found: Option<i64>, field: &[u8]| {
            found.map_or_else(|| self.number(field), |found| Ok(found.into())).map(number::owner)
        };
        let uid = owner(extensions.uid, &old.uid)?;
        let gid = owner(extensions.gid, &old.gid)?;
        let mtime = match extensions.mtime {
            Some(mtime) => mtime,
            None => (
                i64::try_from(self.number(&old.mtime)?).map_err(|_| self.damaged(invalid("a time is too large")))?,
                0,
            ),
        };
        // Archives older than ustar have no device numbers; in front of other members they mean nothing.
        let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
        let (major, minor) = match (header.as_ustar(), header.as_gnu()) {
            _ if !is_device => (0, 0),
            (Some(ustar), _) => (self.number(&ustar.dev_major)?, self.number(&ustar.dev_minor)?),
            (None, Some(gnu)) => (self.number(&gnu.dev_major)?, self.number(&gnu.dev_minor)?),
            (None, None) => (0, 0),
        };
        let small = |number: i128| {
            u32::try_from(number).map_err(|_| Error::Entry {
                entry: self.last.clone(),
                reason: format!("device {number} is out of range"),
            })
        };
        Ok(Member {
            link: extensions
                .link
                .or(extensions.long_link)
                .unwrap_or_else(|| header.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default()),
            kind,
            mode: u32::try_from(self.number(&old.mode)? & 0o7777).expect("twelve bits"),
            uid,
            gid,
            mtime,
            device: (small(major)?, small(minor)?),
            xattrs: extensions.xattrs,
            size,
            sparse,
            name,
        })
    }

    fn size(&self, header: &Header) -> Result<u64> {
        u64::try_from(self.number(&header.as_old().size)?).map_err(|_| self.damaged(invalid("a size is negative")))
    }

    fn number(&self, field: &[u8]) -> Result<i128> {
        number::field(field).ok_or_else(|| self.damaged(invalid("a number in a header is malformed")))
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

#[cfg(test)]
mod tests {
    use super::*;

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
