//! The rules of the table `inet berth`. They never change while the engine runs: networks and published ports are
//! elements of the sets and maps that the rules look into.
//!
//! ```text
//! guard (raw)                what is published on a loopback address and comes from elsewhere: drop
//! prerouting, output (nat)   to an address of this machine -> published: translate to the container
//! forward (filter)           user, then
//!   to a bridge of ours      same bridge: if containers may talk, or by a link; internal: drop; answers and published
//!                            ports: accept; same bridge: drop; routed: open ports and ICMP: accept; other bridges of
//!                            ours: drop; open ports for trusted interfaces: accept; what else comes from outside
//!                            unasked: drop, unless the bridge is open
//!   from a bridge of ours    internal: drop; else accept
//! postrouting (nat)          to a bridge of ours: masquerade what was translated and came from one of them, or returns to
//!                            the container that sent it, so that the answer comes back this way; elsewhere, and to a
//!                            routed bridge -> leave: masquerade by the sender's subnet
//! ```
//!
//! The kernel may show bridged packets to the filter (br_netfilter). At postrouting it does not tell where they came from:
//! what a neighbour sends to a published port keeps the neighbour's address, and what a container sends to itself is known
//! by its addresses.
//!
//! A container's own address is out of reach from outside by these rules alone: what comes from there was translated or is
//! an answer. dockerd needs rules for each container, since its ports are open to whoever knows the way.
//!
//! Differs from dockerd in one point: a container may reach a port published by a container of another network, which
//! dockerd drops unless its user-land proxy carries it.
//!
//! Where everything leaves over the link to the host ([`super::outside`]), its interface has the last word on both ways.
//!
//! The chain `user` belongs to the machine's owner: it is made once, seen first by all forwarded packets, and never
//! flushed or removed by us.

use super::element::interface;
use super::expression::{Connection, Expression, Field, Meta, Register, Verdict};
use super::outside;
use super::transaction::{Hook, SetSpec, Transaction};
use crate::Outside;

pub(super) const TABLE: &str = "berth";
/// `NFPROTO_INET`
pub(super) const FAMILY: u8 = 1;

pub(super) const BRIDGES: &str = "bridges";
pub(super) const TALK: &str = "talk";
pub(super) const INTERNAL: &str = "internal";
pub(super) const APART: &str = "apart";
pub(super) const OPEN: Pair = Pair("open4", "open6");
pub(super) const ROUTED: Pair = Pair("routed4", "routed6");
pub(super) const OPENED: Pair = Pair("opened4", "opened6");
pub(super) const TRUSTED: Pair = Pair("trusted4", "trusted6");
pub(super) const MASQUERADE: Pair = Pair("masquerade4", "masquerade6");
pub(super) const SOURCE: Pair = Pair("source4", "source6");
pub(super) const HAIRPIN: Pair = Pair("hairpin4", "hairpin6");
pub(super) const PUBLISHED: Pair = Pair("published4", "published6");
pub(super) const PUBLISHED_ANY: Pair = Pair("published4-any", "published6-any");
/// IPv6 has one loopback address, which no other machine can send to.
pub(super) const LOOPBACK4: &str = "loopback4";
/// As in dockerd links are a matter of IPv4.
pub(super) const LINKS4: &str = "links4";

/// Two sets of one meaning, for IPv4 and IPv6.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair(&'static str, &'static str);

impl Pair {
    pub(super) const fn of(self, ipv6: bool) -> &'static str {
        if ipv6 { self.1 } else { self.0 }
    }
}

const USER: &str = "user";
const TRANSLATE: &str = "published";
const TO_BRIDGE: &str = "to-bridge";
const FROM_BRIDGE: &str = "from-bridge";
const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const FORWARD: &str = "forward";
const POSTROUTING: &str = "postrouting";
const GUARD: &str = "guard";
const LEAVE: &str = "leave";
const OUTSIDE: &str = "outside";

pub(super) const NFPROTO_IPV4: u8 = 2;
pub(super) const NFPROTO_IPV6: u8 = 10;

const NF_INET_PRE_ROUTING: u32 = 0;
const NF_INET_FORWARD: u32 = 2;
const NF_INET_LOCAL_OUT: u32 = 3;
const NF_INET_POST_ROUTING: u32 = 4;
const RAW: i32 = -300;
const MANGLE: i32 = -150;
const DSTNAT: i32 = -100;
const SRCNAT: i32 = 100;

