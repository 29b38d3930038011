//! What of a container can be changed while it is there.

use anyhow::{Context, ensure};
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; restart_policy_of_several, limits, limits_of_devices]
}

pub(crate) fn restart_policy_of_several(case: &Case<'_>) -> Result {
    let (one, two) = (case.container("one"), case.container("two"));
    case.ok(&["run", "-d", "--name", &one, "busybox", "sleep", "1000"])?;
    case.ok(&["create", "--name", &two, "busybox", "sleep", "1000"])?;
    let said = case.ok(&["update", "--restart", "on-failure:3", &one, &two])?;
    ensure!(said == format!("{one}\n{two}"), "{said}");
    let format = "{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}";
    let shown = case.ok(&["inspect", "--format", format, &one, &two])?;
    ensure!(shown == "on-failure:3\non-failure:3", "{shown}");
    case.ok(&["update", "--restart", "no", &one])?;
    ensure!(case.ok(&["inspect", "--format", format, &one])? == "no:0");
    // What can be changed is changed, whatever becomes of the rest.
    let nobody = format!("{one}-nobody");
    let said = case.run(&["update", "--restart", "always", &nobody, &one])?;
    ensure!(said.code == 1 && said.err.contains(&format!("No such container: {nobody}")), "{said:?}");
    ensure!(said.out.trim() == one && case.ok(&["inspect", "--format", format, &one])? == "always:0", "{said:?}");
    let said = case.run(&["update", &one])?;
    ensure!(said.code == 1 && said.err.contains("must provide one or more flags"), "{said:?}");
    Ok(())
}

pub(crate) fn limits(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::update::limits")? {
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

/// As the kernel has them, of a disk that the engine's own files are on.
pub(crate) fn limits_of_devices(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::update::limits_of_devices")? {
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
