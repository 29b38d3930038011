//! `docker ps`: which containers, and a line about each.

use crate::create::merge::command;
use crate::filters::Selection;
use crate::handle::View;
use crate::logs::now;
use crate::record::Record;
use crate::requests::ListRequest;
use crate::service::Inner;
use crate::state::{Exit, State};
use crate::{Containers, Error, Result, inspect};
use engine_api::ContainerSummary;
use engine_api::container::{HostConfigSummary, NetworkSettingsSummary, Port};
use engine_api::host_config::PortMap;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// So many containers are listed sooner than another thread takes them over.
const SHORT: usize = 32;

/// A list that is being made, newest container first: one after the other, so that a thousand are never held at once.
#[derive(Debug)]
pub struct Listing {
    inner: Arc<Inner>,
    chosen: std::vec::IntoIter<Arc<View>>,
    size: bool,
    further_names: Arc<HashMap<String, BTreeSet<String>>>,
    /// What names of images mean: most containers are of a few images, and each question is one to the store.
    images: HashMap<String, Option<String>>,
}

impl Containers {
    /// The containers that a request means, as they are now.
    pub fn listing(&self, request: ListRequest) -> Result<Listing> {
        let selection = Selection::new(&self.inner, &request)?;
        let mut views = self.inner.views();
        views.sort_by_key(|view| std::cmp::Reverse(view.record.created));
        let limit = if request.limit == 0 { usize::MAX } else { request.limit };
        let chosen: Vec<Arc<View>> =
            views.into_iter().filter(|view| selection.takes(&self.inner, view)).take(limit).collect();
        Ok(Listing {
            inner: Arc::clone(&self.inner),
            chosen: chosen.into_iter(),
            size: request.size,
            further_names: Arc::new(self.inner.names_by_links()),
            images: HashMap::new(),
        })
    }

    /// Whether a container runs on the machine's own network.
    pub fn is_any_on_the_machines_network(&self) -> bool {
        self.inner.views().iter().any(|view| view.run.is_some() && view.record.host.network_mode == "host")
    }

    /// All of a [`Listing`].
    pub async fn list(&self, request: ListRequest) -> Result<Vec<ContainerSummary>> {
        let mut listing = self.listing(request)?;
        let mut list = Vec::with_capacity(listing.at_most());
        while let Some(summary) = listing.next().await? {
            list.push(summary);
        }
        Ok(list)
    }
}

impl Listing {
    /// How many containers are still to come, at most.
    pub fn at_most(&self) -> usize {
        self.chosen.len()
    }

    /// The same list in successive parts, for so many threads at most; one, when it is short.
    pub fn split(self, threads: usize) -> Vec<Listing> {
        let parts = (self.at_most() / SHORT).clamp(1, threads.max(1));
        let length = self.at_most().div_ceil(parts).max(1);
        let mut rest = self.chosen;
        let part = |chosen: Vec<Arc<View>>| Listing {
            inner: Arc::clone(&self.inner),
            chosen: chosen.into_iter(),
            size: self.size,
            further_names: Arc::clone(&self.further_names),
            images: HashMap::new(),
        };
        (0..parts).map(|_| part(rest.by_ref().take(length).collect())).collect()
    }

    /// The next container; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<ContainerSummary>> {
        while let Some(view) = self.chosen.next() {
            let mut summary = self.summary(&view);
            let further = self.further_names.get(&view.record.id).into_iter().flatten();
            summary.names.extend(further.map(|name| format!("/{name}")));
            // As in dockerd.
            summary.names.sort();
            if self.size {
                (summary.size_rw, summary.size_root_fs) = match self.inner.sizes(&view.record).await {
                    // It went while others were measured.
                    Err(Error::NoSuchContainer(_)) => continue,
                    sizes => sizes?,
                };
            }
            return Ok(Some(summary));
        }
        Ok(None)
    }

    fn summary(&mut self, view: &View) -> ContainerSummary {
        let record = &view.record;
        let live = self.inner.live_endpoints(view);
        ContainerSummary {
            id: record.id.clone(),
            names: vec![format!("/{}", record.name)],
            image: self.image_name(record),
            image_id: record.image.clone(),
            command: command_line(record),
            created: record.created / 1_000_000_000,
            ports: ports(&inspect::ports(view, &live)),
            labels: record.labels().clone(),
            state: record.state.status().to_owned(),
            status: status(view),
            host_config: HostConfigSummary {
                network_mode: record.host.network_mode.clone(),
                annotations: record.host.annotations.clone(),
            },
            network_settings: Some(NetworkSettingsSummary { networks: self.inner.networks(view, &live) }),
            mounts: self.inner.mounts(record),
            ..ContainerSummary::default()
        }
    }

    /// As the user wrote it, or the id when that name means another image by now.
    fn image_name(&mut self, record: &Record) -> String {
        let name = &record.config.image;
        let meant = match self.images.get(name) {
            Some(meant) => meant,
            None => {
                let id = self.inner.services.images.resolve(name).ok().map(|id| id.to_string());
                self.images.entry(name.clone()).or_insert(id)
            }
        };
        if meant.as_ref() == Some(&record.image) { name.clone() } else { record.image.clone() }
    }
}