/// All sets and maps. A set whose layout changes in a later version needs a new name: the kernel keeps the old one.
pub(super) const SETS: [SetSpec; 24] = {
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
    /// Address, protocol, port.
    const AT4: u32 = IP4 << 12 | PROTO << 6 | PORT;
    const AT6: u32 = IP6 << 12 | PROTO << 6 | PORT;
    let target4 = Some((IP4 << 6 | PORT, 8));
    let target6 = Some((IP6 << 6 | PORT, 20));
    [
        set(BRIDGES, 0, NAME, 16, None),
        set(TALK, 0, NAME << 6 | NAME, 32, None),
        set(APART, 0, NAME << 6 | NAME, 32, None),
        set(INTERNAL, 0, NAME, 16, None),
        set(OPEN.0, 0, NAME, 16, None),
        set(OPEN.1, 0, NAME, 16, None),
        set(ROUTED.0, 0, NAME, 16, None),
        set(ROUTED.1, 0, NAME, 16, None),
        set(OPENED.0, 0, AT4, 12, None),
        set(OPENED.1, 0, AT6, 24, None),
        set(TRUSTED.0, 0, NAME << 18 | AT4, 28, None),
        set(TRUSTED.1, 0, NAME << 18 | AT6, 40, None),
        set(LOOPBACK4, 0, AT4, 12, None),
        set(LINKS4, 0, NAME << 24 | IP4 << 18 | AT4, 32, None),
        set(MASQUERADE.0, INTERVAL, IP4, 4, None),
        set(MASQUERADE.1, INTERVAL, IP6, 16, None),
        set(SOURCE.0, INTERVAL | MAP, IP4, 4, Some((IP4, 4))),
        set(SOURCE.1, INTERVAL | MAP, IP6, 16, Some((IP6, 16))),
        set(HAIRPIN.0, 0, IP4 << 6 | IP4, 8, None),
        set(HAIRPIN.1, 0, IP6 << 6 | IP6, 32, None),
        set(PUBLISHED.0, MAP, AT4, 12, target4),
        set(PUBLISHED.1, MAP, AT6, 24, target6),
        set(PUBLISHED_ANY.0, MAP, PROTO << 6 | PORT, 8, target4),
        set(PUBLISHED_ANY.1, MAP, PROTO << 6 | PORT, 8, target6),
    ]
};

/// Makes the table, its empty sets and its rules, whatever of it exists already.
pub(super) fn install(t: &mut Transaction, way_out: Option<&Outside>) {
    t.table();
    SETS.iter().for_each(|set| t.empty_set(set));
    t.chain(USER, None);
    let ours = [
        (TRANSLATE, None),
        (TO_BRIDGE, None),
        (FROM_BRIDGE, None),
        (LEAVE, None),
        (GUARD, Some(Hook { kind: "filter", number: NF_INET_PRE_ROUTING, priority: RAW })),
        (PREROUTING, Some(Hook { kind: "nat", number: NF_INET_PRE_ROUTING, priority: DSTNAT })),
        (OUTPUT, Some(Hook { kind: "nat", number: NF_INET_LOCAL_OUT, priority: DSTNAT })),
        (FORWARD, Some(Hook { kind: "filter", number: NF_INET_FORWARD, priority: 0 })),
        (POSTROUTING, Some(Hook { kind: "nat", number: NF_INET_POST_ROUTING, priority: SRCNAT })),
    ];
    for (name, hook) in ours {
        t.chain(name, hook);
        t.flush_chain(name);
    }
    if let Some(way_out) = way_out {
        t.chain(OUTSIDE, Some(Hook { kind: "filter", number: NF_INET_PRE_ROUTING, priority: MANGLE }));
        t.flush_chain(OUTSIDE);
        outside::taken(way_out).iter().for_each(|rule| t.rule(OUTSIDE, rule));
        outside::no_way_back(way_out).iter().for_each(|rule| t.rule(FORWARD, rule));
        t.rule(POSTROUTING, &outside::untranslated(way_out));
    }
    for (chain, rule) in rules() {
        t.rule(chain, &rule.concat());
    }
}

