//! Rules for packets that leave over the link to the host, by an interface whose other end is a process of this machine.
//!
//! ```text
//! outside (prerouting)   the first packet of a connection, put back by that process: to its listener
//!                        any other of a connection that the listener has: to it
//! forward                from the interface to the interface: TCP: reset; the rest: drop
//! postrouting            to the interface: as it is
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::element::interface;
use super::expression::{Expression, Field, Meta, Register, Verdict};
use super::ruleset::{NFPROTO_IPV4, NFPROTO_IPV6, family_is};
use crate::Outside;

/// A register of 16 bytes, and the one behind it.
const ONE: Register = 1;
const TWO: Register = 2;

/// `FIN`, `SYN`, `RST` and `ACK` of TCP's flags.
const FLAGS: u8 = 0x17;
const SYN: u8 = 0x02;

/// What the process's listener takes, in this order.
pub(super) fn taken(outside: &Outside) -> Vec<Vec<Expression>> {
    let first = |family, listener: IpAddr| {
        let address = match listener {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let listener = vec![
            Expression::Value { to: ONE, value: address },
            Expression::Value { to: TWO, value: outside.listener.to_be_bytes().to_vec() },
            Expression::Intercept { family, address: ONE, port: TWO },
        ];
        [by(outside, Meta::InputName), family_is(family), tcp(true), listener, marked(outside)].concat()
    };
    let of_ours = vec![
        Expression::TransparentSocket { to: ONE },
        Expression::Compare { register: ONE, equal: true, value: vec![1] },
    ];
    vec![
        first(NFPROTO_IPV4, Ipv4Addr::LOCALHOST.into()),
        first(NFPROTO_IPV6, Ipv6Addr::LOCALHOST.into()),
        [tcp(false), of_ours, marked(outside)].concat(),
    ]
}

/// What was put back and found no socket would go round for ever. It is of a connection that the process does not have any more.
pub(super) fn no_way_back(outside: &Outside) -> Vec<Vec<Expression>> {
    let both = || [by(outside, Meta::InputName), by(outside, Meta::OutputName)].concat();
    vec![
        [both(), is_tcp(), vec![Expression::Reset]].concat(),
        [both(), vec![Expression::Verdict(Verdict::Drop)]].concat(),
    ]
}

/// The process answers containers at their own addresses, and the host has its own for the world.
pub(super) fn untranslated(outside: &Outside) -> Vec<Expression> {
    [by(outside, Meta::OutputName), vec![Expression::Verdict(Verdict::Return)]].concat()
}

fn by(outside: &Outside, direction: Meta) -> Vec<Expression> {
    vec![
        Expression::Meta { load: direction, to: ONE },
        Expression::Compare { register: ONE, equal: true, value: interface(&outside.link) },
    ]
}

/// TCP that begins a connection, or that does not.
fn tcp(begins: bool) -> Vec<Expression> {
    let flags = vec![
        Expression::Payload { load: Field::FLAGS, to: ONE },
        Expression::Mask { register: ONE, mask: vec![FLAGS] },
        Expression::Compare { register: ONE, equal: begins, value: vec![SYN] },
    ];
    [is_tcp(), flags].concat()
}

fn is_tcp() -> Vec<Expression> {
    vec![
        Expression::Meta { load: Meta::Protocol, to: ONE },
        Expression::Compare { register: ONE, equal: true, value: vec![libc::IPPROTO_TCP as u8] },
    ]
}

/// For the route that leads to this machine.
fn marked(outside: &Outside) -> Vec<Expression> {
    vec![
        Expression::Value { to: ONE, value: outside.mark.to_ne_bytes().to_vec() },
        Expression::SetMeta { store: Meta::Mark, from: ONE },
        Expression::Verdict(Verdict::Accept),
    ]
}
