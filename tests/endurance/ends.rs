//! What is asked of a container between its process's death and the engine's hearing of it.

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
