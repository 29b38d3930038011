//! Which containers a list or a prune means: dockerd's filters.

use crate::actor::parse_port;
use crate::handle::View;
use crate::record::Source;
use crate::requests::ListRequest;
use crate::service::Inner;
use crate::state::{State, UnixNanos};
use crate::{Error, Invalid, Result};
use engine_api::Filters;
use engine_api::filters::FilterError;
use layers::DiffId;
use network::Protocol;
use regex_lite::Regex;

const KNOWN: [&str; 15] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];
const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTH: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

/// A parsed list request.
#[derive(Debug)]
pub(crate) struct Selection {
    filters: Filters,
    all: bool,
    limited: bool,
    names: Vec<Regex>,
    ids: Vec<Regex>,
    exited: Vec<i32>,
    before: Option<UnixNanos>,
    since: Option<UnixNanos>,
    /// (image id, layers) of `ancestor`.
    ancestors: Option<Vec<(String, Vec<DiffId>)>>,
    publish: Vec<Ports>,
    expose: Vec<Ports>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ports {
    first: u16,
    last: u16,
    protocol: Protocol,
}

impl Selection {
    pub(crate) fn new(inner: &Inner, request: &ListRequest) -> Result<Selection> {
        let filters = &request.filters;
        let bad = |name: &str, value: &str| -> Error {
            let error = FilterError::Value { name: name.to_owned(), value: value.to_owned() };
            Invalid::Filter(error).into()
        };
        filters.only(&KNOWN).map_err(Invalid::Filter)?;
        for (name, known) in [("status", &STATES[..]), ("health", &HEALTH[..])] {
            if let Some(value) = filters.values(name).find(|value| !known.contains(value)) {
                return Err(bad(name, value));
            }
        }
        let exited = filters
            .values("exited")
            .map(|value| value.parse().map_err(|_| bad("exited", value)))
            .collect::<Result<_>>()?;
        // The newest of several `before` and `since` decides, as in dockerd.
        let mut bounds = [None, None];
        for (bound, name) in bounds.iter_mut().zip(["before", "since"]) {
            for value in filters.values(name) {
                *bound = (*bound).max(Some(inner.find(value)?.view().record.created));
            }
        }
        let ancestors = filters.contains("ancestor").then(|| {
            let images = &inner.services.images;
            filters
                .values("ancestor")
                .filter_map(|name| {
                    let id = images.resolve(name).ok()?;
                    Some((id.to_string(), images.image(&id).ok()?.chain.clone()))
                })
                .collect()
        });
        let ports = |name: &'static str| -> Result<Vec<Ports>> {
            filters.values(name).map(|value| parse_ports(value).ok_or_else(|| bad(name, value))).collect()
        };
        Ok(Selection {
            all: request.all || filters.contains("status") || filters.contains("exited"),
            limited: request.limit > 0,
            names: patterns(filters, "name"),
            ids: patterns(filters, "id"),
            exited,
            before: bounds[0],
            since: bounds[1],
            ancestors,
            publish: ports("publish")?,
            expose: ports("expose")?,
            filters: filters.clone(),
        })
    }

    pub(crate) fn takes(&self, inner: &Inner, view: &View) -> bool {
        let record = &view.record;
        let filters = &self.filters;
        (self.all || self.limited || record.state.counts_as_running())
            && matches(&self.ids, &[&record.id])
            && matches(&self.names, &[&record.name, &format!("/{}", record.name)])
            && filters.labels_match("label", record.labels())
            && filters.accepts("status", record.state.status())
            && (self.exited.is_empty() || self.has_exited(&record.state))
            && filters.accepts("health", view.health.as_ref().map_or("none", |health| health.status.name()))
            && filters.values("is-task").all(|value| matches!(value, "0" | "false"))
            && self.before.is_none_or(|before| record.created < before)
            && self.since.is_none_or(|since| record.created > since)
            && self.ancestors.as_ref().is_none_or(|list| {
                list.iter()
                    .any(|(id, chain)| *id == record.image || (!chain.is_empty() && record.chain.starts_with(chain)))
            })
            && filters.any("volume", |wanted| {
                record.mounts.iter().any(|mount| {
                    let named = matches!(&mount.source, Source::Volume { name, .. } if name == wanted);
                    named || mount.destination == wanted
                })
            })
            && (!filters.contains("network") || self.on_network(inner, view))
            && (self.publish.is_empty() || self.publishes(inner, view))
            && (self.expose.is_empty() || self.exposes(view))
    }

