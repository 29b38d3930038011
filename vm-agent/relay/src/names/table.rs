//! Which names there are on which network. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::protocol::{EndpointNames, NameChange, Resolver};

#[derive(Debug, Default)]
pub(super) struct Table {
    /// Network id -> endpoint id -> names.
    networks: HashMap<String, HashMap<String, EndpointNames>>,
}

impl Table {
    pub(super) fn apply(&mut self, change: NameChange) {
        match change {
            NameChange::Put { network, names } => {
                self.networks.entry(network).or_default().insert(names.endpoint.clone(), names);
            }
            NameChange::Remove { network, endpoint } => {
                if let Some(endpoints) = self.networks.get_mut(&network) {
                    endpoints.remove(&endpoint);
                    if endpoints.is_empty() {
                        self.networks.remove(&network);
                    }
                }
            }
            NameChange::Clear { network } => drop(self.networks.remove(&network)),
        }
    }

    /// The addresses of `name` (lower case, no dot at its end) as the sandbox of `resolver` sees it; `None` if it is no
    /// container's. Sorted, so that whoever rotates them does it evenly.
    pub(super) fn addresses(&self, resolver: &Resolver, name: &str) -> Option<Vec<IpAddr>> {
        let extra: Vec<IpAddr> = resolver
            .extra
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, address)| *address)
            .collect();
        if !extra.is_empty() {
            return Some(extra);
        }
        resolver.networks.iter().find_map(|network| {
            let endpoints = self.networks.get(network)?;
            let mut found: Vec<IpAddr> = endpoints
                .values()
                .filter(|endpoint| endpoint.answers_to(name))
                .flat_map(|endpoint| endpoint.addresses.iter().copied())
                .collect();
            found.sort_unstable();
            found.dedup();
            (!found.is_empty()).then_some(found)
        })
    }

    /// The name of the endpoint with this address, with its network's.
    pub(super) fn reverse(&self, resolver: &Resolver, address: IpAddr) -> Option<String> {
        let endpoints = resolver.networks.iter().filter_map(|network| self.networks.get(network));
        let endpoint = endpoints.flat_map(HashMap::values).find(|endpoint| endpoint.addresses.contains(&address))?;
        Some(format!("{}.{}", endpoint.names.first()?, endpoint.network_name))
    }
}

impl EndpointNames {
    fn answers_to(&self, name: &str) -> bool {
        let bare = name.strip_suffix(&self.network_name.to_ascii_lowercase()).and_then(|name| name.strip_suffix('.'));
        self.names.iter().any(|known| known == name || Some(known.as_str()) == bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(network: &str, endpoint: &str, names: &[&str], address: &str) -> NameChange {
        let names = EndpointNames {
            endpoint: endpoint.to_owned(),
            names: names.iter().map(ToString::to_string).collect(),
            network_name: format!("{network}-name"),
            addresses: vec![address.parse().unwrap()],
        };
        NameChange::Put { network: network.to_owned(), names }
    }

    fn resolver(networks: &[&str]) -> Resolver {
        Resolver {
            sandbox: "s".to_owned(),
            networks: networks.iter().map(ToString::to_string).collect(),
            upstream: Vec::new(),
            external: true,
            extra: vec![("Db".to_owned(), "10.9.9.9".parse().unwrap())],
        }
    }

    #[test]
    fn the_first_network_that_knows_a_name_wins() {
        let mut table = Table::default();
        for change in [
            put("a", "1", &["web", "w"], "10.0.0.1"),
            put("a", "2", &["web"], "10.0.0.2"),
            put("b", "3", &["web", "other"], "10.1.0.3"),
        ] {
            table.apply(change);
        }
        let text = |networks: &[&str], name: &str| {
            table
                .addresses(&resolver(networks), name)
                .map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(text(&["a", "b"], "web").unwrap(), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(text(&["b", "a"], "web").unwrap(), ["10.1.0.3"]);
        assert_eq!(text(&["a", "b"], "other").unwrap(), ["10.1.0.3"]);
        assert_eq!(text(&["a"], "other"), None);
        assert_eq!(text(&["a"], "w.a-name").unwrap(), ["10.0.0.1"]);
        assert_eq!(text(&["a"], "w.b-name"), None);
        assert_eq!(text(&[], "db").unwrap(), ["10.9.9.9"]);
        assert_eq!(table.reverse(&resolver(&["a"]), "10.0.0.1".parse().unwrap()).unwrap(), "web.a-name");
        assert_eq!(table.reverse(&resolver(&["a"]), "10.1.0.3".parse().unwrap()), None);
    }

    #[test]
    fn put_replaces_and_removal_forgets() {
        let mut table = Table::default();
        table.apply(put("a", "1", &["old"], "10.0.0.1"));
        table.apply(put("a", "1", &["new"], "10.0.0.7"));
        assert_eq!(table.addresses(&resolver(&["a"]), "old"), None);
        assert!(table.addresses(&resolver(&["a"]), "new").is_some());
        table.apply(NameChange::Remove { network: "a".to_owned(), endpoint: "1".to_owned() });
        assert_eq!(table.addresses(&resolver(&["a"]), "new"), None);
        assert!(table.networks.is_empty());
    }
}
