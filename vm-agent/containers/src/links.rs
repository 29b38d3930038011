//! Links (`--link`): a container knows others of the default bridge by names of its own choice, from its environment and its
//! hosts file.
//!
//! The container that has the link is its parent, as in dockerd, the one that it leads to its child. A link is a name of the
//! child, too: `/parent/alias`. On user-defined networks a link is nothing but a name there, see [`endpoint_links`].

use crate::actor::{lines, parse_port};
use crate::handle::Handle;
use crate::record::Record;
use crate::service::Inner;
use crate::{Error, Invalid, Result};
use engine_api::{EndpointSettings, HostConfig};
use network::{DEFAULT_BRIDGE, Protocol};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

/// A link of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The full id of the container that it leads to.
    pub(crate) child: String,
    /// What that one was called when the link was made: all that is known of it once it is gone.
    pub(crate) name: String,
    /// What follows the parent's name in the link's: `db` of `/parent/db`. May have more parts.
    pub(crate) alias: String,
}

impl Link {
    /// The name in hosts files and variables.
    pub(crate) fn host(&self) -> &str {
        last_part(&self.alias)
    }
}

/// `name`, `name:alias`, or as inspect shows it, `/name:/parent/alias`: (name, alias).
pub(crate) fn parse(text: &str) -> Result<(&str, &str), Invalid> {
    if text.is_empty() {
        return Err(Invalid::EmptyLink);
    }
    match text.split_once(':') {
        None => Ok((text, text)),
        Some((_, alias)) if alias.contains(':') => Err(Invalid::Link(text.to_owned())),
        Some((name, alias)) => match name.strip_prefix('/') {
            Some(name) => Ok((name, last_part(alias))),
            None => Ok((name, alias)),
        },
    }
}

/// (name, alias) of an endpoint's links: names on its network that only this container sees.
pub(crate) fn endpoint_links(settings: &EndpointSettings) -> Result<Vec<(String, String)>, Invalid> {
    let links = settings.links.iter().flatten();
    links.map(|text| parse(text).map(|(name, alias)| (name.to_owned(), alias.to_owned()))).collect()
}

impl Inner {
    /// The links that a container to be made asks for. Of two with the same alias the first counts, and on a user-defined
    /// network none, as in dockerd: there its endpoint has them.
    pub(crate) fn links(&self, host: &HostConfig) -> Result<Vec<Link>> {
        let mut links: Vec<Link> = Vec::new();
        if !matches!(host.network_mode.as_str(), "" | "default" | DEFAULT_BRIDGE | "none" | "host") {
            return Ok(links);
        }
        for text in host.links.iter().flatten() {
            let (name, alias) = parse(text)?;
            let child = self.link_target(name)?.view();
            let parts: Vec<&str> = alias.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
            let alias = parts.join("/");
            if !links.iter().any(|link| link.alias == alias) {
                links.push(Link { child: child.record.id.clone(), name: child.record.name.clone(), alias });
            }
        }
        Ok(links)
    }

    /// The container with the network that `name` is in.
    fn link_target(&self, name: &str) -> Result<Arc<Handle>> {
        let find = |name: &str| {
            self.find(name).map_err(|reason| Invalid::LinkTarget { name: name.to_owned(), reason: reason.to_string() })
        };
        let mut found = find(name)?;
        while let Some(other) = found.view().record.host.network_mode.strip_prefix("container:") {
            found = find(other)?;
        }
        if found.view().record.host.network_mode == "host" {
            return Err(Invalid::Conflict(Invalid::HOST_LINKS).into());
        }
        Ok(found)
    }

    /// The variables by which a container learns of its links.
    ///
    /// # Errors
    /// dockerd's where a linked container does not run, or is not on the default bridge.
    pub(crate) fn link_environment(&self, record: &Record) -> Result<Vec<String>> {
        let mut variables = Vec::new();
        if !record.endpoints.contains_key(DEFAULT_BRIDGE) {
            return Ok(variables);
        }
        for link in &record.links {
            let full_name = format!("/{}/{}", record.name, link.alias);
            let child = self.by_id(&link.child).map(|child| child.view());
            let Some(child) = child.filter(|child| child.record.state.counts_as_running()) else {
                return Err(Error::LinkNotRunning { child: self.link_name(link), link: full_name });
            };
            if !child.record.endpoints.contains_key(DEFAULT_BRIDGE) {
                return Err(Error::LinkElsewhere(link.child.clone()));
            }
            let address = self.link_addresses(&link.child).into_iter().find(IpAddr::is_ipv4);
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            let ports = child.record.config.exposed_ports.iter().flatten().map(|(port, _)| port.as_str());
            let env = child.record.config.env.as_deref().unwrap_or_default();
            variables.extend(environment(link.host(), &full_name, &address, ports, env));
        }
        Ok(variables)
    }

