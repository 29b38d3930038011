//! Which host ports belong to which container. Pure; who listens on them is a [`crate::Forwarder`]'s business.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::PortError;
use crate::{Families, PortRequest, Protocol};

/// Linux's default range of ephemeral ports.
const EPHEMERAL: (u16, u16) = (32768, 60999);

/// The range of ephemeral ports of the calling thread's network namespace, which dockerd takes ports from as well.
pub(crate) fn ephemeral() -> (u16, u16) {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range(&text).unwrap_or(EPHEMERAL)
}

fn range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(|number| number.parse::<u16>().ok().filter(|number| *number != 0));
    let (first, last) = (numbers.next()??, numbers.next()??);
    (first <= last).then_some((first, last))
}

/// The ports held by containers, by protocol and number.
#[derive(Debug, Clone)]
pub(crate) struct PortTable {
    held: BTreeMap<(Protocol, u16), Vec<IpAddr>>,
    ephemeral: (u16, u16),
    /// The port last taken of a range by its first address: the next search starts behind it, so that a port just freed is
    /// not used again at once.
    last: BTreeMap<(IpAddr, Protocol, (u16, u16)), u16>,
}

impl Default for PortTable {
    fn default() -> Self {
        PortTable::new(EPHEMERAL)
    }
}

impl PortTable {
    /// An empty one that takes ports from this range where no port is asked for.
    pub(crate) fn new(ephemeral: (u16, u16)) -> PortTable {
        PortTable { held: BTreeMap::new(), ephemeral, last: BTreeMap::new() }
    }

    /// Takes one host port on all of `addresses`, a free one of those that are asked for; `None`: any.
    ///
    /// `refused` are ports that another program turned out to hold: they are skipped.
    pub(crate) fn take(
        &mut self,
        protocol: Protocol,
        asked: Option<(u16, u16)>,
        addresses: &[IpAddr],
        refused: &[u16],
    ) -> Result<u16, PortError> {
        let (first, last) = asked.unwrap_or(self.ephemeral);
        if first == last {
            if let Some(ip) = addresses.iter().find(|ip| self.conflicts(protocol, **ip, first)) {
                return Err(PortError::Allocated { ip: *ip, port: first });
            }
            self.hold(protocol, addresses, first);
            return Ok(first);
        }
        let key = addresses.first().map(|ip| (*ip, protocol, (first, last)));
        let start = match key.and_then(|key| self.last.get(&key)) {
            Some(taken) if *taken < last => taken + 1,
            _ => first,
        };
        let free =
            |port: &u16| !refused.contains(port) && !addresses.iter().any(|ip| self.conflicts(protocol, *ip, *port));
        let port = (start..=last).chain(first..start).find(free).ok_or(PortError::Exhausted)?;
        self.hold(protocol, addresses, port);
        self.last.extend(key.map(|key| (key, port)));
        Ok(port)
    }

    /// Marks a port as held, without asking: bindings of containers that were there before.
    pub(crate) fn hold(&mut self, protocol: Protocol, addresses: &[IpAddr], port: u16) {
        self.held.entry((protocol, port)).or_default().extend_from_slice(addresses);
    }

    /// Gives one address's port back.
    pub(crate) fn release(&mut self, protocol: Protocol, ip: IpAddr, port: u16) {
        if let Some(held) = self.held.get_mut(&(protocol, port)) {
            if let Some(at) = held.iter().position(|h| *h == ip) {
                held.swap_remove(at);
            }
            if held.is_empty() {
                self.held.remove(&(protocol, port));
            }
        }
    }

    fn conflicts(&self, protocol: Protocol, ip: IpAddr, port: u16) -> bool {
        let Some(held) = self.held.get(&(protocol, port)) else { return false };
        held.iter().any(|h| h.is_ipv4() == ip.is_ipv4() && (*h == ip || h.is_unspecified() || ip.is_unspecified()))
    }
}

/// Ports that get one number together: they differ in the machine's address only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) protocol: Protocol,
    pub(crate) container_port: u16,
    /// As asked for; `None`: any free ephemeral one.
    pub(crate) host_ports: Option<(u16, u16)>,
    pub(crate) places: Vec<Place>,
}

/// Where a port of a container is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host_ip: IpAddr,
    /// The container's address.
    pub(crate) target: IpAddr,
    /// At the container's own address: there is no port of the machine, and `host_ip` is unspecified.
    pub(crate) routed: bool,
    /// Nobody asked for it by name, and a machine without IPv6 goes without.
    pub(crate) optional: bool,
}

