//! Packets of IP: what one is to us, and the ones that we write. Pure.

use std::net::{IpAddr, SocketAddr};

use control::outside::{GATEWAY, GATEWAY_IPV6};
use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{
    IcmpEchoHeader, Icmpv4Type, Icmpv6Type, IpHeaders, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, LaxIpSlice,
    NetSlice, PacketBuilder, PacketBuilderStep, SlicedPacket, TransportSlice,
};

/// As Linux sends.
const HOPS: u8 = 64;
/// How much of a packet an error quotes, at most: the error stays within what every network carries (RFC 1812, RFC 4443).
const QUOTE4: usize = 576 - 20 - 8;
const QUOTE6: usize = 1280 - 40 - 8;

/// The two ends of a flow as the guest sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    /// In the guest.
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

/// What a packet is to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// The first of a TCP connection.
    Syn {
        pair: Pair,
        sequence: u32,
    },
    /// Another one.
    Tcp,
    Udp {
        pair: Pair,
        data: &'a [u8],
    },
    /// An ICMP echo request; `data` begins with its sequence number.
    Echo {
        from: IpAddr,
        to: IpAddr,
        id: u16,
        data: &'a [u8],
    },
    /// A protocol that the link does not carry.
    Other,
    /// Nothing that anybody answers.
    Nothing,
}

/// Why a packet did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Network,
    Host,
    Protocol,
    Port,
    Prohibited,
}

