//! The rules of the table `inet berth`. They never change while the engine runs: networks and published ports are
//! elements of the sets and maps that the rules look into.
//!
//! ```text
//! prerouting, output (nat)   to an address of this machine -> published: translate to the container
//! forward (filter)           user, then
//!   to a bridge of ours      same bridge: if containers may talk; internal: drop; answers and published ports: accept;
//!                            other bridges of ours, and whatever comes from outside unasked: drop
//!   from a bridge of ours    internal: drop; else accept
//! postrouting (nat)          to a bridge of ours: masquerade what was translated and came from one of them, so that
//!                            the answer comes back this way; else masquerade by the sender's subnet
//! ```
//!
//! Differs from dockerd in one point: a container may reach a port published by a container of another network, which
//! dockerd drops unless its user-land proxy carries it.
//!
//! The chain `user` belongs to the machine's owner: it is made once, seen first by all forwarded packets, and never
//! flushed or removed by us.

use super::expression::{Connection, Expression, Field, Meta, Register, Verdict};
use super::transaction::{Hook, SetSpec, Transaction};

pub(super) const TABLE: &str = "berth";
/// `NFPROTO_INET`
pub(super) const FAMILY: u8 = 1;

pub(super) const BRIDGES: &str = "bridges";
pub(super) const TALK: &str = "talk";
pub(super) const INTERNAL: &str = "internal";
pub(super) const OPEN: &str = "open";
pub(super) const MASQUERADE4: &str = "masquerade4";
pub(super) const MASQUERADE6: &str = "masquerade6";
pub(super) const PUBLISHED4: &str = "published4";
pub(super) const PUBLISHED6: &str = "published6";
pub(super) const PUBLISHED4_ANY: &str = "published4-any";
pub(super) const PUBLISHED6_ANY: &str = "published6-any";

const USER: &str = "user";
const PUBLISHED: &str = "published";
const TO_BRIDGE: &str = "to-bridge";
const FROM_BRIDGE: &str = "from-bridge";
const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const FORWARD: &str = "forward";
const POSTROUTING: &str = "postrouting";

const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

const NF_INET_PRE_ROUTING: u32 = 0;
const NF_INET_FORWARD: u32 = 2;
const NF_INET_LOCAL_OUT: u32 = 3;
const NF_INET_POST_ROUTING: u32 = 4;
const DSTNAT: i32 = -100;
const SRCNAT: i32 = 100;

/// All sets and maps. A set whose layout changes in a later version needs a new name: the kernel keeps the old one.
pub(super) const SETS: [SetSpec; 10] = {
    /// `NFT_SET_INTERVAL`, `NFT_SET_MAP`
    const INTERVAL: u32 = 4;
    const MAP: u32 = 8;
    // nft's own numbers: ipv4_addr, ipv6_addr, inet_proto, inet_service, ifname.
    const IP4: u32 = 7;
    const IP6: u32 = 8;
    const PROTO: u32 = 12;
    const PORT: u32 = 13;
    const NAME: u32 = 41;
    const fn set(name: &'static str, flags: u32, key_type: u32, key_length: u32, data: Option<(u32, u32)>) -> SetSpec {
        SetSpec { name, flags, key_type, key_length, data }
    }
    let target4 = Some((IP4 << 6 | PORT, 8));
    let target6 = Some((IP6 << 6 | PORT, 20));
    [
        set(BRIDGES, 0, NAME, 16, None),
        set(TALK, 0, NAME << 6 | NAME, 32, None),
        set(INTERNAL, 0, NAME, 16, None),
        set(OPEN, 0, NAME, 16, None),
        set(MASQUERADE4, INTERVAL, IP4, 4, None),
        set(MASQUERADE6, INTERVAL, IP6, 16, None),
        set(PUBLISHED4, MAP, IP4 << 12 | PROTO << 6 | PORT, 12, target4),
        set(PUBLISHED6, MAP, IP6 << 12 | PROTO << 6 | PORT, 24, target6),
        set(PUBLISHED4_ANY, MAP, PROTO << 6 | PORT, 8, target4),
        set(PUBLISHED6_ANY, MAP, PROTO << 6 | PORT, 8, target6),
    ]
};

