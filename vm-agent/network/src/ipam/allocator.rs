//! The addresses of one subnet.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Why an address was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Not in the subnet, or its network or broadcast address.
    Outside,
    /// Somebody has it, or it is reserved.
    InUse,
    /// No address is left.
    Exhausted,
}

/// Hands out the lowest free address of a range, as dockerd does. A subnet has two kinds of holders that are the same
/// to it: containers, and what is reserved for good (gateway, auxiliary addresses).
#[derive(Debug, Clone)]
pub(crate) struct Allocator {
    subnet: IpNet,
    /// First and last address that may be given out unasked.
    range: (u128, u128),
    /// First and last address that may be held at all: without network and broadcast address.
    usable: (u128, u128),
    taken: BTreeSet<u128>,
}

impl Allocator {
    /// `range` narrows what is given out unasked; a range outside of the subnet is the caller's mistake to refuse.
    pub(crate) fn new(subnet: IpNet, range: Option<IpNet>) -> Allocator {
        let (first, last) = ends(&subnet);
        // A /31 and a /32 have neither network nor broadcast address (RFC 3021); IPv6 has no broadcast address, but the
        // first one is every router's (RFC 4291, 2.6.1).
        let usable = match subnet {
            IpNet::V4(net) if net.prefix_len() >= 31 => (first, last),
            IpNet::V4(_) => (first + 1, last - 1),
            IpNet::V6(net) if net.prefix_len() >= 127 => (first, last),
            IpNet::V6(_) => (first + 1, last),
        };
        let (from, to) = range.map_or(usable, |r| ends(&r));
        Allocator { subnet, range: (from.max(usable.0), to.min(usable.1)), usable, taken: BTreeSet::new() }
    }

    /// Takes a certain address of the subnet, in or out of the range.
    pub(crate) fn take(&mut self, address: IpAddr) -> Result<(), Taken> {
        let n = number(address);
        if !self.subnet.contains(&address) || n < self.usable.0 || n > self.usable.1 {
            return Err(Taken::Outside);
        }
        if self.taken.insert(n) { Ok(()) } else { Err(Taken::InUse) }
    }

    /// Takes the lowest free address of the range.
    pub(crate) fn take_any(&mut self) -> Result<IpAddr, Taken> {
        let (mut free, last) = self.range;
        if free > last {
            return Err(Taken::Exhausted);
        }
        for taken in self.taken.range(free..=last) {
            if *taken != free {
                break;
            }
            // At `last` nothing follows: `free` may pass it, yet not the end of the number range.
            match free.checked_add(1) {
                Some(next) => free = next,
                None => return Err(Taken::Exhausted),
            }
        }
        if free > last {
            return Err(Taken::Exhausted);
        }
        self.taken.insert(free);
        Ok(address(free, self.subnet))
    }

    /// Gives an address back; one that nobody holds is ignored.
    pub(crate) fn release(&mut self, address: IpAddr) {
        self.taken.remove(&number(address));
    }
}

fn ends(net: &IpNet) -> (u128, u128) {
    (number(net.network()), number(net.broadcast()))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address(number: u128, like: IpNet) -> IpAddr {
    match like {
        IpNet::V4(_) => Ipv4Addr::from(number as u32).into(),
        IpNet::V6(_) => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn gives_the_lowest_free_address() {
        let mut a = Allocator::new(net("172.17.0.0/16"), None);
        a.take("172.17.0.1".parse().unwrap()).unwrap();
        let got: Vec<String> = (0..3).map(|_| a.take_any().unwrap().to_string()).collect();
        assert_eq!(got, ["172.17.0.2", "172.17.0.3", "172.17.0.4"]);
        a.release("172.17.0.3".parse().unwrap());
        assert_eq!(a.take_any().unwrap().to_string(), "172.17.0.3");
    }

    #[test]
    fn knows_its_edges() {
        for (subnet, range, count) in [
            ("10.0.0.0/30", None, 2),
            ("10.0.0.0/31", None, 2),
            ("10.0.0.0/32", None, 1),
            ("10.0.0.0/24", Some("10.0.0.128/30"), 4),
            ("10.0.0.0/24", Some("10.0.0.252/30"), 3),
            ("255.255.255.0/24", None, 254),
            ("fd00::/126", None, 3),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126", None, 3),
        ] {
            let mut a = Allocator::new(net(subnet), range.map(net));
            let got = std::iter::from_fn(|| a.take_any().ok()).count();
            assert_eq!(got, count, "{subnet} {range:?}");
        }
    }

    #[test]
    fn refuses_what_is_not_its_own() {
        let mut a = Allocator::new(net("10.0.0.0/24"), None);
        for (address, expect) in [
            ("10.0.0.0", Err(Taken::Outside)),
            ("10.0.0.255", Err(Taken::Outside)),
            ("10.0.1.1", Err(Taken::Outside)),
            ("fd00::1", Err(Taken::Outside)),
            ("10.0.0.9", Ok(())),
            ("10.0.0.9", Err(Taken::InUse)),
        ] {
            assert_eq!(a.take(address.parse().unwrap()), expect, "{address}");
        }
    }

    /// Against a plain model: nothing is held twice, nothing reserved is given, the lowest free one is given, and all
    /// comes back.
    #[test]
    fn agrees_with_a_model_whatever_the_order() {
        for seed in 1..200u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut next = move |below: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % below
            };
            let prefix = 24 + next(7) as u8;
            let subnet = IpNet::new("10.9.8.0".parse().unwrap(), prefix).unwrap();
            let mut allocator = Allocator::new(subnet, None);
            let all: Vec<IpAddr> = subnet.hosts().collect();
            let reserved = all[next(all.len() as u64) as usize];
            allocator.take(reserved).unwrap();
            let mut held = BTreeSet::from([reserved]);
            for _ in 0..400 {
                match next(3) {
                    0 => {
                        let lowest = all.iter().find(|a| !held.contains(a)).copied();
                        assert_eq!(allocator.take_any().ok(), lowest, "seed {seed}");
                        held.extend(lowest);
                    }
                    1 => {
                        let some = all[next(all.len() as u64) as usize];
                        assert_eq!(allocator.take(some).is_ok(), held.insert(some), "seed {seed}");
                    }
                    _ => {
                        let some = all[next(all.len() as u64) as usize];
                        if some != reserved {
                            allocator.release(some);
                            held.remove(&some);
                        }
                    }
                }
            }
        }
    }
}
