//! Containers by name: `http://NAME.berth.localhost`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Machine;
use tests::http::{head, page};
use tests::ports;
use tests::wait::until;

use crate::life::status;

type Result = anyhow::Result<()>;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn they_are_reached(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let port = ports::next();
    // In force at once.
    machine.berth(&["config", "set", "web_port", &port.to_string()])?;
    let address = format!("http://NAME.berth.localhost:{port}");
    until("the address in the status", PATIENCE, || (status(machine).ok()?["web"] == address.as_str()).then_some(()))?;
    let docker = Docker::new(machine.docker_host()?)?;
    let script = "mkdir /www; echo served >/www/index.html; exec httpd -f -h /www";
    docker.ok(&["run", "-d", "--name", "Web", "--expose", "80", "busybox", "sh", "-c", script])?;
    until("the page", PATIENCE, || (ask(port, "web", "").ok()?.1 == "served\n").then_some(()))?;

    let (list, body) = ask(port, "", "")?;
    ensure!(
        list.starts_with("HTTP/1.1 200 ") && body.contains(&format!("http://web.berth.localhost:{port}/")),
        "{body}"
    );
    for (name, more, expected, words) in [
        ("nobody", "", "404", "no container called `nobody` is running"),
        ("web", "Origin: https://page.example\r\n", "403", "pages of other computers"),
    ] {
        let (head, body) = ask(port, name, more)?;
        ensure!(head.starts_with(&format!("HTTP/1.1 {expected} ")) && body.contains(words), "{name}: {head}{body}");
    }
    let (head, body) = answer(connect(port)?, "GET / HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n")?;
    ensure!(head.starts_with("HTTP/1.1 421 ") && body.contains("rebound.example"), "{head}{body}");

    docker.ok(&["run", "-d", "--name", "closed", "--label", "berth.http-port=81", "busybox", "sleep", "1000"])?;
    let (head, body) = ask(port, "closed", "")?;
    ensure!(head.starts_with("HTTP/1.1 502 ") && body.contains(":81: nothing listens there"), "{head}{body}");
    docker.ok(&["run", "-d", "--name", "job", "busybox", "sleep", "1000"])?;
    let (head, body) = ask(port, "job", "")?;
    ensure!(head.starts_with("HTTP/1.1 502 ") && body.contains("exposes no TCP port"), "{head}{body}");

    upgrades_pass(&docker, port)?;
    a_published_port_comes_first(machine, &docker, port)?;

    machine.berth(&["config", "set", "web_port", "off"])?;
    until("the port to be left", PATIENCE, || connect(port).is_err().then_some(()))?;
    ensure!(status(machine)?["web"].is_null());
    Ok(())
}

/// What the container's server is told, and bytes both ways after it.
fn upgrades_pass(docker: &Docker, port: u16) -> Result {
    // One connection: the request's head goes to the log, and what follows it comes back.
    let serve = "while IFS= read -r line; do line=${line%?}; echo \"$line\" >&2; [ -n \"$line\" ] || break; done; \
                 printf 'HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n'; exec cat";
    let script =
        format!("echo '{}' >/serve; echo ready; exec nc -l -p 3000 -e sh /serve", serve.replace('\'', "'\\''"));
    docker.ok(&["run", "-d", "--name", "echo", "--label", "berth.http-port=3000", "busybox", "sh", "-c", &script])?;
    let listens = || docker.ok(&["exec", "echo", "netstat", "-lnt"]).ok()?.contains(":3000 ").then_some(());
    until("the server", PATIENCE, listens)?;
    let mut stream = connect(port)?;
    write!(
        stream,
        "GET /chat HTTP/1.1\r\nHost: echo.berth.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n"
    )?;
    let said = head(&mut stream)?;
    ensure!(said.starts_with("HTTP/1.1 101 ") && said.to_lowercase().contains("upgrade: echo"), "{said}");
    stream.write_all(b"hello")?;
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed)?;
    ensure!(&echoed == b"hello");
    drop(stream);
    let log = docker.run(&["logs", "echo"])?.err.to_lowercase();
    for line in
        ["get /chat http/1.1", "host: echo.berth.localhost", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http"]
    {
        ensure!(log.lines().any(|logged| logged == line), "{line}: {log}");
    }
    Ok(())
}

fn a_published_port_comes_first(machine: &Machine, docker: &Docker, port: u16) -> Result {
    let publish = format!("{port}:80");
    let script = "mkdir /www; echo published >/www/index.html; exec httpd -f -h /www";
    docker.ok(&["run", "-d", "--name", "first", "-p", &publish, "busybox", "sh", "-c", script])?;
    let url = format!("http://127.0.0.1:{port}/");
    until("the published page", PATIENCE, || (page(&url)?.trim() == "published").then_some(()))?;
    until("the note", PATIENCE, || {
        let status = status(machine).ok()?;
        let notes = status["machine"]["notes"].as_array()?;
        let told = notes.iter().any(|note| note.as_str().is_some_and(|note| note.contains("not found by name")));
        (status["web"].is_null() && told).then_some(())
    })?;
    docker.ok(&["rm", "-f", "first"])?;
    until("the port to be ours again", PATIENCE, || (ask(port, "web", "").ok()?.1 == "served\n").then_some(()))
}

/// The head and the body of what a container answers.
fn ask(port: u16, name: &str, headers: &str) -> anyhow::Result<(String, String)> {
    let dot = if name.is_empty() { "" } else { "." };
    let request =
        format!("GET / HTTP/1.1\r\nHost: {name}{dot}berth.localhost:{port}\r\n{headers}Connection: close\r\n\r\n");
    answer(connect(port)?, &request)
}

fn connect(port: u16) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("the port for names")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn answer(mut stream: TcpStream, request: &str) -> anyhow::Result<(String, String)> {
    stream.write_all(request.as_bytes())?;
    let head = head(&mut stream)?;
    let mut body = String::new();
    stream.read_to_string(&mut body)?;
    Ok((head, body))
}
