//! The running containers, for the tray, and what befalls them, for the notices: one connection to the engine, while it answers.

use std::time::Duration;

use host::machine::Phase;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tauri::{AppHandle, Manager};
use tokio::sync::{Notify, broadcast, watch};

use crate::daemon::Daemon;
use crate::error::{Error, Result};
use crate::machine::Watched;
use crate::requests::get;

/// `/events` of containers only, without those of every exec and health check.
const EVENTS: &str = concat!(
    "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B",
    "%22start%22%2C%22die%22%2C%22kill%22%2C%22oom%22%2C%22rename%22%5D%7D"
);

/// How long after a connection that broke the next one is made.
const AGAIN: Duration = Duration::from_secs(2);

/// The shortest time between two looks at the list: as many containers as one likes may start at once.
const SETTLE: Duration = Duration::from_millis(300);

/// Notices that lag behind by more than this many events miss some.
const BACKLOG: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Running {
    #[serde(rename = "Id")]
    pub(crate) id: String,
    #[serde(rename = "Names")]
    names: Vec<String>,
}

impl Running {
    /// Its own, without the slash in front: links of other containers add names with a second one. A container that lost its name at this
    /// moment is told by its identifier.
    pub(crate) fn name(&self) -> &str {
        let own = self.names.iter().find(|name| name.rfind('/') == Some(0)).or(self.names.first());
        own.map_or(&self.id, |name| name.trim_start_matches('/'))
    }
}

/// An event of the engine, as far as it is of interest here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Event {
    #[serde(rename = "Action")]
    pub(crate) action: String,
    #[serde(rename = "Actor")]
    pub(crate) actor: Actor,
    /// Nanoseconds since the epoch.
    #[serde(rename = "timeNano")]
    pub(crate) time: i64,
}

impl Event {
    /// Whether it makes the list of running containers another one.
    fn changes_the_list(&self) -> bool {
        matches!(self.action.as_str(), "start" | "die" | "rename")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Actor {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(rename = "Attributes")]
    pub(crate) attributes: std::collections::HashMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct Containers {
    running: watch::Sender<Vec<Running>>,
    events: broadcast::Sender<Event>,
}

impl Containers {
    /// The newest first.
    pub(crate) fn running(&self) -> watch::Receiver<Vec<Running>> {
        self.running.subscribe()
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

/// Follows them for as long as the program runs.
pub(crate) fn follow(app: &AppHandle) {
    app.manage(Containers { running: watch::Sender::new(Vec::new()), events: broadcast::Sender::new(BACKLOG) });
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let mut machine = app.state::<Watched>().subscribe();
        let mut last = None;
        while machine.wait_for(|status| status.phase == Phase::Running).await.is_ok() {
            let containers = app.state::<Containers>();
            tokio::select! {
                end = follow_engine(&app, &mut last) => if let Err(error) = end {
                    tracing::debug!(%error, "the engine is not followed");
                },
                // What ends with the machine has not failed.
                _ = machine.wait_for(|status| status.phase != Phase::Running) => last = None,
            }
            containers.running.send_if_modified(|running| !std::mem::take(running).is_empty());
            tokio::time::sleep(AGAIN).await;
        }
    });
}

/// Until the engine ends the connection. `last` is when the last event happened that was seen.
async fn follow_engine(app: &AppHandle, last: &mut Option<i64>) -> Result<()> {
    let daemon = app.state::<Daemon>().inner().clone();
    let containers = app.state::<Containers>();
    // First the events: nothing happens unseen between the two.
    let events = Lines { body: get(&daemon, &since(*last)).await?, rest: Vec::new() };
    let changed = Notify::new();
    changed.notify_one();
    tokio::select! {
        end = read(events, last, &containers, &changed) => end,
        end = show(&daemon, &containers, &changed) => end,
    }
}

async fn read(mut events: Lines, last: &mut Option<i64>, containers: &Containers, changed: &Notify) -> Result<()> {
    while let Some(event) = events.next::<Event>().await? {
        // The engine tells those of that very moment again.
        if last.is_some_and(|last| event.time <= last) {
            continue;
        }
        *last = Some(event.time);
        if event.changes_the_list() {
            changed.notify_one();
        }
        // Nobody may be there to be told.
        let _ = containers.events.send(event);
    }
    Ok(())
}

/// Looks at the list when it changed: once for all changes that came while it was looked at.
async fn show(daemon: &Daemon, containers: &Containers, changed: &Notify) -> Result<()> {
    loop {
        changed.notified().await;
        let running: Vec<Running> = list(daemon).await?;
        containers.running.send_if_modified(|last| {
            let changed = *last != running;
            *last = running;
            changed
        });
        tokio::time::sleep(SETTLE).await;
    }
}

/// The events from then on; what happened between two connections is told by the second one.
fn since(last: Option<i64>) -> String {
    match last {
        Some(time) => format!("{EVENTS}&since={}.{:09}", time / 1_000_000_000, time % 1_000_000_000),
        None => EVENTS.to_owned(),
    }
}

async fn list(daemon: &Daemon) -> Result<Vec<Running>> {
    let bytes = get(daemon, "/containers/json").await?.collect().await.map_err(broken)?.to_bytes();
    serde_json::from_slice(&bytes).map_err(broken)
}

/// Values of JSON, one a line.
struct Lines {
    body: Incoming,
    rest: Vec<u8>,
}

impl Lines {
    async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(broken);
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Unreachable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_goes_by_its_own_name() {
        let named =
            |names: &[&str]| Running { id: "f00".to_owned(), names: names.iter().map(ToString::to_string).collect() };
        assert_eq!(named(&["/web/db", "/db"]).name(), "db");
        assert_eq!(named(&["/db"]).name(), "db");
        assert_eq!(named(&[]).name(), "f00");
    }

    #[test]
    fn the_next_connection_begins_where_the_last_one_ended() {
        assert_eq!(since(None), EVENTS);
        assert_eq!(since(Some(1_700_000_000_000_000_042)), format!("{EVENTS}&since=1700000000.000000042"));
    }
}
