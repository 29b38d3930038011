//! The verbs that people reach for when something is to be set right: context, restart, diagnose, reset.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Machine;
use tests::wait::until;

use crate::life::status;

type Result = anyhow::Result<()>;

/// Seconds between the guest's clock and the host's.
fn clock_difference(machine: &Machine) -> anyhow::Result<u64> {
    let guest: u64 = machine.berth(&["shell", "date", "+%s"])?.trim().parse().context("date prints seconds")?;
    Ok(guest.abs_diff(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()))
}

pub(crate) fn context_clock_and_restart(machine: Machine) -> Result {
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
    let off = clock_difference(&machine)?;
    ensure!(off <= 5, "the guest's clock is {off} s off");

    let before = status(&machine)?["machine"]["hypervisor_pid"].as_u64().context("a running machine has a QEMU")?;
    machine.berth(&["machine", "restart"])?;
    let after = status(&machine)?;
    ensure!(after["machine"]["phase"] == "running", "{after}");
    ensure!(after["machine"]["hypervisor_pid"].as_u64().is_some_and(|pid| pid != before), "{after}");
    ensure!(!by_context()?.is_empty());
    Ok(())
}

pub(crate) fn diagnose_tells_no_secret(machine: Machine) -> Result {
    machine.berth(&["config", "set", "http_proxy", "http://somebody:hunter2@127.0.0.1:9"])?;
    machine.berth(&["up"])?;
    let record = fs::read(machine.home().join("data/machine/machine.json"))?;
    let record: serde_json::Value = serde_json::from_slice(&record)?;
    let secret = record["secret"].as_str().context("the machine's record holds the secret")?;
    let folder = machine.home().join("report");
    fs::create_dir(&folder)?;
    // Emulation alone is a notice, no failure.
    machine.berth(&["diagnose", "--output", &folder.display().to_string()])?;
    let archive = fs::read_dir(&folder)?.next().context("no archive was written")??.path();
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
    }
    Ok(())
}

pub(crate) fn reset_with_and_without_volumes(machine: Machine) -> Result {
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    docker.ok(&["run", "--name", "goes", "-v", "kept:/data", "busybox", "sh", "-c", "echo stays >/data/file"])?;
    docker.ok(&["network", "create", "goes"])?;
    machine.berth(&["reset", "--yes", "--keep-volumes"])?;
    machine.berth(&["up"])?;
    ensure!(docker.ok(&["ps", "-aq"])?.is_empty(), "containers are still there");
    ensure!(docker.ok(&["network", "ls", "-q", "--filter", "name=goes"])?.is_empty(), "networks are still there");
    let path = docker.ok(&["volume", "inspect", "--format", "{{.Mountpoint}}", "kept"])?;
    ensure!(machine.berth(&["shell", "cat", &format!("{path}/file")])?.trim() == "stays");

    machine.berth(&["reset", "--yes"])?;
    machine.berth(&["up"])?;
    ensure!(docker.ok(&["volume", "ls", "-q"])?.is_empty(), "volumes are still there");
    // The images that ship with the guest are there again.
    until("the embedded image", Duration::from_secs(120), || docker.ok(&["image", "inspect", "busybox"]).ok())?;
    docker.ok(&["run", "--rm", "busybox", "true"])?;
    Ok(())
}
