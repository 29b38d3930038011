//! Twenty containers live through the deaths of the engine.

use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Engine;
use tests::terminal::Terminal;
use tests::wait::until;

use super::bytes::{Talk, repeats};
use super::folder::Folder;
use super::stage::{self, Stage};
use crate::{Result, is_long};

pub(crate) fn everything_lives_on(engine: &Engine) -> Result {
    let docker = &engine.docker;
    let port = tests::ports::next();
    let folder = Folder::make(engine)?;
    let stage = Stage::set(docker, port, &folder)?;
    let mut talk = Vec::new();
    // An answer proves that the server listens.
    until("the echo", Duration::from_secs(60), || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"x").ok()?;
        stream.read_exact(&mut [0]).ok()
    })?;
    talk.push(Talk::begin(port)?);
    let cuts = if is_long() { 50 } else { 3 };
    for cut in 0..cuts {
        let clients = [
            Client::begin(docker, &["attach", "--no-stdin", "writer-1"])?,
            Client::begin(docker, &["attach", "cat"])?,
            Client::begin(docker, &["exec", "-i", "worker", "cat"])?,
            Client::begin(docker, &["logs", "-f", "writer-2"])?,
            Client::begin(docker, &["events", "--since", "1h"])?,
        ];
        clients.iter().try_for_each(Client::is_served)?;
        let name = format!("mortal-{cut}");
        let (pid, waiting) = stage.mortal(&name)?;
        // Every other time a container ends while there is no engine.
        let meanwhile = format!("kill -TERM {pid}; while kill -0 {pid} 2>/dev/null; do :; done");
        engine.kill_engine(if cut % 2 == 0 { &meanwhile } else { "" })?;
        if cut % 2 == 1 {
            docker.ok(&["kill", "-s", "TERM", &name])?;
        }
        ensure!(docker.ok(&["wait", &name])? == "44", "the exit code of a container that ended meanwhile");
        docker.ok(&["rm", &name])?;
        stage.lives().with_context(|| format!("after cut {cut}"))?;
        folder.is_written_to().with_context(|| format!("after cut {cut}"))?;
        let clients = clients.into_iter().map(|client| (client.what, client.process));
        for (what, client) in clients.chain([("wait".to_owned(), waiting)]) {
            broken(client).with_context(|| format!("docker {what}"))?;
        }
        talk.push(Talk::begin(port)?);
    }
    for talk in talk {
        ensure!(talk.end()? > 0, "a connection carried nothing");
    }
    let failed = docker.ok(&["logs", "folder"])?;
    ensure!(failed.is_empty(), "not done in the folder: {failed}");
    let looked = docker.ok(&["logs", "resolver"])?;
    ensure!(looked.is_empty(), "a name was not found: {looked}");
    for name in ["writer-1", "writer-2", "writer-3", "pieces-1", "pieces-2"] {
        let (written, logged) = stage.stop_writer(name)?;
        repeats(&logged, &written, cuts).with_context(|| format!("the log of {name}"))?;
    }
    policies_hold(&stage, engine, cuts as u64)?;
    what_lived_is_of_use(&stage, engine)
}

/// A client whose input stays open and whose output is read to its end.
struct Client {
    what: String,
    process: Child,
    /// Told of its first output.
    first: Receiver<()>,
}

impl Client {
    fn begin(docker: &Docker, words: &[&str]) -> anyhow::Result<Client> {
        let mut command = docker.command(words);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        // What some of them give back.
        process.stdin.as_mut().context("stdin was piped")?.write_all(b"a line\n")?;
        let mut out = process.stdout.take().context("stdout was piped")?;
        let (heard, first) = channel();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while out.read(&mut some).is_ok_and(|count| count > 0) {
                // Only the first is waited for.
                let _ = heard.send(());
            }
        });
        Ok(Client { what: words.join(" "), process, first })
    }

    /// Waits until the engine has given it something.
    fn is_served(&self) -> Result {
        let served = self.first.recv_timeout(Duration::from_secs(60));
        served.with_context(|| format!("docker {} was not served", self.what))
    }
}

/// A client of the dead engine ends, by itself.
fn broken(mut client: Child) -> Result {
    drop(client.stdin.take());
    let ended = until("the end of a client", Duration::from_secs(60), || client.try_wait().ok().flatten());
    if ended.is_err() {
        client.kill()?;
    }
    ended?;
    Ok(())
}