/// What decides about the places of an endpoint's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The container's addresses.
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
    /// Where ports go that name no address; `None`: everywhere.
    pub(crate) binding: Option<IpAddr>,
    /// Whether containers are reached at their own addresses, for IPv4 and IPv6.
    pub(crate) routed: [bool; 2],
    /// Also listen on `::` for a port without an address.
    pub(crate) on_ipv6: bool,
    pub(crate) families: Families,
}

/// The requests put together and in order, as dockerd does: exact ports first, since a range may do without one of them.
pub(crate) fn groups(requests: &[PortRequest], reach: Reach) -> Vec<Group> {
    let mut sorted: Vec<&PortRequest> = requests.iter().collect();
    let is_range = |ports: Option<(u16, u16)>| ports.is_none_or(|(first, last)| first != last);
    sorted.sort_by_key(|r| (is_range(r.host_ports), r.container_port, r.protocol, r.host_ports, r.host_ip));
    let alike = |a: &&PortRequest, b: &&PortRequest| {
        (a.protocol, a.container_port, a.host_ports) == (b.protocol, b.container_port, b.host_ports)
    };
    let groups = sorted.chunk_by(alike).map(|group| Group {
        protocol: group[0].protocol,
        container_port: group[0].container_port,
        host_ports: group[0].host_ports,
        places: group.iter().flat_map(|request| places(request.host_ip, reach)).collect(),
    });
    groups.filter(|group| !group.places.is_empty()).collect()
}

