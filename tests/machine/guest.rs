//! The guest as its user, its host and its containers find it: of the size that the settings say, with a terminal that boots it, and
//! with an agent that nobody can change.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Machine;
use tests::terminal::Terminal;
use tests::wait::until;

use crate::life::status;
use crate::room;

type Result = anyhow::Result<()>;

/// What supervisor, engine and relay may take together when they have nothing to do, in kB.
const IDLE_KB: u64 = 26_000;
const CPUS: &str = "1";
const MEMORY_MIB: u64 = 900;

/// One boot for all that is asked of a running guest.
pub(crate) fn is_what_the_settings_say(machine: &Machine) -> Result {
    let auto = |entry: &serde_json::Value| entry["name"] == "link" && entry["default"] == "auto";
    let settings: serde_json::Value = serde_json::from_str(&machine.berth(&["config", "list", "--json"])?)?;
    ensure!(settings.as_array().is_some_and(|entries| entries.iter().any(auto)), "{settings}");
    for (name, value) in [("link", "auto"), ("cpus", CPUS), ("memory_mib", &MEMORY_MIB.to_string())] {
        machine.berth(&["config", "set", name, value])?;
    }
    terminal_boots(machine)?;
    let now = status(machine)?;
    ensure!(now["machine"]["phase"] == "running" && now["machine"]["link"] == "vsock", "{now}");

    ensure!(machine.berth(&["shell", "nproc"])?.trim() == CPUS);
    let open = shell(machine, "ls /proc/$$/fd; :")?;
    ensure!(open.split_whitespace().eq(["0", "1", "2"]), "the shell has more than its own descriptors: {open}");
    let total: u64 = shell(machine, "awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo")?.parse()?;
    // The kernel keeps some of it to itself.
    ensure!((MEMORY_MIB * 3 / 4..=MEMORY_MIB).contains(&total), "{total} MiB of {MEMORY_MIB}");

    idle_takes_little(machine)?;
    let docker = Docker::new(machine.docker_host()?)?;
    agent_cannot_be_changed(machine, &docker)?;
    free_memory_is_reported(machine)?;
    room::removed_data_leaves_the_host(machine, &docker, || {
        // A removal is the file system's to give away once it is on the disk.
        machine.berth(&["shell", "sh", "-c", "sync && fstrim /var/lib/berth"]).map(drop)
    })
}

/// What `script` prints in the guest's shell.
fn shell(machine: &Machine, script: &str) -> anyhow::Result<String> {
    Ok(machine.berth(&["shell", "sh", "-c", script])?.trim().to_owned())
}

/// Proportional set sizes (proc(5), `smaps_rollup`) of the agent's processes: what they share counts once.
fn idle_takes_little(machine: &Machine) -> Result {
    let script = "for p in 1 $(pidof berth-engine) $(pidof berth-relay); do grep ^Pss: /proc/$p/smaps_rollup; done";
    let mut seen = Vec::new();
    // What the start took goes back within seconds.
    let waited = until("the agent's idle size", Duration::from_secs(120), || {
        let sizes = shell(machine, script).ok()?;
        seen = sizes.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse().ok()).collect::<Vec<u64>>();
        (seen.len() == 3 && seen.iter().sum::<u64>() <= IDLE_KB).then_some(())
    });
    waited.with_context(|| format!("{seen:?} kB of {IDLE_KB}"))
}

/// `berth terminal` on a machine that is down: it boots, says so, and becomes the user's own shell with docker pointed at it.
fn terminal_boots(machine: &Machine) -> Result {
    let down = status(machine)?;
    ensure!(down["machine"]["phase"] == "stopped", "{down}");
    let mut command = machine.command(&["terminal"]);
    command.env("SHELL", "/bin/bash").env("HOME", machine.home());
    let terminal = Terminal::open(&command)?;
    terminal.wait_for("the banner", |screen| screen.contains("Your machine is running.") && screen.contains('#'))?;
    let steps = terminal.screen().matches("✓ ").count();
    ensure!(steps >= 4, "{steps} steps were seen: {}", terminal.screen());
    let docker = Docker::new(machine.docker_host()?)?;
    let says = |typed: &str, line: &str| {
        terminal.type_text(typed)?;
        terminal.press("Enter")?;
        terminal.wait_for(line, |screen| screen.lines().any(|shown| shown.starts_with(line)))
    };
    says("echo \"${BASH##*/} at $DOCKER_HOST\"", &format!("bash at {}", docker.host()))?;
    says(&format!("{} ps", docker.program().display()), "CONTAINER ID")?;
    terminal.type_text("exit 7")?;
    terminal.press("Enter")?;
    ensure!(terminal.wait_exit()? == 7, "the screen showed:\n{}", terminal.screen());
    Ok(())
}

/// Supervisor, engine and relay run from a sealed file in memory, even for a container with all rights, and are the last that the kernel
/// takes memory from; a container is not.
fn agent_cannot_be_changed(machine: &Machine, docker: &Docker) -> Result {
    // F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE of fcntl(2).
    const SEALED: &str = "15";
    let program = tests::fixture::program("seals")?.display().to_string();
    for role in ["supervisor", "engine", "relay"] {
        let pid = match role {
            "supervisor" => "1".to_owned(),
            _ => shell(machine, &format!("pidof berth-{role}"))?,
        };
        let exe = format!("/proc/{pid}/exe");
        let target = machine.berth(&["shell", "readlink", &exe])?;
        ensure!(target.starts_with("/memfd:berth-agent"), "{role}: {target}");
        let score = machine.berth(&["shell", "cat", &format!("/proc/{pid}/oom_score_adj")])?;
        ensure!(score.trim() == "-999", "{role}: {score}");
        docker.ok(&["create", "--name", role, "--privileged", "--pid", "host", "busybox", "/seals", &exe])?;
        docker.ok(&["cp", &program, &format!("{role}:/seals")])?;
        let seals = docker.ok(&["start", "-a", role])?;
        ensure!(seals == SEALED, "{role}: {seals}");
    }
    ensure!(docker.ok(&["run", "--rm", "busybox", "cat", "/proc/self/oom_score_adj"])? == "0");
    // Nor is what somebody runs in a shell, though it is the relay's child.
    let score = machine.berth(&["shell", "cat", "/proc/self/oom_score_adj"])?;
    ensure!(score.trim() == "0", "a shell: {score}");
    Ok(())
}

/// The memory balloon tells the host which pages are free.
fn free_memory_is_reported(machine: &Machine) -> Result {
    // VIRTIO_BALLOON_F_REPORTING is bit 5, the text has bit 0 first. The driver is loaded when all else is done.
    let script = "cut -c 6 /sys/bus/virtio/drivers/virtio_balloon/virtio*/features";
    let bit = until("the balloon's driver", Duration::from_secs(120), || shell(machine, script).ok())?;
    ensure!(bit == "1", "{bit:?}");
    Ok(())
}
