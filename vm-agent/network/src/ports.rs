//! Which host ports belong to which container. Pure; who listens on them is a [`crate::Forwarder`]'s business.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::PortError;
use crate::{PortRequest, Protocol};

/// Linux's default range of ephemeral ports, which dockerd uses too.
const EPHEMERAL: (u16, u16) = (32768, 60999);

/// The ports held by containers, by protocol and number.
#[derive(Debug, Clone)]
pub(crate) struct PortTable {
    held: BTreeMap<(Protocol, u16), Vec<IpAddr>>,
    /// Where the next search for an ephemeral port starts: a port just freed is not reused at once.
    next: u16,
}

impl Default for PortTable {
    fn default() -> Self {
        PortTable { held: BTreeMap::new(), next: EPHEMERAL.0 }
    }
}

impl PortTable {
    /// Takes one host port on all of `addresses`, the first free one that the request allows.
    ///
    /// `refused` are ports that another program turned out to hold: they are skipped.
    pub(crate) fn take(
        &mut self,
        request: &PortRequest,
        addresses: &[IpAddr],
        refused: &[u16],
    ) -> Result<u16, PortError> {
        let protocol = request.protocol;
        let Some((first, last)) = request.host_ports else {
            return self.take_ephemeral(protocol, addresses, refused);
        };
        let mut conflict = None;
        for port in first..=last {
            if refused.contains(&port) {
                continue;
            }
            match addresses.iter().find(|ip| self.conflicts(protocol, **ip, port)) {
                Some(ip) => conflict = Some(PortError::Allocated { ip: *ip, port }),
                None => {
                    self.hold(protocol, addresses, port);
                    return Ok(port);
                }
            }
        }
        Err(match conflict {
            Some(conflict) if first == last => conflict,
            _ => PortError::Exhausted,
        })
    }

    fn take_ephemeral(&mut self, protocol: Protocol, addresses: &[IpAddr], refused: &[u16]) -> Result<u16, PortError> {
        let (first, last) = EPHEMERAL;
        let candidates = (self.next..=last).chain(first..self.next);
        for port in candidates {
            if !refused.contains(&port) && !addresses.iter().any(|ip| self.conflicts(protocol, *ip, port)) {
                self.hold(protocol, addresses, port);
                self.next = if port == last { first } else { port + 1 };
                return Ok(port);
            }
        }
        Err(PortError::Exhausted)
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

/// The addresses to listen on for a request: the one it names, else the network's own choice, else all of them.
pub(crate) fn host_addresses(request: &PortRequest, network: Option<IpAddr>, ipv6: bool) -> Vec<IpAddr> {
    match request.host_ip.or(network) {
        Some(ip) => vec![ip],
        None if ipv6 => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        None => vec![Ipv4Addr::UNSPECIFIED.into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host_ports: Option<(u16, u16)>) -> PortRequest {
        PortRequest { protocol: Protocol::Tcp, container_port: 80, host_ip: None, host_ports }
    }

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn one_holder_for_an_address_and_port() {
        let mut table = PortTable::default();
        let wanted = request(Some((8080, 8080)));
        assert_eq!(table.take(&wanted, &ips(&["127.0.0.1"]), &[]), Ok(8080));
        assert_eq!(table.take(&wanted, &ips(&["10.0.0.1"]), &[]), Ok(8080));
        assert_eq!(table.take(&wanted, &ips(&["::"]), &[]), Ok(8080));
        let error = table.take(&wanted, &ips(&["0.0.0.0"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "Bind for 0.0.0.0:8080 failed: port is already allocated");
        let error = table.take(&wanted, &ips(&["::1"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "Bind for [::1]:8080 failed: port is already allocated");
        table.release(Protocol::Tcp, "127.0.0.1".parse().unwrap(), 8080);
        table.release(Protocol::Tcp, "10.0.0.1".parse().unwrap(), 8080);
        assert_eq!(table.take(&wanted, &ips(&["0.0.0.0"]), &[]), Ok(8080));
        let udp = PortRequest { protocol: Protocol::Udp, ..wanted };
        assert_eq!(table.take(&udp, &ips(&["0.0.0.0"]), &[]), Ok(8080));
    }

    #[test]
    fn ranges_and_ephemeral_ports_skip_what_is_taken() {
        let mut table = PortTable::default();
        let all = ips(&["0.0.0.0", "::"]);
        assert_eq!(table.take(&request(Some((8000, 8002))), &all, &[8000]), Ok(8001));
        assert_eq!(table.take(&request(Some((8000, 8002))), &all, &[]), Ok(8000));
        assert_eq!(table.take(&request(Some((8000, 8002))), &all, &[]), Ok(8002));
        assert_eq!(table.take(&request(Some((8000, 8002))), &all, &[]), Err(PortError::Exhausted));
        assert_eq!(table.take(&request(None), &all, &[]), Ok(32768));
        table.release(Protocol::Tcp, all[0], 32768);
        table.release(Protocol::Tcp, all[1], 32768);
        assert_eq!(table.take(&request(None), &all, &[32769]), Ok(32770));
    }
}