/// Makes the table, its empty sets and its rules, whatever of it exists already.
pub(super) fn install(t: &mut Transaction) {
    t.table();
    SETS.iter().for_each(|set| t.empty_set(set));
    t.chain(USER, None);
    let ours = [
        (PUBLISHED, None),
        (TO_BRIDGE, None),
        (FROM_BRIDGE, None),
        (PREROUTING, Some(Hook { kind: "nat", number: NF_INET_PRE_ROUTING, priority: DSTNAT })),
        (OUTPUT, Some(Hook { kind: "nat", number: NF_INET_LOCAL_OUT, priority: DSTNAT })),
        (FORWARD, Some(Hook { kind: "filter", number: NF_INET_FORWARD, priority: 0 })),
        (POSTROUTING, Some(Hook { kind: "nat", number: NF_INET_POST_ROUTING, priority: SRCNAT })),
    ];
    for (name, hook) in ours {
        t.chain(name, hook);
        t.flush_chain(name);
    }
    for (chain, rule) in rules() {
        t.rule(chain, &rule.concat());
    }
}

/// All rules, chain by chain, in order; each is a list of conditions and a verdict.
fn rules() -> Vec<(&'static str, Vec<Vec<Expression>>)> {
    use Meta::{InputName, OutputName};
    let verdict = |v| vec![Expression::Verdict(v)];
    vec![
        (PREROUTING, vec![destination_is_local(), verdict(Verdict::Jump(PUBLISHED))]),
        // What is published on 127.0.0.1 and ::1 is served by a listener: the kernel does not route loopback addresses.
        (OUTPUT, vec![loopback4(), verdict(Verdict::Return)]),
        (OUTPUT, vec![loopback6(), verdict(Verdict::Return)]),
        (OUTPUT, vec![destination_is_local(), verdict(Verdict::Jump(PUBLISHED))]),
        (PUBLISHED, vec![translate(NFPROTO_IPV4, Some(Field::DESTINATION4), PUBLISHED4)]),
        (PUBLISHED, vec![translate(NFPROTO_IPV4, None, PUBLISHED4_ANY)]),
        (PUBLISHED, vec![translate(NFPROTO_IPV6, Some(Field::DESTINATION6), PUBLISHED6)]),
        (PUBLISHED, vec![translate(NFPROTO_IPV6, None, PUBLISHED6_ANY)]),
        (FORWARD, vec![verdict(Verdict::Jump(USER))]),
        (FORWARD, vec![name_in(OutputName, BRIDGES), verdict(Verdict::Jump(TO_BRIDGE))]),
        (FORWARD, vec![name_in(InputName, BRIDGES), verdict(Verdict::Jump(FROM_BRIDGE))]),
        (TO_BRIDGE, vec![same_bridge_may_talk(), verdict(Verdict::Accept)]),
        (TO_BRIDGE, vec![name_in(InputName, INTERNAL), verdict(Verdict::Drop)]),
        (TO_BRIDGE, vec![name_in(OutputName, INTERNAL), verdict(Verdict::Drop)]),
        (TO_BRIDGE, vec![connection(Connection::State, ESTABLISHED | RELATED), verdict(Verdict::Accept)]),
        (TO_BRIDGE, vec![connection(Connection::Status, TRANSLATED), verdict(Verdict::Accept)]),
        (TO_BRIDGE, vec![name_in(InputName, BRIDGES), verdict(Verdict::Drop)]),
        (TO_BRIDGE, vec![name_in(OutputName, OPEN), verdict(Verdict::Accept)]),
        (TO_BRIDGE, vec![verdict(Verdict::Drop)]),
        (FROM_BRIDGE, vec![name_in(InputName, INTERNAL), verdict(Verdict::Drop)]),
        (FROM_BRIDGE, vec![verdict(Verdict::Accept)]),
        (
            POSTROUTING,
            vec![
                name_in(OutputName, BRIDGES),
                name_in(InputName, BRIDGES),
                connection(Connection::Status, TRANSLATED),
                vec![Expression::Masquerade],
            ],
        ),
        (POSTROUTING, vec![name_in(OutputName, BRIDGES), verdict(Verdict::Return)]),
        (POSTROUTING, vec![source_in(NFPROTO_IPV4, Field::SOURCE4, MASQUERADE4), vec![Expression::Masquerade]]),
        (POSTROUTING, vec![source_in(NFPROTO_IPV6, Field::SOURCE6, MASQUERADE6), vec![Expression::Masquerade]]),
    ]
}

