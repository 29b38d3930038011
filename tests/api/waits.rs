//! `POST /containers/{id}/wait`: clients ask before they start what they wait for, so the head goes out at once.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::case::Case;
use tests::http::{head, request};

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; by_condition, of_one_that_removes_itself, of_a_start_that_fails, through_a_restart, conditions_are_known, before_1_30]
}

/// For what is answered at once, on a slow machine under emulation.
const PATIENCE: Duration = Duration::from_secs(120);

/// A wait whose head has come, and whose body comes when the condition holds.
struct Wait(UnixStream);

impl Wait {
    fn begin(case: &Case<'_>, name: &str, condition: &str) -> anyhow::Result<Self> {
        let mut stream = UnixStream::connect(case.host().strip_prefix("unix://").context("a Unix socket")?)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let path = format!("/v1.51/containers/{name}/wait?condition={condition}");
        stream.write_all(format!("POST {path} HTTP/1.0\r\nHost: docker\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
        let head = head(&mut stream).with_context(|| format!("the head of {path}"))?;
        let status = head.lines().next().unwrap_or_default();
        ensure!(status.contains(" 200 ") && head.to_lowercase().contains("content-type: application/json"), "{head}");
        Ok(Self(stream))
    }

    fn end(mut self) -> anyhow::Result<Value> {
        let mut body = String::new();
        self.0.read_to_string(&mut body).with_context(|| format!("after {body:?}"))?;
        ensure!(body.ends_with("}\n"), "{body:?}");
        Ok(serde_json::from_str(&body)?)
    }
}

fn ended(case: &Case<'_>, name: &str, condition: &str) -> anyhow::Result<Value> {
    Wait::begin(case, name, condition)?.end()
}

fn code(code: u8) -> Value {
    json!({ "StatusCode": code })
}

/// One that ends with 3 the first time, and with one more each time.
pub(crate) fn by_condition(case: &Case<'_>) -> Result {
    let name = case.container("counts");
    let script = "n=$(cat /n 2>/dev/null || echo 3); echo $((n + 1)) >/n; exit $n";
    case.ok(&["create", "--name", &name, "busybox", "sh", "-c", script])?;
    // What was only created does not run.
    ensure!(ended(case, &name, "not-running")? == code(0));
    let removed = Wait::begin(case, &name, "removed")?;
    // Of one that does not run, and has run already: it is the next run's end that counts.
    for exit in [3, 4] {
        let next = Wait::begin(case, &name, "next-exit")?;
        case.ok(&["start", &name])?;
        ensure!(next.end()? == code(exit), "run {exit}");
        for condition in ["", "not-running"] {
            ensure!(ended(case, &name, condition)? == code(exit), "run {exit}: {condition:?}");
        }
    }
    // A removal ends all of them, with how the last run ended.
    let never = Wait::begin(case, &name, "next-exit")?;
    case.ok(&["rm", &name])?;
    ensure!(removed.end()? == code(4));
    ensure!(never.end()? == code(4));
    let gone = request(case.host(), "POST", &format!("/v1.51/containers/{name}/wait?condition=removed"), "")?;
    ensure!((gone.status, gone.message()) == (404, format!("No such container: {name}")), "{gone:?}");
    // One that has never run.
    case.ok(&["create", "--name", &name, "busybox"])?;
    let waits = ["removed", "next-exit"].map(|condition| Wait::begin(case, &name, condition));
    case.ok(&["rm", &name])?;
    for wait in waits {
        ensure!(wait?.end()? == code(0));
    }
    Ok(())
}

/// When the wait for its removal ends it is gone.
pub(crate) fn of_one_that_removes_itself(case: &Case<'_>) -> Result {
    let name = case.container("passes");
    case.ok(&["create", "--rm", "--name", &name, "busybox", "sh", "-c", "exit 7"])?;
    let waits = ["removed", "next-exit"].map(|condition| Wait::begin(case, &name, condition));
    case.ok(&["start", &name])?;
    for wait in waits {
        ensure!(wait?.end()? == code(7));
    }
    let inspect = request(case.host(), "GET", &format!("/v1.51/containers/{name}/json"), "")?;
    ensure!(inspect.status == 404, "{inspect:?}");
    Ok(())
}

/// The start itself tells whoever began it; one who asks later is told by the wait.
pub(crate) fn of_a_start_that_fails(case: &Case<'_>) -> Result {
    let (name, passing) = (case.container("fails"), case.container("fails-and-goes"));
    case.ok(&["create", "--rm", "--name", &passing, "busybox", "/no/such/program"])?;
    let waits = ["removed", "next-exit"].map(|condition| Wait::begin(case, &passing, condition));
    ensure!(case.run(&["start", &passing])?.code == 1);
    for wait in waits {
        ensure!(wait?.end()? == code(127));
    }
    case.ok(&["create", "--name", &name, "busybox", "/no/such/program"])?;
    // It has not run: this one goes on until it is removed.
    let next = Wait::begin(case, &name, "next-exit")?;
    ensure!(case.run(&["start", &name])?.code == 1);
    let told = ended(case, &name, "not-running")?;
    let words = "stat /no/such/program: no such file or directory";
    ensure!(
        told["StatusCode"] == 127 && told["Error"]["Message"].as_str().is_some_and(|text| text.contains(words)),
        "{told}"
    );
    case.ok(&["rm", &name])?;
    ensure!(next.end()? == code(127));
    Ok(())
}

/// The end of a run counts although another follows at once.
pub(crate) fn through_a_restart(case: &Case<'_>) -> Result {
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let name = case.started("again", &[], script)?;
    let waits = ["next-exit", "not-running"].map(|condition| Wait::begin(case, &name, condition));
    case.ok(&["restart", "-t", "120", &name])?;
    for wait in waits {
        ensure!(wait?.end()? == code(9));
    }
    ensure!(case.ok(&["inspect", "-f", "{{.State.Running}}", &name])? == "true");
    Ok(())
}

pub(crate) fn conditions_are_known(case: &Case<'_>) -> Result {
    let name = case.container("condition");
    case.ok(&["create", "--name", &name, "busybox"])?;
    let answer = request(case.host(), "POST", &format!("/v1.51/containers/{name}/wait?condition=ever"), "")?;
    ensure!((answer.status, answer.message().as_str()) == (400, "invalid condition: \"ever\""), "{answer:?}");
    Ok(())
}

/// Clients of that time wait for the end, and know of no conditions.
pub(crate) fn before_1_30(case: &Case<'_>) -> Result {
    let name = case.container("old");
    case.ok(&["create", "--name", &name, "busybox"])?;
    for condition in ["ever", "removed", "next-exit"] {
        let path = format!("/v1.29/containers/{name}/wait?condition={condition}");
        let answer = request(case.host(), "POST", &path, "")?;
        let told: Value = serde_json::from_str(&answer.body)?;
        ensure!(answer.status == 200 && told == code(0), "{condition}: {answer:?}");
    }
    Ok(())
}
