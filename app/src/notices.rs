//! What the user is told who does not look: a container that failed, a disk that fills.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use host::machine::Phase;
use http_body_util::BodyExt;
use notify_rust::Notification;
use serde::Deserialize;
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::error::RecvError;

use crate::containers::{Containers, Event};
use crate::daemon::Daemon;
use crate::error::Error;
use crate::machine::Watched;
use crate::preferences::Kept;
use crate::requests::get;
use crate::words;

/// A container that is restarted again and again is told of once in this time.
const QUIET: Duration = Duration::from_secs(600);

/// So many failures are told one by one ...
const ONE_BY_ONE: usize = 3;

/// ... in this time, and after it how many more there were.
const SPAN: Duration = Duration::from_secs(300);

/// How often the machine is asked for its disk.
const DISK: Duration = Duration::from_secs(60);

/// Follows containers and disk for as long as the program runs.
pub(crate) fn follow(app: &AppHandle) {
    let (failing, filling) = (app.clone(), app.clone());
    tauri::async_runtime::spawn(async move { follow_containers(&failing).await });
    tauri::async_runtime::spawn(async move { follow_disk(&filling).await });
}

async fn follow_containers(app: &AppHandle) {
    let mut events = app.state::<Containers>().events();
    let (mut failures, mut flood) = (Failures::default(), Flood::default());
    loop {
        let over = flood.over();
        let over = async {
            match over {
                Some(over) => tokio::time::sleep_until(over.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => {
                    if let Some(failed) = failures.see(&event, Instant::now())
                        && wants_notices(app)
                        && !is_attended(app, &event.actor.id).await
                        && (!flood.passes(Instant::now()) || tell(words::of_this_system().failed(&failed)).await)
                    {
                        failures.told(event.actor.id, Instant::now());
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            () = over => {
                let held = flood.end(Instant::now());
                if wants_notices(app) {
                    tell(words::of_this_system().more_failed(held)).await;
                }
            }
        }
    }
}

/// Whether somebody sees the end without being told: who started it in a terminal, and whoever runs it for one answer (`--rm`).
async fn is_attended(app: &AppHandle, id: &str) -> bool {
    let daemon = app.state::<Daemon>().inner().clone();
    let looked = async {
        let body = get(&daemon, &format!("/containers/{id}/json")).await?;
        let bytes = body.collect().await.map_err(|error| Error::Unreachable(error.to_string()))?.to_bytes();
        serde_json::from_slice::<Inspected>(&bytes).map_err(|error| Error::Malformed(error.to_string()))
    };
    match looked.await {
        Ok(container) => container.config.attached || container.host_config.removed_at_its_end,
        Err(Error::Answer { status: 404, .. }) => true,
        Err(error) => {
            tracing::debug!(%error, "a container that failed cannot be looked at");
            false
        }
    }
}

/// A container, as far as it is of interest here.
#[derive(Deserialize)]
struct Inspected {
    #[serde(rename = "Config")]
    config: Config,
    #[serde(rename = "HostConfig")]
    host_config: HostConfig,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "AttachStdout", default)]
    attached: bool,
}

#[derive(Deserialize)]
struct HostConfig {
    #[serde(rename = "AutoRemove", default)]
    removed_at_its_end: bool,
}

async fn follow_disk(app: &AppHandle) {
    let mut machine = app.state::<Watched>().subscribe();
    let mut disk = Disk::default();
    while machine.wait_for(|status| status.phase == Phase::Running).await.is_ok() {
        let daemon = app.state::<Daemon>().inner().clone();
        if let Ok(client) = daemon.running().await
            && let Ok(status) = client.status().await
            && let Some(guest) = status.guest
            && disk.see(guest.disk_available, guest.disk_total)
            && wants_notices(app)
        {
            disk.told = tell(words::of_this_system().filling(guest.disk_available)).await;
        }
        tokio::time::sleep(DISK).await;
    }
}

fn wants_notices(app: &AppHandle) -> bool {
    app.state::<Kept>().now().notifications
}

/// Whether it was shown.
async fn tell((title, text): (String, String)) -> bool {
    // Blocking on some systems; a desktop without notifications is no fault of ours.
    let shown = tokio::task::spawn_blocking(move || {
        Notification::new().appname("Berth").summary(&title).body(&text).show().map(drop)
    });
    match shown.await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a notice is not shown");
            false
        }
        Err(_) => false,
    }
}

/// A container that ended badly by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) name: String,
    pub(crate) code: i32,
    pub(crate) out_of_memory: bool,
}

/// Signals by which one means to end a program, as the engine's events number them: SIGINT, SIGQUIT, SIGKILL, SIGTERM.
const ENDING: &[&str] = &["2", "3", "9", "15"];

/// Tells failures from ends that somebody wanted.
#[derive(Debug, Default)]
struct Failures {
    /// Containers that were sent a signal and still run.
    killed: HashSet<String>,
    /// Containers that ran out of memory and still run.
    starved: HashSet<String>,
    told: HashMap<String, Instant>,
}

impl Failures {
    /// Of this one the user knows now.
    fn told(&mut self, id: String, now: Instant) {
        self.told.insert(id, now);
    }

