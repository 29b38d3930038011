//! Expressions: what a rule is made of. A rule loads fields into registers, compares them, and ends in a verdict.

use crate::netlink::Attributes;

/// A register of 16 bytes, or from 8 on one of 4 bytes: register 1 is 8 to 11, register 2 is 12 to 15.
pub(super) type Register = u32;

/// The verdict that a rule may end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Drop,
    Accept,
    Return,
    Jump(&'static str),
}

/// A field of the packet's surroundings (`enum nft_meta_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Meta {
    Mark = 3,
    InputName = 6,
    OutputName = 7,
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`, one byte.
    Family = 15,
    /// The transport protocol, one byte.
    Protocol = 16,
}

/// A field of the connection (`enum nft_ct_keys`), four bytes in native order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Connection {
    State = 0,
    Status = 2,
}

/// Where a field of the packet is found: header (`enum nft_payload_bases`), offset and length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    header: u32,
    offset: u32,
    length: u32,
}

impl Field {
    pub(super) const SOURCE4: Field = Field { header: 1, offset: 12, length: 4 };
    pub(super) const DESTINATION4: Field = Field { header: 1, offset: 16, length: 4 };
    pub(super) const SOURCE6: Field = Field { header: 1, offset: 8, length: 16 };
    pub(super) const DESTINATION6: Field = Field { header: 1, offset: 24, length: 16 };
    /// Of TCP, UDP and SCTP alike, as the next one.
    pub(super) const SOURCE_PORT: Field = Field { header: 2, offset: 0, length: 2 };
    /// Of TCP, one byte: `FIN` and its neighbours.
    pub(super) const FLAGS: Field = Field { header: 2, offset: 13, length: 1 };
    pub(super) const DESTINATION_PORT: Field = Field { header: 2, offset: 2, length: 2 };

    /// How many four-byte registers it fills.
    pub(super) fn registers(self) -> Register {
        self.length.div_ceil(4)
    }
}

/// One expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Meta {
        load: Meta,
        to: Register,
    },
    Payload {
        load: Field,
        to: Register,
    },
    Connection {
        load: Connection,
        to: Register,
    },
    /// The kind of the destination address (`RTN_LOCAL`, ...), four bytes in native order.
    DestinationKind {
        to: Register,
    },
    /// Keeps the bits of `mask` in a register.
    Mask {
        register: Register,
        mask: Vec<u8>,
    },
    Compare {
        register: Register,
        equal: bool,
        value: Vec<u8>,
    },
    /// Goes on only if the key in the register is in the set; of a map, its value goes to `to`.
    Lookup {
        set: &'static str,
        key: Register,
        to: Option<Register>,
    },
    /// Translates the destination to the address and port in the registers; goes on with other families unchanged.
    DestinationNat {
        family: u8,
        address: Register,
        port: Register,
    },
    /// Translates the source to the address in the register.
    SourceNat {
        family: u8,
        address: Register,
    },
    Masquerade,
    /// Whether the packet is for a socket that has another's address, one byte; goes on only if it is for a socket at all.
    TransparentSocket {
        to: Register,
    },
    /// Gives the packet to whoever listens at the address and port in the registers; goes on with other families unchanged.
    Intercept {
        family: u8,
        address: Register,
        port: Register,
    },
    /// Answers a packet of TCP with a reset, and drops it.
    Reset,
    /// Sets a field of the packet's surroundings.
    SetMeta {
        store: Meta,
        from: Register,
    },
    /// Puts a constant into a register.
    Value {
        to: Register,
        value: Vec<u8>,
    },
    Verdict(Verdict),
}

impl Expression {
    /// Writes the expression as one element of a rule's list.
    pub(super) fn write(&self, list: &mut Attributes<'_>) {
        const LIST_ELEMENT: u16 = 1;
        const NAME: u16 = 1;
        const DATA: u16 = 2;
        list.nest(LIST_ELEMENT, |a| {
            a.text(NAME, self.name());
            a.nest(DATA, |a| self.write_data(a));
        });
    }

    fn name(&self) -> &'static str {
        match self {
            Expression::Meta { .. } | Expression::SetMeta { .. } => "meta",
            Expression::Reset => "reject",
            Expression::TransparentSocket { .. } => "socket",
            Expression::Intercept { .. } => "tproxy",
            Expression::Payload { .. } => "payload",
            Expression::Connection { .. } => "ct",
            Expression::DestinationKind { .. } => "fib",
            Expression::Mask { .. } => "bitwise",
            Expression::Compare { .. } => "cmp",
            Expression::Lookup { .. } => "lookup",
            Expression::DestinationNat { .. } | Expression::SourceNat { .. } => "nat",
            Expression::Masquerade => "masq",
            Expression::Value { .. } | Expression::Verdict(_) => "immediate",
        }
    }

    /// The attribute numbers are those of the expression's own `enum nft_*_attributes`.
    fn write_data(&self, a: &mut Attributes<'_>) {
        match self {
            Expression::Meta { load, to } => {
                a.be32(2, *load as u32);
                a.be32(1, *to);
            }
            Expression::Payload { load, to } => {
                a.be32(1, *to);
                a.be32(2, load.header);
                a.be32(3, load.offset);
                a.be32(4, load.length);
            }
            Expression::Connection { load, to } => {
                a.be32(2, *load as u32);
                a.be32(1, *to);
            }
            Expression::DestinationKind { to } => {
                const RESULT_ADDRESS_TYPE: u32 = 3;
                const LOOK_UP_DESTINATION: u32 = 2;
                a.be32(1, *to);
                a.be32(2, RESULT_ADDRESS_TYPE);
                a.be32(3, LOOK_UP_DESTINATION);
            }
            Expression::Mask { register, mask } => {
                a.be32(1, *register);
                a.be32(2, *register);
                a.be32(3, mask.len() as u32);
                value(a, 4, mask);
                value(a, 5, &vec![0; mask.len()]);
            }
            Expression::Compare { register, equal, value: bytes } => {
                a.be32(1, *register);
                a.be32(2, if *equal { 0 } else { 1 });
                value(a, 3, bytes);
            }
            Expression::Lookup { set, key, to } => {
                a.text(1, set);
                a.be32(2, *key);
                if let Some(to) = to {
                    a.be32(3, *to);
                }
            }
            Expression::DestinationNat { family, address, port } => {
                const DESTINATION: u32 = 1;
                a.be32(1, DESTINATION);
                a.be32(2, u32::from(*family));
                a.be32(3, *address);
                a.be32(5, *port);
            }
            Expression::SourceNat { family, address } => {
                const SOURCE: u32 = 0;
                a.be32(1, SOURCE);
                a.be32(2, u32::from(*family));
                a.be32(3, *address);
            }
            Expression::Masquerade => {}
            Expression::Reset => {
                const TCP_RESET: u32 = 1;
                a.be32(1, TCP_RESET);
            }
            Expression::TransparentSocket { to } => {
                const TRANSPARENT: u32 = 0;
                a.be32(1, TRANSPARENT);
                a.be32(2, *to);
            }
            Expression::Intercept { family, address, port } => {
                a.be32(1, u32::from(*family));
                a.be32(2, *address);
                a.be32(3, *port);
            }
            Expression::SetMeta { store, from } => {
                a.be32(2, *store as u32);
                a.be32(3, *from);
            }
            Expression::Value { to, value: bytes } => {
                a.be32(1, *to);
                value(a, 2, bytes);
            }
            Expression::Verdict(verdict) => {
                const VERDICT_REGISTER: u32 = 0;
                a.be32(1, VERDICT_REGISTER);
                a.nest(2, |a| a.nest(2, |a| write_verdict(a, *verdict)));
            }
        }
    }
}

fn write_verdict(a: &mut Attributes<'_>, verdict: Verdict) {
    let code: i32 = match verdict {
        Verdict::Drop => 0,
        Verdict::Accept => 1,
        Verdict::Jump(_) => -3,
        Verdict::Return => -5,
    };
    a.be32(1, code as u32);
    if let Verdict::Jump(chain) = verdict {
        a.text(2, chain);
    }
}

/// A `NFTA_DATA_VALUE` in a nest of the given type.
pub(super) fn value(a: &mut Attributes<'_>, kind: u16, bytes: &[u8]) {
    a.nest(kind, |a| a.bytes(1, bytes));
}