impl<'a> Packet<'a> {
    pub(super) fn of(packet: &SlicedPacket<'a>) -> Packet<'a> {
        let Some((from, to)) = addresses(packet) else { return Packet::Nothing };
        let pair =
            |from_port, to_port| Pair { from: SocketAddr::new(from, from_port), to: SocketAddr::new(to, to_port) };
        match &packet.transport {
            Some(TransportSlice::Tcp(tcp)) if tcp.syn() && !tcp.ack() && !tcp.rst() && !tcp.fin() => {
                Packet::Syn { pair: pair(tcp.source_port(), tcp.destination_port()), sequence: tcp.sequence_number() }
            }
            Some(TransportSlice::Tcp(_)) => Packet::Tcp,
            Some(TransportSlice::Udp(udp)) => {
                Packet::Udp { pair: pair(udp.source_port(), udp.destination_port()), data: udp.payload() }
            }
            Some(TransportSlice::Icmpv4(icmp)) => match icmp.icmp_type() {
                Icmpv4Type::EchoRequest(echo) => Packet::Echo { from, to, id: echo.id, data: &icmp.slice()[6..] },
                _ => Packet::Nothing,
            },
            Some(TransportSlice::Icmpv6(icmp)) => match icmp.icmp_type() {
                Icmpv6Type::EchoRequest(echo) => Packet::Echo { from, to, id: echo.id, data: &icmp.slice()[6..] },
                // Neighbours and routers are looked for on every link; on this one there are none.
                _ => Packet::Nothing,
            },
            Some(TransportSlice::Igmp(_)) => Packet::Nothing,
            None => Packet::Other,
        }
    }
}

/// Sender and receiver.
pub(super) fn addresses(packet: &SlicedPacket<'_>) -> Option<(IpAddr, IpAddr)> {
    match packet.net.as_ref()? {
        NetSlice::Ipv4(ip) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        NetSlice::Ipv6(ip) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        NetSlice::Arp(_) => None,
    }
}

/// The answer to a SYN that nobody listens for.
pub(super) fn reset(pair: Pair, sequence: u32) -> Option<Vec<u8>> {
    let reset = between(pair.to.ip(), pair.from.ip())?.tcp(pair.to.port(), pair.from.port(), 0, 0);
    built(reset.rst().ack(sequence.wrapping_add(1)), &[])
}

/// An answer of a flow of datagrams.
pub(super) fn datagram(pair: Pair, data: &[u8]) -> Option<Vec<u8>> {
    let builder = between(pair.to.ip(), pair.from.ip())?.udp(pair.to.port(), pair.from.port());
    let mut packet = Vec::with_capacity(builder.size(data.len()));
    builder.write(&mut packet, data).ok()?;
    Some(packet)
}

/// An echo's answer; `data` begins with the sequence number.
pub(super) fn echo(from: IpAddr, to: IpAddr, id: u16, data: &[u8]) -> Option<Vec<u8>> {
    let (sequence, data) = data.split_first_chunk::<2>()?;
    let echo = IcmpEchoHeader { id, seq: u16::from_be_bytes(*sequence) };
    let builder = between(from, to)?;
    let mut packet = Vec::new();
    match from {
        IpAddr::V4(_) => builder.icmpv4(Icmpv4Type::EchoReply(echo)).write(&mut packet, data).ok()?,
        IpAddr::V6(_) => builder.icmpv6(Icmpv6Type::EchoReply(echo)).write(&mut packet, data).ok()?,
    }
    Some(packet)
}

/// The error that tells a packet's sender why it did not arrive; `None` if it may not be answered by one.
pub(super) fn unreachable(packet: &[u8], why: Why) -> Option<Vec<u8>> {
    // Perhaps only the beginning of a packet.
    let (ip, _) = LaxIpSlice::from_slice(packet).ok()?;
    let (from, to) = (ip.source_addr(), ip.destination_addr());
    let later = ip.ipv4().is_some_and(|ip| ip.header().fragments_offset().value() > 0);
    // A later fragment tells nobody whose it is; what is sent to many is never answered (RFC 1122, section 3.2.2).
    if later || !super::is_worldly(to) || !super::is_worldly(from) {
        return None;
    }
    let mut error = Vec::new();
    match from {
        IpAddr::V4(_) => {
            let kind = match why {
                Why::Network => DestUnreachableHeader::Network,
                Why::Host => DestUnreachableHeader::Host,
                Why::Protocol => DestUnreachableHeader::Protocol,
                Why::Port => DestUnreachableHeader::Port,
                Why::Prohibited => DestUnreachableHeader::FilterProhibited,
            };
            let builder = between(GATEWAY.into(), from)?.icmpv4(Icmpv4Type::DestinationUnreachable(kind));
            builder.write(&mut error, &packet[..packet.len().min(QUOTE4)]).ok()?;
        }
        IpAddr::V6(_) => {
            let kind = match why {
                Why::Network => DestUnreachableCode::NoRoute,
                Why::Host => DestUnreachableCode::Address,
                Why::Port => DestUnreachableCode::Port,
                Why::Protocol | Why::Prohibited => DestUnreachableCode::Prohibited,
            };
            let builder = between(GATEWAY_IPV6.into(), from)?.icmpv6(Icmpv6Type::DestinationUnreachable(kind));
            builder.write(&mut error, &packet[..packet.len().min(QUOTE6)]).ok()?;
        }
    }
    Some(error)
}

/// The header of a packet; the kernel may cut it where a network is narrower. `None` for two families.
fn between(from: IpAddr, to: IpAddr) -> Option<PacketBuilderStep<IpHeaders>> {
    let headers = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = Ipv4Header::new(0, HOPS, IpNumber::UDP, from.octets(), to.octets()).ok()?;
            header.dont_fragment = false;
            IpHeaders::Ipv4(header, Default::default())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header {
                traffic_class: 0,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: 0,
                next_header: IpNumber::UDP,
                hop_limit: HOPS,
                source: from.octets(),
                destination: to.octets(),
            };
            IpHeaders::Ipv6(header, Default::default())
        }
        _ => return None,
    };
    Some(PacketBuilder::ip(headers))
}

