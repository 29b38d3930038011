//! Which container a name means, and where in the machine its web server is. Pure, but for the question to the engine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hyper::Method;
use serde::Deserialize;

use crate::link::Guest;
use crate::{Error, Result, engine_http};

/// The label that names the port, where several are exposed or none is.
pub(super) const PORT_LABEL: &str = "berth.http-port";
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";

/// One that runs, as `GET /containers/json` lists it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Container {
    id: String,
    names: Vec<String>,
    labels: BTreeMap<String, String>,
    ports: Vec<Port>,
    host_config: HostConfig,
    network_settings: Networks,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Port {
    private_port: u16,
    r#type: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    network_mode: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Networks {
    networks: BTreeMap<String, Endpoint>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "IPAddress")]
    ip: String,
    #[serde(rename = "GlobalIPv6Address")]
    ipv6: String,
}

/// All that run.
pub(super) async fn running(guest: &Guest) -> Result<Vec<Container>> {
    let stream = guest.connect_engine().await?;
    let answered = engine_http::ask(stream, Method::GET, "/containers/json").await;
    let (status, body) = answered.map_err(|error| Error::Engine { message: error.to_string() })?;
    if !status.is_success() {
        return Err(Error::Engine { message: String::from_utf8_lossy(&body).trim().to_owned() });
    }
    serde_json::from_slice(&body).map_err(|error| Error::BadAnswer { reason: error.to_string() })
}

/// The one called `name`, in capital letters or small ones: browsers write all host names small. If none is, that of the Compose
/// service `SERVICE.PROJECT`, of several the one with the lowest number.
pub(super) fn find<'a>(all: &'a [Container], name: &str) -> Option<&'a Container> {
    let exact = all.iter().find(|container| container.names.iter().any(|known| known.trim_start_matches('/') == name));
    let called = || all.iter().find(|container| container.name().eq_ignore_ascii_case(name));
    let of_service = || {
        let (service, project) = name.split_once('.')?;
        let labelled = |container: &&Container, label, value| {
            container.labels.get(label).is_some_and(|known| known.eq_ignore_ascii_case(value))
        };
        let replicas = all.iter().filter(|one| labelled(one, SERVICE, service) && labelled(one, PROJECT, project));
        replicas.min_by_key(|one| one.labels.get(NUMBER).and_then(|number| number.parse::<u64>().ok()))
    };
    exact.or_else(called).or_else(of_service)
}

impl Container {
    /// Its own name, not one that a link gave it.
    pub(super) fn name(&self) -> &str {
        let own = self.names.iter().find(|name| name.trim_start_matches('/').find('/').is_none());
        own.map_or(&self.id, |name| name).trim_start_matches('/')
    }

    /// Where its web server listens: what the label says; else 80 if that is exposed, or the lowest TCP port that is.
    pub(super) fn port(&self) -> Option<u16> {
        if let Some(label) = self.labels.get(PORT_LABEL) {
            return label.parse().ok().filter(|port| *port != 0);
        }
        let exposed = || self.ports.iter().filter(|port| port.r#type == "tcp").map(|port| port.private_port);
        exposed().find(|port| *port == 80).or_else(|| exposed().min())
    }

    /// Where in the machine it is reached; `None` for one without a network. A container of `all` may lend it its own.
    pub(super) fn address(&self, all: &[Container]) -> Option<IpAddr> {
        let mode = self.host_config.network_mode.as_str();
        if mode == "host" {
            return Some(Ipv4Addr::LOCALHOST.into());
        }
        if let Some(other) = mode.strip_prefix("container:") {
            // Of this kind there is no chain: the other has networks of its own.
            let other = all.iter().find(|container| container.id == other)?;
            return if other.host_config.network_mode.starts_with("container:") { None } else { other.address(all) };
        }
        let endpoints = self.network_settings.networks.values();
        endpoints.flat_map(|endpoint| [&endpoint.ip, &endpoint.ipv6]).find_map(|address| address.parse().ok())
    }

    pub(super) fn target(&self, all: &[Container], port: u16) -> Option<SocketAddr> {
        self.address(all).map(|address| SocketAddr::new(address, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(list: serde_json::Value) -> Vec<Container> {
        serde_json::from_value(list).unwrap()
    }

    fn one(name: &str, labels: serde_json::Value) -> serde_json::Value {
        json!({ "Id": format!("{name}-id"), "Names": [format!("/other/{name}"), format!("/{name}")], "Labels": labels })
    }

    #[test]
    fn a_name_is_a_containers_or_a_services() {
        let service = |number: &str| json!({ PROJECT: "shop", SERVICE: "Web", NUMBER: number });
        let all = read(json!([
            one("shop-web-10", service("10")),
            one("shop-web-2", service("2")),
            one("Big", json!({})),
            one("big", json!({})),
            one("cache.shop", json!({})),
        ]));
        let found = |name: &str| find(&all, name).map(Container::name);
        assert_eq!(found("shop-web-10"), Some("shop-web-10"));
        assert_eq!(found("SHOP-WEB-10"), Some("shop-web-10"));
        assert_eq!(found("web.shop"), Some("shop-web-2"));
        assert_eq!(found("cache.shop"), Some("cache.shop"));
        assert_eq!((found("Big"), found("big")), (Some("Big"), Some("big")));
        assert_eq!(found("web"), None);
        assert_eq!(found("web.other"), None);
    }

    #[test]
    fn the_port_is_the_labels_or_an_exposed_one() {
        let port = |ports: &[(u16, &str)], labels: serde_json::Value| {
            let ports: Vec<_> = ports.iter().map(|(port, kind)| json!({ "PrivatePort": port, "Type": kind })).collect();
            read(json!([{ "Ports": ports, "Labels": labels }]))[0].port()
        };
        assert_eq!(port(&[(53, "udp"), (8080, "tcp"), (80, "tcp")], json!({})), Some(80));
        assert_eq!(port(&[(53, "udp"), (9000, "tcp"), (8080, "tcp")], json!({})), Some(8080));
        assert_eq!(port(&[(80, "tcp")], json!({ PORT_LABEL: "3000" })), Some(3000));
        assert_eq!(port(&[(80, "tcp")], json!({ PORT_LABEL: "web" })), None);
        assert_eq!(port(&[(53, "udp")], json!({})), None);
    }

    #[test]
    fn the_address_is_that_of_a_network() {
        let on = |id: &str, mode: &str, ip: &str, ipv6: &str| {
            let endpoint = json!({ "IPAddress": ip, "GlobalIPv6Address": ipv6 });
            json!({ "Id": id, "HostConfig": { "NetworkMode": mode }, "NetworkSettings": { "Networks": { "n": endpoint } } })
        };
        let all = read(json!([
            on("a", "bridge", "172.17.0.2", ""),
            on("b", "container:a", "", ""),
            on("c", "host", "", ""),
            on("d", "none", "", ""),
            on("e", "six", "", "fd00::5"),
            on("f", "container:b", "", ""),
        ]));
        let address = |at: usize| all[at].address(&all).map(|ip| ip.to_string());
        assert_eq!(address(0).as_deref(), Some("172.17.0.2"));
        assert_eq!(address(1).as_deref(), Some("172.17.0.2"));
        assert_eq!(address(2).as_deref(), Some("127.0.0.1"));
        assert_eq!(address(3), None);
        assert_eq!(address(4).as_deref(), Some("fd00::5"));
        assert_eq!(address(5), None);
    }
}
