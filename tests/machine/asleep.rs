//! A machine that has nothing to do stands still, and goes on for whoever comes.

use std::time::Duration;

use anyhow::ensure;
use tests::docker::Docker;
use tests::engine::Machine;
use tests::wait::until;

use crate::life::status;
use crate::upkeep::clock_difference;

type Result = anyhow::Result<()>;

fn stands_still(machine: &Machine) -> Result {
    until("the machine to stand still", Duration::from_secs(120), || {
        (status(machine).ok()?["machine"]["paused"] == true).then_some(())
    })
}

pub(crate) fn stands_still_until_somebody_comes(machine: &Machine) -> Result {
    // The other link's device does not stand it.
    machine.berth(&["config", "set", "link", "serial"])?;
    machine.berth(&["config", "set", "auto_pause", "2s"])?;
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    let id = docker.ok(&["run", "-d", "--name", "lives", "busybox", "sh", "-c", "sleep 15; echo slept"])?;
    // As long as it runs the machine does: otherwise this would never end.
    ensure!(docker.ok(&["wait", "lives"])? == "0");
    stands_still(machine)?;
    ensure!(machine.berth(&["status"])?.contains("stands still"), "the command says so");

    // Who only looks wakes nobody.
    ensure!(docker.ok(&["ps", "-q"])?.is_empty());
    ensure!(docker.ok(&["images", "--format", "{{.Repository}}"])?.contains("busybox"));
    ensure!(docker.ok(&["volume", "ls", "-q"])?.is_empty());
    ensure!(status(machine)?["machine"]["paused"] == true, "it was woken by a list");

    // Longer than its own clock would tolerate to be behind.
    std::thread::sleep(Duration::from_secs(3));
    ensure!(docker.ok(&["logs", "lives"])? == "slept");
    ensure!(status(machine)?["machine"]["paused"] == false, "it is awake");
    until("the clock to be right", Duration::from_secs(10), || {
        clock_difference(machine).ok().filter(|difference| *difference <= 1)
    })?;
    stands_still(machine)?;
    ensure!(docker.ok(&["run", "--rm", "busybox", "echo", "hello"])? == "hello");
    ensure!(docker.ok(&["ps", "-aq", "--no-trunc"])? == id.trim());
    stands_still(machine)?;
    machine.berth(&["down"])?;
    ensure!(status(machine)?["machine"]["phase"] == "stopped");
    Ok(())
}
