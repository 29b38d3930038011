//! Which names there are on which network. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::protocol::{EndpointNames, NameChange, NameLink, Resolver};

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
        // As in dockerd: the sandbox's own names first, on whichever of its networks; a name that is one of them means
        // nothing else on that network.
        let linked = resolver.networks.iter().find_map(|network| {
            self.links(resolver, network, name).find_map(|link| self.on_network(network, &link.name))
        });
        linked.or_else(|| {
            let mut others =
                resolver.networks.iter().filter(|network| self.links(resolver, network, name).next().is_none());
            others.find_map(|network| self.on_network(network, name))
        })
    }

    /// The sandbox's own meanings of `name` on the network.
    fn links<'a>(&self, resolver: &'a Resolver, network: &str, name: &str) -> impl Iterator<Item = &'a NameLink> {
        let endpoint = self.networks.get(network).and_then(|endpoints| endpoints.values().next());
        let bare = endpoint.and_then(|endpoint| without(name, &endpoint.network_name));
        resolver
            .links
            .iter()
            .filter(move |link| link.network == network && (link.alias == name || Some(link.alias.as_str()) == bare))
    }

    fn on_network(&self, network: &str, name: &str) -> Option<Vec<IpAddr>> {
        let endpoints = self.networks.get(network)?.values().filter(|endpoint| endpoint.answers_to(name));
        let mut found: Vec<IpAddr> = endpoints.flat_map(|endpoint| endpoint.addresses.iter().copied()).collect();
        found.sort_unstable();
        found.dedup();
        (!found.is_empty()).then_some(found)
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
        let bare = without(name, &self.network_name);
        self.names.iter().any(|known| known == name || Some(known.as_str()) == bare)
    }
}

/// `web` of `web.network`.
fn without<'a>(name: &'a str, network_name: &str) -> Option<&'a str> {
    name.strip_suffix(&network_name.to_ascii_lowercase()).and_then(|name| name.strip_suffix('.'))
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
            links: Vec::new(),
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
        assert_eq!(table.reverse(&resolver(&["a"]), "10.0.0.1".parse().unwrap()).unwrap(), "web.a-name");
        assert_eq!(table.reverse(&resolver(&["a"]), "10.1.0.3".parse().unwrap()), None);
    }

    #[test]
    fn a_link_is_a_name_of_one_sandbox_on_one_network() {
        let mut table = Table::default();
        table.apply(put("a", "1", &["web"], "10.0.0.1"));
        table.apply(put("b", "2", &["web"], "10.1.0.2"));
        table.apply(put("b", "3", &["cache"], "10.1.0.3"));
        let link = |network: &str, alias: &str, name: &str| NameLink {
            network: network.to_owned(),
            alias: alias.to_owned(),
            name: name.to_owned(),
        };
        let links =
            vec![link("b", "db", "web"), link("b", "cache", "web"), link("a", "late", "later"), link("a", "web", "x")];
        let resolver = Resolver { links, ..resolver(&["a", "b"]) };
        let text = |table: &Table, name: &str| {
            table.addresses(&resolver, name).map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(text(&table, "db").unwrap(), ["10.1.0.2"]);
        assert_eq!(text(&table, "db.b-name").unwrap(), ["10.1.0.2"]);
        assert_eq!(text(&table, "db.a-name"), None);
        // A link hides the endpoint that is really called so, on its network.
        assert_eq!(text(&table, "cache").unwrap(), ["10.1.0.2"]);
        assert_eq!(text(&table, "web").unwrap(), ["10.1.0.2"]);
        assert_eq!(text(&table, "late"), None);
        table.apply(put("a", "4", &["later"], "10.0.0.4"));
        assert_eq!(text(&table, "late").unwrap(), ["10.0.0.4"]);
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
