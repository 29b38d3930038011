//! Attaching without the docker CLI: over a websocket, and the heads of streams.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::engine::Kind;
use tests::http::{head, request};
use tests::websocket::WebSocket;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; websocket_carries_both_ways, websocket_tells_old_clients_in_text, websocket_detaches, websocket_distrusts_bare_frames, failures_come_as_text, streams_have_dockerds_heads, the_end_of_input_ends_the_session]
}

const TEXT: u8 = 1;

const BINARY: u8 = 2;

const CLOSE: u8 = 8;

const PING: u8 = 9;

const PONG: u8 = 10;

/// A container that waits for `docker start`.
fn made(case: &Case<'_>, options: &[&str], script: &str) -> anyhow::Result<String> {
    let name = case.container("attach");
    let mut words = vec!["create", "--name", &name];
    words.extend(options);
    words.extend(["busybox", "sh", "-c", script]);
    case.ok(&words)?;
    Ok(name)
}

fn socket(case: &Case<'_>, name: &str, version: &str, query: &str) -> anyhow::Result<WebSocket> {
    WebSocket::open(case.host(), &format!("/v{version}/containers/{name}/attach/ws?{query}"))
}

pub(crate) fn websocket_carries_both_ways(case: &Case<'_>) -> Result {
    let name = made(case, &["-i"], "read x; echo out $x; echo err >&2; cat")?;
    let mut socket = socket(case, &name, "1.51", "stream=1&stdin=1&stdout=1&stderr=1")?;
    case.ok(&["start", &name])?;
    // Whatever a frame calls itself, it is input; a message may come in several.
    socket.send(TEXT, b"in")?;
    socket.send(BINARY, b"put\n")?;
    // The two streams are two pipes: which is read first is not said.
    let mut heard = Vec::new();
    while heard.len() < "out input\nerr\n".len() {
        let frame = socket.receive()?.context("output")?;
        ensure!(frame.opcode == BINARY, "{frame:?}");
        heard.extend(frame.payload);
    }
    let heard = String::from_utf8(heard)?;
    ensure!(heard.contains("out input\n") && heard.contains("err\n"), "{heard:?}");
    socket.send(PING, b"there?")?;
    socket.expect(PONG, "there?")?;
    socket.send(PONG, b"")?;
    socket.send(TEXT, b"more\n")?;
    socket.expect(BINARY, "more\n")?;
    // `docker create -i` ends the process's input with the client's: what it says afterwards still arrives.
    socket.send(CLOSE, &[0x03, 0xe8])?;
    socket.expect_end()?;
    ensure!(case.ok(&["wait", &name])? == "0");
    Ok(())
}

pub(crate) fn websocket_tells_old_clients_in_text(case: &Case<'_>) -> Result {
    let name = made(case, &["-i"], "cat; echo end")?;
    // Up to 1.41 the streams need not be named.
    let mut socket = socket(case, &name, "1.27", "stream=1")?;
    case.ok(&["start", &name])?;
    socket.send(BINARY, b"old\n")?;
    socket.expect(TEXT, "old\n")?;
    socket.send(CLOSE, b"")?;
    socket.expect(TEXT, "end\n")?;
    socket.expect_end()
}

pub(crate) fn websocket_detaches(case: &Case<'_>) -> Result {
    let name = made(case, &["-it"], "stty -echo; echo ready; cat")?;
    let mut socket = socket(case, &name, "1.51", "stream=1&stdin=1&stdout=1&detachKeys=ctrl-x")?;
    case.ok(&["start", &name])?;
    socket.expect(BINARY, "ready\r\n")?;
    socket.send(TEXT, b"\x18")?;
    socket.expect_end()?;
    ensure!(case.ok(&["inspect", "-f", "{{.State.Running}}", &name])? == "true");
    Ok(())
}

pub(crate) fn websocket_distrusts_bare_frames(case: &Case<'_>) -> Result {
    let name = made(case, &["-it"], "cat")?;
    let mut socket = socket(case, &name, "1.51", "stream=1&stdin=1&stdout=1")?;
    case.ok(&["start", &name])?;
    socket.send_raw(b"\x82\x04bare")?;
    let frame = socket.receive()?.context("a close")?;
    ensure!(frame.opcode == CLOSE && frame.payload == [0x03, 0xea], "{frame:?}");
    socket.expect_end()
}

