//! The verbs that people reach for when something is to be set right: context, restart, diagnose, reset.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Machine;
use tests::wait::until;

use crate::life::status;

type Result = anyhow::Result<()>;

/// Seconds that the guest's clock is away from the host's, however long it takes to ask.
pub(crate) fn clock_difference(machine: &Machine) -> anyhow::Result<u64> {
    let host = || anyhow::Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let before = host()?;
    let guest: u64 = machine.berth(&["shell", "date", "+%s"])?.trim().parse().context("date prints seconds")?;
    let after = host()?;
    Ok(before.saturating_sub(guest).max(guest.saturating_sub(after)))
}

pub(crate) fn context_clock_and_restart(machine: &Machine) -> Result {
    let config = machine.docker_config();
    fs::create_dir(&config)?;
    let own = r#"{"currentContext":"default","detachKeys":"ctrl-q"}"#;
    fs::write(config.join("config.json"), own)?;
    machine.berth(&["config", "set", "docker_context", "true"])?;
    machine.berth(&["up"])?;
    let by_context = || -> anyhow::Result<String> {
        let mut docker = Command::new(Docker::new("")?.program());
        docker.args(["--context", "berth", "version", "--format", "{{.Server.Version}}"]);
        let out =
            docker.env("DOCKER_CONFIG", &config).env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT").output()?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    };
    ensure!(!by_context()?.is_empty());
    ensure!(fs::read_to_string(config.join("config.json"))? == own, "the user's own configuration was changed");
    let off = clock_difference(machine)?;
    ensure!(off <= 5, "the guest's clock is {off} s off");
    // The host tells the time every minute, and may do so at any moment: there is no looking at the wrong time by a second command.
    let set = machine.berth(&["shell", "date", "-s", "2001-02-03 04:05:06", "+%Y"])?;
    ensure!(set.trim() == "2001", "{set}");
    let told = "for _ in $(seq 300); do [ $(date +%Y) -eq 2001 ] || exit 0; sleep 1; done; exit 1";
    machine.berth(&["shell", "sh", "-c", told]).context("the guest's clock is still wrong")?;
    let off = clock_difference(machine)?;
    ensure!(off <= 5, "the guest's clock is {off} s off after it was set");

    let before = status(machine)?["machine"]["hypervisor_pid"].as_u64().context("a running machine has a QEMU")?;
    let entries: serde_json::Value = serde_json::from_str(&machine.berth(&["config", "list", "--json"])?)?;
    let cpus = entries.as_array().into_iter().flatten().find(|entry| entry["name"] == "cpus").context("cpus")?;
    let (had, wanted) =
        (cpus["value"].as_str().context("a value is text")?, if cpus["value"] == "1" { "2" } else { "1" });
    machine.berth(&["config", "set", "cpus", wanted])?;
    let waits = format!("cpus = {wanted}\n    > waits for the machine's next start; until then it is {had}\n");
    let list = machine.berth(&["config", "list"])?;
    ensure!(list.contains(&waits), "{list}");
    machine.berth(&["config", "set", "cpus", had])?;
    let list = machine.berth(&["config", "list"])?;
    ensure!(!list.contains("waits for"), "{list}");
    machine.berth(&["machine", "restart"])?;
    let after = status(machine)?;
    ensure!(after["machine"]["phase"] == "running", "{after}");
    ensure!(after["machine"]["hypervisor_pid"].as_u64().is_some_and(|pid| pid != before), "{after}");
    ensure!(!by_context()?.is_empty());
    Ok(())
}

pub(crate) fn diagnose_tells_no_secret(machine: &Machine) -> Result {
    machine.berth(&["config", "set", "http_proxy", "http://somebody:hunter2@127.0.0.1:9"])?;
    machine.berth(&["up"])?;
    let record = fs::read(machine.home().join("data/machine/machine.json"))?;
    let record: serde_json::Value = serde_json::from_slice(&record)?;
    let secret = record["secret"].as_str().context("the machine's record holds the secret")?;
    let folder = machine.home().join("report");
    fs::create_dir(&folder)?;
    // Emulation alone is a notice, no failure.
    let said = machine.berth(&["diagnose", "--json", "--output", &folder.display().to_string()])?;
    let report: serde_json::Value = serde_json::from_str(&said).context(said.clone())?;
    let checks = report["checks"].as_array().context(said.clone())?;
    let whole = |check: &serde_json::Value| ["name", "verdict", "finding"].iter().all(|key| check[key].is_string());
    ensure!(!checks.is_empty() && checks.iter().all(whole), "{said}");
    let archive = PathBuf::from(report["archive"].as_str().context(said.clone())?);
    ensure!(archive.parent() == Some(&folder), "{} is not in {}", archive.display(), folder.display());
    let unpacked = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&folder).status()?;
    ensure!(unpacked.success(), "{} does not unpack", archive.display());
    let inside = folder.join("berth-diagnose");
    for name in ["checks.json", "status.json", "settings.toml", "log/console.log", "log/daemon.log"] {
        ensure!(inside.join(name).metadata().with_context(|| name.to_owned())?.len() > 0, "{name} is empty");
    }
    for word in [secret, "hunter2"] {
        let found = Command::new("grep").args(["-r", "-l", "-F", "-e", word]).arg(&inside).output()?;
        // grep(1): 1 is nothing found, 2 an error.
        ensure!(found.status.code() == Some(1), "{word:?} is in {}", String::from_utf8_lossy(&found.stdout));
        ensure!(!said.contains(word), "{word:?} is in {said}");
    }
    logs_are_json(machine)?;
    // Without a daemon they are read from the files.
    machine.berth(&["down"])?;
    machine.berth(&["machine", "quit"])?;
    logs_are_json(machine)
}

