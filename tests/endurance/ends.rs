//! What is asked of a container while it ends: between its process's death and the engine's hearing of it, and beside its removal.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::engine::Engine;
use tests::http::{Answer, request};
use tests::wait::until;

use crate::Result;

/// Long enough for an answer that does not wait for the end.
const MOMENT: Duration = Duration::from_millis(500);

/// The supervisor, which tells of ends, stands still meanwhile.
pub(crate) fn networks_change_as_of_one_that_has_ended(engine: &Engine) -> Result {
    let docker = &engine.docker;
    for network in ["left", "joined"] {
        docker.ok(&["network", "create", network])?;
    }
    docker.ok(&["run", "--detach", "--name", "mortal", "--network", "left", "busybox", "sleep", "1000"])?;
    let pid = docker.ok(&["inspect", "--format", "{{.State.Pid}}", "mortal"])?;
    let supervisor = engine.roles()?.supervisor;
    engine.script(&format!("kill -STOP {supervisor} && kill -KILL {pid}"))?;
    let dead = until("the end of the process", Duration::from_secs(120), || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.contains("State:\tZ").then_some(())
    });
    let asked: Vec<Receiver<anyhow::Result<Answer>>> = ["joined/connect", "left/disconnect"]
        .map(|what| {
            let (done, answer) = channel();
            let host = docker.host().to_owned();
            std::thread::spawn(move || {
                // Nobody listens any more after a failure.
                let _ = done.send(request(&host, "POST", &format!("/networks/{what}"), r#"{"Container":"mortal"}"#));
            });
            answer
        })
        .into();
    let early: Vec<_> = asked.iter().map(|answer| answer.recv_timeout(MOMENT)).collect();
    engine.script(&format!("kill -CONT {supervisor}"))?;
    dead?;
    for (early, asked) in early.into_iter().zip(asked) {
        let answer = early.or_else(|_| asked.recv()).context("no answer")??;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    }
    let now = docker.ok(&[
        "inspect",
        "--format",
        "{{.State.Status}} {{range $n, $_ := .NetworkSettings.Networks}}{{$n}} {{end}}",
        "mortal",
    ])?;
    ensure!(now.trim_end() == "exited joined", "{now}");
    docker.ok(&["start", "mortal"])?;
    docker.ok(&["rm", "--force", "mortal"])?;
    Ok(())
}

/// So often that a removal comes between each two steps of a stop.
const ROUNDS: usize = 150;

/// Whoever stops a container that goes away meanwhile has what was wanted.
pub(crate) fn stops_meet_removals(engine: &Engine) -> Result {
    let host = engine.docker.host();
    let body = r#"{"Image":"busybox","Cmd":["sleep","1000"],"HostConfig":{"AutoRemove":true,"NetworkMode":"none"}}"#;
    for round in 0..ROUNDS {
        let name = format!("going-{round}");
        let made = request(host, "POST", &format!("/containers/create?name={name}"), body)?;
        ensure!(made.status == 201, "{}", made.body);
        let begun = request(host, "POST", &format!("/containers/{name}/start"), "")?;
        ensure!(begun.status == 204, "{}", begun.body);
        let ask = |method: &'static str, rest: &str| request(host, method, &format!("/containers/{name}{rest}"), "");
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asked =
                [("POST", "/stop?t=0"), ("POST", "/restart?t=0"), ("DELETE", "?force=1"), ("POST", "/stop?t=0")];
            let asking = asked.map(|(method, rest)| scope.spawn(move || ask(method, rest)));
            asking.into_iter().map(|asking| asking.join().expect("no panic")).collect()
        });
        for answer in answers {
            let answer: Answer = answer?;
            ensure!(answer.status < 500, "round {round}: {} {}", answer.status, answer.body);
        }
        // A restart may have been the last.
        request(host, "DELETE", &format!("/containers/{name}?force=1"), "")?;
    }
    Ok(())
}