    /// The lines of a container's hosts file for its links, while it is on the default bridge: (names, address).
    pub(crate) fn link_hosts(&self, links: &[Link]) -> Vec<(String, IpAddr)> {
        let mut lines = Vec::new();
        for link in links {
            let Some(child) = self.by_id(&link.child).map(|child| child.view()) else { continue };
            let mut names = format!("{} {}", link.host(), child.record.config.hostname);
            if child.record.name != link.host() {
                names = format!("{names} {}", child.record.name);
            }
            lines.extend(self.link_addresses(&link.child).into_iter().map(|address| (names.clone(), address)));
        }
        lines
    }

    /// Where a running container is on the default bridge.
    pub(crate) fn link_addresses(&self, child: &str) -> Vec<IpAddr> {
        let endpoints = self.services.networks.endpoints(child);
        let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.network_name == DEFAULT_BRIDGE) else {
            return Vec::new();
        };
        let (four, six) = (endpoint.ipv4, endpoint.ipv6);
        four.map(|(ip, _)| ip.into()).into_iter().chain(six.map(|(ip, _)| ip.into())).collect()
    }

    /// What a container's links open to it where containers may not talk to each other: the exposed ports of the others.
    pub(crate) fn link_ports(&self, record: &Record) -> Vec<(String, Protocol, u16)> {
        let mut ports = Vec::new();
        for link in &record.links {
            let Some(child) = self.by_id(&link.child).map(|child| child.view()) else { continue };
            let exposed = child.record.config.exposed_ports.iter().flatten().map(|(port, _)| port);
            let parsed = exposed.filter_map(|port| parse_port(port).ok());
            ports.extend(parsed.map(|(port, protocol)| (link.child.clone(), protocol, port)));
        }
        ports
    }

    /// `HostConfig.Links` as inspect shows it: `/child:/parent/alias`.
    pub(crate) fn shown_links(&self, record: &Record) -> Option<Vec<String>> {
        let shown = |link: &Link| format!("/{}:/{}/{}", self.link_name(link), record.name, link.alias);
        (!record.links.is_empty()).then(|| record.links.iter().map(shown).collect())
    }

    fn link_name(&self, link: &Link) -> String {
        self.by_id(&link.child).map_or_else(|| link.name.clone(), |child| child.view().record.name.clone())
    }
}

/// The variables of one link. `ports` are the child's exposed ones, `80/tcp`; `env` its environment.
fn environment<'a>(
    alias: &str,
    full_name: &str,
    address: &str,
    ports: impl Iterator<Item = &'a str>,
    env: &[String],
) -> Vec<String> {
    let prefix = alias.to_uppercase().replace('-', "_");
    let mut ports: Vec<(u32, String)> = ports.filter_map(port).collect();
    ports.sort_by(|(a, one), (b, other)| by_protocol(one, other).then(a.cmp(b)));
    let url = |(number, protocol): &(u32, String)| format!("{protocol}://{address}:{number}");
    let named = |(number, protocol): &(u32, String)| format!("{prefix}_PORT_{number}_{}", protocol.to_uppercase());
    let mut variables = Vec::new();
    if let Some(lowest) = ports.first() {
        variables.push(format!("{prefix}_PORT={}", url(lowest)));
    }
    // Neighbours of one protocol are also told of as a range, behind the last of them or the one that ends it.
    let mut range = 0..0;
    for (at, this) in ports.iter().enumerate() {
        let (number, protocol) = this;
        let name = named(this);
        variables.push(format!("{name}={}", url(this)));
        variables.push(format!("{name}_ADDR={address}"));
        variables.push(format!("{name}_PORT={number}"));
        variables.push(format!("{name}_PROTO={protocol}"));
        let follows = at > 0 && ports[at - 1].0 + 1 == *number && ports[at - 1].1 == *protocol;
        if follows {
            range.end = at;
        }
        if range.end > range.start && (!follows || at + 1 == ports.len()) {
            let (first, last) = (&ports[range.start], &ports[range.end]);
            let name = named(first);
            variables.push(format!("{name}_START={}", url(first)));
            variables.push(format!("{name}_PORT_START={}", first.0));
            variables.push(format!("{name}_END={}", url(last)));
            variables.push(format!("{name}_PORT_END={}", last.0));
        }
        if !follows {
            range = at..at;
        }
    }
    variables.push(format!("{prefix}_NAME={full_name}"));
    for variable in env {
        if let Some((name, value)) = variable.split_once('=')
            && !matches!(name, "HOME" | "PATH")
        {
            variables.push(format!("{prefix}_ENV_{name}={value}"));
        }
    }
    variables
}

fn port(text: &str) -> Option<(u32, String)> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some((number.parse().ok()?, protocol.to_ascii_lowercase()))
}

