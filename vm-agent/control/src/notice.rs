//! What the host says of a change in a folder that the guest has mounted, and what the guest does about it: little-endian, behind
//! FUSE's own headers.
//!
//! Which of its caches are wrong the guest's kernel is told with FUSE's own notices. Around them is a message of this tree's own.

/// Bytes in front of every request of the kernel's (`fuse_in_header`), and of every answer (`fuse_out_header`).
const IN_HEADER: usize = 40;
const OUT_HEADER: usize = 16;

/// In the place of the error number of an answer that nobody asked for: far from those of FUSE.
const NOTICE: i32 = 1000;
/// The opcode of what is said when a notice was dealt with. No kernel has it.
pub const ACKNOWLEDGED: u32 = 0x6265_7274;

/// The group of whoever repeats changes in the mount, and of nobody else: FUSE says with each request of which group it is
/// (`current_fsgid()`), also where the kernel asks again for what a relay that is gone had read. What is of this group and carries no
/// notice's number is never done on the host.
pub const GROUP: u32 = 0xffff_fff0;

/// `FUSE_NOTIFY_INVAL_INODE`, `FUSE_NOTIFY_INVAL_ENTRY`.
const INVALID_INODE: i32 = 2;
const INVALID_ENTRY: i32 = 3;
/// `FUSE_EXPIRE_ONLY`: the name is asked for again; what is mounted upon it stays.
const EXPIRE_ONLY: u32 = 1;

/// What of a node is not as the kernel knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Invalid {
    Attributes(u64),
    /// Content and attributes.
    Content(u64),
    /// What a name in a directory leads to, and whether it is there.
    Name(u64, Vec<u8>),
}

/// What is done in the mount. Folders go by the number that the kernel knows them by; an empty name is the node itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `mode`: with the file type's four bits.
    Make {
        parent: u64,
        name: Vec<u8>,
        mode: u32,
    },
    Remove {
        parent: u64,
        name: Vec<u8>,
        is_directory: bool,
    },
    Rename {
        from: (u64, Vec<u8>),
        to: (u64, Vec<u8>),
    },
    /// Something was written to it.
    Modify {
        parent: u64,
        name: Vec<u8>,
    },
    /// Who had written to it closed it.
    Close {
        parent: u64,
        name: Vec<u8>,
    },
    Attributes {
        parent: u64,
        name: Vec<u8>,
    },
}

/// One change on the host, as the guest reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub number: u16,
    /// Messages for the kernel (`FUSE_NOTIFY_*`), which come before the operation.
    pub invalid: Vec<Vec<u8>>,
    pub operation: Option<Operation>,
}

/// The whole message.
pub fn encode(number: u16, invalid: &[Invalid], operation: Option<&Operation>) -> Vec<u8> {
    let mut out = header(NOTICE);
    put(&mut out, &[u32::from(number), length(invalid.len())]);
    for invalid in invalid {
        let message = invalid.message();
        put(&mut out, &[length(message.len())]);
        out.extend(message);
    }
    let none: (u64, &[u8]) = (0, &[]);
    let (kind, mode, from, to) = match operation {
        None => (0, 0, none, none),
        Some(Operation::Make { parent, name, mode }) => (1, *mode, (*parent, &name[..]), none),
        Some(Operation::Remove { parent, name, is_directory }) => {
            (2, u32::from(*is_directory), (*parent, &name[..]), none)
        }
        Some(Operation::Rename { from, to }) => (3, 0, (from.0, &from.1[..]), (to.0, &to.1[..])),
        Some(Operation::Modify { parent, name }) => (4, 0, (*parent, &name[..]), none),
        Some(Operation::Close { parent, name }) => (5, 0, (*parent, &name[..]), none),
        Some(Operation::Attributes { parent, name }) => (6, 0, (*parent, &name[..]), none),
    };
    put(&mut out, &[kind, mode]);
    for (node, name) in [from, to] {
        out.extend(node.to_le_bytes());
        put(&mut out, &[length(name.len())]);
        out.extend(name);
    }
    finish(out)
}

/// The number of a message that is a notice.
pub fn number(message: &[u8]) -> Option<u16> {
    let mut rest = Rest(message);
    rest.take(4)?;
    if rest.u32()?.cast_signed() != NOTICE || rest.u64()? != 0 {
        return None;
    }
    u16::try_from(rest.u32()?).ok()
}

impl Notice {
    /// `None`: the message is none of a change.
    pub fn parse(message: &[u8]) -> Option<Notice> {
        let number = number(message)?;
        let mut rest = Rest(message.get(OUT_HEADER + 4..)?);
        let mut invalid = Vec::new();
        for _ in 0..rest.u32()? {
            let length = rest.u32()? as usize;
            invalid.push(rest.take(length)?.to_vec());
        }
        let (kind, mode, parent) = (rest.u32()?, rest.u32()?, rest.u64()?);
        let name = rest.name()?;
        let (to, to_name) = (rest.u64()?, rest.name()?);
        let operation = match kind {
            1 => Some(Operation::Make { parent, name, mode }),
            2 => Some(Operation::Remove { parent, name, is_directory: mode != 0 }),
            3 => Some(Operation::Rename { from: (parent, name), to: (to, to_name) }),
            4 => Some(Operation::Modify { parent, name }),
            5 => Some(Operation::Close { parent, name }),
            6 => Some(Operation::Attributes { parent, name }),
            // None; or a later host's: the caches are right nevertheless.
            _ => None,
        };
        Some(Notice { number, invalid, operation })
    }
}

