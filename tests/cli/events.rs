//! The stream of events: which, in which order, and what they carry.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::suite::{Entry, cases, everywhere};

use serde_json::{Value, json};
use tests::case::Case;
use tests::events::Listener;
use tests::wait::until;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; of_a_whole_life, of_health, whose_health_is_no_longer_seen, of_a_slow_probe, of_prunes, of_images, since_the_epoch]
}

fn attribute<'e>(event: &'e Value, name: &str) -> &'e str {
    event["Actor"]["Attributes"][name].as_str().unwrap_or_default()
}

/// `kind action` of the events that are about the actor or name it as their container.
fn about(events: &[Value], actor: &str) -> Vec<String> {
    let chosen = events.iter().filter(|event| event["Actor"]["ID"] == actor || attribute(event, "container") == actor);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    chosen.map(|event| format!("{} {}", text(&event["Type"]), text(&event["Action"]))).collect()
}

/// `0` is a time like any other, and not "no time".
pub(crate) fn since_the_epoch(case: &Case<'_>) -> Result {
    let (name, other) = (case.container("epoch"), case.container("until"));
    // The engine remembers the last 256 events of all cases: it is asked at once, each time.
    case.ok(&["create", "--name", &name, "busybox"])?;
    let listener = Listener::filtered(case, &[&format!("container={name}")])?;
    let first = listener.until("what was before", |events| events.first().cloned())?;
    ensure!(first["Action"] == "create", "{first}");
    // It ends at once, and leaves nothing out.
    let id = case.ok(&["create", "--name", &other, "busybox"])?;
    let all = case.ok(&["events", "--until", "0"])?;
    ensure!(all.lines().any(|line| line.contains(&id) && line.contains("create")), "{all}");
    Ok(())
}

pub(crate) fn of_a_whole_life(case: &Case<'_>) -> Result {
    let (name, volume) = (case.container("life"), case.volume("life"));
    let listener = Listener::start(case)?;
    let mount = format!("{volume}:/v");
    let id =
        case.ok(&["run", "-d", "--name", &name, "-v", &mount, "--label", "of=life", "busybox", "sleep", "1000"])?;
    case.ok(&["exec", &name, "true"])?;
    case.ok(&["exec", &name, "sh", "-c", "exit 0"])?;
    let unknown = case.command(["exec", &name, "nonexistent"]).output()?;
    ensure!(unknown.status.code() == Some(127), "{unknown:?}");
    // The end of an exec is told when its output has ended, which may be after its client has gone.
    listener.until("the ends of the execs", |events| {
        let events = about(events, &id);
        (events.iter().filter(|event| *event == "container exec_die").count() == 2).then_some(())
    })?;
    case.ok(&["top", &name])?;
    case.ok(&["pause", &name])?;
    case.ok(&["unpause", &name])?;
    case.ok(&["rm", "-f", &name])?;
    let events = listener.told()?;
    let (execs, others): (Vec<_>, Vec<_>) =
        about(&events, &id).into_iter().partition(|event| event.starts_with("container exec_"));
    ensure!(
        others
            == [
                "container create",
                "volume mount",
                "network connect",
                "container start",
                "container top",
                "container pause",
                "container unpause",
                "container kill",
                "network disconnect",
                "volume unmount",
                "container die",
                "container destroy"
            ],
        "{others:?}"
    );
    // The program is told with a space behind it even without arguments; what never ran does not die.
    let starts: Vec<_> = execs.iter().filter(|event| *event != "container exec_die").collect();
    ensure!(
        starts
            == [
                "container exec_create: true ",
                "container exec_start: true ",
                "container exec_create: sh -c exit 0",
                "container exec_start: sh -c exit 0",
                "container exec_create: nonexistent ",
                "container exec_start: nonexistent "
            ],
        "{starts:?}"
    );
    ensure!(execs.len() == starts.len() + 2, "{execs:?}");
    for event in events.iter().filter(|event| event["Actor"]["ID"] == *id) {
        ensure!(attribute(event, "name") == name && attribute(event, "image") == "busybox", "{event}");
        ensure!(attribute(event, "of") == "life", "{event}");
        let is_exec = event["Action"].as_str().is_some_and(|action| action.starts_with("exec_"));
        ensure!(attribute(event, "execID").len() == if is_exec { 64 } else { 0 }, "{event}");
    }
    let die = events.iter().find(|event| event["Actor"]["ID"] == *id && event["Action"] == "die");
    ensure!(die.is_some_and(|die| attribute(die, "exitCode") == "137" && !attribute(die, "execDuration").is_empty()));
    Ok(())
}

