//! The table of a sandbox whose names are answered by the embedded DNS server.

use std::io;

use super::expression::{Expression, Field, Meta, Register};
use super::transaction::{Hook, Transaction};
use crate::names::EMBEDDED_SERVER;
use crate::netlink::Socket;

/// In the calling thread's network namespace: what is sent to 127.0.0.11 port 53 goes to the given ports of the same
/// address, so that port 53 stays free for the container's own use. The kernel translates the answers back.
pub(crate) fn redirect_names(udp: u16, tcp: u16) -> io::Result<()> {
    const NFPROTO_IPV4: u8 = 2;
    const NF_INET_LOCAL_OUT: u32 = 3;
    const DSTNAT: i32 = -100;
    const CHAIN: &str = "output";
    let mut t = Transaction::new(NFPROTO_IPV4, "berth-names");
    t.table();
    t.chain(CHAIN, Some(Hook { kind: "nat", number: NF_INET_LOCAL_OUT, priority: DSTNAT }));
    t.flush_chain(CHAIN);
    for (protocol, port) in [(17, udp), (6, tcp)] {
        t.rule(CHAIN, &rule(protocol, port, NFPROTO_IPV4));
    }
    t.commit(&mut Socket::open(libc::NETLINK_NETFILTER)?)
}

fn rule(protocol: u8, port: u16, family: u8) -> Vec<Expression> {
    const ADDRESS: Register = 1;
    const PORT: Register = 2;
    let equal = |value: Vec<u8>| Expression::Compare { register: 1, equal: true, value };
    vec![
        Expression::Payload { load: Field::DESTINATION4, to: 1 },
        equal(EMBEDDED_SERVER.octets().to_vec()),
        Expression::Meta { load: Meta::Protocol, to: 1 },
        equal(vec![protocol]),
        Expression::Payload { load: Field::DESTINATION_PORT, to: 1 },
        equal(53u16.to_be_bytes().to_vec()),
        Expression::Value { to: ADDRESS, value: EMBEDDED_SERVER.octets().to_vec() },
        Expression::Value { to: PORT, value: port.to_be_bytes().to_vec() },
        Expression::DestinationNat { family, address: ADDRESS, port: PORT },
    ]
}