/// All rules, chain by chain, in order; each is a list of conditions and a verdict.
fn rules() -> Vec<(&'static str, Vec<Vec<Expression>>)> {
    use Field as F;
    use Meta::{InputName, OutputName};
    let verdict = |v| vec![Expression::Verdict(v)];
    let (accept, drop) = (|| verdict(Verdict::Accept), || verdict(Verdict::Drop));
    let both = || [Load::Meta(InputName), Load::Meta(OutputName)];
    let mut rules = vec![
        (GUARD, vec![not_by_loopback(), found(&to(F::DESTINATION4), LOOPBACK4), drop()]),
        (PREROUTING, vec![destination_is_local(), verdict(Verdict::Jump(TRANSLATE))]),
        // What is published on 127.0.0.1 and ::1 is served by a listener: the kernel does not route loopback addresses.
        (OUTPUT, vec![loopback4(), verdict(Verdict::Return)]),
        (OUTPUT, vec![loopback6(), verdict(Verdict::Return)]),
        (OUTPUT, vec![destination_is_local(), verdict(Verdict::Jump(TRANSLATE))]),
        (FORWARD, vec![verdict(Verdict::Jump(USER))]),
        (FORWARD, vec![name_in(OutputName, BRIDGES), verdict(Verdict::Jump(TO_BRIDGE))]),
        (FORWARD, vec![name_in(InputName, BRIDGES), verdict(Verdict::Jump(FROM_BRIDGE))]),
        (TO_BRIDGE, vec![found(&both(), TALK), accept()]),
        (TO_BRIDGE, vec![link(F::SOURCE4, F::DESTINATION4, F::DESTINATION_PORT), accept()]),
        (TO_BRIDGE, vec![link(F::DESTINATION4, F::SOURCE4, F::SOURCE_PORT), accept()]),
        (TO_BRIDGE, vec![name_in(InputName, INTERNAL), drop()]),
        (TO_BRIDGE, vec![name_in(OutputName, INTERNAL), drop()]),
        (TO_BRIDGE, vec![connection(Connection::State, ESTABLISHED | RELATED), accept()]),
        (TO_BRIDGE, vec![connection(Connection::Status, TRANSLATED), accept()]),
        (TO_BRIDGE, vec![found(&both(), APART), drop()]),
    ];
    for family in FAMILIES {
        let opened = [family_is(family.number), found(&to(family.destination), OPENED.of(family.ipv6))];
        rules.extend([
            (TO_BRIDGE, vec![icmp(family), name_in(OutputName, ROUTED.of(family.ipv6)), accept()]),
            (TO_BRIDGE, vec![opened.concat(), accept()]),
        ]);
    }
    rules.push((TO_BRIDGE, vec![name_in(InputName, BRIDGES), drop()]));
    for family in FAMILIES {
        let mut from = vec![Load::Meta(InputName)];
        from.extend(to(family.destination));
        let trusted = found(&from, TRUSTED.of(family.ipv6));
        let open = name_in(OutputName, OPEN.of(family.ipv6));
        rules.extend([
            (TO_BRIDGE, vec![family_is(family.number), trusted, accept()]),
            (TO_BRIDGE, vec![family_is(family.number), open, accept()]),
        ]);
    }
    rules.extend([
        (TO_BRIDGE, vec![drop()]),
        (FROM_BRIDGE, vec![name_in(InputName, INTERNAL), drop()]),
        (FROM_BRIDGE, vec![accept()]),
        (
            POSTROUTING,
            vec![
                name_in(OutputName, BRIDGES),
                name_in(InputName, BRIDGES),
                connection(Connection::Status, TRANSLATED),
                vec![Expression::Masquerade],
            ],
        ),
    ]);
    // Nor does it route packets from link-local addresses: the port's listener serves them, too.
    rules.push((TRANSLATE, vec![from_link_local(), verdict(Verdict::Return)]));
    for family in FAMILIES {
        let (number, ipv6) = (family.number, family.ipv6);
        let routed = name_in(OutputName, ROUTED.of(ipv6));
        let leaves = |set| [family_is(number), found(&[Load::Field(family.source)], set)].concat();
        let returns = found(&[Load::Field(family.source), Load::Field(family.destination)], HAIRPIN.of(ipv6));
        let translated = connection(Connection::Status, TRANSLATED);
        rules.extend([
            (TRANSLATE, vec![translate(number, Some(family.destination), PUBLISHED.of(ipv6))]),
            (TRANSLATE, vec![translate(number, None, PUBLISHED_ANY.of(ipv6))]),
            (POSTROUTING, vec![family_is(number), returns, translated, vec![Expression::Masquerade]]),
            (POSTROUTING, vec![family_is(number), routed, verdict(Verdict::Jump(LEAVE))]),
            (LEAVE, vec![from_address(family)]),
            (LEAVE, vec![leaves(MASQUERADE.of(ipv6)), vec![Expression::Masquerade]]),
        ]);
    }
    rules.extend([
        (POSTROUTING, vec![name_in(OutputName, BRIDGES), verdict(Verdict::Return)]),
        (POSTROUTING, vec![verdict(Verdict::Jump(LEAVE))]),
    ]);
    rules
}

/// What differs between IPv4 and IPv6.
#[derive(Debug, Clone, Copy)]
struct Family {
    /// `NFPROTO_*`
    number: u8,
    ipv6: bool,
    source: Field,
    destination: Field,
    /// ICMP's number for the IP header.
    icmp: u8,
}

const FAMILIES: [Family; 2] = [
    Family {
        number: NFPROTO_IPV4,
        ipv6: false,
        source: Field::SOURCE4,
        destination: Field::DESTINATION4,
        icmp: libc::IPPROTO_ICMP as u8,
    },
    Family {
        number: NFPROTO_IPV6,
        ipv6: true,
        source: Field::SOURCE6,
        destination: Field::DESTINATION6,
        icmp: libc::IPPROTO_ICMPV6 as u8,
    },
];