fn built(builder: PacketBuilderStep<etherparse::TcpHeader>, data: &[u8]) -> Option<Vec<u8>> {
    let mut packet = Vec::with_capacity(builder.size(data.len()));
    builder.write(&mut packet, data).ok()?;
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(from: &str, to: &str) -> Pair {
        Pair { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    fn check(packet: &[u8], expected: impl FnOnce(Packet<'_>)) {
        expected(Packet::of(&SlicedPacket::from_ip(packet).unwrap()));
    }

    #[test]
    fn only_the_first_packet_of_a_connection_is_held() {
        for (from, to) in [("172.17.0.2:4000", "192.0.2.1:80"), ("[fd00::2]:4000", "[2001:db8::1]:80")] {
            let pair = pair(from, to);
            let tcp = || between(pair.from.ip(), pair.to.ip()).unwrap().tcp(pair.from.port(), pair.to.port(), 7, 100);
            let syn = built(tcp().syn(), &[]).unwrap();
            check(&syn, |packet| assert_eq!(packet, Packet::Syn { pair, sequence: 7 }));
            for other in [tcp().syn().ack(1), tcp().rst(), tcp().fin().ack(1), tcp().ack(9)] {
                check(&built(other, b"x").unwrap(), |packet| assert_eq!(packet, Packet::Tcp));
            }
            let answer = reset(pair, u32::MAX).unwrap();
            let answer = SlicedPacket::from_ip(&answer).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = &answer.transport else { panic!("{answer:?}") };
            assert!(tcp.rst() && tcp.ack() && tcp.acknowledgment_number() == 0);
            assert_eq!((tcp.source_port(), tcp.destination_port()), (80, 4000));
        }
    }

    #[test]
    fn datagrams_come_back_from_where_they_were_sent() {
        let pair = pair("172.17.0.2:4000", "192.0.2.1:53");
        let answer = datagram(pair, b"said").unwrap();
        let back = Pair { from: pair.to, to: pair.from };
        check(&answer, |packet| assert_eq!(packet, Packet::Udp { pair: back, data: b"said" }));
        // A container's network is narrower than this one, so that the kernel must be allowed to cut.
        assert!(!SlicedPacket::from_ip(&answer).unwrap().net.unwrap().ipv4_ref().unwrap().header().dont_fragment());
        assert!(datagram(pair, &[0; 65535]).is_none(), "longer than any packet");
    }

    #[test]
    fn an_echo_keeps_its_number_and_data() {
        let (guest, there): (IpAddr, IpAddr) = ("172.17.0.2".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let mut request = Vec::new();
        let echo_request = Icmpv4Type::EchoRequest(IcmpEchoHeader { id: 5, seq: 0x0102 });
        between(guest, there).unwrap().icmpv4(echo_request).write(&mut request, b"payload").unwrap();
        check(&request, |packet| {
            let expected = Packet::Echo { from: guest, to: there, id: 5, data: b"\x01\x02payload" };
            assert_eq!(packet, expected);
        });
        let answer = echo(there, guest, 5, b"\x01\x02payload").unwrap();
        let answer = SlicedPacket::from_ip(&answer).unwrap();
        let Some(TransportSlice::Icmpv4(icmp)) = &answer.transport else { panic!("{answer:?}") };
        assert_eq!(icmp.icmp_type(), Icmpv4Type::EchoReply(IcmpEchoHeader { id: 5, seq: 0x0102 }));
        assert_eq!(icmp.payload(), b"payload");
    }

    #[test]
    fn errors_quote_what_they_are_about() {
        let asked = datagram(pair("192.0.2.1:9", "172.17.0.2:4000"), &[7; 2000]).unwrap();
        let error = unreachable(&asked, Why::Port).unwrap();
        assert!(error.len() <= 576);
        assert!(unreachable(&asked[..64], Why::Port).is_some(), "a packet's beginning is enough");
        let error = SlicedPacket::from_ip(&error).unwrap();
        assert_eq!(addresses(&error).unwrap(), (GATEWAY.into(), "172.17.0.2".parse().unwrap()));
        let Some(TransportSlice::Icmpv4(icmp)) = &error.transport else { panic!("{error:?}") };
        assert_eq!(icmp.icmp_type(), Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port));
        assert!(asked.starts_with(icmp.payload()));
        let many = datagram(pair("224.0.0.251:5353", "172.17.0.2:5353"), b"x").unwrap();
        assert_eq!(unreachable(&many, Why::Port), None);
    }

    #[test]
    fn other_protocols_are_told_from_nothing() {
        let header = Ipv4Header::new(4, HOPS, IpNumber::SCTP, [172, 17, 0, 2], [192, 0, 2, 1]).unwrap();
        let mut packet = Vec::new();
        header.write(&mut packet).unwrap();
        packet.extend([0; 4]);
        check(&packet, |packet| assert_eq!(packet, Packet::Other));
    }
}
