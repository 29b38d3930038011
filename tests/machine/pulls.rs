//! Pulls that something interrupts, and the settings that decide where they go.

use std::net::Ipv4Addr;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::docker::Docker;
use tests::engine::Machine;
use tests::gate::Gate;
use tests::registry::{Access, Registry};
use tests::wait::until;

use crate::life::status;

type Result = anyhow::Result<()>;

const LAYERS: u64 = 4;
const LAYER: usize = 1 << 20;

/// A pull that has stopped in the middle: some layers are through, one is not.
struct Interrupted {
    docker: Docker,
    gate: Gate,
    reference: String,
    client: Child,
    /// What the engine had before.
    images: String,
    usage: String,
    _registry: Registry,
}

impl Interrupted {
    /// Starts the machine, pushes an image from it to a registry, and pulls it until the gate holds the rest back.
    fn begin(machine: &Machine) -> anyhow::Result<Self> {
        machine.berth(&["up"])?;
        let docker = Docker::new(machine.docker_host()?)?;
        docker.ok(&["create", "--name", "earlier", "busybox", "sh", "-c", "echo works"])?;
        let registry = Registry::start(Access::Anonymous)?;
        registry.push_noise(&docker, "large:1", LAYERS, LAYER)?;
        let (images, usage) = (list(&docker)?, usage(&docker)?);
        let gate = Gate::start(registry.socket(), 2 * LAYER + LAYER / 2)?;
        let reference = format!("{}/large:1", gate.address());
        let client = docker.piped(&["pull", &reference])?;
        gate.wait_until_it_holds()?;
        Ok(Self { docker, gate, reference, client, images, usage, _registry: registry })
    }