/// TCP first, the others by name.
fn by_protocol(one: &str, other: &str) -> Ordering {
    (one != "tcp", one).cmp(&(other != "tcp", other))
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A hosts file in which the link of these `names`, its alias first, has that address. A line that it had for the family keeps its
/// names; everything else stays, what the container wrote itself too.
pub(crate) fn renewed(hosts: &[u8], names: &str, address: IpAddr) -> Vec<u8> {
    let alias = names.split_whitespace().next().unwrap_or_default();
    let mut found = false;
    let mut text = changed(hosts, |line, names| {
        let old = line.split_whitespace().next().and_then(|address| address.parse::<IpAddr>().ok());
        if !is_of(alias, names) || old.is_none_or(|old| old.is_ipv4() != address.is_ipv4()) {
            return Some(line.to_owned());
        }
        found = true;
        Some(format!("{address}\t{names}"))
    });
    if !found {
        text.extend_from_slice(format!("{address}\t{names}\n").as_bytes());
    }
    text
}

/// A hosts file without the lines of the link called `alias`.
pub(crate) fn without(hosts: &[u8], alias: &str) -> Vec<u8> {
    changed(hosts, |line, names| (!is_of(alias, names)).then(|| line.to_owned()))
}

fn is_of(alias: &str, names: &str) -> bool {
    names.split_whitespace().next() == Some(alias)
}

/// A hosts file with its lines changed; what is no text is nothing of the engine's, and stays.
fn changed(hosts: &[u8], mut change: impl FnMut(&str, &str) -> Option<String>) -> Vec<u8> {
    let mut text = Vec::with_capacity(hosts.len());
    for line in lines(hosts) {
        let changed = match std::str::from_utf8(line) {
            Ok(line) => change(line, line.split_once('\t').map_or("", |(_, names)| names)).map(String::into_bytes),
            Err(_) => Some(line.to_vec()),
        };
        text.extend(changed.into_iter().flat_map(|line| line.into_iter().chain([b'\n'])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_link() {
        for (text, parsed) in [
            ("db", ("db", "db")),
            ("db:database", ("db", "database")),
            ("/db:/web/database", ("db", "database")),
            ("db:", ("db", "")),
        ] {
            assert_eq!(parse(text).expect(text), parsed);
        }
        for (text, refusal) in [("", "empty string specified for links"), ("a:b:c", "bad format for links: a:b:c")] {
            assert_eq!(parse(text).expect_err(text).to_string(), refusal);
        }
    }

    #[test]
    fn variables_in_dockerds_order() {
        let env = ["FOO=bar".to_owned(), "HOME=/x".to_owned(), "EMPTY=".to_owned(), "NONE".to_owned()];
        let ports = ["53/udp", "81/tcp", "80/tcp", "8080/tcp", "8081"];
        let told = environment("d-b", "/web/d-b", "172.17.0.2", ports.into_iter(), &env);
        let mut wanted = vec!["D_B_PORT=tcp://172.17.0.2:80".to_owned()];
        let each = |port: &str, protocol: &str| {
            let name = format!("D_B_PORT_{port}_{}", protocol.to_uppercase());
            [
                format!("{name}={protocol}://172.17.0.2:{port}"),
                format!("{name}_ADDR=172.17.0.2"),
                format!("{name}_PORT={port}"),
                format!("{name}_PROTO={protocol}"),
            ]
        };
        wanted.extend(each("80", "tcp"));
        wanted.extend(each("81", "tcp"));
        wanted.extend(each("8080", "tcp"));
        let range = |first: &str, last: &str| {
            vec![
                format!("D_B_PORT_{first}_TCP_START=tcp://172.17.0.2:{first}"),
                format!("D_B_PORT_{first}_TCP_PORT_START={first}"),
                format!("D_B_PORT_{first}_TCP_END=tcp://172.17.0.2:{last}"),
                format!("D_B_PORT_{first}_TCP_PORT_END={last}"),
            ]
        };
        wanted.extend(range("80", "81"));
        wanted.extend(each("8081", "tcp"));
        wanted.extend(each("53", "udp"));
        wanted.extend(range("8080", "8081"));
        for last in ["D_B_NAME=/web/d-b", "D_B_ENV_FOO=bar", "D_B_ENV_EMPTY="] {
            wanted.push(last.to_owned());
        }
        assert_eq!(told, wanted);
        assert_eq!(environment("x", "/w/x", "", [].into_iter(), &[]), ["X_NAME=/w/x"]);
    }

    #[test]
    fn a_hosts_file_follows_its_links() {
        let hosts =
            b"127.0.0.1\tlocalhost\n172.17.0.2\tdb host child\nfd00::2\tdb host child\n172.17.0.2\tdb2 db\n# \xff";
        let renew = |hosts: &[u8], address: &str| renewed(hosts, "db host", address.parse().expect("an address"));
        assert_eq!(
            renew(&renew(hosts, "172.17.0.9"), "fd00::9"),
            b"127.0.0.1\tlocalhost\n172.17.0.9\tdb host child\nfd00::9\tdb host child\n172.17.0.2\tdb2 db\n# \xff\n"
        );
        // Its lines are gone when the file was written anew while the child did not run.
        assert_eq!(renew(b"127.0.0.1\tlocalhost", "172.17.0.9"), b"127.0.0.1\tlocalhost\n172.17.0.9\tdb host\n");
        assert_eq!(without(hosts, "db"), b"127.0.0.1\tlocalhost\n172.17.0.2\tdb2 db\n# \xff\n");
    }
}
