//! What of the computer a container may use, as the kernel has it: by cgroups v2, so in the machine, and natively where they are.

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::events::Listener;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; memory_limit_kills, are_written, are_changed, shares_sets_and_weights, below_a_parent, of_devices]
}

/// The actions that were told up to the container's end.
fn up_to_the_end(listener: &Listener<'_>) -> anyhow::Result<Vec<String>> {
    listener.until("its end", |events| {
        let actions: Vec<_> = events.iter().filter_map(|event| event["Action"].as_str()).map(str::to_owned).collect();
        actions.iter().any(|action| action == "die").then_some(actions)
    })
}

pub(crate) fn memory_limit_kills(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::limits::memory_limit_kills")? {
        return Ok(());
    }
    let name = case.container("oom");
    let listener = Listener::filtered(case, &[&format!("container={name}")])?;
    let said = case.run(&[
        "run",
        "--name",
        &name,
        "--memory",
        "16m",
        "--memory-swap",
        "16m",
        "busybox",
        "sh",
        "-c",
        "tail /dev/zero",
    ])?;
    ensure!(said.code == 137, "{said:?}");
    let out = case.ok(&["inspect", "--format", "{{.State.OOMKilled}}", &name])?;
    ensure!(out == "true", "OOMKilled {out}");
    let actions = up_to_the_end(&listener)?;
    let at = |wanted: &str| actions.iter().position(|action| action == wanted);
    ensure!(at("oom").is_some() && at("oom") < at("die"), "{actions:?}");
    // Of one that ends for another reason nothing of the kind is told.
    let other = case.container("killed");
    let listener = Listener::filtered(case, &[&format!("container={other}")])?;
    case.ok(&["run", "-d", "--name", &other, "--memory", "16m", "busybox", "sleep", "1000"])?;
    case.ok(&["kill", &other])?;
    let actions = up_to_the_end(&listener)?;
    ensure!(!actions.contains(&"oom".to_owned()), "{actions:?}");
    ensure!(case.ok(&["inspect", "--format", "{{.State.OOMKilled}}", &other])? == "false");
    Ok(())
}

pub(crate) fn are_written(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::limits::are_written")? {
        return Ok(());
    }
    let out = case.ok(&[
        "run",
        "--rm",
        "--memory",
        "64m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "33",
        "busybox",
        "sh",
        "-c",
        "cd /sys/fs/cgroup; cat memory.max cpu.max pids.max",
    ])?;
    ensure!(out == "67108864\n50000 100000\n33", "{out}");
    Ok(())
}

pub(crate) fn are_changed(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::limits::are_changed")? {
        return Ok(());
    }
    let name = case.container("limited");
    case.ok(&["run", "-d", "--name", &name, "--memory", "64m", "--memory-swap", "64m", "busybox", "sleep", "1000"])?;
    case.ok(&["update", "--memory", "128m", "--memory-swap", "128m", "--pids-limit", "40", "--cpus", "0.5", &name])?;
    let read = "cd /sys/fs/cgroup; cat memory.max pids.max cpu.max";
    let seen = case.ok(&["exec", &name, "sh", "-c", read])?;
    ensure!(seen == "134217728\n40\n50000 100000", "{seen}");
    Ok(())
}