/// Bits of `ct state`, and of `ct status`: `IPS_DST_NAT`.
const ESTABLISHED: u32 = 2;
const RELATED: u32 = 4;
const TRANSLATED: u32 = 1 << 5;

fn family_is(family: u8) -> Vec<Expression> {
    vec![
        Expression::Meta { load: Meta::Family, to: 1 },
        Expression::Compare { register: 1, equal: true, value: vec![family] },
    ]
}

fn name_in(which: Meta, set: &'static str) -> Vec<Expression> {
    vec![Expression::Meta { load: which, to: 1 }, Expression::Lookup { set, key: 1, to: None }]
}

/// A pair of names fills registers 1 and 2.
fn same_bridge_may_talk() -> Vec<Expression> {
    vec![
        Expression::Meta { load: Meta::InputName, to: 1 },
        Expression::Meta { load: Meta::OutputName, to: 2 },
        Expression::Lookup { set: TALK, key: 1, to: None },
    ]
}

fn connection(what: Connection, bits: u32) -> Vec<Expression> {
    vec![
        Expression::Connection { load: what, to: 1 },
        Expression::Mask { register: 1, mask: bits.to_ne_bytes().to_vec() },
        Expression::Compare { register: 1, equal: false, value: vec![0; 4] },
    ]
}

fn destination_is_local() -> Vec<Expression> {
    const RTN_LOCAL: u32 = 2;
    vec![
        Expression::DestinationKind { to: 1 },
        Expression::Compare { register: 1, equal: true, value: RTN_LOCAL.to_ne_bytes().to_vec() },
    ]
}

fn loopback4() -> Vec<Expression> {
    let mut rule = family_is(NFPROTO_IPV4);
    rule.extend([
        Expression::Payload { load: Field::DESTINATION4, to: 1 },
        Expression::Mask { register: 1, mask: vec![255, 0, 0, 0] },
        Expression::Compare { register: 1, equal: true, value: vec![127, 0, 0, 0] },
    ]);
    rule
}

fn loopback6() -> Vec<Expression> {
    let mut rule = family_is(NFPROTO_IPV6);
    rule.extend([
        Expression::Payload { load: Field::DESTINATION6, to: 1 },
        Expression::Compare { register: 1, equal: true, value: std::net::Ipv6Addr::LOCALHOST.octets().to_vec() },
    ]);
    rule
}

fn source_in(family: u8, field: Field, set: &'static str) -> Vec<Expression> {
    let mut rule = family_is(family);
    rule.extend([Expression::Payload { load: field, to: 1 }, Expression::Lookup { set, key: 1, to: None }]);
    rule
}

/// Key: [address .] protocol . port in consecutive four-byte registers from 8 on; value: address . port likewise.
fn translate(family: u8, address: Option<Field>, map: &'static str) -> Vec<Expression> {
    const FIRST: Register = 8;
    let words = if family == NFPROTO_IPV4 { 1 } else { 4 };
    let mut rule = family_is(family);
    let mut next = FIRST;
    if let Some(field) = address {
        rule.push(Expression::Payload { load: field, to: next });
        next += words;
    }
    rule.extend([
        Expression::Meta { load: Meta::Protocol, to: next },
        Expression::Payload { load: Field::DESTINATION_PORT, to: next + 1 },
        Expression::Lookup { set: map, key: FIRST, to: Some(FIRST) },
        Expression::DestinationNat { family, address: FIRST, port: FIRST + words },
    ]);
    rule
}
