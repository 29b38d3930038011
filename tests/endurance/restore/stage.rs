//! Twenty running containers that do all sorts of things at a time, with one that is paused and two that end and begin again.

use std::process::Child;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::docker::Docker;
use tests::http::request;
use tests::wait::until;

use super::folder::{self, Folder};

/// Numbered lines in bursts; at its end it says how many, on the other stream. A line is counted by the command that writes it: the
/// shell hears of its end between two.
const WRITER: &str = "trap 'echo $i >&2; exit 33' TERM; i=0; \
    while :; do echo \"line $((i=i+1)) of a writer\"; [ $((i % 50)) = 0 ] && usleep 40000; done";
/// The same in one long line in pieces: what is written is half a line most of the time.
const PIECES: &str = "trap 'echo $i >&2; exit 33' TERM; i=0; \
    while :; do echo -n \"piece $((i=i+1)), \"; [ $((i % 30)) = 0 ] && usleep 30000; done";
/// Ends when it is told to, with a code of its own.
const MORTAL: &str = "trap 'exit 44' TERM; echo ready; while :; do usleep 20000; done";

/// How many run all the time.
const RUNNING: usize = 20;
/// How many of them do nothing.
const IDLE: usize = 7;
/// All of the stage: with `paused`, `always` and `thrice`.
pub(crate) const ALL: usize = RUNNING + 3;

pub(crate) struct Stage<'a> {
    docker: &'a Docker,
    /// Names of containers that run all the time, with process and start.
    before: Vec<(String, String)>,
}

/// Answered by the engine, or the whole answer as an error.
pub(crate) fn ask(docker: &Docker, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let answer = request(docker.host(), method, path, &text)?;
    ensure!(answer.status < 400, "{method} {path}: {} {}", answer.status, answer.body);
    if answer.body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&answer.body)?) }
}

impl<'a> Stage<'a> {
    pub(crate) fn set(docker: &'a Docker, port: u16, folder: &Folder) -> anyhow::Result<Stage<'a>> {
        docker.ok(&["network", "create", "--ipv6", "names"])?;
        let mut stage = Stage { docker, before: Vec::new() };
        let publish = format!("{port}:7");
        let shell = |script| ["busybox", "sh", "-c", script];
        for name in ["writer-1", "writer-2", "writer-3"] {
            stage.run(name, &[], &shell(WRITER))?;
        }
        for name in ["pieces-1", "pieces-2"] {
            stage.run(name, &[], &shell(PIECES))?;
        }
        stage.run("echo", &["-p", &publish], &["busybox", "nc", "-ll", "-p", "7", "-e", "cat"])?;
        stage.run("cat", &["-i"], &["busybox", "cat"])?;
        stage.run("terminal", &["-it"], &["busybox", "sh"])?;
        stage.run("worker", &[], &["busybox", "sleep", "100000"])?;
        stage.run("folder", &["-v", &folder.mount()], &shell(folder::SCRIPT))?;
        stage.run("web", &["--network", "names"], &["busybox", "sleep", "100000"])?;
        let look = "while :; do nslookup -type=a web 127.0.0.11 >/answer 2>&1 || cat /answer; usleep 10000; done";
        stage.run("resolver", &["--network", "names"], &shell(look))?;
        let check = ["--health-cmd", "true", "--health-interval", "1s"];
        stage.run("healthy", &check, &["busybox", "sleep", "100000"])?;
        for idle in 1..=IDLE {
            stage.run(&format!("idle-{idle}"), &[], &["busybox", "sleep", "100000"])?;
        }
        ensure!(stage.before.len() == RUNNING, "{} run", stage.before.len());
        stage.run("paused", &[], &["busybox", "sleep", "100000"])?;
        docker.ok(&["pause", "paused"])?;
        for (name, policy, script) in
            [("always", "always", "echo run; exit 3"), ("thrice", "on-failure:3", "echo run; exit 4")]
        {
            docker.ok(&["run", "-d", "--name", name, "--restart", policy, "busybox", "sh", "-c", script])?;
        }
        until("health", Duration::from_secs(60), || (stage.health().ok()? == "healthy").then_some(()))?;
        docker.ok(&["exec", "-d", "worker", "sh", "-c", "while :; do echo >>/count; usleep 50000; done"])?;
        for (name, known) in &mut stage.before {
            *known = life(docker, name)?;
        }
        Ok(stage)
    }

    fn run(&mut self, name: &str, options: &[&str], command: &[&str]) -> anyhow::Result<()> {
        let words = [&["run", "-d", "--name", name], options, command].concat();
        self.docker.ok(&words)?;
        self.before.push((name.to_owned(), String::new()));
        Ok(())
    }

    /// No container died, and what was paused is so still.
    pub(crate) fn lives(&self) -> anyhow::Result<()> {
        for (name, before) in &self.before {
            let now = life(self.docker, name)?;
            ensure!(now == *before, "{name} was {before} and is {now}");
        }
        ensure!(self.health()? == "healthy", "health begins anew: {}", self.health()?);
        Ok(())
    }

    pub(crate) fn health(&self) -> anyhow::Result<String> {
        self.docker.ok(&["inspect", "--format", "{{.State.Health.Status}}", "healthy"])
    }

    /// A container that ends when it is told to; its process where the engine runs, and a client that waits for its end.
    pub(crate) fn mortal(&self, name: &str) -> anyhow::Result<(u32, Child)> {
        self.docker.ok(&["run", "-d", "--name", name, "busybox", "sh", "-c", MORTAL])?;
        self.docker.says(name, "ready")?;
        let pid = self.docker.ok(&["inspect", "--format", "{{.State.Pid}}", name])?.parse()?;
        Ok((pid, self.docker.piped(&["wait", name])?))
    }

    /// Lines of a file of `worker`, which its detached command makes longer.
    pub(crate) fn count(&self) -> anyhow::Result<u64> {
        Ok(self.docker.ok(&["exec", "worker", "sh", "-c", "wc -l </count"])?.trim().parse()?)
    }

    /// Status and number of restarts.
    pub(crate) fn restarts(&self, name: &str) -> anyhow::Result<(String, u64)> {
        let text = self.docker.ok(&["inspect", "--format", "{{.State.Status}} {{.RestartCount}}", name])?;
        let (status, count) = text.split_once(' ').context("two words")?;
        Ok((status.to_owned(), count.parse()?))
    }

    /// How many runs of a container said something.
    pub(crate) fn runs(&self, name: &str) -> anyhow::Result<u64> {
        Ok(self.docker.ok(&["logs", name])?.lines().filter(|line| *line == "run").count() as u64)
    }

    /// Ends a writer; what it has written, and what was logged.
    pub(crate) fn stop_writer(&self, name: &str) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        ask(self.docker, "POST", &format!("/containers/{name}/stop?t=60"), &json!(null))?;
        let code = self.docker.ok(&["inspect", "--format", "{{.State.ExitCode}}", name])?;
        ensure!(code == "33", "{name} ended with {code}");
        let out = self.docker.command(["logs", name]).output()?;
        let last: u64 = String::from_utf8(out.stderr)?.trim().parse()?;
        let one = |number: u64| {
            if name.starts_with("pieces") {
                format!("piece {number}, ")
            } else {
                format!("line {number} of a writer\n")
            }
        };
        Ok(((1..=last).map(one).collect::<String>().into_bytes(), out.stdout))
    }
}

fn life(docker: &Docker, name: &str) -> anyhow::Result<String> {
    docker.ok(&["inspect", "--format", "{{.State.Status}} {{.State.Pid}} {{.State.StartedAt}}", name])
}
