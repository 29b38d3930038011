//! The driver options of a bridge network.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Driver, Error, Network, NetworkCreate, Result};

const NAME: &str = "com.docker.network.bridge.name";
const ICC: &str = "com.docker.network.bridge.enable_icc";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
const MTU: &str = "com.docker.network.driver.mtu";
const PREFIX: &str = "com.docker.network.container_iface_prefix";
const GATEWAY_MODE: [&str; 2] =
    ["com.docker.network.bridge.gateway_mode_ipv4", "com.docker.network.bridge.gateway_mode_ipv6"];
const INHIBIT: &str = "com.docker.network.bridge.inhibit_ipv4";
const TRUSTED: &str = "com.docker.network.bridge.trusted_host_interfaces";
const SOURCE4: &str = "com.docker.network.host_ipv4";
const SOURCE6: &str = "com.docker.network.host_ipv6";
const ENABLE: [&str; 2] = ["com.docker.network.enable_ipv4", "com.docker.network.enable_ipv6"];

/// How packets get from the bridge to other networks and back, for one family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum GatewayMode {
    /// Containers leave with an address of the machine, and are reached at published ports of the machine.
    #[default]
    Nat,
    /// The same, and they are reached at their own addresses, on any port.
    Open,
    /// They leave with their own addresses, and are reached there at published ports.
    Routed,
    /// The bridge has no address and there is no gateway; internal networks only.
    Isolated,
}

/// What the options say; unknown ones mean nothing here and are only reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BridgeOptions {
    pub(crate) name: Option<String>,
    /// Containers on the bridge may talk to each other.
    pub(crate) icc: bool,
    pub(crate) masquerade: bool,
    /// Where ports are published that name no address; `None`: everywhere.
    pub(crate) host_binding: Option<IpAddr>,
    pub(crate) mtu: u32,
    /// Interfaces in the container are called this and a number.
    pub(crate) prefix: String,
    /// For IPv4 and IPv6.
    pub(crate) modes: [GatewayMode; 2],
    /// The bridge gets no IPv4 address: another machine, or the user, has the gateway's.
    pub(crate) inhibit_ipv4: bool,
    /// Interfaces from which published ports are reached at the containers' own addresses, too.
    pub(crate) trusted: Vec<String>,
    /// Containers leave with this address, not with that of the interface they leave by.
    pub(crate) source4: Option<Ipv4Addr>,
    pub(crate) source6: Option<Ipv6Addr>,
}

impl Default for BridgeOptions {
    fn default() -> Self {
        BridgeOptions {
            name: None,
            icc: true,
            masquerade: true,
            host_binding: None,
            mtu: 1500,
            prefix: "eth".into(),
            modes: [GatewayMode::Nat; 2],
            inhibit_ipv4: false,
            trusted: Vec::new(),
            source4: None,
            source6: None,
        }
    }
}

impl BridgeOptions {
    /// Those of a network; a configuration's mean nothing before a network takes them over, and a network without a bridge has
    /// none.
    pub(crate) fn of(network: &Network) -> Result<BridgeOptions> {
        match network.driver {
            _ if network.config_only => Ok(BridgeOptions::default()),
            Driver::Macvlan | Driver::Ipvlan => Ok(BridgeOptions::default()),
            Driver::Bridge | Driver::Host | Driver::Null => BridgeOptions::parse(&network.options),
        }
    }

