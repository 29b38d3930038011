//! What the machine is doing, for the tray and the notices; start and stop from the tray. The pages ask the daemon themselves.

use std::time::Duration;

use host::machine::MachineStatus;
use tauri::{AppHandle, Manager};
use tokio::sync::watch;

use crate::daemon::Daemon;
use crate::error::Result;
use crate::window;

/// How often it is looked whether a daemon runs while none does: one failing connect.
const ABSENT: Duration = Duration::from_secs(2);

/// The machine's status as it was told last; without a daemon it is held to be stopped.
#[derive(Debug)]
pub(crate) struct Watched(watch::Sender<MachineStatus>);

impl Watched {
    pub(crate) fn subscribe(&self) -> watch::Receiver<MachineStatus> {
        self.0.subscribe()
    }

    pub(crate) fn now(&self) -> MachineStatus {
        self.0.borrow().clone()
    }
}

/// Follows the machine for as long as the program runs.
pub(crate) fn follow(app: &AppHandle) {
    app.manage(Watched(watch::Sender::new(MachineStatus::stopped())));
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        loop {
            let followed = follow_one(&app).await;
            let followed = followed.inspect_err(|error| tracing::debug!(%error, "the daemon is not followed"));
            tell(&app, MachineStatus::stopped());
            if let Some(name) = app.state::<Daemon>().leave_if_gone() {
                window::show_without(&app, name.as_str());
            } else if !followed.is_ok_and(|end| end == End::Turned) {
                tokio::time::sleep(ABSENT).await;
            }
        }
    });
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Ended,
    /// The window shows another machine.
    Turned,
}

/// One daemon's machine, until that daemon ends or the window shows another machine, be it while this one keeps everybody waiting.
async fn follow_one(app: &AppHandle) -> Result<End> {
    let daemon = app.state::<Daemon>().inner().clone();
    let mut turns = daemon.turns();
    let told = async {
        let mut statuses = daemon.running().await?.watch().await?;
        while let Some(status) = statuses.next().await? {
            tell(app, status);
        }
        Ok(End::Ended)
    };
    tokio::select! {
        end = told => end,
        _ = turns.changed() => Ok(End::Turned),
    }
}

fn tell(app: &AppHandle, status: MachineStatus) {
    app.state::<Watched>().0.send_if_modified(|last| {
        let changed = *last != status;
        *last = status;
        changed
    });
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Up,
    Down,
}

/// Makes the change and ends when the machine has come to rest. The daemon is started for it.
///
/// # Errors
/// Why the machine did not come to the state that was asked for.
pub(crate) async fn change(daemon: &Daemon, change: Change) -> Result<()> {
    let client = daemon.client().await?;
    let statuses = match change {
        Change::Up => client.up().await?,
        Change::Down => client.down().await?,
    };
    statuses.settled().await?;
    Ok(())
}
