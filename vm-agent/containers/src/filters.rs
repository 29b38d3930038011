//! Which containers a list or a prune means: dockerd's filters.

use crate::handle::View;
use crate::list::ports;
use crate::record::Source;
use crate::requests::ListRequest;
use crate::service::Inner;
use crate::state::{State, UnixNanos};
use crate::{Error, Invalid, Result, inspect};
use engine_api::Filters;
use regex_lite::Regex;
use std::collections::HashSet;

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
const HEALTH: [&str; 4] = ["none", "starting", "healthy", "unhealthy"];

/// A parsed list request.
#[derive(Debug)]
pub(crate) struct Selection {
    filters: Filters,
    all: bool,
    limited: bool,
    names: Option<Vec<Regex>>,
    ids: Option<Vec<String>>,
    exited: Vec<i32>,
    /// There are none.
    tasks_only: bool,
    before: Option<UnixNanos>,
    since: Option<UnixNanos>,
    /// The images that `ancestor` names, and those that were made from them here.
    ancestors: Option<HashSet<String>>,
    publish: Vec<Ports>,
    expose: Vec<Ports>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ports {
    first: u16,
    last: u16,
    /// As written: one that does not exist matches nothing.
    protocol: String,
}

impl Selection {
    pub(crate) fn new(inner: &Inner, request: &ListRequest) -> Result<Selection> {
        let filters = &request.filters;
        let bad = |name: &'static str, value: &str, reason: String| -> Error {
            Invalid::ListFilter { name, value: value.to_owned(), reason }.into()
        };
        filters.only(&KNOWN).map_err(Invalid::Filter)?;
        for (name, what, known) in [("status", "state", &STATES[..]), ("health", "health", &HEALTH[..])] {
            if let Some(value) = filters.values(name).find(|value| !known.contains(value)) {
                let reason = format!("invalid value for {what} ({value}): must be one of {}", known.join(", "));
                return Err(bad(name, value, reason));
            }
        }
        let exited = filters
            .values("exited")
            .map(|value| {
                let reason = || format!("strconv.Atoi: parsing \"{value}\": invalid syntax");
                value.parse().map_err(|_| bad("exited", value, reason()))
            })
            .collect::<Result<_>>()?;
        let tasks_only = filters.flag("is-task").map_err(Invalid::Filter)? == Some(true);
        // The newest of several `before` and `since` decides, as in dockerd.
        let mut bounds = [None, None];
        for (bound, name) in bounds.iter_mut().zip(["before", "since"]) {
            for value in filters.values(name) {
                *bound = (*bound).max(Some(inner.find_whole(value)?.view().record.created));
            }
        }
        let ancestors = filters.contains("ancestor").then(|| {
            let images = &inner.services.images;
            // One that is not here has none.
            let ids = filters.values("ancestor").filter_map(|name| images.resolve(name).ok());
            Ok::<_, Error>(images.with_children(ids)?.iter().map(ToString::to_string).collect())
        });
        let ports = |name: &'static str| -> Result<Vec<Ports>> {
            let parse = |value: &str| {
                parse_ports(value)
                    .map_err(|reason| Invalid::PortFilter { name, value: value.to_owned(), reason }.into())
            };
            filters.values(name).map(parse).collect()
        };
        Ok(Selection {
            all: request.all || filters.values("status").next().is_some(),
            limited: request.limit > 0,
            tasks_only,
            names: patterns(filters, "name"),
            ids: given(filters, "id").then(|| filters.values("id").filter_map(|id| inner.id_of_prefix(id)).collect()),
            exited,
            before: bounds[0],
            since: bounds[1],
            ancestors: ancestors.transpose()?,
            publish: ports("publish")?,
            expose: ports("expose")?,
            filters: filters.clone(),
        })
    }

    pub(crate) fn takes(&self, inner: &Inner, view: &View) -> bool {
        let record = &view.record;
        let filters = &self.filters;
        (self.all || self.limited || record.state.counts_as_running())
            && !self.tasks_only
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&record.id))
            && self.names.as_ref().is_none_or(|names| matches(names, &[&record.name, &format!("/{}", record.name)]))
            && filters.labels_match("label", record.labels())
            && filters.accepts("status", record.state.status())
            && (self.exited.is_empty() || self.has_exited(&record.state))
            && filters.accepts("health", view.health.as_ref().map_or("none", |health| health.status.name()))
            && self.before.is_none_or(|before| record.created < before)
            && self.since.is_none_or(|since| record.created > since)
            && self.ancestors.as_ref().is_none_or(|images| images.contains(&record.image))
            && filters.any("volume", |wanted| {
                record.mounts.iter().filter(|mount| !mount.hidden).any(|mount| {
                    let source = match &mount.source {
                        Source::Volume { name, .. } => name == wanted,
                        Source::Bind { path, .. } => path.as_os_str() == wanted,
                        Source::Share { path } => path == wanted,
                        Source::Image { id, .. } => id == wanted,
                        Source::Tmpfs { .. } | Source::Overlay { .. } => false,
                    };
                    source || mount.destination == wanted
                })
            })
            && (!filters.contains("network") || self.on_network(inner, view))
            && (self.publish.is_empty() && self.expose.is_empty() || self.has_port(inner, view))
    }

    /// A container that never ran has not exited with 0.
    fn has_exited(&self, state: &State) -> bool {
        matches!(state, State::Exited(exit) if self.exited.contains(&exit.code))
    }

    fn on_network(&self, inner: &Inner, view: &View) -> bool {
        let networks = inner.networks(view, &inner.live_endpoints(view));
        self.filters.any("network", |wanted| {
            networks.iter().any(|(name, settings)| name == wanted || settings.network_id.starts_with(wanted))
        })
    }

    /// Either is enough: a port of the host's in `publish`, or one of the container's in `expose`.
    fn has_port(&self, inner: &Inner, view: &View) -> bool {
        let within = |ranges: &[Ports], port: u16, protocol: &str| {
            ranges.iter().any(|range| range.protocol == protocol && (range.first..=range.last).contains(&port))
        };
        ports(&inspect::ports(view, &inner.live_endpoints(view))).iter().any(|port| {
            within(&self.publish, port.public_port, &port.protocol)
                || within(&self.expose, port.private_port, &port.protocol)
        })
    }
}

