//! `docker exec`.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::http::{head, request};

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; unknown_user_is_told_at_once, stream_begins_before_the_command]
}

/// Nobody has to start it to learn that.
pub(crate) fn unknown_user_is_told_at_once(case: &Case<'_>) -> Result {
    let name = case.container("users");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    for (user, message) in [
        ("nobody-here", "unable to find user nobody-here: no matching entries in passwd file"),
        ("0:nobody-here", "unable to find group nobody-here: no matching entries in group file"),
        ("-5", "uids and gids must be in range 0-2147483647"),
        ("4294967296", "uids and gids must be in range 0-2147483647"),
    ] {
        let body = serde_json::json!({"Cmd": ["true"], "User": user}).to_string();
        let answer = request(case.host(), "POST", &format!("/v1.51/containers/{name}/exec"), &body)?;
        let said: serde_json::Value = serde_json::from_str(&answer.body)?;
        ensure!(answer.status == 400 && said["message"] == message, "{user}: {}", answer.body);
    }
    ensure!(case.ok(&["exec", "-u", "99999", &name, "id", "-u"])? == "99999");
    Ok(())
}

/// Some clients (docker for Python) lose what comes with the head of the answer. Here the kernel keeps the command from its
/// beginning: somebody holds a lease on its file (fcntl(2)).
pub(crate) fn stream_begins_before_the_command(case: &Case<'_>) -> Result {
    let name = case.container("held");
    case.ok(&["run", "-d", "--name", &name, "--tmpfs", "/t:exec", "busybox", "sleep", "1000"])?;
    case.ok(&["cp", &tests::fixture::program("lease")?.display().to_string(), &format!("{name}:/lease")])?;
    case.ok(&["exec", &name, "cp", "/bin/busybox", "/t/echo"])?;
    let mut holder = case.piped(&["exec", "-i", &name, "/lease", "/t/echo"])?;
    let mut line = String::new();
    BufReader::new(holder.stdout.take().context("piped")?).read_line(&mut line)?;
    ensure!(line == "held\n", "{line:?}: {:?}", holder.wait_with_output());

    let body = serde_json::json!({"Cmd": ["/t/echo", "said"], "AttachStdout": true}).to_string();
    let made = request(case.host(), "POST", &format!("/v1.51/containers/{name}/exec"), &body)?;
    let id: serde_json::Value = serde_json::from_str(&made.body)?;
    let mut stream = UnixStream::connect(case.host().strip_prefix("unix://").context("a Unix socket")?)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let body = "{}";
    write!(
        stream,
        "POST /v1.51/exec/{}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nConnection: Upgrade\r\n\
         Upgrade: tcp\r\nContent-Length: {}\r\n\r\n{body}",
        id["Id"].as_str().context("an id")?,
        body.len()
    )?;
    let answer = head(&mut stream).context("the head waits for the command");
    // Its end of input lets the command go.
    drop(holder.stdin.take());
    holder.wait()?;
    ensure!(answer?.starts_with("HTTP/1.1 101 "));
    let mut frames = Vec::new();
    stream.read_to_end(&mut frames)?;
    ensure!(frames == b"\x01\0\0\0\0\0\0\x05said\n", "{frames:?}");
    Ok(())
}
