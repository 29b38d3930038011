//! Datagrams of UDP that come in fragments, put together again. Everything else that comes so is refused: a packet whose
//! protocol nobody looks at would pass the packet filter as one protocol and leave as another. Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use etherparse::defrag::IpDefragBuf;
use etherparse::{IpFragOffset, IpNumber, Ipv6ExtensionSlice, NetSlice, SlicedPacket, UdpSlice};

use super::packet;

/// Datagrams that are not whole yet, each of up to 64 KiB; another one takes the place of the oldest.
const PARTIAL_MAX: usize = 128;
/// How long the rest may take, from the first fragment on; Linux's own time. The number in a fragment comes again one day.
const AGE_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Fragments(HashMap<Key, (IpDefragBuf, Instant)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    from: IpAddr,
    to: IpAddr,
    id: u32,
}

/// What a fragment leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fragment {
    /// The last one of a datagram of UDP, which is this: header and data.
    Whole(Vec<u8>),
    /// Others are to come, or it is of no use.
    Kept,
    /// The first of a packet of another protocol.
    Refused,
}

impl Fragments {
    pub(super) fn take(&mut self, packet: &SlicedPacket<'_>, now: Instant) -> Fragment {
        let Some((key, offset, more, protocol, payload)) = parts(packet) else { return Fragment::Kept };
        if protocol != IpNumber::UDP {
            // An error of ICMP is never answered by one (RFC 1122, section 3.2.2).
            let is_error = match (protocol, payload.first()) {
                (IpNumber::ICMP, kind) => kind != Some(&8),
                (IpNumber::IPV6_ICMP, kind) => kind.is_none_or(|kind| *kind < 128),
                _ => false,
            };
            return if offset.value() == 0 && !is_error { Fragment::Refused } else { Fragment::Kept };
        }
        self.0.retain(|_, (_, since)| now.duration_since(*since) < AGE_MAX);
        if !self.0.contains_key(&key)
            && self.0.len() >= PARTIAL_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (_, since))| *since).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
        let new = || (IpDefragBuf::new(protocol, Vec::new(), Vec::new()), now);
        let (partial, _) = self.0.entry(key).or_insert_with(new);
        if partial.add(offset, more, payload).is_err() {
            // It fits to nothing: who knows which of them is wrong.
            self.0.remove(&key);
            return Fragment::Kept;
        }
        if !partial.is_complete() {
            return Fragment::Kept;
        }
        match self.0.remove(&key).map(|(whole, _)| whole.take_bufs().0) {
            Some(whole) if is_sound(key.from, key.to, &whole) => Fragment::Whole(whole),
            _ => Fragment::Kept,
        }
    }
}

fn parts<'a>(packet: &SlicedPacket<'a>) -> Option<(Key, IpFragOffset, bool, IpNumber, &'a [u8])> {
    let (from, to) = packet::addresses(packet)?;
    match packet.net.as_ref()? {
        NetSlice::Ipv4(ip) => {
            let (header, payload) = (ip.header(), ip.payload());
            let key = Key { from, to, id: header.identification().into() };
            Some((key, header.fragments_offset(), header.more_fragments(), payload.ip_number, payload.payload))
        }
        NetSlice::Ipv6(ip) => {
            let fragment = ip.extensions().clone().into_iter().find_map(|extension| match extension {
                Ipv6ExtensionSlice::Fragment(fragment) => Some(fragment.to_header()),
                _ => None,
            })?;
            let (key, payload) = (Key { from, to, id: fragment.identification }, ip.payload());
            Some((key, fragment.fragment_offset, fragment.more_fragments, payload.ip_number, payload.payload))
        }
        NetSlice::Arp(_) => None,
    }
}

/// Whether the sum over a datagram is right: else parts of two may have come together. By IPv4 there may be none.
fn is_sound(from: IpAddr, to: IpAddr, datagram: &[u8]) -> bool {
    let Ok(udp) = UdpSlice::from_slice(datagram) else { return false };
    let header = udp.to_header();
    let sum = match (from, to) {
        (IpAddr::V4(_), IpAddr::V4(_)) if udp.checksum() == 0 => return true,
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.calc_checksum_ipv4_raw(from.octets(), to.octets(), udp.payload()).ok()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            header.calc_checksum_ipv6_raw(from.octets(), to.octets(), udp.payload()).ok()
        }
        _ => None,
    };
    sum == Some(udp.checksum())
}

#[cfg(test)]
mod tests {
    use etherparse::{Ipv4Header, TransportSlice};

    use super::super::packet::{Pair, datagram};
    use super::*;

    const FROM: [u8; 4] = [172, 17, 0, 2];
    const TO: [u8; 4] = [192, 0, 2, 1];