    pub(crate) fn parse(options: &BTreeMap<String, String>) -> Result<BridgeOptions> {
        let mut parsed = BridgeOptions::default();
        for (option, value) in options {
            let invalid = |expected| Error::InvalidOption { option: option.clone(), value: value.clone(), expected };
            let refused = |reason| Error::OptionValue { option: option.clone(), value: value.clone(), reason };
            let switch = || parse_bool(value).ok_or_else(|| refused(go("ParseBool", value, "invalid syntax")));
            let address = || value.parse::<IpAddr>().map_err(|_| refused("nil ip".to_owned()));
            match option.as_str() {
                // As in dockerd, no name is none: `${BRIDGE:-}` in a compose file.
                NAME | PREFIX if value.is_empty() => {}
                NAME => parsed.name = Some(interface_name(value).ok_or_else(|| invalid(INTERFACE_NAME))?),
                ICC => parsed.icc = switch()?,
                MASQUERADE => parsed.masquerade = switch()?,
                INHIBIT => parsed.inhibit_ipv4 = switch()?,
                HOST_BINDING => {
                    parsed.host_binding = Some(address()?.to_canonical()).filter(|ip| *ip != Ipv4Addr::UNSPECIFIED);
                }
                SOURCE4 => parsed.source4 = ipv4(address()?),
                SOURCE6 => parsed.source6 = ipv6(address()?),
                MTU => {
                    let number = value.parse::<i64>();
                    let mtu = number.map_err(|_| refused(go("Atoi", value, "invalid syntax")))?;
                    if mtu < 0 {
                        return Err(Error::NegativeMtu(mtu));
                    }
                    parsed.mtu = u32::try_from(mtu).unwrap_or(u32::MAX);
                    if parsed.mtu == 0 {
                        parsed.mtu = 1500;
                    }
                    if !(68..=65535).contains(&parsed.mtu) {
                        return Err(invalid("68 to 65535"));
                    }
                }
                // Room for a number behind it.
                PREFIX if value.len() <= 12 => {
                    parsed.prefix = interface_name(value).ok_or_else(|| invalid(INTERFACE_NAME))?;
                }
                PREFIX => return Err(invalid("at most 12 characters")),
                // A name that no interface can have is none that a packet comes from.
                TRUSTED => parsed.trusted = value.split(':').filter_map(interface_name).collect(),
                mode if GATEWAY_MODE.contains(&mode) => {
                    let at = usize::from(mode == GATEWAY_MODE[1]);
                    parsed.modes[at] = match value.as_str() {
                        "nat" => GatewayMode::Nat,
                        "nat-unprotected" => GatewayMode::Open,
                        "routed" => GatewayMode::Routed,
                        "isolated" => GatewayMode::Isolated,
                        unknown => return Err(refused(format!("unknown gateway mode {unknown}"))),
                    };
                }
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// True where the network has no gateway of its own accord: nobody would use it.
    pub(crate) fn without_gateway(&self, ipv6: bool, internal: bool) -> bool {
        self.modes[usize::from(ipv6)] == GatewayMode::Isolated || (!ipv6 && self.inhibit_ipv4 && internal)
    }

    /// True where the bridge itself has the gateway's address.
    pub(crate) fn has_address(&self, ipv6: bool) -> bool {
        self.modes[usize::from(ipv6)] != GatewayMode::Isolated && (ipv6 || !self.inhibit_ipv4)
    }
}

/// Whether a network to make has IPv4 and IPv6: what the request says itself, else what its options say. An option that
/// does not count is taken out of the request, as in dockerd, where it would look wrong in a report.
pub(crate) fn families(request: &mut NetworkCreate) -> Result<[bool; 2]> {
    let mut families = [true, false];
    for (at, said) in [request.enable_ipv4, request.enable_ipv6].into_iter().enumerate() {
        let option = ENABLE[at];
        match (said, request.options.get(option)) {
            (Some(said), _) => {
                families[at] = said;
                request.options.remove(option);
            }
            (None, Some(value)) => families[at] = parse_bool(value).ok_or(Error::OptionSwitch(option))?,
            (None, None) => {}
        }
    }
    Ok(families)
}

/// What dockerd reports for `bridge`.
pub(crate) fn default_bridge() -> BTreeMap<String, String> {
    [
        ("com.docker.network.bridge.default_bridge", "true"),
        (ICC, "true"),
        (MASQUERADE, "true"),
        (HOST_BINDING, "0.0.0.0"),
        (NAME, "docker0"),
        (MTU, "1500"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into()
}

/// Sets whether containers of the default bridge may talk to each other; true if that is new.
pub(crate) fn let_talk(options: &mut BTreeMap<String, String>, icc: bool) -> bool {
    let wanted = icc.to_string();
    options.insert(ICC.to_owned(), wanted.clone()).is_none_or(|before| before != wanted)
}

const INTERFACE_NAME: &str = "1 to 15 characters without space, slash, colon or percent sign";

/// A name that the kernel takes for a link as it is (dev_valid_name); `%d` it would replace by a number.
pub(crate) fn interface_name(text: &str) -> Option<String> {
    let valid = (1..=15).contains(&text.len())
        && text != "."
        && text != ".."
        && !text.chars().any(|c| matches!(c, '/' | ':' | '%') || c.is_whitespace() || c.is_control());
    valid.then(|| text.to_owned())
}

fn ipv4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

fn ipv6(ip: IpAddr) -> Option<Ipv6Addr> {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Some(ip),
        IpAddr::V4(_) => None,
    }
}

/// An error of Go's package `strconv`, which dockerd hands on.
fn go(function: &str, value: &str, reason: &str) -> String {
    format!("strconv.{function}: parsing {value:?}: {reason}")
}

/// The spellings that Go's `strconv.ParseBool` accepts.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(option: &str, value: &str) -> Result<BridgeOptions> {
        BridgeOptions::parse(&BTreeMap::from([(option.to_owned(), value.to_owned())]))
    }

    #[test]
    fn the_default_bridge_has_valid_options() {
        let options = BridgeOptions::parse(&default_bridge()).unwrap();
        assert_eq!((options.icc, options.host_binding, options.mtu), (true, None, 1500));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (option, value) in
            [(MTU, "70000"), (NAME, "a/b"), (NAME, "sixteen-letters!"), (NAME, "br%d"), (PREFIX, "a\u{1}")]
        {
            let message = parse(option, value).unwrap_err().to_string();
            assert!(message.contains(option) && message.contains(&value.escape_debug().to_string()), "{message}");
        }
        for option in [NAME, PREFIX] {
            assert_eq!(parse(option, "").unwrap(), BridgeOptions::default());
        }
    }

    #[test]
    fn values_are_refused_in_dockerds_words() {
        for (option, value, reason) in [
            (GATEWAY_MODE[0], "foo", "unknown gateway mode foo"),
            (GATEWAY_MODE[1], "", "unknown gateway mode "),
            (ICC, "foo", r#"strconv.ParseBool: parsing "foo": invalid syntax"#),
            (INHIBIT, "2", r#"strconv.ParseBool: parsing "2": invalid syntax"#),
            (MTU, "foo", r#"strconv.Atoi: parsing "foo": invalid syntax"#),
            (HOST_BINDING, "foo", "nil ip"),
            (SOURCE4, "", "nil ip"),
        ] {
            let said = parse(option, value).unwrap_err().to_string();
            assert_eq!(said, format!("failed to parse {option} value: {value} ({reason})"));
        }
        assert_eq!(parse(MTU, "-1").unwrap_err().to_string(), "invalid MTU number: -1");
    }

    #[test]
    fn modes_decide_about_gateways() {
        let isolated = parse(GATEWAY_MODE[0], "isolated").unwrap();
        assert!(isolated.without_gateway(false, true) && !isolated.without_gateway(true, true));
        assert!(!isolated.has_address(false) && isolated.has_address(true));
        let inhibited = parse(INHIBIT, "true").unwrap();
        assert!(!inhibited.without_gateway(false, false) && inhibited.without_gateway(false, true));
        assert!(!inhibited.has_address(false) && inhibited.has_address(true));
        assert_eq!(parse(TRUSTED, "eth0:eth1::").unwrap().trusted, ["eth0", "eth1"]);
        assert_eq!(parse(HOST_BINDING, "::").unwrap().host_binding, Some(Ipv6Addr::UNSPECIFIED.into()));
    }

    #[test]
    fn options_enable_families_where_the_request_says_nothing() {
        let options = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut request =
            NetworkCreate { options: options(&[(ENABLE[0], "false"), (ENABLE[1], "1")]), ..Default::default() };
        assert_eq!(families(&mut request).unwrap(), [false, true]);
        assert_eq!(request.options.len(), 2);
        request.enable_ipv4 = Some(true);
        assert_eq!(families(&mut request).unwrap(), [true, true]);
        assert_eq!(request.options, options(&[(ENABLE[1], "1")]));
        request.options = options(&[(ENABLE[1], "x")]);
        let said = families(&mut request).unwrap_err().to_string();
        assert_eq!(said, format!("driver-opt {:?} is not a valid bool", ENABLE[1]));
    }
}
