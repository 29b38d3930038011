//! A data disk that runs full, and what it takes of the host's.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::archive;
use tests::docker::Docker;
use tests::engine::Machine;
use tests::registry::{Access, Registry};
use tests::wait::until;

type Result = anyhow::Result<()>;

/// Of a layer that packs to nearly nothing: no registry's figures show beforehand that it cannot fit.
const LARGE: usize = 64 << 20;

/// The bytes that are left for containers on the data disk.
fn left(machine: &Machine) -> anyhow::Result<u64> {
    let text = machine.berth(&["shell", "stat", "-f", "-c", "%a %S", "/var/lib/berth"])?;
    let (blocks, size) = text.trim().split_once(' ').with_context(|| text.clone())?;
    Ok(blocks.parse::<u64>()? * size.parse::<u64>()?)
}

fn list(docker: &Docker) -> anyhow::Result<String> {
    docker.ok(&["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"])
}

pub(crate) fn full_costs_one_pull_and_nothing_else(machine: &Machine) -> Result {
    machine.berth(&["config", "set", "disk_gib", "1"])?;
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    let registry = Registry::start(Access::Anonymous)?;
    let large = format!("{}/large:1", registry.address());
    let layer = archive::file("large", &vec![b'x'; LARGE])?;
    let said = docker.fed(&archive::docker(&large, &[layer])?, &["load"])?;
    ensure!(said.code == 0, "{said:?}");
    docker.ok(&["push", "-q", &large])?;
    docker.ok(&["rmi", &large])?;
    docker.ok(&["run", "-d", "--name", "runs", "busybox", "sleep", "100000"])?;
    docker.ok(&["run", "--rm", "-v", "kept:/data", "busybox", "sh", "-c", "echo stays >/data/file"])?;
    let before = list(&docker)?;

    // Not full yet, but it will not fit.
    let most = (left(machine)? - (LARGE as u64) / 2).to_string();
    docker.ok(&["run", "--rm", "-v", "fill:/fill", "busybox", "fallocate", "-l", &most, "/fill/most"])?;
    let said = docker.run(&["pull", &large])?;
    let words = "no space left on device: remove images, or give the machine a larger disk";
    ensure!(said.code == 1 && said.err.contains(words), "{said:?}");
    ensure!(list(&docker)? == before, "{} is there, {before} was", list(&docker)?);

    // To the last block that a container can get.
    let rest =
        "dd if=/dev/zero of=/fill/rest bs=64k; while dd if=/dev/zero bs=4k count=1 >>/fill/crumbs; do :; done; sync";
    docker.ok(&["run", "--rm", "-v", "fill:/fill", "busybox", "sh", "-c", rest])?;
    ensure!(left(machine)? < 64 << 10, "{} bytes are left", left(machine)?);
    let said = docker.run(&["pull", &large])?;
    let foreseen = "no space left on device: the image needs ";
    ensure!(said.code == 1 && said.err.contains(foreseen) && said.err.contains("remove images"), "{said:?}");
    ensure!(docker.ok(&["exec", "runs", "echo", "answers"])? == "answers");
    // Metadata can still be written: what was removed stays so.
    docker.ok(&["rm", "-f", "runs"])?;
    docker.ok(&["volume", "rm", "fill"])?;
    ensure!(docker.ok(&["ps", "-aq"])?.is_empty());
    ensure!(docker.ok(&["volume", "ls", "-q"])? == "kept");

    docker.ok(&["pull", "-q", &large])?;
    machine.berth(&["down"])?;
    machine.berth(&["up"])?;
    ensure!(docker.ok(&["ps", "-aq"])?.is_empty());
    ensure!(docker.ok(&["run", "--rm", "-v", "kept:/data", "busybox", "cat", "/data/file"])? == "stays");
    docker.ok(&["image", "inspect", &large])?;
    Ok(())
}

/// The bytes that the data disk takes of the host's.
fn taken(machine: &Machine) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(machine.home().join("data/machine/disk.raw"))?.blocks() * 512)
}

/// What a container wrote and lost again is the host's once more after `trim`.
pub(crate) fn removed_data_leaves_the_host(machine: &Machine, docker: &Docker, trim: impl Fn() -> Result) -> Result {
    const SIZE: u64 = 200 << 20;
    let empty = taken(machine)?;
    let script = "dd if=/dev/urandom of=/large bs=1M count=200 && sync";
    docker.ok(&["run", "--name", "large", "busybox", "sh", "-c", script])?;
    let full = taken(machine)?;
    ensure!(full >= empty + SIZE, "{empty} bytes before, {full} after");
    docker.ok(&["rm", "large"])?;
    until("the smaller disk", Duration::from_secs(240), || match trim().and_then(|()| taken(machine)) {
        Ok(left) => (left + SIZE * 9 / 10 <= full).then_some(Ok(())),
        Err(error) => Some(Err(error)),
    })?
}

/// Without anybody's doing: soon after the last removal.
pub(crate) fn engine_gives_back_what_was_removed(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    removed_data_leaves_the_host(machine, &docker, || Ok(()))
}
