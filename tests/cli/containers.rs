//! The life of containers.

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::events::Listener;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; lifecycle, rename_and_conflict, remove_running_is_refused, wait_codes, list_filters, prune_is_told, top, unknown_is_named, pause, kill_signals]
}

/// Makes hundreds of events within a second and takes the computer for itself: for the end of this engine's cases.
pub(crate) fn heavy_cases() -> Vec<Entry> {
    cases![everywhere; fifty_in_parallel]
}

pub(crate) fn lifecycle(case: &Case<'_>) -> Result {
    let name = case.container("life");
    let status = || case.ok(&["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", &name]);
    case.ok(&["create", "--name", &name, "busybox", "sleep", "1000"])?;
    ensure!(status()? == "created 0", "{}", status()?);
    case.ok(&["start", &name])?;
    ensure!(status()? == "running 0", "{}", status()?);
    case.ok(&["stop", "-t", "1", &name])?;
    ensure!(status()? == "exited 137", "{}", status()?);
    case.ok(&["start", &name])?;
    case.ok(&["restart", "-t", "0", &name])?;
    ensure!(status()? == "running 0", "{}", status()?);
    case.ok(&["kill", &name])?;
    ensure!(case.ok(&["wait", &name])? == "137");
    case.ok(&["rm", &name])?;
    Ok(())
}

pub(crate) fn rename_and_conflict(case: &Case<'_>) -> Result {
    let (first, second) = (case.container("first"), case.container("second"));
    case.ok(&["create", "--name", &first, "busybox"])?;
    let said = case.run(&["create", "--name", &first, "busybox"])?;
    ensure!(
        said.code != 0 && said.err.contains("Conflict. The container name") && said.err.contains("is already in use"),
        "{said:?}"
    );
    case.ok(&["rename", &first, &second])?;
    ensure!(case.ok(&["inspect", "--format", "{{.Name}}", &second])? == format!("/{second}"));
    let said = case.run(&["create", "--name", "-bad", "busybox"])?;
    ensure!(said.code != 0 && said.err.contains("Invalid container name"), "{said:?}");
    Ok(())
}

pub(crate) fn remove_running_is_refused(case: &Case<'_>) -> Result {
    let name = case.container("busy");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    let said = case.run(&["rm", &name])?;
    ensure!(said.code == 1 && said.err.contains("container is running"), "{said:?}");
    case.ok(&["rm", "-f", &name])?;
    Ok(())
}

pub(crate) fn wait_codes(case: &Case<'_>) -> Result {
    let name = case.container("waited");
    case.ok(&["create", "-i", "--name", &name, "busybox", "sh", "-c", "read line; exit 5"])?;
    case.ok(&["start", &name])?;
    let waiter = case.piped(&["wait", &name])?;
    let said = case.fed(b"go\n", &["attach", &name])?;
    ensure!(said.code == 5, "attach passes the code on: {said:?}");
    let out = waiter.wait_with_output()?;
    ensure!(out.stdout == b"5\n", "{out:?}");
    Ok(())
}

pub(crate) fn list_filters(case: &Case<'_>) -> Result {
    let (up, made) = (case.container("up"), case.container("made"));
    let label = format!("case={}", case.number());
    case.ok(&["run", "-d", "--label", &label, "--name", &up, "busybox", "sleep", "1000"])?;
    case.ok(&["create", "--label", &label, "--name", &made, "busybox"])?;
    let filter = format!("label={label}");
    let names = |extra: &[&str]| -> anyhow::Result<Vec<String>> {
        let mut arguments = vec!["ps", "--format", "{{.Names}}", "--filter", &filter];
        arguments.extend(extra);
        Ok(case.ok(&arguments)?.lines().map(str::to_owned).collect())
    };
    ensure!(names(&[])? == [up.as_str()]);
    ensure!(names(&["-a"])? == [made.as_str(), up.as_str()], "{:?}", names(&["-a"]));
    ensure!(names(&["-a", "--filter", "status=created"])? == [made.as_str()]);
    ensure!(names(&["-a", "--filter", &format!("name={up}")])? == [up.as_str()]);
    ensure!(names(&["-a", "--filter", "ancestor=busybox"])?.len() == 2);
    Ok(())
}