    /// A container that never ran has not exited with 0.
    fn has_exited(&self, state: &State) -> bool {
        matches!(state, State::Exited(exit) if self.exited.contains(&exit.code))
    }

    fn on_network(&self, inner: &Inner, view: &View) -> bool {
        let networks = inner.networks(view);
        self.filters.any("network", |wanted| {
            networks.iter().any(|(name, settings)| name == wanted || settings.network_id == wanted)
        })
    }

    fn publishes(&self, inner: &Inner, view: &View) -> bool {
        let bound = inner.ports(view);
        let published =
            bound.iter().filter(|(_, bindings)| bindings.is_some()).filter_map(|(port, _)| parse_port(port).ok());
        any_within(&self.publish, published)
    }

    fn exposes(&self, view: &View) -> bool {
        let exposed = view.record.config.exposed_ports.iter().flatten().filter_map(|(port, _)| parse_port(port).ok());
        any_within(&self.expose, exposed)
    }
}

fn any_within(wanted: &[Ports], mut ports: impl Iterator<Item = (u16, Protocol)>) -> bool {
    ports.any(|(port, protocol)| {
        wanted.iter().any(|range| range.protocol == protocol && (range.first..=range.last).contains(&port))
    })
}

/// `80`, `80/udp`, `8000-8010/tcp`.
fn parse_ports(text: &str) -> Option<Ports> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    Some(Ports { first, last, protocol: protocol.parse().ok()? })
}

/// Values are regular expressions; what is none is taken literally.
fn patterns(filters: &Filters, name: &str) -> Vec<Regex> {
    filters
        .values(name)
        .filter_map(|value| Regex::new(value).or_else(|_| Regex::new(&regex_lite::escape(value))).ok())
        .collect()
}

fn matches(patterns: &[Regex], texts: &[&str]) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| texts.iter().any(|text| pattern.is_match(text)))
}

/// What a prune may take: `label`, `label!` and `until`.
pub(crate) fn prunable(filters: &Filters) -> Result<impl Fn(&View) -> bool + use<'_>> {
    filters.only(&["label", "label!", "until"]).map_err(Invalid::Filter)?;
    let mut until = None;
    for value in filters.values("until") {
        until = Some(parse_until(value)?);
    }
    Ok(move |view: &View| {
        let record = &view.record;
        let unwanted = filters.values("label!").any(|label| engine_api::filters::label_matches(label, record.labels()));
        filters.labels_match("label", record.labels()) && !unwanted && until.is_none_or(|until| record.created <= until)
    })
}

fn parse_until(text: &str) -> Result<UnixNanos, Invalid> {
    crate::logs::until(text)
        .map_err(|_| Invalid::Filter(FilterError::Value { name: "until".to_owned(), value: text.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_times() {
        assert_eq!(parse_ports("80"), Some(Ports { first: 80, last: 80, protocol: Protocol::Tcp }));
        assert_eq!(parse_ports("10-20/udp"), Some(Ports { first: 10, last: 20, protocol: Protocol::Udp }));
        assert_eq!(parse_ports("x"), None);
        let hour_ago = parse_until("1h").expect("a duration");
        let difference = crate::logs::now() - hour_ago;
        assert!((3_600_000_000_000..3_601_000_000_000).contains(&difference));
        assert!(parse_until("1x").is_err());
        assert_eq!(parse_until("1700000000").expect("a time"), 1_700_000_000_000_000_000);
    }

    #[test]
    fn names_are_patterns() {
        let filters = Filters::default().with("name", "^web").with("name", "d(b");
        let patterns = patterns(&filters, "name");
        assert!(matches(&patterns, &["web1", "/web1"]));
        assert!(matches(&patterns, &["d(b"]));
        assert!(!matches(&patterns, &["my-web", "/my-web"]));
    }
}