impl Invalid {
    fn message(&self) -> Vec<u8> {
        match self {
            Invalid::Attributes(node) => inode(*node, -1),
            Invalid::Content(node) => inode(*node, 0),
            Invalid::Name(parent, name) => {
                let mut out = header(INVALID_ENTRY);
                out.extend(parent.to_le_bytes());
                put(&mut out, &[length(name.len()), EXPIRE_ONLY]);
                out.extend(name);
                out.push(0);
                finish(out)
            }
        }
    }
}

/// Tells the host that a notice was dealt with: a message in the form of a request, to which there is no answer.
pub fn acknowledgement(number: u16) -> [u8; IN_HEADER] {
    let mut message = [0; IN_HEADER];
    message[..4].copy_from_slice(&(IN_HEADER as u32).to_le_bytes());
    message[4..8].copy_from_slice(&ACKNOWLEDGED.to_le_bytes());
    message[16..24].copy_from_slice(&u64::from(number).to_le_bytes());
    message
}

/// Whether a request of the kernel's may be carried to the host. One of [`GROUP`] may only with the number of the notice that it comes of,
/// which is written into what `fuse_in_header` leaves unused. `doing`: whose requests come of which notice.
pub fn mark(request: &mut [u8], doing: Option<(u32, u16)>) -> bool {
    let Some(header) = request.first_chunk_mut::<IN_HEADER>() else { return true };
    if header[28..32] != GROUP.to_le_bytes() {
        return true;
    }
    let Some((_, number)) = doing.filter(|(thread, _)| header[32..36] == thread.to_le_bytes()) else { return false };
    header[38..].copy_from_slice(&number.to_le_bytes());
    true
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.take(8)?.first_chunk()?))
    }

    /// One part of a path, or nothing; what would lead elsewhere is none.
    fn name(&mut self) -> Option<Vec<u8>> {
        let length = self.u32()? as usize;
        let name = self.take(length)?;
        match name {
            b"." | b".." => None,
            name if name.contains(&b'/') || name.contains(&0) => None,
            name => Some(name.to_vec()),
        }
    }
}

/// From `offset` on; a negative one leaves the content alone.
fn inode(node: u64, offset: i64) -> Vec<u8> {
    let mut out = header(INVALID_INODE);
    out.extend(node.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend(0_u64.to_le_bytes());
    finish(out)
}

/// As of an answer to nobody; its length comes last.
fn header(code: i32) -> Vec<u8> {
    let mut out = vec![0; OUT_HEADER];
    out[4..8].copy_from_slice(&code.to_le_bytes());
    out
}

fn finish(mut out: Vec<u8>) -> Vec<u8> {
    let length = length(out.len());
    out[..4].copy_from_slice(&length.to_le_bytes());
    out
}

fn put(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a notice is short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (parent, name) = (5, b"fg".to_vec());
        let (from, to) = ((5, b"fg".to_vec()), (1 << 40, b"h".to_vec()));
        let operations = [
            None,
            Some(Operation::Make { parent, name: name.clone(), mode: 0o100_644 }),
            Some(Operation::Remove { parent, name: name.clone(), is_directory: true }),
            Some(Operation::Rename { from, to }),
            Some(Operation::Modify { parent, name: Vec::new() }),
            Some(Operation::Close { parent, name: name.clone() }),
            Some(Operation::Attributes { parent, name: name.clone() }),
        ];
        let invalid = [Invalid::Name(5, name), Invalid::Content(7), Invalid::Attributes(8)];
        for operation in operations {
            let whole = encode(9, &invalid, operation.as_ref());
            let read = Notice::parse(&whole).unwrap();
            assert_eq!((read.number, read.operation), (9, operation));
            assert_eq!(read.invalid, invalid.clone().map(|invalid| invalid.message()));
            for length in 0..whole.len() {
                assert_eq!(Notice::parse(&whole[..length]), None, "{length}");
            }
        }
        assert_eq!(Notice::parse(&acknowledgement(9)), None);
    }

    #[test]
    fn what_leads_elsewhere_is_no_notice() {
        for name in [&b".."[..], b".", b"a/", b"a\0"] {
            let operation = Operation::Modify { parent: 1, name: name.to_vec() };
            assert_eq!(Notice::parse(&encode(1, &[], Some(&operation))), None);
        }
    }

    #[test]
    fn what_is_of_the_group_is_carried_with_a_number_or_not_at_all() {
        let mut request = [0; 41];
        request[32..36].copy_from_slice(&7_u32.to_le_bytes());
        assert!(mark(&mut request, Some((7, 500))) && request[38..40] == [0, 0], "of a container's");
        request[28..32].copy_from_slice(&GROUP.to_le_bytes());
        assert!(!mark(&mut request, Some((8, 500))), "of one who is gone");
        assert!(!mark(&mut request, None));
        assert!(mark(&mut request, Some((7, 500))));
        assert_eq!(request[38..40], 500_u16.to_le_bytes());
        assert!(mark(&mut [1; 39], Some((7, 1))), "no request at all is the host's to refuse");
    }
}