/// One place for each family that the request is for and that the container can be reached by.
fn places(asked: Option<IpAddr>, reach: Reach) -> impl Iterator<Item = Place> {
    let asked = asked.map(|ip| ip.to_canonical());
    let wished = asked.or(reach.binding);
    let four: Option<IpAddr> = reach.ipv4.map(IpAddr::V4);
    let ipv4 = four.filter(|_| reach.families.ipv4 && wished.is_none_or(|ip| ip.is_ipv4())).map(|target| Place {
        host_ip: wished.filter(|_| !reach.routed[0]).unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
        target,
        routed: reach.routed[0],
        optional: false,
    });
    // A container without IPv6 is reached by it through the listener.
    let six = reach.ipv6.map(IpAddr::V6).or(four);
    let ipv6 =
        six.filter(|_| reach.families.ipv6 && wished.map_or(reach.on_ipv6, |ip| ip.is_ipv6())).map(|target| Place {
            host_ip: wished.filter(|_| !reach.routed[1]).unwrap_or(Ipv6Addr::UNSPECIFIED.into()),
            target,
            routed: reach.routed[1],
            // As in dockerd, which binds `::` by itself only where there is IPv6; IPv4 may have a network of its own.
            optional: wished.is_none() && (ipv4.is_some() || !reach.families.ipv4),
        });
    ipv4.into_iter().chain(ipv6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: Protocol = Protocol::Tcp;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn one_holder_for_an_address_and_port() {
        let mut table = PortTable::default();
        let wanted = Some((8080, 8080));
        assert_eq!(table.take(TCP, wanted, &ips(&["127.0.0.1"]), &[]), Ok(8080));
        assert_eq!(table.take(TCP, wanted, &ips(&["10.0.0.1"]), &[]), Ok(8080));
        assert_eq!(table.take(TCP, wanted, &ips(&["::"]), &[]), Ok(8080));
        let error = table.take(TCP, wanted, &ips(&["0.0.0.0"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "Bind for 0.0.0.0:8080 failed: port is already allocated");
        let error = table.take(TCP, wanted, &ips(&["::1"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "Bind for [::1]:8080 failed: port is already allocated");
        table.release(TCP, "127.0.0.1".parse().unwrap(), 8080);
        table.release(TCP, "10.0.0.1".parse().unwrap(), 8080);
        assert_eq!(table.take(TCP, wanted, &ips(&["0.0.0.0"]), &[]), Ok(8080));
        assert_eq!(table.take(Protocol::Udp, wanted, &ips(&["0.0.0.0"]), &[]), Ok(8080));
    }

    #[test]
    fn ranges_and_ephemeral_ports_skip_what_is_taken_or_was_lately() {
        let mut table = PortTable::new((40000, 40002));
        let all = ips(&["0.0.0.0", "::"]);
        let some = Some((8000, 8002));
        assert_eq!(table.take(TCP, some, &all, &[8000]), Ok(8001));
        assert_eq!(table.take(TCP, some, &all, &[]), Ok(8002));
        assert_eq!(table.take(TCP, some, &all, &[]), Ok(8000));
        assert_eq!(table.take(TCP, some, &all, &[]), Err(PortError::Exhausted));
        assert_eq!(table.take(TCP, None, &all, &[]), Ok(40000));
        all.iter().for_each(|ip| table.release(TCP, *ip, 40000));
        assert_eq!(table.take(TCP, None, &all, &[40001]), Ok(40002));
        assert_eq!(table.take(TCP, None, &all, &[]), Ok(40000));
    }

    #[test]
    fn the_kernels_range() {
        assert_eq!(range("32768\t60999\n"), Some((32768, 60999)));
        for bad in ["", "1", "2 1", "0 5", "1 70000"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }

    fn shown(requests: &[(&str, Option<(u16, u16)>)], reach: Reach) -> Vec<String> {
        let request = |(ip, host_ports): &(&str, Option<(u16, u16)>)| PortRequest {
            protocol: TCP,
            container_port: 80,
            host_ip: ip.parse().ok(),
            host_ports: *host_ports,
        };
        let requests: Vec<PortRequest> = requests.iter().map(request).collect();
        let place = |p: &Place| {
            let (routed, optional) = (if p.routed { " routed" } else { "" }, if p.optional { " optional" } else { "" });
            format!("{}>{}{routed}{optional}", p.host_ip, p.target)
        };
        groups(&requests, reach).iter().map(|g| g.places.iter().map(place).collect::<Vec<_>>().join(", ")).collect()
    }

    #[test]
    fn ports_are_put_where_dockerd_puts_them() {
        let both = Reach {
            ipv4: Some(Ipv4Addr::new(10, 0, 0, 2)),
            ipv6: Some("fd00::2".parse().unwrap()),
            binding: None,
            routed: [false; 2],
            on_ipv6: true,
            families: Families::BOTH,
        };
        let any = [("", Some((80, 80)))];
        assert_eq!(shown(&any, both), ["0.0.0.0>10.0.0.2, ::>fd00::2 optional"]);
        assert_eq!(shown(&any, Reach { ipv6: None, ..both }), ["0.0.0.0>10.0.0.2, ::>10.0.0.2 optional"]);
        assert_eq!(shown(&any, Reach { ipv4: None, ..both }), ["::>fd00::2"]);
        assert_eq!(shown(&any, Reach { on_ipv6: false, ..both }), ["0.0.0.0>10.0.0.2"]);
        assert_eq!(shown(&any, Reach { binding: Some(Ipv4Addr::LOCALHOST.into()), ..both }), ["127.0.0.1>10.0.0.2"]);
        assert_eq!(shown(&any, Reach { binding: Some(Ipv6Addr::UNSPECIFIED.into()), ..both }), ["::>fd00::2"]);
        // Beside another network that is the way in for IPv6.
        let four = Reach { ipv6: None, families: Families { ipv4: true, ipv6: false }, ..both };
        assert_eq!(shown(&[("", None), ("::1", None)], four), ["0.0.0.0>10.0.0.2"]);
        let six = Reach { ipv4: None, families: Families { ipv4: false, ipv6: true }, ..both };
        assert_eq!(shown(&[("", None), ("127.0.0.1", None)], six), ["::>fd00::2 optional"]);
        assert_eq!(shown(&[("::", None)], six), ["::>fd00::2"]);
        assert_eq!(shown(&any, Reach { binding: Some(Ipv6Addr::UNSPECIFIED.into()), ..six }), ["::>fd00::2"]);
        let routed = Reach { routed: [true, false], ..both };
        assert_eq!(shown(&[("127.0.0.1", None)], routed), ["0.0.0.0>10.0.0.2 routed"]);
        assert_eq!(shown(&any, routed), ["0.0.0.0>10.0.0.2 routed, ::>fd00::2 optional"]);
        // The same number for all addresses of a port, and exact numbers before ranges.
        let several = [("127.0.0.2", None), ("127.0.0.3", Some((80, 80))), ("127.0.0.1", None), ("::1", None)];
        assert_eq!(
            shown(&several, both),
            ["127.0.0.3>10.0.0.2", "127.0.0.1>10.0.0.2, 127.0.0.2>10.0.0.2, ::1>fd00::2"]
        );
    }
}