    /// Header and data of a datagram from `FROM` to `TO`.
    fn udp(data: &[u8]) -> Vec<u8> {
        let pair = Pair { from: "192.0.2.1:53".parse().unwrap(), to: "172.17.0.2:4000".parse().unwrap() };
        datagram(pair, data).unwrap()[20..].to_vec()
    }

    fn fragment(id: u16, offset: usize, more: bool, protocol: IpNumber, data: &[u8]) -> Vec<u8> {
        let mut header = Ipv4Header::new(data.len().try_into().unwrap(), 64, protocol, FROM, TO).unwrap();
        header.identification = id;
        header.dont_fragment = false;
        header.more_fragments = more;
        header.fragment_offset = u16::try_from(offset / 8).unwrap().try_into().unwrap();
        header.header_checksum = header.calc_header_checksum();
        let mut packet = Vec::new();
        header.write(&mut packet).unwrap();
        packet.extend_from_slice(data);
        packet
    }

    fn take(fragments: &mut Fragments, packet: &[u8], now: Instant) -> Fragment {
        let sliced = SlicedPacket::from_ip(packet).unwrap();
        assert!(sliced.is_ip_payload_fragmented() && !matches!(sliced.transport, Some(TransportSlice::Udp(_))));
        fragments.take(&sliced, now)
    }

    #[test]
    fn a_datagram_is_put_together() {
        let (mut fragments, now, whole) = (Fragments::default(), Instant::now(), udp(&[7; 1000]));
        let (first, last) = whole.split_at(504);
        assert_eq!(take(&mut fragments, &fragment(1, 504, false, IpNumber::UDP, last), now), Fragment::Kept);
        let last = take(&mut fragments, &fragment(1, 0, true, IpNumber::UDP, first), now);
        assert_eq!(last, Fragment::Whole(whole));
        assert!(fragments.0.is_empty());
    }

    #[test]
    fn another_protocol_never_becomes_udp() {
        let (mut fragments, now, whole) = (Fragments::default(), Instant::now(), udp(&[7; 1000]));
        let (first, last) = whole.split_at(504);
        for protocol in [IpNumber(253), IpNumber::TCP] {
            assert_eq!(take(&mut fragments, &fragment(1, 0, true, protocol, first), now), Fragment::Refused);
            assert_eq!(take(&mut fragments, &fragment(1, 504, false, protocol, last), now), Fragment::Kept);
        }
        let (request, error) = ([8, 0, 0, 0, 0, 9, 0, 1], [3, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(take(&mut fragments, &fragment(2, 0, true, IpNumber::ICMP, &request), now), Fragment::Refused);
        assert_eq!(take(&mut fragments, &fragment(3, 0, true, IpNumber::ICMP, &error), now), Fragment::Kept);
        assert!(fragments.0.is_empty());
    }

    #[test]
    fn what_is_never_whole_is_bounded() {
        let (mut fragments, now, whole) = (Fragments::default(), Instant::now(), udp(&[7; 1000]));
        let (first, last) = whole.split_at(504);
        for id in 0..2 * u16::try_from(PARTIAL_MAX).unwrap() {
            take(&mut fragments, &fragment(id, 65000, false, IpNumber::UDP, &[1; 8]), now);
            // Others that do become whole change nothing.
            take(&mut fragments, &fragment(u16::MAX, 0, true, IpNumber::UDP, first), now);
            let became = take(&mut fragments, &fragment(u16::MAX, 504, false, IpNumber::UDP, last), now);
            assert_eq!(became, Fragment::Whole(whole.clone()));
            assert!(fragments.0.len() <= PARTIAL_MAX);
        }
    }

    #[test]
    fn a_rest_is_not_joined_with_another_datagram() {
        let (mut fragments, now) = (Fragments::default(), Instant::now());
        let (old, new) = (udp(&[1; 1000]), udp(&[2; 1000]));
        assert_eq!(take(&mut fragments, &fragment(1, 0, true, IpNumber::UDP, &old[..504]), now), Fragment::Kept);
        let later = now + AGE_MAX;
        assert_eq!(take(&mut fragments, &fragment(1, 504, false, IpNumber::UDP, &new[504..]), later), Fragment::Kept);
        let whole = take(&mut fragments, &fragment(1, 0, true, IpNumber::UDP, &new[..504]), later);
        assert_eq!(whole, Fragment::Whole(new.clone()));
        // Within that time the sum tells.
        assert_eq!(take(&mut fragments, &fragment(2, 0, true, IpNumber::UDP, &old[..504]), now), Fragment::Kept);
        assert_eq!(take(&mut fragments, &fragment(2, 504, false, IpNumber::UDP, &new[504..]), now), Fragment::Kept);
        assert!(fragments.0.is_empty());
    }
}