/// `always` goes on with its delays; `on-failure:3` was started four times, whoever counted.
fn policies_hold(stage: &Stage<'_>, engine: &Engine, cuts: u64) -> Result {
    until("the end of the tries", Duration::from_secs(60), || {
        stage.restarts("thrice").ok().filter(|(status, _)| status == "exited")
    })?;
    ensure!(stage.restarts("thrice")?.1 == 3, "{:?}", stage.restarts("thrice")?);
    ensure!(stage.runs("thrice")? == 4, "it ran {} times", stage.runs("thrice")?);
    let begun = stage.runs("always")?;
    // Its delays grow to a minute.
    until("one more run", Duration::from_secs(180), || stage.runs("always").ok().filter(|runs| *runs > begun))?;
    let (status, count) = stage.restarts("always")?;
    ensure!(["restarting", "running"].contains(&status.as_str()), "always: {status}");
    engine.docker.ok(&["stop", "always"])?;
    let runs = stage.runs("always")?;
    // One that waits is counted already; starts that a dying engine did not write down are counted by nobody.
    ensure!(count <= runs && runs <= count + 2 + 2 * cuts, "{runs} runs, {count} restarts");
    ensure!(stage.restarts("always")?.0 == "exited");
    Ok(())
}

/// New clients find everything as it was.
fn what_lived_is_of_use(stage: &Stage<'_>, engine: &Engine) -> Result {
    let docker = &engine.docker;
    let count = stage.count()?;
    until("the detached command goes on", Duration::from_secs(60), || stage.count().ok().filter(|now| *now > count))?;
    let mut cat = docker.piped(&["attach", "cat"])?;
    let mut stdin = cat.stdin.take().context("stdin was piped")?;
    stdin.write_all(b"to and fro\n")?;
    let mut back = [0; 11];
    cat.stdout.as_mut().context("stdout was piped")?.read_exact(&mut back)?;
    ensure!(&back == b"to and fro\n", "{:?}", String::from_utf8_lossy(&back));
    // The container was not made for one client's input, so that its end is not the attachment's.
    cat.kill()?;
    cat.wait()?;
    let terminal = Terminal::open(&docker.command(["attach", "terminal"]))?;
    terminal.type_text("echo al''ive; exit 7")?;
    terminal.press("Enter")?;
    terminal.wait_for("the shell's answer", |screen| screen.contains("alive"))?;
    ensure!(docker.ok(&["wait", "terminal"])? == "7");
    names_are_known(docker)?;
    docker.ok(&["unpause", "paused"])?;
    let probed = || docker.ok(&["inspect", "--format", "{{json .State.Health.Log}}", "healthy"]);
    until("a probe by this engine", Duration::from_secs(60), || probed().ok().filter(|log| log.contains("ExitCode")))?;
    let names = docker.ok(&["ps", "-aq"])?;
    let names: Vec<&str> = names.lines().collect();
    ensure!(names.len() == stage::ALL, "{names:?}");
    docker.ok(&[&["rm", "-f"], &names[..]].concat())?;
    docker.ok(&["network", "rm", "names"])?;
    Ok(())
}

/// A container from before is told, by name and by address, of one from before and of one that came after.
fn names_are_known(docker: &Docker) -> Result {
    let ask = |kind: &str, name: &str| -> anyhow::Result<Vec<String>> {
        let said = docker.ok(&["exec", "resolver", "nslookup", &format!("-type={kind}"), name, "127.0.0.11"])?;
        let (_, answer) = said.split_once("answer:").unwrap_or_default();
        Ok(answer.lines().filter_map(|line| line.strip_prefix("Address: ")).map(str::to_owned).collect())
    };
    let address = |name: &str, field: &str| {
        docker.ok(&["inspect", "--format", &format!("{{{{.NetworkSettings.Networks.names.{field}}}}}"), name])
    };
    docker.ok(&[
        "run",
        "-d",
        "--name",
        "late",
        "--network",
        "names",
        "--network-alias",
        "web",
        "busybox",
        "sleep",
        "100000",
    ])?;
    for (kind, field) in [("a", "IPAddress"), ("aaaa", "GlobalIPv6Address")] {
        let mut wanted = vec![address("web", field)?, address("late", field)?];
        ensure!(ask(kind, "late.")? == wanted[1..], "{kind} of late: {:?}", ask(kind, "late.")?);
        for (name, address) in ["web", "late"].into_iter().zip(&wanted) {
            let said = docker.ok(&["exec", "resolver", "nslookup", address, "127.0.0.11"])?;
            ensure!(said.contains(&format!("\tname = {name}.names")), "{address}: {said}");
        }
        let mut both = ask(kind, "web.")?;
        both.sort();
        wanted.sort();
        ensure!(both == wanted, "{kind} of web: {both:?} instead of {wanted:?}");
    }
    docker.ok(&["rm", "-f", "late"])?;
    for (kind, field) in [("a", "IPAddress"), ("aaaa", "GlobalIPv6Address")] {
        ensure!(ask(kind, "web.")? == [address("web", field)?], "{kind}: {:?}", ask(kind, "web.")?);
    }
    Ok(())
}
