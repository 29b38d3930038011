//! Writing netlink messages: one buffer that may hold several messages, sent by one `sendmsg`.

/// Length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;

/// `NLA_F_NESTED`
const NESTED: u16 = 1 << 15;

/// Messages to send together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Number of messages; message n (from 0) carries the sequence number `base + n` once sent.
    count: u32,
}

impl Batch {
    pub(crate) fn new() -> Batch {
        Batch { bytes: Vec::with_capacity(1024), count: 0 }
    }

    /// Appends a message: `family` is the fixed structure after the netlink header (`ifinfomsg`, `nfgenmsg`, ...).
    pub(crate) fn message(&mut self, kind: u16, flags: u16, family: &[u8], fill: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&self.count.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(family);
        pad(&mut self.bytes);
        fill(&mut Attributes { bytes: &mut self.bytes });
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        self.count += 1;
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes to send, with sequence numbers from `base` on and `flags` added to the messages that `which` picks.
    pub(crate) fn finish(mut self, base: u32, flags: u16, which: impl Fn(u32) -> bool) -> Vec<u8> {
        let mut at = 0;
        for n in 0..self.count {
            let length = u32::from_ne_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"));
            if which(n) {
                let old = u16::from_ne_bytes(self.bytes[at + 6..at + 8].try_into().expect("two bytes"));
                self.bytes[at + 6..at + 8].copy_from_slice(&(old | flags).to_ne_bytes());
            }
            self.bytes[at + 8..at + 12].copy_from_slice(&base.wrapping_add(n).to_ne_bytes());
            at += length as usize;
        }
        self.bytes
    }
}

/// The attributes of a message or of a nest being written.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Attributes<'_> {
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend_from_slice(&((4 + value.len()) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        pad(self.bytes);
    }

    pub(crate) fn u8(&mut self, kind: u16, value: u8) {
        self.bytes(kind, &[value]);
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Network byte order, as nf_tables wants every number.
    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A string with its ending zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.bytes(kind, &bytes);
    }

    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        fill(&mut Attributes { bytes: self.bytes });
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// Bytes that are not an attribute: the fixed structure inside of `VETH_INFO_PEER`.
    pub(crate) fn raw(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        pad(self.bytes);
    }
}

/// Everything is aligned to four bytes (`NLMSG_ALIGNTO`, `NLA_ALIGNTO`).
fn pad(bytes: &mut Vec<u8>) {
    while !bytes.len().is_multiple_of(4) {
        bytes.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lays_out_headers_attributes_and_nests() {
        let mut batch = Batch::new();
        batch.message(20, 1, &[7, 0, 0, 0], |a| {
            a.text(1, "abc");
            a.nest(2, |a| a.u8(3, 9));
        });
        batch.message(21, 1, &[], |_| {});
        let bytes = batch.finish(100, 4, |n| n == 1);
        assert_eq!(bytes.len(), 16 + 4 + 8 + 12 + 16);
        assert_eq!(u32::from_ne_bytes(bytes[0..4].try_into().unwrap()), 40);
        assert_eq!(&bytes[4..12], [20u16.to_ne_bytes(), 1u16.to_ne_bytes(), [100, 0], [0, 0]].concat());
        assert_eq!(&bytes[20..28], [&8u16.to_ne_bytes()[..], &1u16.to_ne_bytes(), b"abc\0"].concat());
        assert_eq!(&bytes[28..32], [12u16.to_ne_bytes(), 0x8002u16.to_ne_bytes()].concat());
        assert_eq!(bytes[46], 5, "flags were added to the second message only");
        assert_eq!(bytes[48], 101);
    }
}