/// Sends `request` with the end of lines that HTTP has, and with an upgrade when that is wanted.
fn open(case: &Case<'_>, path: &str, upgrade: bool, body: &str) -> anyhow::Result<UnixStream> {
    let socket = case.host().strip_prefix("unix://").context("these cases talk over a Unix socket")?;
    let mut stream = UnixStream::connect(socket)?;
    let upgrade = if upgrade { "Connection: Upgrade\r\nUpgrade: tcp\r\n" } else { "" };
    let length = body.len();
    stream.write_all(
        format!(
            "POST /v1.51{path} HTTP/1.1\r\nHost: docker\r\n{upgrade}Content-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )?;
    Ok(stream)
}

fn rest(stream: &mut UnixStream) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn failures_come_as_text(case: &Case<'_>) -> Result {
    let name = made(case, &["-i"], "cat")?;
    case.ok(&["start", &name])?;
    case.ok(&["pause", &name])?;
    let paused = format!("container {name} is paused, unpause the container before attach");
    for (path, status, text) in [
        ("/containers/nope/attach?stream=1".to_owned(), "404 Not Found", "No such container: nope"),
        (format!("/containers/{name}/attach?stream=1"), "409 Conflict", paused.as_str()),
        (
            format!("/containers/{name}/attach?stream=1&detachKeys=ctrl-%40%40"),
            "400 Bad Request",
            "Invalid detach keys (ctrl-@@) provided",
        ),
    ] {
        for upgrade in [false, true] {
            let answer = rest(&mut open(case, &path, upgrade, "")?)?;
            let expect =
                format!("HTTP/1.1 {status}\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n{text}\r\n");
            ensure!(answer == expect, "{path}: {answer:?}");
        }
        let path = format!("/v1.51{}", path.replace("/attach?", "/attach/ws?"));
        let answer = request(case.host(), "GET", &path, "")?;
        // Before the handshake a websocket's failure is any other's. dockerd looks at the handshake last.
        ensure!(answer.body.contains(text) && answer.head.contains(status), "{path}: {answer:?}");
    }
    case.ok(&["unpause", &name])?;
    Ok(())
}

pub(crate) fn streams_have_dockerds_heads(case: &Case<'_>) -> Result {
    let name = made(case, &[], "exec sleep 1000")?;
    case.ok(&["start", &name])?;
    let raw = "Content-Type: application/vnd.docker.raw-stream\r\n";
    let multiplexed = "Content-Type: application/vnd.docker.multiplexed-stream\r\n";
    let upgraded = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    let attach = format!("/containers/{name}/attach?stream=1&stdout=1");
    let plain = head(&mut open(case, &attach, false, "")?)?;
    ensure!(plain == format!("HTTP/1.1 200 OK\r\n{raw}\r\n"), "{plain:?}");
    let upgrade = head(&mut open(case, &attach, true, "")?)?;
    ensure!(upgrade == format!("HTTP/1.1 101 UPGRADED\r\n{multiplexed}{upgraded}\r\n"), "{upgrade:?}");
    let server = if case.kind == Kind::Reference { "Docker" } else { "Berth" };
    let standard = format!("Api-Version: 1.51\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: {server}/");
    for (upgrade, expect) in [
        (false, format!("HTTP/1.1 200 OK\r\n{raw}{standard}")),
        (true, format!("HTTP/1.1 101 UPGRADED\r\n{multiplexed}{upgraded}{standard}")),
    ] {
        let body = r#"{"Cmd": ["echo", "said"], "AttachStdout": true}"#;
        let made = request(case.host(), "POST", &format!("/v1.51/containers/{name}/exec"), body)?;
        let id = serde_json::from_str::<serde_json::Value>(&made.body)?["Id"].as_str().context("an id")?.to_owned();
        let path = format!("/exec/{id}/start");
        let answer = rest(&mut open(case, &path, upgrade, "{}")?)?;
        let (head, said) = answer.split_once("\r\n\r\n").context("a head")?;
        ensure!(head.starts_with(&expect) && head.ends_with(" (linux)"), "{head:?}");
        ensure!(said == "\u{1}\0\0\0\0\0\0\u{5}said\n", "{said:?}");
        // The connection is a stream by the time this is known.
        let again = rest(&mut open(case, &path, upgrade, "{}")?)?;
        ensure!(
            again.starts_with(&expect) && again.ends_with(&format!("exec command {id} has already run\r\n")),
            "{again:?}"
        );
    }
    Ok(())
}

/// Only where the process's input ends with the client's can anything follow it.
pub(crate) fn the_end_of_input_ends_the_session(case: &Case<'_>) -> Result {
    let body = |once: bool, tty: bool| {
        serde_json::json!({
            "Image": "busybox", "Cmd": ["sh", "-c", "cat; echo end"], "OpenStdin": true, "StdinOnce": once, "Tty": tty
        })
    };
    for (once, tty, expect) in
        [(false, false, ""), (false, true, ""), (true, true, ""), (true, false, "\u{1}\0\0\0\0\0\0\u{4}end\n")]
    {
        let name = case.container("input");
        let path = format!("/v1.51/containers/create?name={name}");
        let made = request(case.host(), "POST", &path, &body(once, tty).to_string())?;
        ensure!(made.status == 201, "{made:?}");
        case.ok(&["start", &name])?;
        let mut stream = open(case, &format!("/containers/{name}/attach?stream=1&stdin=1&stdout=1"), true, "")?;
        head(&mut stream)?;
        stream.shutdown(Shutdown::Write)?;
        let said = rest(&mut stream)?;
        ensure!(said == expect, "once {once}, terminal {tty}: {said:?}");
        case.ok(&["rm", "-f", &name])?;
    }
    Ok(())
}