fn command_line(record: &Record) -> String {
    let words: Vec<String> = command(&record.config)
        .into_iter()
        .enumerate()
        .map(|(at, word)| if at > 0 && word.contains(' ') { format!("'{word}'") } else { word })
        .collect();
    words.join(" ")
}

pub(crate) fn ports(map: &PortMap) -> Vec<Port> {
    let mut list = Vec::new();
    for (port, bindings) in map {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let Ok(private_port) = number.parse() else { continue };
        let unbound = Port { private_port, protocol: protocol.to_owned(), ..Port::default() };
        match bindings.as_deref() {
            None | Some([]) => list.push(unbound),
            Some(bindings) => list.extend(bindings.iter().map(|binding| Port {
                ip: binding.host_ip.clone(),
                public_port: binding.host_port.parse().unwrap_or(0),
                ..unbound.clone()
            })),
        }
    }
    list.sort();
    list
}

/// `Up 5 minutes (healthy)`, `Exited (0) 3 seconds ago`, ...
pub(crate) fn status(view: &View) -> String {
    let since = |nanos: i64| human(Duration::from_nanos(u64::try_from(now() - nanos).unwrap_or(0)));
    match &view.record.state {
        State::Created(_) | State::Starting(_) => "Created".to_owned(),
        State::Running(process) => {
            let up = format!("Up {}", since(process.started_at));
            match &view.health {
                Some(health) if health.status == crate::health::Status::Starting => format!("{up} (health: starting)"),
                Some(health) => format!("{up} ({})", health.status.name()),
                None => up,
            }
        }
        State::Paused(process) => format!("Up {} (Paused)", since(process.started_at)),
        State::Restarting(Exit { code, finished_at, .. }) => {
            format!("Restarting ({code}) {} ago", since(*finished_at))
        }
        State::Exited(Exit { code, finished_at, .. }) => format!("Exited ({code}) {} ago", since(*finished_at)),
        State::Removing(_) => "Removal In Progress".to_owned(),
    }
}

/// For how long [`human`] says the same from `duration` on.
fn holds(duration: Duration) -> Duration {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    let seconds = duration.as_secs();
    let next = match seconds {
        0..MINUTE => seconds + 1,
        MINUTE..HOUR => (seconds / MINUTE + 1) * MINUTE,
        // Hours are rounded, and all that is longer is made of them: the text may change with each.
        _ => ((seconds + HOUR / 2) / HOUR + 1) * HOUR - HOUR / 2,
    };
    Duration::from_secs(next).saturating_sub(duration)
}

impl crate::Containers {
    /// For how long lists of containers stay as they are while nothing happens, since they say how long ago something did; `None`: for ever.
    pub fn lists_hold(&self) -> Option<Duration> {
        let since = |nanos: i64| Duration::from_nanos(u64::try_from(now() - nanos).unwrap_or(0));
        let told = self.inner.views().into_iter().filter_map(|view| match &view.record.state {
            State::Running(process) | State::Paused(process) => Some(process.started_at),
            State::Restarting(exit) | State::Exited(exit) => Some(exit.finished_at),
            State::Created(_) | State::Starting(_) | State::Removing(_) => None,
        });
        told.map(|nanos| holds(since(nanos))).min()
    }
}

/// go-units' `HumanDuration`, which clients and scripts know.
fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (3600 * 5, "5 hours"),
            (3600 * 72, "3 days"),
            (3600 * 24 * 21, "3 weeks"),
            (3600 * 24 * 90, "3 months"),
            (3600 * 24 * 800, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn a_text_holds_until_the_next_may_begin() {
        let mut at = Duration::ZERO;
        while at < Duration::from_secs(3 * 24 * 3600) {
            let held = holds(at);
            assert!(!held.is_zero());
            assert_eq!(human(at), human(at + held - Duration::from_nanos(1)), "{at:?} {held:?}");
            at += held / 2 + Duration::from_secs(1);
        }
        assert_eq!(holds(Duration::from_secs(61)), Duration::from_secs(59));
        assert_eq!(holds(Duration::from_secs(2 * 3600)), Duration::from_secs(1800));
    }
}