    /// Nothing of the pull is there, what was there works, and the same pull now succeeds.
    fn recover(mut self, machine: &Machine) -> Result {
        let log = || {
            let log = std::fs::read_to_string(machine.home().join("data/log/daemon.log")).unwrap_or_default();
            log.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        let ended = until("the end of the interrupted pull", Duration::from_secs(300), || {
            self.client.try_wait().ok().flatten()
        })?;
        ensure!(!ended.success(), "the interrupted pull says that it succeeded");
        let images = list(&self.docker).with_context(|| format!("the daemon's log ends:\n{}", log()))?;
        ensure!(images == self.images, "{images} is there, {} was", self.images);
        ensure!(usage(&self.docker)? == self.usage, "{} before, {} after", self.usage, usage(&self.docker)?);
        ensure!(self.docker.ok(&["start", "-a", "earlier"])? == "works");
        self.gate.open();
        self.docker.ok(&["pull", "-q", &self.reference])?;
        // Every layer came whole: the engine packs and counts each byte of them.
        let exported = self.docker.ok(&["create", &self.reference, "none"])?;
        for number in 0..LAYERS {
            let out = self.docker.command(["cp", &format!("{exported}:/file{number}"), "-"]).output()?;
            ensure!(out.status.success() && out.stdout.len() > LAYER, "file{number} is not whole");
        }
        Ok(())
    }
}

fn list(docker: &Docker) -> anyhow::Result<String> {
    let text = docker.ok(&["images", "--all", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"])?;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    Ok(lines.join("\n"))
}

/// What images take, by the engine's own account.
fn usage(docker: &Docker) -> anyhow::Result<String> {
    docker.ok(&["system", "df", "--format", "{{if eq .Type \"Images\"}}{{.TotalCount}} {{.Size}}{{end}}"])
}

/// Kills a process of the machine's, and waits until it is gone: until then it may still take a connection.
pub(crate) fn end(pid: &serde_json::Value) -> Result {
    let pid = pid.as_i64().context("the status names the process")?;
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL)?;
    until("the end of the killed process", Duration::from_secs(300), || {
        // The state follows the command in parentheses (proc_pid_stat(5)). The first thread may be a zombie while another still holds
        // the process's descriptors; each of those leaves this folder after it has closed them.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("X", |(_, rest)| rest).chars().next();
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map(Iterator::count).unwrap_or_default();
        (matches!(state, Some('Z' | 'X')) && threads <= 1).then_some(())
    })
}

pub(crate) fn cut_by_a_killed_hypervisor(machine: &Machine) -> Result {
    let pull = Interrupted::begin(machine)?;
    end(&status(machine)?["machine"]["hypervisor_pid"])?;
    until("the daemon's notice", Duration::from_secs(120), || {
        status(machine).ok().filter(|status| status["machine"]["phase"] == "failed")
    })?;
    machine.berth(&["up"])?;
    pull.recover(machine)
}

pub(crate) fn cut_by_a_killed_daemon(machine: &Machine) -> Result {
    let pull = Interrupted::begin(machine)?;
    let before = status(machine)?;
    end(&before["daemon"]["pid"])?;
    // The next verb adopts the machine.
    machine.berth(&["up"])?;
    let after = status(machine)?;
    ensure!(after["machine"]["hypervisor_pid"] == before["machine"]["hypervisor_pid"], "{after}");
    pull.recover(machine)
}

pub(crate) fn go_where_the_settings_say(machine: &Machine) -> Result {
    // Addresses of this host that are not on loopback's own net, in the suite's own network.
    let (trusted, other) = (Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(198, 51, 100, 2));
    for address in [trusted, other] {
        let added = Command::new("ip").args(["address", "replace", &format!("{address}/32"), "dev", "lo"]).status()?;
        ensure!(added.success(), "ip address replace {address}");
    }
    let (trusted, other) =
        (Registry::start_at(trusted, Access::Anonymous)?, Registry::start_at(other, Access::Anonymous)?);
    let mirror = Registry::start(Access::Anonymous)?;
    let old_mirror = mirror.address();
    machine.berth(&["config", "set", "insecure_registries", &trusted.address()])?;
    machine.berth(&["config", "set", "registry_mirrors", &format!("http://{}", mirror.address())])?;
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    let push = |reference: &str| -> Result {
        docker.ok(&["tag", "busybox", reference])?;
        docker.ok(&["push", "-q", reference])?;
        docker.ok(&["rmi", reference])?;
        Ok(())
    };
    let reference = format!("{}/plain:1", trusted.address());
    push(&reference)?;
    docker.ok(&["pull", "-q", &reference])?;
    ensure!(docker.ok(&["run", "--rm", &reference, "echo", "pulled"])? == "pulled");
    // It speaks no TLS, and nobody said that it need not.
    let said = docker.run(&["pull", &format!("{}/plain:1", other.address())])?;
    ensure!(said.code == 1 && said.err.contains(&format!("https://{}/v2/", other.address())), "{said:?}");
    // There is no Docker Hub here: what comes under a short name comes from the mirror.
    push(&format!("{}/library/mirrored:1", mirror.address()))?;
    docker.ok(&["pull", "-q", "mirrored:1"])?;
    ensure!(docker.ok(&["run", "--rm", "mirrored:1", "echo", "mirrored"])? == "mirrored");
    // A machine that runs follows, and an engine that starts again knows.
    let both = format!("{},{}", trusted.address(), other.address());
    machine.berth(&["config", "set", "insecure_registries", &both])?;
    machine.berth(&["config", "set", "registry_mirrors", &format!("http://{}", other.address())])?;
    let follows = |why: &str| {
        until(why, Duration::from_secs(60), || {
            let known = docker.ok(&["info", "--format", "{{json .RegistryConfig}}"]).ok()?;
            let mirror = format!("http://{}", other.address());
            let insecure = format!("\"{}\"", other.address());
            let is_new = known.contains(&mirror) && known.contains(&insecure) && !known.contains(&old_mirror);
            is_new.then_some(())
        })
    };
    follows("the change")?;
    push(&format!("{}/library/second:1", other.address()))?;
    docker.ok(&["pull", "-q", "second:1"])?;
    docker.ok(&["rmi", "mirrored:1"])?;
    let said = docker.run(&["pull", "mirrored:1"])?;
    ensure!(said.code == 1, "the old mirror is still asked: {said:?}");
    machine.berth(&["shell", "sh", "-c", "kill -9 $(pidof berth-engine)"])?;
    follows("the next engine")
}
