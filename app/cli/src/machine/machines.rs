//! `berth machine create`, `list`, `use`, `clone`, `rm`: files of this user; a daemon is asked only how its machine is.

use host::client::Client;
use host::machine::Phase;
use host::machines::{self, DEFAULT, Listed, Name};
use host::paths::Paths;
use rust_i18n::t;

use super::status::columns;
use super::{confirm, reach};
use crate::args::{CloneArgs, CreateArgs, Json, RmArgs, UseArgs};
use crate::busy::Busy;
use crate::{Failure, language, print_json};

const GIB: u64 = 1 << 30;

pub(super) fn create(paths: &Paths, args: &CreateArgs) -> Result<i32, Failure> {
    let name = other(&args.name)?;
    let cpus = args.cpus.map(|cpus| ("cpus", cpus.to_string()));
    let memory = args.memory.map(|mib| ("memory_mib", mib.to_string()));
    let disk = args.disk.map(|gib| ("disk_gib", gib.to_string()));
    let values: Vec<(&str, String)> = cpus.into_iter().chain(memory).chain(disk).collect();
    let made = machines::create(paths, &name, &values)?;
    told(&made, Phase::Stopped, args.json, &t!("machines.created", name = name))
}

pub(super) async fn list(paths: &Paths, json: Json) -> Result<i32, Failure> {
    let in_use = machines::in_use(paths)?;
    let mut listed = Vec::new();
    let mut code = 0;
    for machine in machines::all(paths)? {
        let phase = phase(&machine).await;
        match Listed::of(&machine, in_use.as_ref(), phase.name()) {
            Ok(one) => listed.push(one),
            // It costs this one its line, and not the others theirs.
            Err(error) => {
                eprintln!(
                    "{}: {}",
                    machine.machine().map_or(DEFAULT, Name::as_str),
                    language::sentence(&error.chain())
                );
                code = 1;
            }
        }
    }
    if json.json {
        print_json(&listed)?;
        return Ok(code);
    }
    let head =
        ["name", "phase", "cpus", "memory", "disk", "context"].map(|key| t!(format!("machines.{key}")).into_owned());
    let rows = listed.iter().map(|one| {
        let mark = if one.in_use { " *" } else { "" };
        [
            format!("{}{mark}", one.name),
            t!(format!("phase.{}", one.phase)).into_owned(),
            one.cpus.to_string(),
            format!("{} MiB", one.memory_mib),
            format!("{:.1} / {} GiB", one.disk_held as f64 / GIB as f64, one.disk_gib),
            one.context.clone(),
        ]
    });
    print_table(std::iter::once(head).chain(rows).collect());
    Ok(code)
}

pub(super) async fn take_into_use(paths: &Paths, args: &UseArgs) -> Result<i32, Failure> {
    let name = Name::of(&args.name)?;
    machines::take_into_use(paths, name.clone())?;
    let named = std::env::var(host::paths::MACHINE_VARIABLE).ok().filter(|set| !set.is_empty() && *set != args.name);
    if let Some(set) = named {
        eprintln!("{}", t!("machines.variable", name = set));
    }
    let machine = paths.of_machine(name);
    let phase = phase(&machine).await;
    told(&machine, phase, args.json, &t!("machines.in_use", name = args.name))
}

pub(super) async fn copy(paths: &Paths, args: &CloneArgs) -> Result<i32, Failure> {
    let name = other(&args.name)?;
    let source = machines::existing(paths, Name::of(&args.source)?)?.of_living_daemon();
    bring_to_rest(&source, &args.source).await?;
    let busy = Busy::begin(t!("busy.machines"));
    let made = machines::copy(&source, &name)?;
    drop(busy);
    told(&made, Phase::Stopped, args.json, &t!("machines.created", name = name))
}

pub(super) async fn remove(paths: &Paths, args: &RmArgs) -> Result<i32, Failure> {
    let name = Name::of(&args.name)?;
    let machine = machines::existing(paths, name)?.of_living_daemon();
    if machine.machine().is_none() {
        return Err(host::Error::DefaultMachine.into());
    }
    if !args.yes && !confirm(&t!("machines.ask_rm", name = args.name))? {
        return Err(Failure::new(1, t!("reset.kept").into_owned()));
    }
    bring_to_rest(&machine, &args.name).await?;
    machines::remove(&machine)?;
    if args.json {
        return print_json(&serde_json::json!({ "removed": args.name }));
    }
    println!("{}", t!("machines.removed", name = args.name));
    Ok(0)
}

/// A machine that is stopped, without a daemon: nobody else writes its files then.
async fn bring_to_rest(machine: &Paths, name: &str) -> Result<(), Failure> {
    let Some(client) = reach(machine).await? else { return Ok(()) };
    let status = client.status().await?.machine;
    if status.phase != Phase::Stopped && (status.phase != Phase::Failed || status.hypervisor_pid.is_some()) {
        return Err(Failure::new(1, t!("machines.runs", name = name).into_owned()));
    }
    Ok(client.quit_and_wait().await?)
}

/// Without waking anybody. Of one whose daemon does not say it, its hypervisor tells.
async fn phase(machine: &Paths) -> Phase {
    let machine = machine.of_living_daemon();
    let alone = if machines::has_hypervisor(&machine) { Phase::Running } else { Phase::Stopped };
    let Ok(client) = Client::connect(machine).await else { return alone };
    client.status().await.map_or(alone, |status| status.machine.phase)
}

/// The name of a machine that is made.
fn other(name: &str) -> Result<Name, Failure> {
    Name::of(name)?.ok_or_else(|| host::Error::MachineExists { name: name.to_owned() }.into())
}

fn told(machine: &Paths, phase: Phase, json: bool, sentence: &str) -> Result<i32, Failure> {
    if json {
        let in_use = machines::in_use(machine)?;
        return print_json(&Listed::of(machine, in_use.as_ref(), phase.name())?);
    }
    println!("{sentence}");
    Ok(0)
}

fn print_table(rows: Vec<[String; 6]>) {
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0));
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(columns(cell)))));
        println!("{}", cells.collect::<Vec<_>>().join("   ").trim_end());
    }
}