/// Every line a string of its own.
fn logs_are_json(machine: &Machine) -> Result {
    for source in ["console", "daemon"] {
        let plain = machine.berth(&["machine", "logs", "--source", source])?;
        let json = machine.berth(&["machine", "logs", "--source", source, "--json"])?;
        let lines = json.lines().map(serde_json::from_str).collect::<std::result::Result<Vec<String>, _>>()?;
        // There may be more by the second time, and the last line may have been half written the first time.
        let whole = plain.rfind('\n').with_context(|| format!("{source}: {plain:?}"))?;
        let plain: Vec<&str> = plain[..=whole].lines().collect();
        ensure!(lines.len() >= plain.len(), "{source}: {plain:?} and {lines:?}");
        ensure!(lines.iter().zip(&plain).all(|(line, plain)| line == plain), "{source}: {plain:?} and {lines:?}");
    }
    Ok(())
}

pub(crate) fn reset_with_and_without_volumes(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    docker.ok(&["run", "--name", "goes", "-v", "kept:/data", "busybox", "sh", "-c", "echo stays >/data/file"])?;
    docker.ok(&["network", "create", "goes"])?;
    let reset = |arguments: &[&str], phase: &str| -> Result {
        let said = machine.berth(&[&["reset", "--yes", "--json"], arguments].concat())?;
        let after: serde_json::Value = serde_json::from_str(&said).context(said.clone())?;
        ensure!(after["phase"] == phase && after["failure"].is_null(), "{said}");
        Ok(())
    };
    // Only a boot brings the images back that ship with the guest.
    reset(&["--keep-volumes"], "running")?;
    ensure!(docker.ok(&["ps", "-aq"])?.is_empty(), "containers are still there");
    ensure!(docker.ok(&["network", "ls", "-q", "--filter", "name=goes"])?.is_empty(), "networks are still there");
    let path = docker.ok(&["volume", "inspect", "--format", "{{.Mountpoint}}", "kept"])?;
    ensure!(machine.berth(&["shell", "cat", &format!("{path}/file")])?.trim() == "stays");

    reset(&[], "stopped")?;
    machine.berth(&["up"])?;
    ensure!(docker.ok(&["volume", "ls", "-q"])?.is_empty(), "volumes are still there");
    // The images that ship with the guest are there again.
    until("the embedded image", Duration::from_secs(120), || docker.ok(&["image", "inspect", "busybox"]).ok())?;
    docker.ok(&["run", "--rm", "busybox", "true"])?;
    Ok(())
}