/// One part of a key.
#[derive(Debug, Clone, Copy)]
enum Load {
    Meta(Meta),
    Field(Field),
}

/// The first of the registers of four bytes, in which the parts of a key follow each other.
const FIRST: Register = 8;

/// Puts the parts of a key together and looks for it; of a map, the value is in [`FIRST`] afterwards.
fn look_up(key: &[Load], set: &'static str, map: bool) -> Vec<Expression> {
    let mut next = FIRST;
    let mut rule = Vec::new();
    for part in key {
        let (load, registers) = match *part {
            Load::Meta(load @ (Meta::InputName | Meta::OutputName)) => (Expression::Meta { load, to: next }, 4),
            Load::Meta(load) => (Expression::Meta { load, to: next }, 1),
            Load::Field(field) => (Expression::Payload { load: field, to: next }, field.registers()),
        };
        rule.push(load);
        next += registers;
    }
    rule.push(Expression::Lookup { set, key: FIRST, to: map.then_some(FIRST) });
    rule
}

fn found(key: &[Load], set: &'static str) -> Vec<Expression> {
    look_up(key, set, false)
}

/// Address, protocol and port that a packet goes to.
fn to(address: Field) -> [Load; 3] {
    [Load::Field(address), Load::Meta(Meta::Protocol), Load::Field(Field::DESTINATION_PORT)]
}

/// A packet between the two ends of a link: from the one that has it, and to its port.
fn link(from: Field, to: Field, port: Field) -> Vec<Expression> {
    let key = [
        Load::Meta(Meta::InputName),
        Load::Field(from),
        Load::Field(to),
        Load::Meta(Meta::Protocol),
        Load::Field(port),
    ];
    [family_is(NFPROTO_IPV4), found(&key, LINKS4)].concat()
}

/// By the sender's subnet: its address for the world.
fn from_address(family: Family) -> Vec<Expression> {
    let address = look_up(&[Load::Field(family.source)], SOURCE.of(family.ipv6), true);
    let translate = vec![Expression::SourceNat { family: family.number, address: FIRST }];
    [family_is(family.number), address, translate].concat()
}

fn icmp(family: Family) -> Vec<Expression> {
    let mut rule = family_is(family.number);
    rule.extend([
        Expression::Meta { load: Meta::Protocol, to: 1 },
        Expression::Compare { register: 1, equal: true, value: vec![family.icmp] },
    ]);
    rule
}

/// IPv4 that did not come by `lo`.
fn not_by_loopback() -> Vec<Expression> {
    let mut rule = family_is(NFPROTO_IPV4);
    rule.extend([
        Expression::Meta { load: Meta::InputName, to: 1 },
        Expression::Compare { register: 1, equal: false, value: interface("lo") },
    ]);
    rule
}

/// Bits of `ct state`, and of `ct status`: `IPS_DST_NAT`.
const ESTABLISHED: u32 = 2;
const RELATED: u32 = 4;
const TRANSLATED: u32 = 1 << 5;

pub(super) fn family_is(family: u8) -> Vec<Expression> {
    vec![
        Expression::Meta { load: Meta::Family, to: 1 },
        Expression::Compare { register: 1, equal: true, value: vec![family] },
    ]
}

fn name_in(which: Meta, set: &'static str) -> Vec<Expression> {
    vec![Expression::Meta { load: which, to: 1 }, Expression::Lookup { set, key: 1, to: None }]
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

/// fe80::/10
fn from_link_local() -> Vec<Expression> {
    let (mut mask, mut value) = (vec![0; 16], vec![0; 16]);
    mask[..2].copy_from_slice(&[0xff, 0xc0]);
    value[..2].copy_from_slice(&[0xfe, 0x80]);
    let mut rule = family_is(NFPROTO_IPV6);
    rule.extend([
        Expression::Payload { load: Field::SOURCE6, to: 1 },
        Expression::Mask { register: 1, mask },
        Expression::Compare { register: 1, equal: true, value },
    ]);
    rule
}

/// Key: [address .] protocol . port; value: address . port.
fn translate(family: u8, address: Option<Field>, map: &'static str) -> Vec<Expression> {
    let words = if family == NFPROTO_IPV4 { 1 } else { 4 };
    let mut key: Vec<Load> = address.map(Load::Field).into_iter().collect();
    key.extend([Load::Meta(Meta::Protocol), Load::Field(Field::DESTINATION_PORT)]);
    let mut rule = family_is(family);
    rule.extend(look_up(&key, map, true));
    rule.push(Expression::DestinationNat { family, address: FIRST, port: FIRST + words });
    rule
}
