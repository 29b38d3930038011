//! `berth uninstall`: what is done for a user before the programs are removed. `berth user-path`: what their installer needs on Windows.

use std::path::PathBuf;

use host::machine::Phase;
use host::machines;
use host::paths::Paths;
use host::{removal, search_path};
use rust_i18n::t;

use super::{confirm, progress, reach};
use crate::args::{UninstallArgs, UserPathVerb};
use crate::{Failure, containers, print_json};

pub(crate) async fn uninstall(paths: Paths, args: UninstallArgs) -> Result<i32, Failure> {
    let question = if args.data { t!("uninstall.ask_data") } else { t!("uninstall.ask") };
    if !args.yes && !confirm(&question)? {
        return Err(Failure::new(1, t!("uninstall.kept").into_owned()));
    }
    for machine in machines::all(&paths)? {
        end(&machine.of_living_daemon(), args.json).await?;
    }
    // Without its program docker's clients would fail; the logins stay in the keychain.
    let forgotten = !paths.is_elsewhere() && containers::forget_own_helper()?;
    let mut removed = removal::entries(&paths)?;
    if args.data {
        removed.extend(removal::data(&paths)?);
    }
    told(removed, forgotten, args.json)
}

/// Stops a machine in order, and ends its daemon.
async fn end(machine: &Paths, silent: bool) -> Result<(), Failure> {
    let Some(client) = reach(machine).await? else { return Ok(()) };
    progress::follow(client.down().await?, silent, &[Phase::Stopped]).await?;
    Ok(machines::bring_to_rest(machine, &client).await?)
}

fn told(removed: Vec<PathBuf>, forgotten: bool, json: bool) -> Result<i32, Failure> {
    if json {
        return print_json(&serde_json::json!({ "removed": removed, "credential_helper": forgotten }));
    }
    for path in removed {
        println!("{}", t!("uninstall.removed", path = path.display()));
    }
    if forgotten {
        println!("{}", t!("uninstall.helper"));
    }
    println!("{}", t!("uninstall.done"));
    Ok(0)
}

/// For installers: says nothing when all is well.
pub(crate) fn user_path(verb: UserPathVerb) -> Result<i32, Failure> {
    match verb {
        UserPathVerb::Add { folder } => search_path::change(&folder, true)?,
        UserPathVerb::Remove { folder } => search_path::change(&folder, false)?,
    };
    Ok(0)
}
