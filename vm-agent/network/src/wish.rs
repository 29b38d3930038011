//! What a container asks of its place on a network, as the request has it, and dockerd's complaints about it. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::options::interface_name;
use crate::{Error, Network, Result};

const INTERFACE: &str = "com.docker.network.endpoint.ifname";
const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

/// The part of an endpoint's settings that may be wrong, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointWish {
    pub ipv4: String,
    pub ipv6: String,
    pub mac: String,
    /// `LinkLocalIPs`
    pub link_local: Vec<String>,
    pub aliases: Vec<String>,
    /// `DriverOpts`. As in dockerd those that mean nothing to a bridge are kept and shown, for drivers are free to know more.
    pub options: BTreeMap<String, String>,
}

/// The same, understood; `None` for what was not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Understood {
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    pub mac: Option<[u8; 6]>,
    pub link_local: Vec<IpAddr>,
}

/// A setting below `/proc/sys/net` for the endpoint's interface, whatever its name will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sysctl {
    /// `ipv4/conf`
    group: String,
    /// `log_martians`
    name: String,
    pub(crate) value: String,
}

impl Sysctl {
    /// The file in the container's namespace.
    pub(crate) fn path(&self, interface: &str) -> String {
        format!("/proc/sys/net/{}/{interface}/{}", self.group, self.name)
    }
}

impl EndpointWish {
    /// Understands the wish, or says all that is wrong with it; `network` is called `name`, and `None` while it is not there.
    ///
    /// # Errors
    /// [`Error::InvalidMac`], [`Error::InvalidEndpoint`].
    pub fn understand(&self, name: &str, network: Option<&Network>) -> Result<Understood> {
        let mut reasons = Vec::new();
        let asked = [self.ipv4.as_str(), self.ipv6.as_str()];
        if matches!(name, "" | "default" | "bridge" | "host" | "none") {
            if asked.iter().any(|ip| !ip.is_empty()) {
                reasons.push("user specified IP address is supported on user defined networks only".to_owned());
            }
            if !self.aliases.is_empty() {
                reasons
                    .push("network-scoped alias is supported only for containers in user defined networks".to_owned());
            }
        }
        let ipv4 = self.ipv4.parse().ok().filter(|ip: &Ipv4Addr| !ip.is_unspecified());
        let ipv6 = self.ipv6.parse().ok().filter(|ip: &Ipv6Addr| !ip.is_unspecified() && ip.to_ipv4_mapped().is_none());
        if ipv4.is_none() && !self.ipv4.is_empty() {
            reasons.push(format!("invalid IPv4 address: {}", self.ipv4));
        }
        if ipv6.is_none() && !self.ipv6.is_empty() {
            reasons.push(format!("invalid IPv6 address: {}", self.ipv6));
        }
        let mut link_local = Vec::new();
        for text in &self.link_local {
            match text.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
                Ok(ip) if !ip.is_unspecified() => link_local.push(ip),
                _ => reasons.push(format!("invalid link-local IP address: {text}")),
            }
        }
        if let Some(network) = network {
            let parsed = [ipv4.map(IpAddr::V4), ipv6.map(IpAddr::V6)];
            for (text, ip, is_ipv6) in [(asked[0], parsed[0], false), (asked[1], parsed[1], true)] {
                reasons.extend(out_of_range(network, text, ip, is_ipv6));
            }
        }
        let mac = parse_mac(&self.mac).ok_or_else(|| Error::InvalidMac(self.mac.clone()))?;
        if let Err(wrong) = sysctls(&self.options) {
            reasons.extend(wrong);
        }
        if let Some(name) = wanted_interface(&self.options)
            && interface_name(name).is_none()
        {
            reasons.push(format!(
                "invalid interface name {name:?}: {INTERFACE} takes 1 to 15 characters without space, slash or colon"
            ));
        }
        match reasons.len() {
            0 => return Ok(Understood { ipv4, ipv6, mac, link_local }),
            1 => {}
            _ => reasons.iter_mut().for_each(|reason| reason.insert_str(0, "* ")),
        }
        Err(Error::InvalidEndpoint { reasons })
    }
}

/// Only where the user chose the subnet may a container choose its address, and only one of that subnet.
fn out_of_range(network: &Network, text: &str, ip: Option<IpAddr>, ipv6: bool) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let of_family = network.ipam.config.iter().filter(|pool| pool.subnet.addr().is_ipv6() == ipv6);
    let mut chosen = of_family.filter(|pool| pool.user_defined).peekable();
    if chosen.peek().is_none() {
        return Some(
            "user specified IP address is supported only when connecting to networks with user configured subnets"
                .to_owned(),
        );
    }
    if ip.is_some_and(|ip| chosen.any(|pool| pool.subnet.contains(&ip))) {
        return None;
    }
    Some(format!("no configured subnet or ip-range contain the IP address {text}"))
}

