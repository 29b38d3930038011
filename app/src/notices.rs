//! What the user is told who does not look: a container that failed, a disk that fills.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use host::machine::Phase;
use notify_rust::Notification;
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::error::RecvError;

use crate::containers::{Containers, Event};
use crate::daemon::Daemon;
use crate::machine::Watched;
use crate::preferences::Kept;
use crate::words;

/// A container that is restarted again and again is told of once in this time.
const QUIET: Duration = Duration::from_secs(600);

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
    let mut failures = Failures::default();
    loop {
        match events.recv().await {
            Ok(event) => {
                if let Some(failed) = failures.see(&event, Instant::now()) {
                    tell(app, words::of_this_system().failed(&failed)).await;
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
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
        {
            tell(app, words::of_this_system().filling(guest.disk_available)).await;
        }
        tokio::time::sleep(DISK).await;
    }
}

async fn tell(app: &AppHandle, (title, text): (String, String)) {
    if !app.state::<Kept>().now().notifications {
        return;
    }
    // Blocking on some systems; a desktop without notifications is no fault of ours.
    let shown = tokio::task::spawn_blocking(move || {
        Notification::new().appname("Berth").summary(&title).body(&text).show().map(drop)
    });
    if let Ok(Err(error)) = shown.await {
        tracing::debug!(%error, "a notice is not shown");
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
                let told = self.told.contains_key(id);
                if code != 0 && !wanted && !told {
                    self.told.insert(id.clone(), now);
                    return Some(Failed { name: attribute("name").unwrap_or_else(|| id.clone()), code, out_of_memory });
                }
            }
            _ => {}
        }
        None
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
        let tell = little && !self.told;
        self.told = (self.told || little) && !room;
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::Actor;

    fn event(action: &str, id: &str, code: &str) -> Event {
        let attributes =
            HashMap::from([("name".to_owned(), format!("{id}-name")), ("exitCode".to_owned(), code.to_owned())]);
        Event { action: action.to_owned(), actor: Actor { id: id.to_owned(), attributes } }
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
        assert!(failures.see(&die, now + QUIET / 2).is_none());
        assert!(failures.see(&die, now + QUIET).is_some());
        assert!(failures.see(&event("die", "other", "1"), now).is_some());
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
        let told = [50, 9, 5, 12, 9, 20, 8].map(|available| disk.see(available, 100));
        assert_eq!(told, [false, true, false, false, false, false, true]);
    }
}
