//! The driver options of a bridge network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{Error, Result};

const NAME: &str = "com.docker.network.bridge.name";
const ICC: &str = "com.docker.network.bridge.enable_icc";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
const MTU: &str = "com.docker.network.driver.mtu";
const PREFIX: &str = "com.docker.network.container_iface_prefix";
const GATEWAY_MODE: &str = "com.docker.network.bridge.gateway_mode_ipv4";
const GATEWAY_MODE6: &str = "com.docker.network.bridge.gateway_mode_ipv6";

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
    /// Containers may be reached from outside at their own addresses (`nat-unprotected`).
    pub(crate) open: bool,
}

impl BridgeOptions {
    pub(crate) fn parse(options: &BTreeMap<String, String>) -> Result<BridgeOptions> {
        let mut parsed = BridgeOptions {
            name: None,
            icc: true,
            masquerade: true,
            host_binding: None,
            mtu: 1500,
            prefix: "eth".into(),
            open: false,
        };
        for (option, value) in options {
            let invalid = |expected| Error::InvalidOption { option: option.clone(), value: value.clone(), expected };
            match option.as_str() {
                NAME => parsed.name = Some(interface_name(value).ok_or_else(|| invalid(INTERFACE_NAME))?),
                ICC => parsed.icc = parse_bool(value).ok_or_else(|| invalid("true or false"))?,
                MASQUERADE => parsed.masquerade = parse_bool(value).ok_or_else(|| invalid("true or false"))?,
                HOST_BINDING => {
                    let ip: IpAddr = value.parse().map_err(|_| invalid("an IP address"))?;
                    parsed.host_binding = Some(ip).filter(|ip| !ip.is_unspecified());
                }
                MTU => {
                    parsed.mtu = value.parse().map_err(|_| invalid("a number of bytes"))?;
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
                GATEWAY_MODE | GATEWAY_MODE6 => match value.as_str() {
                    "" | "nat" => {}
                    "nat-unprotected" => parsed.open = true,
                    _ => return Err(invalid("nat or nat-unprotected")),
                },
                _ => {}
            }
        }
        Ok(parsed)
    }
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

const INTERFACE_NAME: &str = "1 to 15 characters without space or slash";

/// A name that the kernel takes for a link (dev_valid_name).
pub(crate) fn interface_name(text: &str) -> Option<String> {
    let valid = (1..=15).contains(&text.len())
        && text != "."
        && text != ".."
        && !text.chars().any(|c| c == '/' || c == ':' || c.is_whitespace());
    valid.then(|| text.to_owned())
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
        for (option, value) in [(MTU, "-1"), (MTU, "70000"), (ICC, "maybe"), (NAME, "a/b"), (NAME, "sixteen-letters!")]
        {
            let message = parse(option, value).unwrap_err().to_string();
            assert!(message.contains(option) && message.contains(value), "{message}");
        }
    }
}