/// `80`, `80/udp`, `8000-8010/tcp`; in Go's words what is wrong with another, `None` for a colon.
fn parse_ports(text: &str) -> Result<Ports, Option<String>> {
    if text.contains(':') {
        return Err(None);
    }
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let number = |text: &str| -> Result<u16, Option<String>> {
        text.parse().map_err(|_| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let reason = if digits { "value out of range" } else { "invalid syntax" };
            Some(format!("strconv.ParseUint: parsing \"{text}\": {reason}"))
        })
    };
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(Some(format!("Invalid range specified for the Port: {numbers}")));
    }
    Ok(Ports { first, last, protocol: protocol.to_owned() })
}

fn given(filters: &Filters, name: &str) -> bool {
    filters.values(name).next().is_some()
}

/// Values are regular expressions; what is none matches nothing.
fn patterns(filters: &Filters, name: &str) -> Option<Vec<Regex>> {
    given(filters, name).then(|| filters.values(name).filter_map(|value| Regex::new(value).ok()).collect())
}

fn matches(patterns: &[Regex], texts: &[&str]) -> bool {
    patterns.iter().any(|pattern| texts.iter().any(|text| pattern.is_match(text)))
}

/// What a prune may take: `label`, `label!` and `until`.
pub(crate) fn prunable(filters: &Filters) -> Result<impl Fn(&View) -> bool + use<'_>> {
    filters.only(&["label", "label!", "until"]).map_err(Invalid::Filter)?;
    let given: Vec<&str> = filters.values("until").collect();
    let until = match given[..] {
        [] => None,
        [text] => Some(parse_until(text)?),
        _ => return Err(Invalid::SeveralUntil.into()),
    };
    let sparing = filters.values("label!").next().is_some();
    Ok(move |view: &View| {
        let record = &view.record;
        // What has all of these, as with dockerd.
        let spared = sparing && filters.labels_match("label!", record.labels());
        filters.labels_match("label", record.labels()) && !spared && until.is_none_or(|until| record.created <= until)
    })
}

fn parse_until(text: &str) -> Result<UnixNanos, Invalid> {
    crate::logs::until(text).map_err(|_| Invalid::Until(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_times() {
        let range = |first, last, protocol: &str| Ok(Ports { first, last, protocol: protocol.to_owned() });
        assert_eq!(parse_ports("80"), range(80, 80, "tcp"));
        assert_eq!(parse_ports("10-20/udp"), range(10, 20, "udp"));
        for (text, reason) in [
            ("x", "strconv.ParseUint: parsing \"x\": invalid syntax"),
            ("1-70000", "strconv.ParseUint: parsing \"70000\": value out of range"),
            ("9-8", "Invalid range specified for the Port: 9-8"),
        ] {
            assert_eq!(parse_ports(text), Err(Some(reason.to_owned())));
        }
        assert_eq!(parse_ports("a:b"), Err(None));
        let hour_ago = parse_until("1h").expect("a duration");
        let difference = crate::logs::now() - hour_ago;
        assert!((3_600_000_000_000..3_601_000_000_000).contains(&difference));
        assert!(parse_until("1x").is_err());
        assert_eq!(parse_until("1700000000").expect("a time"), 1_700_000_000_000_000_000);
    }

    #[test]
    fn names_are_patterns() {
        let filters = Filters::default().with("name", "^web").with("name", "d(b");
        let patterns = patterns(&filters, "name").expect("given");
        assert!(matches(&patterns, &["web1", "/web1"]));
        assert!(!matches(&patterns, &["d(b"]));
        assert!(!matches(&patterns, &["my-web", "/my-web"]));
    }
}
