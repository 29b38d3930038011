//! Whether there is a newer Berth, for the tray: what the daemon knows, which looks for one. The pages ask the daemon themselves.

use std::time::Duration;

use host::updates::UpdateState;
use tauri::{AppHandle, Manager};
use tokio::sync::watch;

use crate::daemon::Daemon;
use crate::error::Result;
use crate::machine::Watched;

/// How often the daemon is asked: it looks once a day, and whenever a page has it look.
const GLANCE: Duration = Duration::from_secs(5 * 60);

/// The version of the newer Berth that the daemon knew of last.
#[derive(Debug)]
pub(crate) struct Newest(watch::Sender<Option<String>>);

impl Newest {
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<String>> {
        self.0.subscribe()
    }
}

/// Follows it for as long as the program runs.
pub(crate) fn follow(app: &AppHandle) {
    app.manage(Newest(watch::Sender::new(None)));
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let mut machine = app.state::<Watched>().subscribe();
        loop {
            // What is known of a daemon that has ended is as true as it was.
            match newer(app.state::<Daemon>().inner().clone()).await {
                Ok(newer) => tell(&app, newer),
                Err(error) => tracing::debug!(%error, "the daemon does not say whether there is a newer Berth"),
            }
            let phase = machine.borrow_and_update().phase;
            // A daemon that has just come shows in its machine.
            let _ = tokio::time::timeout(GLANCE, machine.wait_for(|now| now.phase != phase)).await;
        }
    });
}

async fn newer(daemon: Daemon) -> Result<Option<String>> {
    let report = daemon.running().await?.updates().await?;
    // Who does not want it looked for does not want to hear of it unasked.
    Ok(report.newer.filter(|_| report.state != UpdateState::Off).map(|newer| newer.version))
}

fn tell(app: &AppHandle, newer: Option<String>) {
    app.state::<Newest>().0.send_if_modified(|last| {
        let changed = *last != newer;
        *last = newer;
        changed
    });
}
