//! Taking numbers and names off the front of a message.

use crate::{Error, Result};

/// What of a message was not read yet.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Error::Malformed("it is too short"))?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<()> {
        self.bytes(count).map(drop)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.bytes(2)?.try_into().expect("two bytes")))
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes(4)?.try_into().expect("four bytes")))
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes(8)?.try_into().expect("eight bytes")))
    }

    /// Text that a zero byte ends: any bytes, none of them zero.
    pub(super) fn text(&mut self) -> Result<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Error::Malformed("a name has no end"))?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// One part of a path: the kernel never sends another, and nothing here would know what to do with one.
    pub(super) fn name(&mut self) -> Result<&'a [u8]> {
        let name = self.text()?;
        match name {
            b"" | b"." | b".." => Err(Error::Malformed("a name is none")),
            name if name.contains(&b'/') => Err(Error::Malformed("a name is a path")),
            name => Ok(name),
        }
    }
}
