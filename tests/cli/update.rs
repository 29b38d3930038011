//! What of a container can be changed while it is there.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; restart_policy_of_several, limits]
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
