//! What one client calls.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::http::{Answer, request};
use tests::random::Random;

/// So many kinds of calls are served in every round, of 28. Which ones are is chance: clients take from each other what a call needs, as the
/// network of a `disconnect`, and on a busy computer 23 were seen.
pub(super) const KINDS: usize = 20;
/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// One client, with containers, volumes, networks and tags of its own and a few that it shares with its neighbour.
pub(super) struct Client<'a> {
    host: &'a str,
    number: usize,
    random: Random,
    exec: Option<String>,
}

impl<'a> Client<'a> {
    pub(super) fn new(host: &'a str, number: usize, random: Random) -> Client<'a> {
        Client { host, number, random, exec: None }
    }

    /// One call; its kind and the status of its answer, 0 when the client hung up.
    pub(super) fn call(&mut self) -> anyhow::Result<(&'static str, u16)> {
        // Every other container is also another client's.
        let owner = if self.random.below(2) == 0 { self.number } else { self.number / 2 };
        let which = self.random.below(2);
        let name = format!("soak-{owner}-{which}");
        let container = format!("/containers/{name}");
        let null = Value::Null;
        match self.random.below(30) {
            0..4 => {
                let body = json!({
                    "Image": "busybox", "Cmd": ["sh", "-c", "echo begun; exec sleep 1000"], "OpenStdin": true,
                    "Labels": {"soak": ""}, "Tty": self.random.below(4) == 0,
                    "HostConfig": {
                        "NetworkMode": self.random.of(&["bridge", "none", "host"]), "AutoRemove": self.random.below(4) == 0,
                        "Mounts": [{"Type": "volume", "Target": "/data"}], "Tmpfs": {"/tmp": ""},
                    },
                });
                self.ask("create", "POST", &format!("/containers/create?name={name}"), &body)
            }
            4..7 => self.ask("start", "POST", &format!("{container}/start"), &null),
            7 => self.ask("stop", "POST", &format!("{container}/stop?t=0"), &null),
            8 => self.ask("kill", "POST", &format!("{container}/kill"), &null),
            9 => self.ask("remove", "DELETE", &format!("{container}?force=1&v=1"), &null),
            10 => self.ask("inspect", "GET", &format!("{container}/json?size=1"), &null),
            11 => self.ask("list", "GET", "/containers/json?all=1&size=1", &null),
            12 => self.ask("logs", "GET", &format!("{container}/logs?stdout=1&stderr=1"), &null),
            13 => self.ask("stats", "GET", &format!("{container}/stats?stream=0&one-shot=1"), &null),
            14 => self.ask("top", "GET", &format!("{container}/top"), &null),
            15 => {
                let other = format!("soak-{owner}-{}", 1 - which);
                self.ask("rename", "POST", &format!("{container}/rename?name={other}"), &null)
            }
            16 => self.put(&container),
            17 => self.ask("get archive", "GET", &format!("{container}/archive?path=/etc"), &null),
            18 => self.new_exec(&container),
            19 => self.run_exec(),
            20 => {
                let body = json!({"Name": format!("soak-{owner}"), "Labels": {"soak": ""}});
                self.ask("create volume", "POST", "/volumes/create", &body)
            }
            21 => self.ask("remove volume", "DELETE", &format!("/volumes/soak-{owner}"), &null),
            22 => {
                let body = json!({"Name": format!("soak-{owner}"), "Labels": {"soak": ""}});
                self.ask("create network", "POST", "/networks/create", &body)
            }
            23 => {
                let verb = self.random.of(&["connect", "connect", "disconnect"]);
                let body = json!({"Container": name, "Force": true});
                let what = if verb == "connect" { "connect" } else { "disconnect" };
                self.ask(what, "POST", &format!("/networks/soak-{owner}/{verb}"), &body)
            }
            24 => self.ask("remove network", "DELETE", &format!("/networks/soak-{owner}"), &null),
            25 => self.image(owner, &name),
            26 => {
                let verb = self.random.of(&["pause", "unpause"]);
                self.ask(verb, "POST", &format!("{container}/{verb}"), &null)
            }
            27 => {
                let path =
                    self.random.of(&["/info", "/version", "/system/df", "/images/json?all=1", "/networks", "/volumes"]);
                self.ask("system", "GET", path, &null)
            }
            _ => self.hang_up(&container),
        }
    }

    fn ask(&self, what: &'static str, method: &str, path: &str, body: &Value) -> anyhow::Result<(&'static str, u16)> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = request(self.host, method, path, &text).with_context(|| format!("{method} {path} {text}"))?;
        judge(path, &answer).with_context(|| format!("{method} {path} {text}"))?;
        Ok((what, answer.status))
    }

    fn put(&mut self, container: &str) -> anyhow::Result<(&'static str, u16)> {
        let archive = tests::archive::noise("noise", self.number as u64, 1 + self.random.below(100_000))?;
        let mut head =
            format!("PUT {container}/archive?path=/root HTTP/1.0\r\nContent-Length: {}\r\n\r\n", archive.len())
                .into_bytes();
        head.extend_from_slice(&archive);
        let mut stream = self.open()?;
        let mut text = String::new();
        // An engine that knows the answer from the head may hang up before all is sent.
        let sent = stream.write_all(&head).or_else(unless_hung_up);
        let heard = stream.read_to_string(&mut text).map(drop).or_else(unless_hung_up);
        sent.and(heard).with_context(|| format!("PUT {container}/archive: after {text:?}"))?;
        ensure!(status(&text) < 500, "PUT {container}/archive: {text}");
        Ok(("put archive", status(&text)))
    }

