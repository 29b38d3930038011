//! Namespaces that containers share with one another and with the machine, and devices that there are none of.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; ipc_of_a_container, ipc_and_uts_of_the_machine, gpus_are_refused]
}

/// Which namespace of a kind the first process of a container with `options` is in.
fn namespace(case: &Case<'_>, kind: &str, options: &[&str]) -> anyhow::Result<String> {
    let link = format!("/proc/self/ns/{kind}");
    case.ok(&[&["run", "--rm"], options, &["busybox", "readlink", &link]].concat())
}

pub(crate) fn ipc_of_a_container(case: &Case<'_>) -> Result {
    let (shared, own) = (case.container("shared"), case.container("own"));
    for (name, mode) in [(&shared, "shareable"), (&own, "private")] {
        case.ok(&["run", "-d", "--name", name, "--ipc", mode, "busybox", "sleep", "1000"])?;
    }
    let its = case.ok(&["exec", &shared, "readlink", "/proc/self/ns/ipc"])?;
    let joined = namespace(case, "ipc", &["--ipc", &format!("container:{shared}")])?;
    ensure!(joined == its && namespace(case, "ipc", &[])? != its, "{joined}, not {its}");
    case.ok(&["exec", &shared, "sh", "-c", "echo kept >/dev/shm/file"])?;
    let join = format!("container:{shared}");
    ensure!(case.ok(&["run", "--rm", "--ipc", &join, "busybox", "cat", "/dev/shm/file"])? == "kept");
    let refused = case.run(&["run", "--rm", "--ipc", &format!("container:{own}"), "busybox", "true"])?;
    let words = "non-shareable IPC (hint: use IpcMode:shareable for the donor container)";
    ensure!(refused.code == 125 && refused.err.contains(words), "{refused:?}");
    Ok(())
}

pub(crate) fn ipc_and_uts_of_the_machine(case: &Case<'_>) -> Result {
    for (kind, option) in [("ipc", "--ipc"), ("uts", "--uts")] {
        let host = namespace(case, kind, &[option, "host"])?;
        ensure!(host.starts_with(kind) && namespace(case, kind, &[option, "host"])? == host, "{host}");
        ensure!(namespace(case, kind, &[])? != host, "{kind}: every container is in the machine's");
    }
    let refused = case.run(&["run", "--rm", "--uts", "host", "--hostname", "own", "busybox", "true"])?;
    ensure!(
        refused.code == 125 && refused.err.contains("conflicting options: hostname and the UTS mode"),
        "{refused:?}"
    );
    Ok(())
}

pub(crate) fn gpus_are_refused(case: &Case<'_>) -> Result {
    let name = case.container("gpus");
    let said = case.run(&["run", "--name", &name, "--gpus", "all", "busybox", "true"])?;
    let words = r#"could not select device driver "" with capabilities: [[gpu]]"#;
    ensure!(said.code == 125 && said.err.contains(words), "{said:?}");
    Ok(())
}
