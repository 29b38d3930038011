//! A container on a network: what is asked for and what it got.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::{Protocol, Sandbox};

/// A port to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRequest {
    pub protocol: Protocol,
    pub container_port: u16,
    /// `None`: every address, IPv4 and IPv6.
    pub host_ip: Option<IpAddr>,
    /// First and last acceptable host port; `None`: any free ephemeral one.
    pub host_ports: Option<(u16, u16)>,
}

/// The families of which an endpoint is its container's way in and out: for the others its ports are published elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Families {
    pub ipv4: bool,
    pub ipv6: bool,
}

impl Families {
    pub const BOTH: Families = Families { ipv4: true, ipv6: true };
}

impl Default for Families {
    fn default() -> Self {
        Families::BOTH
    }
}

/// A published port as really bound. One request without an address gives two of these (`0.0.0.0` and `::`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    pub protocol: Protocol,
    pub container_port: u16,
    /// Unspecified where the network is routed.
    pub host_ip: IpAddr,
    /// 0 where the network is routed: the port is open at the container's own address.
    pub host_port: u16,
}

/// Puts a container on a network.
#[derive(Debug)]
pub struct EndpointRequest<'a> {
    pub container_id: String,
    /// The container's name without the slash.
    pub container_name: String,
    /// The container's host name: it answers to it on user-defined networks, as in dockerd.
    pub hostname: String,
    /// Network name, id, or unique prefix of the id.
    pub network: String,
    /// `None` for a container in the engine's own namespace (`host`).
    pub sandbox: Option<&'a Sandbox>,
    /// Names on this network beside the container's own and its short id.
    pub aliases: Vec<String>,
    /// (name, alias): the container's own names for others on this network; without effect where names are not resolved.
    pub links: Vec<(String, String)>,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    pub mac: Option<[u8; 6]>,
    /// Link-local addresses that the interface has as well.
    pub link_local: Vec<IpAddr>,
    /// Ports to publish: give them with the networks that provide the default routes only.
    pub ports: Vec<PortRequest>,
    /// The families that they are published for.
    pub families: Families,
    /// Where names are looked up that are not on the container's networks (`--dns`); empty: the engine's own way.
    pub dns: Vec<IpAddr>,
    /// The highest priority among a container's networks provides the default route (`GwPriority`).
    pub gateway_priority: i64,
    /// `DriverOpts` of the endpoint; `com.docker.network.endpoint.ifname` names the interface, `….endpoint.sysctls` sets
    /// what is below it in `/proc/sys/net`.
    pub options: BTreeMap<String, String>,
}

/// A container's place on a network; goes into `NetworkSettings.Networks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// 64 hexadecimal digits.
    pub id: String,
    pub network_id: String,
    pub network_name: String,
    pub container_id: String,
    pub container_name: String,
    /// Interface name in the sandbox: `eth0`, ...; empty on `host` and `none`.
    pub interface: String,
    /// Interface name on the engine's side; empty on `host` and `none`.
    pub host_interface: String,
    pub mac: Option<[u8; 6]>,
    /// Address and prefix length.
    pub ipv4: Option<(Ipv4Addr, u8)>,
    pub ipv6: Option<(Ipv6Addr, u8)>,
    /// `None` on internal networks.
    pub gateway_ipv4: Option<Ipv4Addr>,
    pub gateway_ipv6: Option<Ipv6Addr>,
    pub gateway_priority: i64,
    /// As the user gave them.
    pub aliases: Vec<String>,
    /// What the container answers to here (Docker's `DNSNames`): name, aliases, short id, host name.
    pub dns_names: Vec<String>,
    pub ports: Vec<PortBinding>,
    pub options: BTreeMap<String, String>,
}

/// A running container whose endpoints survive a restart of the engine.
#[derive(Debug)]
pub struct Attachment<'a> {
    pub container_id: String,
    pub sandbox: Option<&'a Sandbox>,
}
