//! The running containers, for the tray, and what befalls them, for the notices: one connection to the engine, while it answers.

use std::time::Duration;

use host::machine::Phase;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tauri::{AppHandle, Manager};
use tokio::sync::{broadcast, watch};

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
    /// Without the slash in front; a container that lost its name at this moment is told by its identifier.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or(&self.id, |name| name.trim_start_matches('/'))
    }
}

/// An event of the engine, as far as it is of interest here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Event {
    #[serde(rename = "Action")]
    pub(crate) action: String,
    #[serde(rename = "Actor")]
    pub(crate) actor: Actor,
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
        while machine.wait_for(|status| status.phase == Phase::Running).await.is_ok() {
            let containers = app.state::<Containers>();
            tokio::select! {
                end = follow_engine(&app) => if let Err(error) = end {
                    tracing::debug!(%error, "the engine is not followed");
                },
                _ = machine.wait_for(|status| status.phase != Phase::Running) => {}
            }
            containers.running.send_if_modified(|running| !std::mem::take(running).is_empty());
            tokio::time::sleep(AGAIN).await;
        }
    });
}

/// Until the engine ends the connection.
async fn follow_engine(app: &AppHandle) -> Result<()> {
    let daemon = app.state::<Daemon>().inner().clone();
    let containers = app.state::<Containers>();
    // First the events: nothing happens unseen between the two.
    let mut events = Lines { body: get(&daemon, EVENTS).await?, rest: Vec::new() };
    loop {
        let running: Vec<Running> = list(&daemon).await?;
        containers.running.send_if_modified(|last| {
            let changed = *last != running;
            *last = running;
            changed
        });
        let Some(event) = events.next().await? else { return Ok(()) };
        // Nobody may be there to be told.
        let _ = containers.events.send(event);
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