/// One event says how much all removals gave back.
pub(crate) fn prune_is_told(case: &Case<'_>) -> Result {
    let name = case.container("pruned");
    let label = format!("case={}", case.number());
    let listener = Listener::start(case)?;
    case.ok(&["run", "--label", &label, "--name", &name, "busybox", "sh", "-c", "echo 12345 >/file"])?;
    let id = case.ok(&["inspect", "--format", "{{.Id}}", &name])?;
    let said = case.ok(&["container", "prune", "-f", "--filter", &format!("label={label}")])?;
    ensure!(said.contains("Total reclaimed space: 6B"), "{said}");
    let events = listener.told()?;
    let gone = events.iter().position(|event| event["Actor"]["ID"] == *id && event["Action"] == "destroy");
    let after = &events[gone.context("its end was told")?..];
    let told = after.iter().any(|event| {
        event["Type"] == "container"
            && event["Action"] == "prune"
            && event["Actor"]["ID"] == ""
            && event["Actor"]["Attributes"]["reclaimed"] == "6"
    });
    ensure!(told, "{after:?}");
    Ok(())
}

pub(crate) fn top(case: &Case<'_>) -> Result {
    let name = case.container("top");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "4321"])?;
    let out = case.ok(&["top", &name])?;
    ensure!(out.lines().count() == 2 && out.starts_with("UID") && out.contains("sleep 4321"), "{out}");
    Ok(())
}

pub(crate) fn fifty_in_parallel(case: &Case<'_>) -> Result {
    let names: Vec<String> = (0..50).map(|n| case.container(&format!("many{n}"))).collect();
    let docker = case.docker;
    let codes: Vec<anyhow::Result<String>> = std::thread::scope(|scope| {
        let starts: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(move || docker.ok(&["run", "-d", "--name", name, "busybox", "sleep", "1000"])))
            .collect();
        starts.into_iter().map(|start| start.join().expect("a start does not panic")).collect()
    });
    for code in codes {
        code?;
    }
    let prefix = names[0].trim_end_matches('0');
    let count = || case.ok(&["ps", "-aq", "--filter", &format!("name={prefix}")]).map(|out| out.lines().count());
    ensure!(count()? == 50, "{}", count()?);
    let mut rm = vec!["rm", "-f"];
    rm.extend(names.iter().map(String::as_str));
    case.ok(&rm)?;
    ensure!(count()? == 0, "{}", count()?);
    Ok(())
}

pub(crate) fn unknown_is_named(case: &Case<'_>) -> Result {
    for verb in ["start", "stop", "rm", "logs", "pause", "top"] {
        let said = case.run(&[verb, "no-such-container"])?;
        ensure!(said.code == 1 && said.err.contains("No such container: no-such-container"), "{verb}: {said:?}");
    }
    Ok(())
}

pub(crate) fn pause(case: &Case<'_>) -> Result {
    let name = case.container("paused");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    case.ok(&["pause", &name])?;
    ensure!(
        case.ok(&["inspect", "--format", "{{.State.Status}} {{.State.Paused}} {{.State.Running}}", &name])?
            == "paused true true"
    );
    let said = case.run(&["exec", &name, "true"])?;
    ensure!(said.code == 1 && said.err.contains("is paused"), "{said:?}");
    case.ok(&["unpause", &name])?;
    case.ok(&["exec", &name, "true"])?;
    Ok(())
}

pub(crate) fn kill_signals(case: &Case<'_>) -> Result {
    let script = "trap 'echo hup' HUP; trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let name = case.started("killed", &[], script)?;
    case.ok(&["kill", "-s", "HUP", &name])?;
    case.says(&name, "hup")?;
    case.ok(&["kill", "--signal", "15", &name])?;
    ensure!(case.ok(&["wait", &name])? == "0");
    let said = case.run(&["kill", &name])?;
    ensure!(said.code == 1 && said.err.contains("is not running"), "{said:?}");
    Ok(())
}
