//! What the machine takes of this computer and gives back, and that its clock is right after it stood still.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::docker::Docker;
use tests::engine::Machine;
use tests::wait::until;

use crate::life::status;
use crate::room;
use crate::upkeep::clock_difference;

type Result = anyhow::Result<()>;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// What is written and read: much more than anything else in these machines.
const LARGE: u64 = 200;
/// Longer than any look at the clocks may be late.
const SLEEP: Duration = Duration::from_secs(4);

fn disk(machine: &Machine, verb: &[&str]) -> anyhow::Result<Value> {
    let said = machine.berth(&[&["disk"], verb, &["--json"]].concat())?;
    serde_json::from_str(&said).context(said)
}

/// Bytes of the data disk's file system.
fn seen_inside(machine: &Machine) -> anyhow::Result<u64> {
    let text = machine.berth(&["shell", "stat", "-f", "-c", "%b %S", "/var/lib/berth"])?;
    let (blocks, size) = text.trim().split_once(' ').with_context(|| text.clone())?;
    Ok(blocks.parse::<u64>()? * size.parse::<u64>()?)
}

pub(crate) fn disk_grows_shrinks_and_is_told(machine: &Machine) -> Result {
    machine.berth(&["config", "set", "disk_gib", "2"])?;
    let before = disk(machine, &[])?;
    ensure!(before["size"].is_null() && before["wanted"] == 2 * GIB, "{before}");
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    docker.ok(&["run", "-d", "--name", "runs", "busybox", "sleep", "100000"])?;
    let grown = disk(machine, &["grow", "3G"])?;
    ensure!(grown["at_once"] == true && grown["disk"]["size"] == 3 * GIB, "{grown}");
    let inside = seen_inside(machine)?;
    ensure!(inside > 5 * GIB / 2, "{inside} bytes of 3 GiB are the file system's");
    let said = machine.command(&["disk", "grow", "2G"]).output()?;
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(!said.status.success() && words.contains("cannot shrink"), "{words}");
    ensure!(docker.ok(&["exec", "runs", "echo", "answers"])? == "answers");

    let script = format!("dd if=/dev/urandom of=/large bs=1M count={LARGE} && sync");
    docker.ok(&["run", "--name", "large", "busybox", "sh", "-c", &script])?;
    let full = disk(machine, &[])?;
    ensure!(full["held"].as_u64() > Some(LARGE * MIB) && full["used"].as_u64() > Some(LARGE * MIB), "{full}");
    docker.ok(&["rm", "large"])?;
    // The kernel lets go of a removed container's files a moment after its removal.
    let goal = full["held"].as_u64().context("no size")? - LARGE * MIB * 9 / 10;
    until("what was removed to be given back", Duration::from_secs(60), || {
        (disk(machine, &["compact"]).ok()?["held_after"].as_u64()? <= goal).then_some(())
    })?;
    // And without being asked, soon after the last removal.
    room::removed_data_leaves_the_host(machine, &docker, || Ok(()))?;

    let held = status(machine)?["held"].clone();
    let (memory, disk) = (held["memory"].as_u64().context("no memory")?, held["disk"].as_u64().context("no disk")?);
    ensure!(memory > 64 * MIB && disk > MIB && disk < 3 * GIB, "{held}");
    ensure!(machine.berth(&["status"])?.contains("MiB of this computer"));
    Ok(())
}

fn signal(pid: u64, name: &str) -> Result {
    let done = Command::new("kill").args([name, &pid.to_string()]).status()?;
    ensure!(done.success(), "kill {name} {pid}");
    Ok(())
}

/// Both sides are held as a lid that is closed holds them.
pub(crate) fn clock_is_right_after_a_sleep(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let now = status(machine)?;
    let qemu = now["machine"]["hypervisor_pid"].as_u64().context("a running machine has a QEMU")?;
    let daemon = now["daemon"]["pid"].as_u64().context("a daemon has a number")?;
    // What the guest would not know of by itself. The hypervisor is held first, so that nobody sets it right before.
    machine.berth(&["shell", "date", "-s", "2001-02-03 04:05:06"])?;
    let held = signal(daemon, "-STOP").and_then(|()| signal(qemu, "-STOP"));
    std::thread::sleep(SLEEP);
    let console = machine.home().join("data/log/console.log");
    let steps = || std::fs::read_to_string(&console).unwrap_or_default().matches("clock set by the host's").count();
    let log = machine.home().join("data/log/daemon.log");
    let noticed = || std::fs::read_to_string(&log).unwrap_or_default().matches("the guest is told the time").count();
    let (before, unnoticed) = (steps(), noticed());
    let woken = Instant::now();
    signal(qemu, "-CONT").and(signal(daemon, "-CONT"))?;
    held?;
    until("the guest's clock", Duration::from_secs(120), || (steps() > before).then_some(()))?;
    // By itself the host tells the time once a minute, which may be now: it was this sleep that it was told for.
    ensure!(noticed() > unnoticed, "the daemon did not notice that it slept");
    // The daemon looks within a second; on a busy computer that takes longer.
    ensure!(woken.elapsed() < Duration::from_secs(15), "it took {:?}", woken.elapsed());
    ensure!(clock_difference(machine)? <= 1, "it is set, and not right");
    let docker = Docker::new(machine.docker_host()?)?;
    docker.ok(&["run", "--rm", "busybox", "true"])?;
    Ok(())
}

/// Files that nobody reads any more leave this computer's memory while the machine has nothing to do.
pub(crate) fn idle_machine_gives_memory_back(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    let held = || -> anyhow::Result<u64> { status(machine)?["held"]["memory"].as_u64().context("no memory is told") };
    let script = format!("dd if=/dev/urandom of=/large bs=1M count={LARGE} && sync && cat /large >/dev/null");
    docker.ok(&["run", "--name", "large", "busybox", "sh", "-c", &script])?;
    let full = held()?;
    until("the memory's return", Duration::from_secs(900), || {
        std::thread::sleep(Duration::from_secs(15));
        (held().ok()? + LARGE * MIB / 2 < full).then_some(())
    })?;
    Ok(())
}
