//! What the engine says about itself.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::engine::Kind;
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; version_info_ping, older_clients, malformed_requests]
}

pub(crate) fn version_info_ping(case: &Case<'_>) -> Result {
    ensure!(
        case.ok(&["version", "--format", "{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}"])?
            == "1.51 1.24 linux"
    );
    let info = case.ok(&["info", "--format", "{{.OSType}} {{.CgroupVersion}}"])?;
    ensure!(info == "linux 2" || !case.kind.is_machine() && info == "linux 1", "{info}");
    let answer = request(case, "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")?;
    ensure!(
        answer.starts_with("HTTP/1.1 200")
            && answer.ends_with("OK")
            && answer.to_lowercase().contains("api-version: 1.51"),
        "{answer}"
    );
    let answer = request(case, "GET /v1.20/version HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")?;
    ensure!(answer.starts_with("HTTP/1.1 400") && answer.contains("client version 1.20 is too old"), "{answer}");
    Ok(())
}

/// The oldest version of the API, and one in the middle.
pub(crate) fn older_clients(case: &Case<'_>) -> Result {
    for version in ["1.24", "1.41"] {
        let name = case.container(&format!("old{}", version.replace('.', "-")));
        let run = |arguments: &[&str]| -> anyhow::Result<String> {
            let out = case.command(arguments).env("DOCKER_API_VERSION", version).output()?;
            let (text, err) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            ensure!(out.status.success(), "{version}: docker {}: {text}{err}", arguments.join(" "));
            Ok(text.trim_end().to_owned())
        };
        ensure!(run(&["version", "--format", "{{.Client.APIVersion}}"])? == version);
        ensure!(run(&["run", "--rm", "busybox", "echo", "heard"])? == "heard");
        run(&["run", "-d", "--name", &name, "busybox", "sh", "-c", "echo said; exec sleep 1000"])?;
        ensure!(run(&["exec", &name, "echo", "inside"])? == "inside");
        ensure!(run(&["ps", "--filter", &format!("name={name}"), "--format", "{{.Names}}"])? == name);
        ensure!(run(&["inspect", "--format", "{{.State.Status}}", &name])? == "running");
        until("the log", Duration::from_secs(120), || run(&["logs", &name]).ok().filter(|log| log == "said"))?;
        run(&["info"])?;
        run(&["images"])?;
        run(&["network", "ls"])?;
        run(&["volume", "ls"])?;
        run(&["stop", "-t", "0", &name])?;
        run(&["rm", &name])?;
    }
    Ok(())
}

pub(crate) fn malformed_requests(case: &Case<'_>) -> Result {
    let post = |body: &str| {
        let head = "POST /v1.51/containers/create HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\n";
        request(case, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
    };
    let answer = post("{\"Image\": ")?;
    ensure!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let answer = post("{\"Image\": \"busybox\", \"Cmd\": 5}")?;
    ensure!(answer.starts_with("HTTP/1.1 400") && answer.contains("invalid JSON"), "{answer}");
    // dockerd does not say which field it was for this one.
    ensure!(case.kind == Kind::Reference || answer.contains("Cmd"), "{answer}");
    let answer = post("{\"Image\": \"busybox\", \"NobodyKnows\": 5, \"HostConfig\": {\"AutoRemove\": true}}")?;
    ensure!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).context("an answer has a body")?;
    let start = body.find("\"Id\":\"").context("an answer names the container")? + 6;
    case.ok(&["rm", &body[start..start + 64]])?;
    let answer = request(case, "GET /v1.51/no/such/page HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")?;
    ensure!(answer.starts_with("HTTP/1.1 404") && answer.contains("page not found"), "{answer}");
    Ok(())
}

fn request(case: &Case<'_>, text: &str) -> anyhow::Result<String> {
    let path = case.host().strip_prefix("unix://").context("these cases talk over a Unix socket")?;
    let mut stream = UnixStream::connect(path)?;
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