/// As they are given at first, and after an update. The numbers of cgroups v1 are those of v2 as runc has converted them since 1.3.2.
pub(crate) fn shares_sets_and_weights(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::limits::shares_sets_and_weights")? {
        return Ok(());
    }
    let (name, plain) = (case.container("shares"), case.container("plain"));
    let processors: u32 = case.ok(&["info", "--format", "{{.NCPU}}"])?.parse()?;
    let all = if processors > 1 { format!("0-{}", processors - 1) } else { "0".to_owned() };
    let seen = |name: &str| {
        let script = "cd /sys/fs/cgroup; cat cpu.weight cpuset.cpus cpuset.mems memory.low; head -n 1 io.weight; \
            grep Cpus_allowed_list: /proc/self/status | cut -f 2";
        case.ok(&["exec", name, "sh", "-c", script])
    };
    case.ok(&["run", "-d", "--name", &plain, "busybox", "sleep", "1000"])?;
    let shown = seen(&plain)?;
    ensure!(shown == format!("100\n\n\n0\ndefault 100\n{all}"), "without any: {shown}");
    let options = ["--cpu-shares", "512", "--cpuset-cpus", "0", "--cpuset-mems", "0", "--memory", "64m"];
    let more = ["--memory-reservation", "32m", "--blkio-weight", "300"];
    let said =
        case.run(&[&["run", "-d", "--name", &name], &options[..], &more, &["busybox", "sleep", "1000"]].concat())?;
    ensure!(said.code == 0 && said.err.is_empty(), "{said:?}");
    let shown = seen(&name)?;
    ensure!(shown == "59\n0\n0\n33554432\ndefault 2930\n0", "{shown}");
    let options = ["--cpu-shares", "2048", "--cpuset-cpus", &all, "--cpuset-mems", "0"];
    let more = ["--memory-reservation", "16m", "--blkio-weight", "1000"];
    let said = case.run(&[&["update"], &options[..], &more, &[&name]].concat())?;
    ensure!(said.code == 0 && said.err.is_empty(), "{said:?}");
    let shown = seen(&name)?;
    ensure!(shown == format!("174\n{all}\n0\n16777216\ndefault 10000\n{all}"), "{shown}");
    // They are still so when it comes back.
    case.ok(&["restart", "-t", "0", &name])?;
    ensure!(seen(&name)? == shown, "after a restart: {}", seen(&name)?);
    let fields = "{{.CpuShares}} {{.CpusetCpus}} {{.CpusetMems}} {{.MemoryReservation}} {{.BlkioWeight}}";
    let shown = case.ok(&["inspect", "--format", &format!("{{{{with .HostConfig}}}}{fields}{{{{end}}}}"), &name])?;
    ensure!(shown == format!("2048 {all} 0 16777216 1000"), "{shown}");
    Ok(())
}

/// The limits of a container and of its parent hold both, and one parent holds for all that is in it.
pub(crate) fn below_a_parent(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::limits::below_a_parent")? {
        return Ok(());
    }
    let (parent, name, boss) = (format!("t{}-limits", case.number()), case.container("limits"), case.container("boss"));
    let run = ["run", "-d", "--name", &name, "--cgroup-parent", &parent, "-m", "64m", "--pids-limit", "50"];
    case.ok(&[&run[..], &["busybox", "sleep", "1000"]].concat())?;
    let read = "cd /sys/fs/cgroup; cat memory.max pids.max";
    ensure!(case.ok(&["exec", &name, "sh", "-c", read])? == "67108864\n50");
    let run = ["run", "-d", "--name", &boss, "--privileged", "--cgroupns", "host", "busybox", "sleep", "1000"];
    case.ok(&run)?;
    let limit = format!("echo 3 >/sys/fs/cgroup/{parent}/pids.max");
    case.ok(&["exec", &boss, "sh", "-c", &limit])?;
    let many = "for i in 1 2 3 4 5; do sleep 5 & done";
    for name in [name.clone(), case.container("second")] {
        let run = ["run", "--rm", "--name", &name, "--cgroup-parent", &parent, "busybox", "sh", "-c", many];
        let said = match name.ends_with("second") {
            true => case.run(&run)?,
            false => case.run(&["exec", &name, "sh", "-c", many])?,
        };
        ensure!(said.err.contains("can't fork"), "{name}: {said:?}");
    }
    Ok(())
}

/// As the kernel has them, of a disk that the engine's own files are on.
pub(crate) fn of_devices(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::limits::of_devices")? {
        return Ok(());
    }
    let list = "for disk in /sys/block/*/device; do disk=${disk%/device}; echo /dev/${disk#/sys/block/} $(cat $disk/dev); done";
    let disks = case.ok(&["run", "--rm", "busybox", "sh", "-c", list])?;
    let (disk, number) = disks.lines().find_map(|line| line.split_once(' ')).context("no disk")?;
    let limits = ["--device-read-bps", "--device-write-bps", "--device-read-iops", "--device-write-iops"];
    let limits: Vec<String> = limits
        .iter()
        .zip(["4mb", "3mb", "200", "100"])
        .flat_map(|(option, limit)| [(*option).to_owned(), format!("{disk}:{limit}")])
        .collect();
    let mut words = vec!["run", "--rm"];
    words.extend(limits.iter().map(String::as_str));
    words.extend(["busybox", "cat", "/sys/fs/cgroup/io.max"]);
    let seen = case.ok(&words)?;
    ensure!(seen == format!("{number} rbps=4194304 wbps=3145728 riops=200 wiops=100"), "{seen}");
    let said = case.run(&["run", "--rm", "--device-read-bps", "/dev/none:1mb", "busybox", "true"])?;
    ensure!(said.code == 127 && said.err.contains("stat /dev/none: no such file or directory"), "{said:?}");
    Ok(())
}