/// Nobody looks at one that is frozen or has ended.
pub(crate) fn whose_health_is_no_longer_seen(case: &Case<'_>) -> Result {
    let name = case.container("unseen");
    let listener = Listener::start(case)?;
    let run =
        ["run", "-d", "--name", &name, "--health-cmd", "true", "--health-interval", "1s", "busybox", "sleep", "1000"];
    let id = case.ok(&run)?;
    let turned_healthy = |times: usize| {
        let is_it = |event: &&Value| event["Actor"]["ID"] == *id && event["Action"] == "health_status: healthy";
        listener.until("healthy", |events| (events.iter().filter(is_it).count() >= times).then_some(()))
    };
    let status = || case.ok(&["inspect", "--format", "{{.State.Health.Status}}", &name]);
    turned_healthy(1)?;
    case.ok(&["pause", &name])?;
    ensure!(status()? == "unhealthy");
    case.ok(&["unpause", &name])?;
    turned_healthy(2)?;
    ensure!(status()? == "healthy");
    case.ok(&["kill", &name])?;
    case.ok(&["wait", &name])?;
    ensure!(status()? == "unhealthy");
    let filter = format!("name={name}");
    let listed = |health: &str| case.ok(&["ps", "-aq", "--filter", &filter, "--filter", &format!("health={health}")]);
    ensure!(listed("healthy")?.is_empty() && !listed("unhealthy")?.is_empty());
    Ok(())
}

pub(crate) fn of_health(case: &Case<'_>) -> Result {
    let name = case.container("probed");
    let listener = Listener::start(case)?;
    let check = ["--health-cmd", "test -e /well", "--health-interval", "1s", "--health-retries", "1"];
    let mut run = vec!["run", "-d", "--name", &name];
    run.extend(check);
    run.extend(["busybox", "sleep", "1000"]);
    let id = case.ok(&run)?;
    let status = |wanted: &str| {
        let action = format!("health_status: {wanted}");
        let is_it = |event: &Value| event["Actor"]["ID"] == *id && event["Action"] == *action;
        listener.until(&action, |events| events.iter().any(is_it).then_some(()))?;
        // What was told is so.
        let status = case.ok(&["inspect", "--format", "{{.State.Health.Status}}", &name])?;
        ensure!(status == wanted, "{status}");
        Ok(())
    };
    status("unhealthy")?;
    case.ok(&["exec", &name, "touch", "/well"])?;
    status("healthy")?;
    let events = listener.told()?;
    let own: Vec<&Value> = events.iter().filter(|event| event["Actor"]["ID"] == *id).collect();
    for (number, code) in [("unhealthy", "1"), ("healthy", "0")] {
        let action = format!("health_status: {number}");
        let flip = own.iter().position(|event| event["Action"] == *action).with_context(|| format!("no {action}"))?;
        // The probe that turned it: the last one that ended before.
        let ended = |event: &&&Value| event["Action"] == "exec_die" && attribute(event, "exitCode") == code;
        let die = own[..flip].iter().rev().find(ended).with_context(|| format!("no end before {action}: {own:?}"))?;
        let exec = attribute(die, "execID");
        let steps: Vec<&str> = own[..flip]
            .iter()
            .filter(|event| attribute(event, "execID") == exec)
            .filter_map(|event| event["Action"].as_str())
            .collect();
        let command = "/bin/sh -c test -e /well";
        ensure!(
            steps == [&format!("exec_create: {command}"), &format!("exec_start: {command}"), "exec_die"],
            "{steps:?}"
        );
    }
    Ok(())
}

