//! The frames that git's protocol is made of: four hexadecimal digits of length, then so many bytes, the digits counted.

use crate::error::{Error, Result, plain};
use std::io::{self, Read};

/// Bytes that each line of a list counts beside its own: it takes them in memory.
const LINE: usize = 64;

/// The longest frame.
const LONGEST: usize = 65_520;

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Data(Vec<u8>),
    /// The end of a message.
    Flush,
    /// Between two parts of one.
    Delimiter,
}

/// Writes a line.
pub(crate) fn line(out: &mut Vec<u8>, text: &str) {
    out.extend(format!("{:04x}{text}\n", text.len() + 5).as_bytes());
}

pub(crate) fn flush(out: &mut Vec<u8>) {
    out.extend(b"0000");
}

pub(crate) fn delimiter(out: &mut Vec<u8>) {
    out.extend(b"0001");
}

/// Reads frames.
#[derive(Debug)]
pub(crate) struct Packets<R>(pub(crate) R);

impl<R: Read> Packets<R> {
    /// The next one; what a server says instead of an answer (`ERR …`) is an error.
    pub(crate) fn next(&mut self) -> Result<Packet> {
        let broken = |what: &str| Error::Damaged(format!("the server's answer {what}"));
        let mut digits = [0; 4];
        self.0.read_exact(&mut digits).map_err(|error| broken_off(&error))?;
        let length = std::str::from_utf8(&digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        match length.ok_or_else(|| broken("is not of git's protocol"))? {
            0 => Ok(Packet::Flush),
            1 => Ok(Packet::Delimiter),
            // Empty ones keep a connection alive.
            length @ 4..=LONGEST => {
                let mut bytes = vec![0; length - 4];
                self.0.read_exact(&mut bytes).map_err(|error| broken_off(&error))?;
                match bytes.strip_prefix(b"ERR ") {
                    Some(reason) => Err(Error::Damaged(format!("remote error: {}", plain(&text(reason))))),
                    None => Ok(Packet::Data(bytes)),
                }
            }
            _ => Err(broken("is not of git's protocol")),
        }
    }

    /// The lines up to the end of a message or of its part, at most `limit` bytes of them.
    pub(crate) fn lines(&mut self, limit: usize) -> Result<Vec<String>> {
        let (mut lines, mut size) = (Vec::new(), 0);
        while let Packet::Data(bytes) = self.next()? {
            size += bytes.len() + LINE;
            if size > limit {
                return Err(Error::TooLarge(format!("the server's list has more than {limit} bytes")));
            }
            lines.push(text(&bytes));
        }
        Ok(lines)
    }
}

fn broken_off(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Damaged("the server's answer broke off".to_owned()),
        _ => Error::Damaged(error.to_string()),
    }
}

/// A line without its end.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned()
}

/// A pack out of frames whose first byte says what they are of: the pack, or words for people.
#[derive(Debug)]
pub(crate) struct Bands<R> {
    packets: Packets<R>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> Bands<R> {
    pub(crate) fn new(packets: Packets<R>) -> Bands<R> {
        Bands { packets, piece: Vec::new(), at: 0, ended: false }
    }
}

impl<R: Read> Read for Bands<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() && !self.ended {
            match self.packets.next().map_err(io::Error::other)? {
                Packet::Flush | Packet::Delimiter => self.ended = true,
                Packet::Data(bytes) => match bytes.first() {
                    Some(1) => (self.piece, self.at) = (bytes, 1),
                    // Words for people.
                    Some(2) | None => {}
                    Some(3) => return Err(io::Error::other(format!("remote error: {}", plain(&text(&bytes[1..]))))),
                    Some(_) => return Err(io::Error::other("the server's answer is not of git's protocol")),
                },
            }
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_and_written() {
        let mut out = Vec::new();
        line(&mut out, "command=fetch");
        delimiter(&mut out);
        line(&mut out, "done");
        flush(&mut out);
        assert_eq!(out, b"0012command=fetch\n00010009done\n0000");
        let mut packets = Packets(&out[..]);
        assert_eq!(packets.lines(1000).expect("one"), ["command=fetch"]);
        assert_eq!(packets.next().expect("one"), Packet::Data(b"done\n".to_vec()));
        assert_eq!(packets.next().expect("its end"), Packet::Flush);
        assert!(packets.next().expect_err("no more").to_string().ends_with("broke off"));
        let wrong = |bytes: &[u8]| Packets(bytes).next().expect_err("wrong").to_string();
        assert!(wrong(b"<html>").ends_with("is not of git's protocol"));
        assert!(wrong(b"0003").ends_with("is not of git's protocol"));
        assert!(wrong(b"fff1").ends_with("is not of git's protocol"));
        assert!(wrong(b"0009ab").ends_with("broke off"));
        assert!(wrong(b"000bERR no\n").ends_with("remote error: no"));
        assert!(wrong(b"000fERR \x1b[2Jhi\n").ends_with("remote error: ?[2Jhi"));
        assert!(Packets(&b"0009done\n0009done\n0000"[..]).lines(9).is_err());
        // Lines of nothing are lines, too.
        assert!(Packets(io::Cursor::new("0004".repeat(1000) + "0000")).lines(1000).is_err());
    }

    #[test]
    fn a_pack_is_between_the_words() {
        let mut pack = String::new();
        let read = |bytes: &[u8], to: &mut String| Bands::new(Packets(bytes)).read_to_string(to);
        read(b"0007\x01ab0008\x02say0004\x30\x30\x30\x36\x01c0000rest", &mut pack).expect("a pack");
        assert_eq!(pack, "abc");
        assert_eq!(read(b"0007\x03no", &mut pack).expect_err("refused").to_string(), "remote error: no");
        assert!(read(b"0007\x09no", &mut pack).is_err() && read(b"0007\x01ab", &mut pack).is_err());
    }
}
