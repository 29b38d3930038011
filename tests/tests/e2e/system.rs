//! What the engine says about itself.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::engine::Kind;

type Result = anyhow::Result<()>;

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

pub(crate) fn events_in_order(case: &Case<'_>) -> Result {
    let name = case.container("events");
    // The engine's own clock: the host's may be some milliseconds off.
    let now = || case.ok(&["info", "--format", "{{.SystemTime}}"]);
    let since = now()?;
    case.ok(&["run", "--rm", "--name", &name, "busybox", "true"])?;
    let until = now()?;
    let filter = format!("container={name}");
    let out =
        case.ok(&["events", "--since", &since, "--until", &until, "--filter", &filter, "--format", "{{.Action}}"])?;
    let actions: Vec<&str> = out.lines().collect();
    ensure!(actions == ["create", "attach", "start", "die", "destroy"], "{actions:?}");
    Ok(())
}

pub(crate) fn disk_usage(case: &Case<'_>) -> Result {
    let out = case.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}}"])?;
    ensure!(
        out.lines().any(|line| line.starts_with("Images "))
            && out.lines().any(|line| line.starts_with("Local Volumes ")),
        "{out}"
    );
    case.ok(&["system", "df", "-v"])?;
    Ok(())
}

pub(crate) fn stats(case: &Case<'_>) -> Result {
    let name = case.container("stats");
    case.ok(&["run", "-d", "--memory", "64m", "--name", &name, "busybox", "sleep", "1000"])?;
    let out = case.ok(&["stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.PIDs}}", &name])?;
    ensure!(out.starts_with(&name) && out.contains("/ 64MiB") && out.ends_with(" 1"), "{out}");
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
