//! Which events a client wants: the rules of dockerd's `GET /events`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Event, Kind};

/// A predicate over events. Values of one filter are alternatives, filters of different names must all hold; labels
/// must all be there. A container, network, volume or daemon is named by a prefix of its ID or name, whatever the kind of event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    fields: BTreeMap<String, BTreeSet<String>>,
}

impl Filter {
    /// From the parsed `filters` parameter. Names that mean nothing for events are ignored, as dockerd does.
    pub fn new(fields: BTreeMap<String, BTreeSet<String>>) -> Self {
        Self { fields }
    }

    pub fn matches(&self, event: &Event) -> bool {
        self.event(&event.action)
            && self.exact("type", event.kind.as_str())
            && self.exact("scope", "local")
            && ["daemon", "container", "plugin", "volume", "network", "node", "service", "secret", "config"]
                .iter()
                .all(|name| self.names(name, event))
            && self.image(event)
            && self.labels(&event.attributes)
    }

    fn wanted(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.fields.get(name).filter(|values| !values.is_empty())
    }

    fn exact(&self, name: &str, value: &str) -> bool {
        self.wanted(name).is_none_or(|values| values.contains(value))
    }

    fn prefix(&self, name: &str, value: &str) -> bool {
        self.wanted(name).is_none_or(|values| values.iter().any(|wanted| value.starts_with(wanted.as_str())))
    }

    /// `exec_create` and its like carry details after a colon, and may be asked for without them.
    fn event(&self, action: &str) -> bool {
        let Some(wanted) = self.wanted("event") else { return true };
        if ["health_status", "exec_create", "exec_start"].iter().any(|word| wanted.contains(*word)) {
            self.prefix("event", action)
        } else {
            wanted.contains(action)
        }
    }

    fn names(&self, name: &str, event: &Event) -> bool {
        self.prefix(name, &event.actor) || self.prefix(name, event.attributes.get("name").map_or("", String::as_str))
    }

    /// Images by reference, with or without the tag; containers count as events of their image.
    fn image(&self, event: &Event) -> bool {
        let Some(wanted) = self.wanted("image") else { return true };
        let attribute = if event.kind == Kind::Image { "name" } else { "image" };
        let image = event.attributes.get(attribute).map_or("", String::as_str);
        [event.actor.as_str(), image, without_tag(&event.actor), without_tag(image)]
            .iter()
            .any(|name| wanted.contains(*name))
    }

    fn labels(&self, attributes: &BTreeMap<String, String>) -> bool {
        self.wanted("label").into_iter().flatten().all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => attributes.get(key).is_some_and(|have| have == value),
            None => attributes.contains_key(wanted),
        })
    }
}

/// The repository of a reference: what stands before the tag or digest.
fn without_tag(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(fields: &[(&str, &[&str])]) -> Filter {
        let fields = fields.iter().map(|(name, values)| {
            ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>())
        });
        Filter::new(fields.collect())
    }

    fn start() -> Event {
        Event::new(Kind::Container, "start", "0123456789ab")
            .with("name", "web")
            .with("image", "localhost:5000/team/nginx:1.27")
            .with("tier", "front")
    }

    #[test]
    fn container_events_are_chosen() {
        let check = |fields: &[(&str, &[&str])], expect| {
            assert_eq!(filter(fields).matches(&start()), expect, "{fields:?}");
        };
        check(&[], true);
        check(&[("type", &["container"])], true);
        check(&[("type", &["image", "network"])], false);
        check(&[("event", &["start", "stop"])], true);
        check(&[("event", &["star"])], false);
        check(&[("container", &["0123"])], true);
        check(&[("container", &["web"])], true);
        check(&[("container", &["we"])], true);
        check(&[("container", &["other"])], false);
        check(&[("image", &["localhost:5000/team/nginx"])], true);
        check(&[("image", &["localhost:5000/team/nginx:1.27"])], true);
        check(&[("image", &["nginx"])], false);
        check(&[("label", &["tier=front"])], true);
        check(&[("label", &["tier", "tier=back"])], false);
        check(&[("scope", &["swarm"])], false);
        check(&[("type", &["container"]), ("event", &["die"])], false);
    }

    #[test]
    fn details_after_a_colon_may_be_left_out() {
        let probe = Event::new(Kind::Container, "health_status: healthy", "a");
        assert!(filter(&[("event", &["health_status"])]).matches(&probe));
        assert!(filter(&[("event", &["health_status: healthy"])]).matches(&probe));
        assert!(!filter(&[("event", &["health_status: unhealthy"])]).matches(&probe));
    }

    #[test]
    fn image_events_are_chosen_by_name() {
        let tag = Event::new(Kind::Image, "tag", "sha256:12").with("name", "busybox:latest");
        assert!(filter(&[("image", &["busybox"])]).matches(&tag));
        assert!(filter(&[("image", &["busybox:latest"])]).matches(&tag));
        assert!(!filter(&[("image", &["busy"])]).matches(&tag));
    }

    #[test]
    fn ports_are_not_tags() {
        assert_eq!(without_tag("localhost:5000/a"), "localhost:5000/a");
        assert_eq!(without_tag("localhost:5000/a:1@sha256:00"), "localhost:5000/a");
    }
}
