//! Several machines of one user, by the command.

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::engine::Machine;

type Result = anyhow::Result<()>;

fn list(machine: &Machine) -> anyhow::Result<Vec<Value>> {
    let said = machine.berth(&["machine", "list", "--json"])?;
    serde_json::from_str(&said).context(said)
}

fn names(machine: &Machine) -> anyhow::Result<Vec<String>> {
    Ok(list(machine)?.iter().map(|one| one["name"].as_str().unwrap_or_default().to_owned()).collect())
}

fn refused(machine: &Machine, verb: &[&str], words: &str) -> Result {
    let out = machine.command(verb).output()?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(!out.status.success() && said.contains(words), "{verb:?}: {said}");
    Ok(())
}

pub(crate) fn are_made_used_and_removed(machine: &Machine) -> Result {
    let make = ["machine", "create", "work", "--cpus", "1", "--memory", "600", "--disk", "3G", "--json"];
    let made: Value = serde_json::from_str(&machine.berth(&make)?)?;
    ensure!(made["cpus"] == 1 && made["memory_mib"] == 600 && made["disk_gib"] == 3, "{made}");
    ensure!(made["context"] == "berth-work" && made["in_use"] == false, "{made}");
    refused(machine, &["machine", "create", "work"], "there is a machine `work` already")?;
    refused(machine, &["machine", "create", "No"], "is no name of a machine")?;
    refused(machine, &["--machine", "play", "status"], "there is no machine `play`")?;
    ensure!(names(machine)? == ["default", "work"]);

    // The flag goes before the variable, and that before what is in use.
    let cpus = |arguments: &[&str], variable: Option<&str>| -> anyhow::Result<String> {
        let mut command = machine.command(&[arguments, &["config", "get", "disk_gib"]].concat());
        if let Some(name) = variable {
            command.env("BERTH_MACHINE", name);
        }
        let out = command.output()?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    };
    let default = cpus(&[], None)?;
    ensure!(default != "3" && cpus(&["--machine", "work"], None)? == "3" && cpus(&[], Some("work"))? == "3");
    machine.berth(&["machine", "use", "work"])?;
    ensure!(cpus(&[], None)? == "3" && cpus(&[], Some("default"))? == default);
    ensure!(cpus(&["--machine", "default"], Some("work"))? == default);
    ensure!(list(machine)?[1]["in_use"] == true);

    machine.berth(&["machine", "clone", "work", "again"])?;
    ensure!(cpus(&["--machine", "again"], None)? == "3");
    are_kept_and_moved(machine)?;
    refused(machine, &["machine", "rm", "default", "--yes"], "cannot be removed")?;
    // Without a terminal there is nobody to ask.
    refused(machine, &["machine", "rm", "work"], "--yes")?;
    machine.berth(&["machine", "rm", "work", "--yes"])?;
    ensure!(names(machine)? == ["default", "again"] && cpus(&[], None)? == default);
    // Settings that cannot be read cost their own machine its line.
    let broken = machine.home().join("config/machines/again/settings.toml");
    let whole = std::fs::read(&broken)?;
    std::fs::write(&broken, "cpus = \"many\"\n")?;
    let out = machine.command(&["machine", "list", "--json"]).output()?;
    let (listed, said) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(
        out.status.code() == Some(1) && listed.contains("\"default\"") && !listed.contains("\"again\""),
        "{listed}"
    );
    ensure!(said.contains("again: ") && said.contains("many"), "{said}");
    std::fs::write(&broken, whole)?;
    machine.berth(&["machine", "rm", "again", "--yes", "--json"])?;
    ensure!(names(machine)? == ["default"]);
    Ok(())
}

/// Of `work`, which never ran: its disk is this case's own.
fn are_kept_and_moved(machine: &Machine) -> Result {
    let of_work = |verb: &[&str]| machine.berth(&[&["--machine", "work"], verb].concat());
    let disk = |name: &str| machine.home().join("data/machines").join(name).join("machine/disk.raw");
    refused(machine, &["--machine", "work", "snapshot", "create", "clean"], "has no disk yet")?;
    std::fs::write(disk("work"), "as it was")?;
    of_work(&["snapshot", "create", "clean"])?;
    std::fs::write(disk("work"), "spoilt")?;
    let kept: Value = serde_json::from_str(&of_work(&["snapshot", "list", "--json"])?)?;
    ensure!(kept[0]["name"] == "clean" && kept[0]["size"] == 9 && kept[0]["made_at"].as_u64() > Some(0), "{kept}");
    ensure!(of_work(&["snapshot", "list"])?.contains("clean"));
    refused(machine, &["--machine", "work", "snapshot", "restore", "clean"], "--yes")?;
    refused(machine, &["--machine", "work", "snapshot", "restore", "none", "--yes"], "there is no snapshot `none`")?;
    of_work(&["snapshot", "restore", "clean", "--yes"])?;
    ensure!(std::fs::read_to_string(disk("work"))? == "as it was");
    of_work(&["snapshot", "rm", "clean", "--yes"])?;

    let file = machine.home().join("work.berth");
    let path = file.to_str().context("a path")?;
    machine.berth(&["machine", "export", "work", path])?;
    machine.berth(&["machine", "import", path, "moved", "--cpus", "1"])?;
    ensure!(std::fs::read_to_string(disk("moved"))? == "as it was");
    machine.berth(&["machine", "rm", "moved", "--yes"])?;
    std::fs::write(&file, "something else")?;
    refused(machine, &["machine", "import", path, "moved"], "is no machine that can be imported")?;
    ensure!(names(machine)? == ["default", "again", "work"], "{:?}", names(machine)?);
    Ok(())
}

/// Two at once, and what is in one is not in the other; a copy has what its source had.
pub(crate) fn run_beside_each_other(machine: &Machine) -> Result {
    machine.berth(&["config", "set", "memory_mib", "700"])?;
    machine.berth(&["up"])?;
    machine.berth(&["run", "-v", "kept:/data", "busybox", "sh", "-c", "echo first >/data/file"])?;
    machine.berth(&["down"])?;
    machine.berth(&["machine", "clone", "default", "copy"])?;
    let on_copy = |verb: &[&str]| machine.berth(&[&["--machine", "copy"], verb].concat());
    let result = beside(machine, &on_copy);
    if result.is_err() {
        // What ends the first machine with the case knows nothing of this one; it may be gone.
        let _ = on_copy(&["down"]);
        let _ = on_copy(&["machine", "quit"]);
    }
    result
}

fn beside(machine: &Machine, on_copy: &dyn Fn(&[&str]) -> anyhow::Result<String>) -> Result {
    machine.berth(&["up"])?;
    on_copy(&["up"])?;
    let read = ["run", "--rm", "-v", "kept:/data", "busybox", "cat", "/data/file"];
    ensure!(on_copy(&read)?.trim() == "first");
    on_copy(&["run", "--rm", "-v", "kept:/data", "busybox", "sh", "-c", "echo second >/data/file"])?;
    ensure!(machine.berth(&read)?.trim() == "first" && on_copy(&read)?.trim() == "second");
    let phases: Vec<Value> = list(machine)?.iter().map(|one| one["phase"].clone()).collect();
    ensure!(phases == ["running", "running"], "{phases:?}");
    refused(machine, &["machine", "rm", "copy", "--yes"], "is not stopped")?;
    on_copy(&["down"])?;
    machine.berth(&["machine", "rm", "copy", "--yes"])?;
    ensure!(machine.berth(&read)?.trim() == "first");
    Ok(())
}
