//! What can be wrong with a macvlan or ipvlan network, in dockerd's words.

use std::io;

/// Why a network on a parent interface was refused. dockerd answers all of these with status 500.
#[derive(Debug, thiserror::Error)]
pub enum LanError {
    #[error("requested {driver} mode '{mode}' is not valid, '{default}' mode is the {driver} driver default")]
    Mode { driver: &'static str, mode: String, default: &'static str },
    #[error("requested ipvlan flag '{0}' is not valid, 'bridge' is the ipvlan driver default")]
    Flag(String),
    #[error("loopback interface is not a valid {0} parent link")]
    Loopback(&'static str),
    #[error("cannot use mode passthru, macvlan network {network} is already using parent interface {parent}")]
    NotAlone { network: String, parent: String },
    #[error("macvlan network {network} is already using parent interface {parent} in mode passthru")]
    Passthru { network: String, parent: String },
    /// `network` is the name of the dummy that the other network would have.
    #[error("network {network} is already using parent interface {parent}")]
    ParentTaken { network: String, parent: String },
    #[error("invalid subinterface vlan name {0}, example formatting is eth0.10")]
    NotVlan(String),
    #[error("required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received {0}")]
    VlanName(String),
    #[error("unable to parse a valid vlan id from: {0} (ex. eth0.10 for vlan 10)")]
    VlanNumber(String),
    #[error("vlan id must be between 1-4094, received: {0}")]
    VlanRange(i64),
    #[error("-o parent interface was not found on the host: {0}")]
    NoCard(String),
    #[error("failed to create {name} vlan link: {}", plain(source))]
    Vlan { name: String, source: io::Error },
    #[error("failed to enable {name} the {driver} parent link: {}", plain(source))]
    Enable { driver: &'static str, name: String, source: io::Error },
    #[error("{}", plain(.0))]
    Dummy(io::Error),
    #[error("the requested parent interface {0} was not found on the Docker host")]
    NoParent(String),
    #[error("failed to create the {driver} port: {}", plain(source))]
    Port { driver: &'static str, source: io::Error },
    #[error(
        "failed to create endpoint {container} on network {network}: ipvlan interfaces do not support custom mac address assignment"
    )]
    Mac { container: String, network: String },
}

/// The system's words without Rust's `(os error 95)`, lower case as Go prints them.
fn plain(error: &io::Error) -> String {
    let full = error.to_string();
    full.split(" (os error").next().unwrap_or(&full).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_the_driver_is_told_as_dockerd_tells_it() {
        let source = || io::Error::from_raw_os_error(libc::EOPNOTSUPP);
        assert_eq!(LanError::Dummy(source()).to_string(), "operation not supported");
        let port = LanError::Port { driver: "ipvlan", source: source() };
        assert_eq!(port.to_string(), "failed to create the ipvlan port: operation not supported");
    }
}