    /// A failure of which the user does not know yet.
    fn see(&mut self, event: &Event, now: Instant) -> Option<Failed> {
        let id = &event.actor.id;
        match event.action.as_str() {
            // Others, as SIGHUP, are for programs that go on.
            "kill" if event.actor.attributes.get("signal").is_none_or(|signal| ENDING.contains(&signal.as_str())) => {
                self.killed.insert(id.clone());
            }
            "oom" => drop(self.starved.insert(id.clone())),
            "start" => {
                self.killed.remove(id);
                self.starved.remove(id);
            }
            "die" => {
                let (wanted, out_of_memory) = (self.killed.remove(id), self.starved.remove(id));
                let attribute = |name: &str| event.actor.attributes.get(name).cloned();
                let code: i32 = attribute("exitCode")?.parse().ok()?;
                self.told.retain(|_, told| now.duration_since(*told) < QUIET);
                if code != 0 && !wanted && !self.told.contains_key(id) {
                    return Some(Failed { name: attribute("name").unwrap_or_else(|| id.clone()), code, out_of_memory });
                }
            }
            _ => {}
        }
        None
    }
}

/// Keeps many failures from being as many notices: some are shown, then their number.
#[derive(Debug, Default)]
struct Flood {
    /// When the first one was shown.
    begun: Option<Instant>,
    shown: usize,
    held: usize,
}

impl Flood {
    /// Whether one more is shown; else it is counted.
    fn passes(&mut self, now: Instant) -> bool {
        if self.held == 0 && self.begun.is_none_or(|begun| now.duration_since(begun) >= SPAN) {
            *self = Flood { begun: Some(now), ..Flood::default() };
        }
        if self.shown < ONE_BY_ONE {
            self.shown += 1;
            return true;
        }
        self.held += 1;
        false
    }

    /// When the number of those is to be told that were not shown.
    fn over(&self) -> Option<Instant> {
        self.begun.filter(|_| self.held > 0).map(|begun| begun + SPAN)
    }

    /// That number; telling it is a notice, too.
    fn end(&mut self, now: Instant) -> usize {
        let held = self.held;
        *self = Flood { begun: Some(now), shown: 1, held: 0 };
        held
    }
}

/// Says once that the disk fills, and again after it had room.
#[derive(Debug, Default)]
struct Disk {
    told: bool,
}

impl Disk {
    /// Whether to tell of it: less than a tenth is free.
    fn see(&mut self, available: u64, total: u64) -> bool {
        let (little, room) = (available < total / 10, available > total / 100 * 15);
        self.told &= !room;
        little && !self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::Actor;

    fn event(action: &str, id: &str, code: &str) -> Event {
        let attributes =
            HashMap::from([("name".to_owned(), format!("{id}-name")), ("exitCode".to_owned(), code.to_owned())]);
        Event { action: action.to_owned(), actor: Actor { id: id.to_owned(), attributes }, time: 0 }
    }

    #[test]
    fn only_what_ended_badly_by_itself_is_told() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let mut see = |action, id, code| failures.see(&event(action, id, code), now).map(|failed| failed.name);
        assert_eq!(see("die", "well", "0"), None);
        assert_eq!(see("kill", "stopped", ""), None);
        assert_eq!(see("die", "stopped", "137"), None, "somebody wanted it");
        assert_eq!(see("start", "stopped", ""), None);
        assert_eq!(see("die", "stopped", "137").as_deref(), Some("stopped-name"), "nobody wanted it this time");
    }

    #[test]
    fn one_that_reloads_at_a_signal_and_fails_later_is_told() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let mut reload = event("kill", "web", "");
        reload.actor.attributes.insert("signal".to_owned(), "1".to_owned());
        assert_eq!(failures.see(&reload, now), None);
        assert!(failures.see(&event("die", "web", "1"), now).is_some());
    }

    #[test]
    fn a_restart_loop_is_told_once_in_a_while() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let die = event("die", "loop", "1");
        assert!(failures.see(&die, now).is_some());
        assert!(failures.see(&die, now).is_some(), "nobody was told");
        failures.told("loop".to_owned(), now);
        assert!(failures.see(&die, now + QUIET / 2).is_none());
        assert!(failures.see(&die, now + QUIET).is_some());
        assert!(failures.see(&event("die", "other", "1"), now).is_some());
    }

    #[test]
    fn of_many_failures_their_number_is_told() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!([0, 1, 2, 3, 4].map(|second| flood.passes(at(second))), [true, true, true, false, false]);
        assert_eq!(flood.over(), Some(now + SPAN));
        assert_eq!(flood.end(now + SPAN), 2);
        assert_eq!(flood.over(), None);
        // That one was a notice as well.
        assert_eq!([0, 1, 2].map(|second| flood.passes(at(second) + SPAN)), [true, true, false]);
        let mut rare = Flood::default();
        assert!((0..20).all(|time| rare.passes(now + SPAN * time)));
    }

    #[test]
    fn want_of_memory_is_named() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        failures.see(&event("oom", "big", ""), now);
        let failed = failures.see(&event("die", "big", "137"), now).unwrap();
        assert_eq!((failed.code, failed.out_of_memory), (137, true));
    }

    #[test]
    fn a_disk_that_fills_is_told_once_until_it_has_room() {
        let mut disk = Disk::default();
        let mut look = |available, shown| {
            let tell = disk.see(available, 100);
            disk.told |= tell && shown;
            tell
        };
        assert_eq!([50, 9, 5].map(|available| look(available, false)), [false, true, true], "nobody was told");
        let told = [9, 5, 12, 9, 20, 8].map(|available| look(available, true));
        assert_eq!(told, [true, false, false, false, false, true]);
    }
}
