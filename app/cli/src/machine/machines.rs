//! `berth machine create`, `list`, `use`, `clone`, `export`, `import`, `rm`: files of this user; a daemon is asked only how its machine is.

use host::machine::Phase;
use host::machines::{self, Listed, Looked, Name};
use host::paths::Paths;
use rust_i18n::t;

use super::status::columns;
use super::{confirm, reach};
use crate::args::{CloneArgs, CreateArgs, ExportArgs, ImportArgs, Json, RmArgs, UseArgs};
use crate::busy::Busy;
use crate::{Failure, language, print_json};

const GIB: u64 = 1 << 30;

pub(super) fn create(paths: &Paths, args: &CreateArgs) -> Result<i32, Failure> {
    let name = other(&args.name)?;
    let mut values = sizes(args.cpus, args.memory);
    values.extend(args.disk.map(|gib| ("disk_gib", gib.to_string())));
    let made = machines::create(paths, &name, &values)?;
    told(&made, Phase::Stopped, args.json, &t!("machines.created", name = name))
}

pub(super) async fn list(paths: &Paths, json: Json) -> Result<i32, Failure> {
    let Looked { machines: listed, unreadable } = machines::look(paths).await?;
    for (name, error) in &unreadable {
        eprintln!("{name}: {}", language::sentence(&error.chain()));
    }
    let code = i32::from(!unreadable.is_empty());
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
    let phase = machines::phase(&machine).await;
    told(&machine, phase, args.json, &t!("machines.in_use", name = args.name))
}

pub(super) async fn copy(paths: &Paths, args: &CloneArgs) -> Result<i32, Failure> {
    let name = other(&args.name)?;
    let source = machines::existing(paths, Name::of(&args.source)?)?.of_living_daemon();
    bring_to_rest(&source).await?;
    let busy = Busy::begin(t!("busy.machines"));
    let made = machines::copy(&source, &name)?;
    drop(busy);
    told(&made, Phase::Stopped, args.json, &t!("machines.created", name = name))
}

pub(super) async fn export(paths: &Paths, args: &ExportArgs) -> Result<i32, Failure> {
    let machine = machines::existing(paths, Name::of(&args.name)?)?.of_living_daemon();
    bring_to_rest(&machine).await?;
    let busy = Busy::begin(t!("busy.machines"));
    let written = machines::export(&machine, &args.file)?;
    drop(busy);
    if args.json {
        return print_json(&serde_json::json!({ "exported": args.name, "file": args.file, "bytes": written }));
    }
    let (file, size) = (args.file.display(), written.div_ceil(1 << 20));
    println!("{}", t!("machines.exported", name = args.name, file = file, size = size));
    Ok(0)
}

pub(super) fn import(paths: &Paths, args: &ImportArgs) -> Result<i32, Failure> {
    let name = other(&args.name)?;
    let values = sizes(args.cpus, args.memory);
    let busy = Busy::begin(t!("busy.machines"));
    let made = machines::import(paths, &args.file, &name, &values)?;
    drop(busy);
    told(&made, Phase::Stopped, args.json, &t!("machines.created", name = name))
}

/// What is said of the sizes of a machine that is made.
fn sizes(cpus: Option<u32>, memory: Option<u64>) -> Vec<(&'static str, String)> {
    let cpus = cpus.map(|cpus| ("cpus", cpus.to_string()));
    let memory = memory.map(|mib| ("memory_mib", mib.to_string()));
    cpus.into_iter().chain(memory).collect()
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
    bring_to_rest(&machine).await?;
    machines::remove(&machine)?;
    if args.json {
        return print_json(&serde_json::json!({ "removed": args.name }));
    }
    println!("{}", t!("machines.removed", name = args.name));
    Ok(0)
}

/// A machine that is stopped, without a daemon: nobody else writes its files then.
pub(super) async fn bring_to_rest(machine: &Paths) -> Result<(), Failure> {
    match reach(machine).await? {
        Some(client) => Ok(machines::bring_to_rest(machine, &client).await?),
        None => Ok(()),
    }
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

pub(super) fn print_table<const N: usize>(rows: Vec<[String; N]>) {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0));
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(columns(cell)))));
        println!("{}", cells.collect::<Vec<_>>().join("   ").trim_end());
    }
}