/// What a probe said goes with the message that it took too long; the length is as Go writes it.
pub(crate) fn of_a_slow_probe(case: &Case<'_>) -> Result {
    for (kind, timeout, command, expect) in [
        // Long enough for a shell to say something, however busy the engine's computer is.
        ("talks", "10500ms", "echo so far; sleep 1000", "Health check exceeded timeout (10.5s): so far\n"),
        ("silent", "1500ms", "sleep 1000", "Health check exceeded timeout (1.5s)"),
    ] {
        let name = case.container(kind);
        let mut run = vec!["run", "-d", "--name", &name, "--health-cmd", command];
        run.extend(["--health-interval", "1s", "--health-timeout", timeout, "--health-retries", "1"]);
        run.extend(["busybox", "sleep", "1000"]);
        let listener = Listener::start(case)?;
        let id = case.ok(&run)?;
        let health = until("a failed probe", Duration::from_secs(120), || {
            let health = case.ok(&["inspect", "--format", "{{json .State.Health}}", &name]).ok()?;
            let health: Value = serde_json::from_str(&health).ok()?;
            (health["Status"] == "unhealthy").then_some(health)
        })?;
        let first = &health["Log"][0];
        ensure!(first["Output"] == expect && first["ExitCode"] == -1, "{first}");
        listener.until("its end", |events| {
            let killed = |event: &&Value| event["Action"] == "exec_die" && attribute(event, "exitCode") == "137";
            events.iter().filter(|event| event["Actor"]["ID"] == *id).any(|event| killed(&event)).then_some(())
        })?;
        case.ok(&["rm", "-f", &name])?;
    }
    Ok(())
}

pub(crate) fn of_prunes(case: &Case<'_>) -> Result {
    let (name, network, volume) = (case.container("pruned"), case.network("pruned"), case.volume("pruned"));
    let image = case.image("pruned:1");
    let label = format!("pruned={name}");
    let filter = format!("label={label}");
    let listener = Listener::start(case)?;
    let config = json!({ "Labels": { "pruned": name } });
    tests::image::derive(case.docker, "busybox", &image, &config)?;
    let image = case.ok(&["inspect", "--format", "{{.Id}}", &image])?;
    let id = case.ok(&["create", "--name", &name, "--label", &label, "busybox"])?;
    let network_id = case.ok(&["network", "create", "--label", &label, &network])?;
    case.ok(&["volume", "create", "--label", &label, &volume])?;
    case.ok(&["container", "prune", "--force", "--filter", &filter])?;
    case.ok(&["network", "prune", "--force", "--filter", &filter])?;
    case.ok(&["volume", "prune", "--force", "--all", "--filter", &filter])?;
    case.ok(&["image", "prune", "--force", "--all", "--filter", &filter])?;
    let events = listener.told()?;
    for (kind, actor, gone) in [
        ("container", &id, "destroy"),
        ("network", &network_id, "destroy"),
        ("volume", &volume, "destroy"),
        ("image", &image, "delete"),
    ] {
        let at = events.iter().position(|event| event["Actor"]["ID"] == **actor && event["Action"] == gone);
        let at = at.with_context(|| format!("no {gone} of the {kind}"))?;
        let summary = events[at..].iter().find(|event| event["Type"] == kind && event["Action"] == "prune");
        let summary = summary.with_context(|| format!("no summary after the end of the {kind}"))?;
        ensure!(summary["Actor"]["ID"] == "" && attribute(summary, "reclaimed").parse::<u64>().is_ok(), "{summary}");
    }
    Ok(())
}

pub(crate) fn of_images(case: &Case<'_>) -> Result {
    let (reference, other) = (case.image("marked:1"), case.image("marked:2"));
    let config = json!({ "Labels": { "mark": reference } });
    let listener = Listener::start(case)?;
    tests::image::derive(case.docker, "busybox", &reference, &config)?;
    let image = case.ok(&["inspect", "--format", "{{.Id}}", &reference])?;
    case.ok(&["tag", &reference, &other])?;
    case.ok(&["rmi", &other])?;
    case.ok(&["rmi", &reference])?;
    let events = listener.told()?;
    let own: Vec<&Value> = events.iter().filter(|event| event["Actor"]["ID"] == *image).collect();
    // How it came is another matter: by `load`.
    let from = own.iter().position(|event| event["Action"] == "tag").context("no tag")?;
    let found: Vec<_> = own[from..]
        .iter()
        .map(|event| (event["Action"].as_str().unwrap_or_default(), attribute(event, "name"), attribute(event, "mark")))
        .collect();
    let mark = reference.as_str();
    let expect =
        [("tag", other.as_str(), mark), ("untag", &image, mark), ("untag", &image, mark), ("delete", &image, "")];
    ensure!(found == expect, "{found:?}");
    Ok(())
}
