//! `docker exec`.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; runs_and_returns_codes, with_user_and_environment, standard_input, in_stopped_container, detached, privileged_keeps_the_filter]
}

fn sleeper(case: &Case<'_>) -> anyhow::Result<String> {
    let name = case.container("exec");
    case.ok(&["run", "-d", "-e", "FROM=run", "--name", &name, "busybox", "sleep", "1000"])?;
    Ok(name)
}

pub(crate) fn runs_and_returns_codes(case: &Case<'_>) -> Result {
    let name = sleeper(case)?;
    ensure!(case.ok(&["exec", &name, "echo", "hello"])? == "hello");
    ensure!(case.run(&["exec", &name, "sh", "-c", "exit 6"])?.code == 6);
    let said = case.run(&["exec", &name, "no-such-command"])?;
    ensure!(said.code == 127 && (said.err + &said.out).contains("executable file not found in $PATH"));
    let said = case.run(&["exec", &name, "/etc/passwd"])?;
    ensure!(said.code == 126, "{said:?}");
    // The process belongs to the container's namespaces: it sees the container's first process.
    let out = case.ok(&["exec", &name, "sh", "-c", "tr '\\0' ' ' </proc/1/cmdline"])?;
    ensure!(out.trim() == "sleep 1000", "{out}");
    Ok(())
}

pub(crate) fn with_user_and_environment(case: &Case<'_>) -> Result {
    let name = sleeper(case)?;
    let out = case.ok(&[
        "exec",
        "-u",
        "65534:65533",
        "-e",
        "COLOUR=red",
        "-w",
        "/tmp",
        &name,
        "sh",
        "-c",
        "id -u; id -g; echo $COLOUR $FROM; pwd",
    ])?;
    ensure!(out == "65534\n65533\nred run\n/tmp", "{out}");
    let out = case.ok(&["exec", &name, "grep", "CapEff", "/proc/self/status"])?;
    ensure!(out.ends_with("00000000a80425fb"), "{out}");
    Ok(())
}

pub(crate) fn standard_input(case: &Case<'_>) -> Result {
    let name = sleeper(case)?;
    let said = case.fed(b"through\n", &["exec", "-i", &name, "cat"])?;
    ensure!(said.code == 0 && said.out == "through\n", "{said:?}");
    Ok(())
}

pub(crate) fn in_stopped_container(case: &Case<'_>) -> Result {
    let name = case.container("stopped");
    case.ok(&["create", "--name", &name, "busybox"])?;
    let said = case.run(&["exec", &name, "true"])?;
    ensure!(said.code == 1 && said.err.contains("is not running"), "{said:?}");
    Ok(())
}

pub(crate) fn detached(case: &Case<'_>) -> Result {
    let name = sleeper(case)?;
    // Its output goes nowhere, and is no reason to stop.
    let script = "for i in $(seq 1 20000); do echo $i; done; echo written >/mark";
    let out = case.ok(&["exec", "-d", &name, "sh", "-c", script])?;
    ensure!(out.is_empty(), "{out}");
    let mark = tests::wait::until("the mark", std::time::Duration::from_secs(120), || {
        case.ok(&["exec", &name, "cat", "/mark"]).ok().filter(|mark| !mark.is_empty())
    })?;
    ensure!(mark == "written", "{mark}");
    Ok(())
}

pub(crate) fn privileged_keeps_the_filter(case: &Case<'_>) -> Result {
    let name = sleeper(case)?;
    let show = ["grep", "-E", "^(CapEff|Seccomp):", "/proc/self/status"];
    let status = |options: &[&str]| case.ok(&[&["exec"], options, &[&name], &show].concat());
    let (plain, privileged) = (status(&[])?, status(&["--privileged"])?);
    ensure!(plain.contains("00000000a80425fb") && !privileged.contains("00000000a80425fb"), "{plain} {privileged}");
    ensure!(plain.ends_with("Seccomp:\t2") && privileged.ends_with("Seccomp:\t2"), "{plain} {privileged}");
    Ok(())
}
