//! Containers that wait for their restart: they count as running, though nothing runs.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::engine::Kind;
use tests::events::Listener;
use tests::http::request;
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

/// How often a case may find that the delay was over when its request arrived.
const TRIES: usize = 10;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; remove_is_refused, start_changes_nothing, is_stopped_once, is_killed_without_a_word, is_removed_by_force, is_waited_for, a_restart_is_a_stop_too]
}

/// A container that ends all the time, in one of its longer delays; its id.
fn delayed(case: &Case<'_>, name: &str) -> anyhow::Result<String> {
    let id = case.ok(&["run", "-d", "--restart", "always", "--name", name, "busybox", "sh", "-c", "exit 3"])?;
    until("a long delay", Duration::from_secs(120), || {
        let (status, count) = state(case, name).ok()?;
        (status == "restarting" && count > 3).then_some(())
    })?;
    Ok(id)
}

/// Status and number of restarts.
fn state(case: &Case<'_>, name: &str) -> anyhow::Result<(String, u64)> {
    let text = case.ok(&["inspect", "--format", "{{.State.Status}} {{.RestartCount}}", name])?;
    let (status, count) = text.split_once(' ').context("two words")?;
    Ok((status.to_owned(), count.parse()?))
}

/// What was told of the container itself.
fn told(listener: &Listener<'_>, id: &str) -> anyhow::Result<Vec<String>> {
    let events = listener.told()?;
    let own = events.iter().filter(|event| event["Actor"]["ID"] == *id);
    Ok(own.filter_map(|event| event["Action"].as_str().map(str::to_owned)).collect())
}

/// Does it to a container in its delay; what was told of that container from its creation on.
fn in_a_delay(case: &Case<'_>, name: &str, words: &[&str]) -> anyhow::Result<Vec<String>> {
    let listener = Listener::start(case)?;
    for _ in 0..TRIES {
        let id = delayed(case, name)?;
        case.ok(words)?;
        let events = told(&listener, &id)?;
        if !events.iter().any(|event| event == "kill") {
            return Ok(events);
        }
        // It ran again, and heard the signal.
        case.run(&["rm", "-f", name])?;
    }
    anyhow::bail!("the request never met the delay")
}

fn count(events: &[String], action: &str) -> usize {
    events.iter().filter(|event| *event == action).count()
}

pub(crate) fn remove_is_refused(case: &Case<'_>) -> Result {
    let name = case.container("kept");
    delayed(case, &name)?;
    let refused = until("a removal within the delay", Duration::from_secs(120), || {
        let said = case.run(&["rm", &name]);
        said.map(|said| (said.code == 0 || !said.err.contains("container is running")).then_some(said)).transpose()
    })??;
    let text = "container is restarting: stop the container before removing or force remove";
    ensure!(refused.code == 1 && refused.err.contains(text), "{refused:?}");
    Ok(())
}

pub(crate) fn start_changes_nothing(case: &Case<'_>) -> Result {
    let name = case.container("started");
    delayed(case, &name)?;
    let before = state(case, &name)?.1;
    let answer = request(case.docker.host(), "POST", &format!("/containers/{name}/start"), "")?;
    ensure!(answer.status == 304, "{} {}", answer.status, answer.body);
    // A start by the user would have begun to count anew.
    ensure!(state(case, &name)?.1 >= before, "{:?}", state(case, &name)?);
    Ok(())
}

pub(crate) fn is_stopped_once(case: &Case<'_>) -> Result {
    let name = case.container("stopped");
    let events = in_a_delay(case, &name, &["stop", &name])?;
    ensure!(count(&events, "stop") == 1 && events.last().is_some_and(|last| last == "stop"), "{events:?}");
    ensure!(count(&events, "die") == count(&events, "start"), "{events:?}");
    ensure!(state(case, &name)?.0 == "exited");
    Ok(())
}

pub(crate) fn is_killed_without_a_word(case: &Case<'_>) -> Result {
    let name = case.container("killed");
    let events = in_a_delay(case, &name, &["kill", &name])?;
    ensure!(count(&events, "stop") == 0 && events.last().is_some_and(|last| last == "die"), "{events:?}");
    ensure!(state(case, &name)?.0 == "exited");
    Ok(())
}

pub(crate) fn is_removed_by_force(case: &Case<'_>) -> Result {
    let name = case.container("removed");
    let events = in_a_delay(case, &name, &["rm", "-f", &name])?;
    ensure!(count(&events, "stop") == 0 && events.last().is_some_and(|last| last == "destroy"), "{events:?}");
    let said = case.run(&["inspect", &name])?;
    ensure!(said.code == 1, "{said:?}");
    Ok(())
}

/// Whenever it is asked: it is the next end that counts, though another run follows.
pub(crate) fn is_waited_for(case: &Case<'_>) -> Result {
    let name = case.container("waited");
    case.ok(&["run", "-d", "--restart", "always", "--name", &name, "busybox", "sh", "-c", "exit 5"])?;
    for _ in 0..3 {
        ensure!(case.ok(&["wait", &name])? == "5");
    }
    Ok(())
}

pub(crate) fn a_restart_is_a_stop_too(case: &Case<'_>) -> Result {
    let name = case.container("again");
    let listener = Listener::start(case)?;
    let id = case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    case.ok(&["restart", "-t", "0", &name])?;
    let mut events = told(&listener, &id)?;
    let end = events.iter().position(|event| event == "die").context("it died")?;
    if case.kind == Kind::Reference && end > 0 && events[end - 1] == "stop" {
        // There two tasks tell it, in either order.
        events.swap(end - 1, end);
    }
    ensure!(events == ["create", "start", "kill", "kill", "die", "stop", "start", "restart"], "{events:?}");
    let name = case.container("at-once");
    let events = in_a_delay(case, &name, &["restart", &name])?;
    // The new run may be over already.
    ensure!(count(&events, "stop") == 1 && count(&events, "restart") == 1, "{events:?}");
    Ok(())
}
