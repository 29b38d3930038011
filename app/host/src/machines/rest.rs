//! Machines with the daemons that they may have: what each is doing, and one brought to rest.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use super::{DEFAULT, Listed, Name, all, has_hypervisor, in_use};
use crate::client::Client;
use crate::machine::Phase;
use crate::paths::Paths;
use crate::{Error, Result};

/// How long a daemon may take to say what its machine does: an ending one has that time to be gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// All machines of a user. One that cannot be looked at costs its own line, and not the others theirs.
#[derive(Debug)]
pub struct Looked {
    pub machines: Vec<Listed>,
    pub unreadable: Vec<(String, Error)>,
}

/// A machine of which nothing but its name can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unreadable {
    pub name: String,
    pub reason: String,
}

/// Looks at all of them at once, without waking a daemon.
///
/// # Errors
/// When it cannot be said which there are.
pub async fn look(paths: &Paths) -> Result<Looked> {
    let in_use = in_use(paths)?;
    let mut looked = Looked { machines: Vec::new(), unreadable: Vec::new() };
    let machines = all(paths)?;
    let each = join_all(machines.iter().map(|machine| look_at(machine, in_use.clone()))).await;
    for (machine, one) in machines.iter().zip(each) {
        match one {
            Ok(one) => looked.machines.push(one),
            Err(error) => looked.unreadable.push((called(machine).to_owned(), error)),
        }
    }
    Ok(looked)
}

async fn look_at(machine: &Paths, in_use: Option<Name>) -> Result<Listed> {
    let silent = |_| Error::NoAnswer { seconds: PATIENCE.as_secs() };
    let phase = tokio::time::timeout(PATIENCE, phase(machine)).await.map_err(silent)?;
    let machine = machine.clone();
    // Files keep nobody else waiting.
    let listed = tokio::task::spawn_blocking(move || Listed::of(&machine, in_use.as_ref(), phase.name()));
    listed.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

/// Without waking anybody. Of one whose daemon does not say it, its hypervisor tells.
pub async fn phase(machine: &Paths) -> Phase {
    let machine = machine.of_living_daemon();
    let alone = if has_hypervisor(&machine) { Phase::Running } else { Phase::Stopped };
    let Ok(client) = Client::connect(machine).await else { return alone };
    client.status().await.map_or(alone, |status| status.machine.phase)
}

/// Ends the daemon of a machine that is stopped: nobody else writes its files then.
///
/// # Errors
/// [`Error::MachineRuns`] when it is not.
pub async fn bring_to_rest(machine: &Paths, client: &Client) -> Result<()> {
    let status = client.status().await?.machine;
    if status.phase != Phase::Stopped
        && (status.phase != Phase::Failed || status.failure.is_some_and(|failure| failure.alive))
    {
        return Err(Error::MachineRuns { name: called(machine).to_owned() });
    }
    client.quit_and_wait().await
}

/// What a machine is called where a name must be given.
pub fn called(machine: &Paths) -> &str {
    machine.machine().map_or(DEFAULT, Name::as_str)
}