    fn new_exec(&mut self, container: &str) -> anyhow::Result<(&'static str, u16)> {
        let tty = self.random.below(3) == 0;
        let body = json!({
            "Cmd": ["sh", "-c", "echo said; read line; exit 3"], "Tty": tty, "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
        });
        let answer = request(self.host, "POST", &format!("{container}/exec"), &body.to_string())?;
        judge(container, &answer)?;
        let made: Value = serde_json::from_str(&answer.body)?;
        self.exec = made["Id"].as_str().map(str::to_owned);
        Ok(("create exec", answer.status))
    }

    /// Starts the command that was made last: its client waits for the output, or goes away.
    fn run_exec(&mut self) -> anyhow::Result<(&'static str, u16)> {
        let id = self.exec.take().unwrap_or_else(|| "unknown".to_owned());
        let body = r#"{"Detach":false}"#;
        let mut stream = self.open()?;
        write!(
            stream,
            "POST /exec/{id}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nConnection: Upgrade\r\n\
             Upgrade: tcp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let head = tests::http::head(&mut stream)?;
        let status = status(&head);
        ensure!(status < 500, "starting a command: {head}");
        if status == 101 && self.random.below(2) == 0 {
            // The end of a client's input is none of a terminal's: there the command needs the line.
            stream.write_all(b"line\n").or_else(unless_hung_up)?;
            stream.shutdown(Shutdown::Write).or_else(unless_hung_up)?;
            let mut out = Vec::new();
            // A command whose container is killed may leave the line unread, which resets the connection.
            let heard = stream.read_to_end(&mut out).map(drop).or_else(unless_hung_up);
            heard.with_context(|| format!("reading what command {id} says"))?;
            return Ok(("run exec", 200));
        }
        Ok(("leave exec", status))
    }

    fn image(&mut self, owner: usize, name: &str) -> anyhow::Result<(&'static str, u16)> {
        match self.random.below(3) {
            0 => self.ask("tag", "POST", &format!("/images/busybox/tag?repo=soak&tag=t{owner}"), &Value::Null),
            1 => {
                let path = format!("/commit?container={name}&repo=soak&tag=c{owner}&changes=LABEL%20soak%3D");
                self.ask("commit", "POST", &path, &json!({}))
            }
            _ => {
                let tag = self.random.of(&["t", "c"]);
                self.ask("remove image", "DELETE", &format!("/images/soak:{tag}{owner}?force=1"), &Value::Null)
            }
        }
    }

    /// Begins something that takes longer, or is not yet sent as a whole, and goes away.
    fn hang_up(&mut self, container: &str) -> anyhow::Result<(&'static str, u16)> {
        let begun = self.random.of(&[
            "GET /events",
            "GET {}/logs?follow=1&stdout=1&stderr=1",
            "GET {}/stats?stream=1",
            "GET {}/export",
            "GET {}/archive?path=/bin",
            "GET /images/busybox/get",
            "POST {}/wait",
            "POST {}/attach?stream=1&stdin=1&stdout=1&stderr=1",
            "POST {}/start",
            "POST {}/stop?t=1",
            "POST /commit?repo=soak&tag=cut&changes=LABEL%20soak%3D&container={name}",
            "PUT {}/archive?path=/root",
            "POST /images/load",
            "POST /containers/create",
        ]);
        let name = container.rsplit('/').next().unwrap_or_default();
        let begun = begun.replace("{}", container).replace("{name}", name);
        let mut stream = self.open()?;
        let length = if begun.contains("archive?path=/root") || begun.contains("load") || begun.contains("create") {
            5000
        } else {
            0
        };
        write!(
            stream,
            "{begun} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )?;
        let mut some = vec![b'{'; self.random.below(600)];
        if length > 0 {
            stream.write_all(&some)?;
        } else if !begun.starts_with("POST {}/wait") && self.random.below(2) == 0 {
            stream.set_read_timeout(Some(Duration::from_millis(20)))?;
            // As much as comes at once, if anything does.
            let _ = stream.read(&mut some);
        }
        Ok(("hang up", 0))
    }

    fn open(&self) -> anyhow::Result<UnixStream> {
        let socket = self.host.strip_prefix("unix://").context("a Unix socket")?;
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

/// No server's error but dockerd's own: every one of these requests is one that an engine can serve or refuse.
fn judge(path: &str, answer: &Answer) -> anyhow::Result<()> {
    ensure!(
        answer.status < 500 || crate::allowed::is_dockerds(path, answer.status, &answer.body),
        "{} {}",
        answer.status,
        answer.body
    );
    Ok(())
}

/// The end of a connection is none of a wait that was in vain.
fn unless_hung_up(error: std::io::Error) -> std::io::Result<()> {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected => Ok(()),
        _ => Err(error),
    }
}

/// 0 when nothing was said.
fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}
