//! The engine dies in the middle of many requests of one kind. What it had answered holds, and the rest can be asked again.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::docker::Docker;
use tests::engine::{Engine, Kind};
use tests::http::{Answer, request};

use super::stage::ask;
use crate::census::Census;
use crate::{Result, is_long};

/// Containers at a time, and clients that share them.
const CONTAINERS: usize = 12;
const CLIENTS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Start,
    Exec,
    Stop,
    Remove,
}

impl Verb {
    fn send(self, docker: &Docker, name: &str, terminal: bool) -> anyhow::Result<Answer> {
        let host = docker.host();
        let post = |path: &str| request(host, "POST", path, "");
        match self {
            Verb::Create => {
                let body = json!({
                    "Image": "busybox", "Cmd": ["sh", "-c", "trap 'exit 5' TERM; while :; do usleep 10000; done"],
                    "Tty": terminal, "OpenStdin": true,
                    "HostConfig": {"Mounts": [{"Type": "volume", "Source": format!("of-{name}"), "Target": "/data"}]},
                });
                request(host, "POST", &format!("/containers/create?name={name}"), &body.to_string())
            }
            Verb::Start => post(&format!("/containers/{name}/start")),
            Verb::Exec => {
                let made = ask(
                    docker,
                    "POST",
                    &format!("/containers/{name}/exec"),
                    &json!({"Cmd": ["touch", "/data/touched"]}),
                )?;
                let id = made["Id"].as_str().context("an id")?;
                request(host, "POST", &format!("/exec/{id}/start"), r#"{"Detach":true}"#)
            }
            Verb::Stop => post(&format!("/containers/{name}/stop?t=20")),
            Verb::Remove => request(host, "DELETE", &format!("/containers/{name}?force=1"), ""),
        }
    }

    /// What must be true of a container after this was answered; its state, `null` when it is gone.
    fn holds(self, state: &Value) -> bool {
        match self {
            Verb::Create => state["Status"] == "created",
            Verb::Start | Verb::Exec => state["Status"] == "running" && state["Pid"] != 0,
            Verb::Stop => state["Status"] == "exited" && (state["ExitCode"] == 5 || state["ExitCode"] == 137),
            Verb::Remove => state.is_null(),
        }
    }

    /// What the second request of a client whose first one broke may be told: done now, or done already.
    fn again(self, status: u16) -> bool {
        match self {
            Verb::Create => [201, 409].contains(&status),
            Verb::Start | Verb::Stop => [204, 304].contains(&status),
            Verb::Exec => status == 200,
            Verb::Remove => [204, 404].contains(&status),
        }
    }
}

pub(crate) fn what_was_answered_holds(engine: &Engine) -> Result {
    let run = ["run", "--rm", "-p", "80", "-v", "/data", "busybox", "true"];
    engine.docker.ok(&run)?;
    // What a dead engine left is cleared away, whatever it was doing.
    let before = (engine.kind == Kind::Native).then(|| Census::take(engine)).transpose()?;
    let rounds = if is_long() { 10 } else { 1 };
    for round in 0..rounds {
        for (at, verb) in [Verb::Create, Verb::Start, Verb::Exec, Verb::Stop, Verb::Remove].into_iter().enumerate() {
            // Another moment each time, from the first answer to the last but one.
            let moment = 1 + (round * 7 + at * 4 + 1) % (CONTAINERS - 2);
            storm(engine, verb, moment)
                .with_context(|| format!("{verb:?} with a kill after answer {moment} in round {round}"))?;
        }
        let left = engine.docker.ok(&["volume", "ls", "-q"])?;
        let left: Vec<&str> = left.lines().collect();
        engine.docker.ok(&[&["volume", "rm"], &left[..]].concat())?;
    }
    engine.docker.ok(&run)?;
    before.map_or(Ok(()), |before| before.settles(engine))
}

fn storm(engine: &Engine, verb: Verb, moment: usize) -> Result {
    let docker = &engine.docker;
    let before = engine.roles()?.engine;
    let names: Vec<String> = (0..CONTAINERS).map(|number| format!("storm-{number}")).collect();
    let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let held = Mutex::new(BTreeSet::new());
    let killed = Mutex::new(Ok(()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(name) = names.get(number) else { return };
                    // A connection that breaks says nothing.
                    let Ok(answer) = verb.send(docker, name, number % 3 == 0) else { continue };
                    if answer.status >= 300 {
                        continue;
                    }
                    held.lock().expect("no panic").insert(name.clone());
                    if answered.fetch_add(1, Ordering::Relaxed) + 1 == moment {
                        *killed.lock().expect("no panic") = engine.script(&format!("kill -9 {before}")).map(drop);
                    }
                }
            });
        }
    });
    killed.into_inner().expect("no panic")?;
    engine.next_engine(before)?;
    let held = held.into_inner().expect("no panic");
    ensure!(held.len() >= moment, "only {} answers", held.len());
    for name in &names {
        let state = state(docker, name)?;
        ensure!(!held.contains(name) || verb.holds(&state), "{name} was answered and is {state}");
    }
    for (number, name) in names.iter().enumerate() {
        if verb == Verb::Remove || !held.contains(name) {
            let answer = verb.send(docker, name, number % 3 == 0)?;
            ensure!(verb.again(answer.status), "{name} the second time: {} {}", answer.status, answer.body);
        }
        let state = state(docker, name)?;
        ensure!(verb.holds(&state), "{name} in the end: {state}");
    }
    Ok(())
}

/// `State` of a container, `null` when there is none.
fn state(docker: &Docker, name: &str) -> anyhow::Result<Value> {
    let answer = request(docker.host(), "GET", &format!("/containers/{name}/json"), "")?;
    match answer.status {
        200 => Ok(serde_json::from_str::<Value>(&answer.body)?["State"].take()),
        404 => Ok(Value::Null),
        other => anyhow::bail!("inspecting {name}: {other} {}", answer.body),
    }
}