/// The interface's name that was asked for.
pub(crate) fn wanted_interface(options: &BTreeMap<String, String>) -> Option<&str> {
    options.get(INTERFACE).map(String::as_str).filter(|name| !name.is_empty())
}

/// `net.ipv4.conf.IFNAME.log_martians=1,…`; the docker CLI writes the placeholder in lower case.
pub(crate) fn sysctls(options: &BTreeMap<String, String>) -> Result<Vec<Sysctl>, Vec<String>> {
    let Some(list) = options.get(SYSCTLS) else { return Ok(Vec::new()) };
    let (mut parsed, mut wrong) = (Vec::new(), Vec::new());
    for text in list.split(',') {
        match sysctl(text) {
            Some(sysctl) => parsed.push(sysctl),
            None => wrong.push(format!(
                "unrecognised network interface sysctl '{text}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', \
                 'X' must be 'ipv4', 'ipv6' or 'mpls'"
            )),
        }
    }
    if wrong.is_empty() { Ok(parsed) } else { Err(wrong) }
}

fn sysctl(text: &str) -> Option<Sysctl> {
    let (key, value) = text.split_once('=')?;
    let ["net", family, group, "IFNAME" | "ifname", name] = *key.split('.').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    // The path must stay below the interface.
    let word =
        |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-');
    (matches!(family, "ipv4" | "ipv6" | "mpls") && word(group) && word(name)).then(|| Sysctl {
        group: format!("{family}/{group}"),
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

/// `Some(None)` when there is none, `None` when it is not an address.
fn parse_mac(text: &str) -> Option<Option<[u8; 6]>> {
    if text.is_empty() {
        return Some(None);
    }
    let mut mac = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        let digits = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    parts.next().is_none().then_some(Some(mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(options: &[(&str, &str)]) -> EndpointWish {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        EndpointWish { options, ..EndpointWish::default() }
    }

    fn refusal(wish: &EndpointWish, name: &str) -> String {
        wish.understand(name, None).expect_err("refused").to_string()
    }

    #[test]
    fn addresses() {
        let good = EndpointWish { mac: "02:42:ac:11:00:02".into(), ipv4: "10.1.0.9".into(), ..wish(&[]) };
        let understood = good.understand("app", None).expect("valid");
        assert_eq!(understood.mac, Some([2, 0x42, 0xac, 0x11, 0, 2]));
        assert_eq!(understood.ipv4, Some(Ipv4Addr::new(10, 1, 0, 9)));
        for bad in ["02:42", "2:42:ac:11:00:02", "+2:42:ac:11:00:02", "zz"] {
            let wish = EndpointWish { mac: bad.into(), ..wish(&[]) };
            assert_eq!(refusal(&wish, "app"), format!("invalid MAC address {bad}"));
        }
        let both = EndpointWish { ipv4: "0.0.0.0".into(), ipv6: "::ffff:1.2.3.4".into(), ..wish(&[]) };
        assert_eq!(
            refusal(&both, "app"),
            "invalid endpoint settings:\n* invalid IPv4 address: 0.0.0.0\n* invalid IPv6 address: ::ffff:1.2.3.4"
        );
    }

    #[test]
    fn settings_of_the_interface() {
        let list = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.neigh.ifname.ucast_solicit=4";
        let parsed = sysctls(&wish(&[(SYSCTLS, list)]).options).expect("valid");
        let written: Vec<(String, &str)> = parsed.iter().map(|s| (s.path("eth3"), s.value.as_str())).collect();
        assert_eq!(
            written,
            [
                ("/proc/sys/net/ipv4/conf/eth3/log_martians".to_owned(), "1"),
                ("/proc/sys/net/ipv6/neigh/eth3/ucast_solicit".to_owned(), "4"),
            ]
        );
        for bad in [
            "net.ipv4.conf.eth0.log_martians=1",
            "net.core.conf.IFNAME.x=1",
            "net.ipv4.conf.IFNAME./../x=1",
            "net.ipv4.conf.IFNAME.x",
            "",
        ] {
            let said = refusal(&wish(&[(SYSCTLS, bad)]), "app");
            assert!(said.contains(&format!("unrecognised network interface sysctl '{bad}'")), "{said}");
        }
    }

    #[test]
    fn a_name_that_no_interface_can_have_is_refused() {
        for bad in ["a/b", "sixteen-letters!", "a b"] {
            let said = refusal(&wish(&[(INTERFACE, bad)]), "app");
            assert!(said.contains(&format!("invalid interface name {bad:?}")), "{said}");
        }
        for good in ["", "lan0"] {
            assert!(
                wish(&[(INTERFACE, good), ("com.example.other", "x")]).understand("bridge", None).is_ok(),
                "{good}"
            );
        }
    }
}
