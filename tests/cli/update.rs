//! What of a container can be changed while it is there.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; restart_policy_of_several]
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
