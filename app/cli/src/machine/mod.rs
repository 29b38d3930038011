//! The machine's verbs: they talk to the daemon, and start it when it does not run.

mod config;
mod diagnose;
mod disk;
mod env;
mod logs;
mod machines;
mod progress;
mod shell;
mod snapshots;
mod status;
mod terminal;
mod uninstall;
mod updates;

pub(crate) use config::config;
pub(crate) use diagnose::diagnose;
pub(crate) use disk::disk;
pub(crate) use env::{Variable, env, own_shell, shell_lines};
pub(crate) use logs::logs;
pub(crate) use shell::shell;
pub(crate) use snapshots::snapshot;
pub(crate) use status::{status, version};
pub(crate) use terminal::terminal;
pub(crate) use uninstall::{uninstall, user_path};
pub(crate) use updates::updates;

use std::io::{BufRead, IsTerminal, Write};

use host::client::{ADOPTION, Client};
use host::daemon::protocol::ResetRequest;
use host::machine::{MachineStatus, Outcome, Phase};
use host::paths::Paths;
use rust_i18n::t;

use crate::args::{Json, MachineVerb, ResetArgs};
use crate::busy::Busy;
use crate::{Failure, print_json};

/// A client of the daemon, or `None` when there is neither daemon nor machine. Where a machine outlived its daemon, a new one
/// is started and given the time to adopt it.
pub(crate) async fn reach(paths: &Paths) -> Result<Option<Client>, Failure> {
    let _busy = Busy::begin(t!("busy.reach"));
    match Client::connect(paths.clone()).await {
        Ok(client) => return Ok(Some(client)),
        Err(host::Error::NoDaemon) if paths.may_hold_a_machine() => (),
        Err(host::Error::NoDaemon) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let client = Client::connect_or_start(paths.clone()).await?;
    let mut statuses = client.watch().await?;
    let settles = async {
        while let Some(status) = statuses.next().await? {
            if status.phase.is_settled() {
                break;
            }
        }
        Ok::<_, host::Error>(())
    };
    // One that takes longer is told as it is then.
    if let Ok(settled) = tokio::time::timeout(ADOPTION, settles).await {
        settled?;
    }
    Ok(Some(client))
}

/// A client of the daemon, which is started when none runs, or replaced when it is of another version.
async fn connect_or_start(paths: Paths) -> Result<Client, Failure> {
    let _busy = Busy::begin(t!("busy.daemon"));
    Ok(Client::connect_or_start(paths).await?)
}

/// As [`reach`], for verbs that make no sense without a machine.
async fn reach_running(paths: &Paths) -> Result<Client, Failure> {
    reach(paths).await?.ok_or_else(|| host::Error::NoDaemon.into())
}

pub(crate) async fn up(paths: Paths, json: Json) -> Result<i32, Failure> {
    let client = connect_or_start(paths).await?;
    let status = progress::follow(client.up().await?, json.json, &[Phase::Running]).await?;
    finish(&status, json, &t!("machine.is_up", seconds = seconds(&status)))
}

pub(crate) async fn down(paths: Paths, json: Json) -> Result<i32, Failure> {
    let status = match reach(&paths).await? {
        Some(client) => progress::follow(client.down().await?, json.json, &[Phase::Stopped]).await?,
        None => MachineStatus::stopped(),
    };
    finish(&status, json, &t!("machine.is_down"))
}

pub(crate) async fn machine(paths: Paths, verb: MachineVerb) -> Result<i32, Failure> {
    match verb {
        MachineVerb::Logs { source, follow, json } => logs(paths, source, follow, json).await,
        MachineVerb::Create(args) => machines::create(&paths, &args),
        MachineVerb::List(json) => machines::list(&paths, json).await,
        MachineVerb::Use(args) => machines::take_into_use(&paths, &args).await,
        MachineVerb::Clone(args) => machines::copy(&paths, &args).await,
        MachineVerb::Export(args) => machines::export(&paths, &args).await,
        MachineVerb::Import(args) => machines::import(&paths, &args),
        MachineVerb::Rm(args) => machines::remove(&paths, &args).await,
        MachineVerb::Restart(json) => {
            let client = connect_or_start(paths).await?;
            let status = progress::follow(client.restart().await?, json.json, &[Phase::Running]).await?;
            finish(&status, json, &t!("machine.is_up", seconds = seconds(&status)))
        }
        MachineVerb::Quit(json) => {
            match Client::connect(paths).await {
                Ok(client) => client.quit().await?,
                Err(host::Error::NoDaemon) => (),
                Err(error) => return Err(error.into()),
            }
            if json.json {
                return print_json(&serde_json::json!({ "daemon": "ended" }));
            }
            println!("{}", t!("machine.daemon_ended"));
            Ok(0)
        }
    }
}

pub(crate) async fn reset(paths: Paths, args: ResetArgs) -> Result<i32, Failure> {
    let question = if args.keep_volumes { t!("reset.ask_keep") } else { t!("reset.ask_all") };
    if !args.yes && !confirm(&question)? {
        return Err(Failure::new(1, t!("reset.kept").into_owned()));
    }
    let client = connect_or_start(paths).await?;
    let request = ResetRequest { keep_volumes: args.keep_volumes };
    // Where it comes to rest says nothing of it: somebody else may stop it, or start the machine again behind it.
    let settled = [Phase::Stopped, Phase::Running];
    let status = progress::follow(client.reset(request).await?, args.json, &settled).await?;
    let missed = match status.reset.map(|reset| reset.outcome) {
        Some(Outcome::NotBegun) => t!("reset.not_begun"),
        Some(Outcome::Incomplete) => t!("reset.incomplete"),
        Some(Outcome::Done | Outcome::UnderWay) | None => {
            return finish(&status, Json { json: args.json }, &t!("reset.done"));
        }
    };
    if args.json {
        print_json(&status)?;
        return Err(Failure::said(1));
    }
    Err(Failure::new(1, missed))
}

/// Asks on the terminal, naming what goes; without a terminal the answer is no.
fn confirm(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(1, t!("reset.needs_yes").into_owned()));
    }
    eprint!("{question} ");
    let mut answer = String::new();
    let read = std::io::stderr().flush().and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    read.map_err(|error| Failure::new(1, error.to_string()))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "是"))
}

fn finish(status: &MachineStatus, json: Json, sentence: &str) -> Result<i32, Failure> {
    if json.json {
        return print_json(status);
    }
    println!("{sentence}");
    Ok(0)
}

fn seconds(status: &MachineStatus) -> String {
    format!("{:.1}", status.start_milliseconds.unwrap_or_default() as f64 / 1000.0)
}
