//! What the stock docker CLI does over any way to an engine: short answers and long ones, streams both ways, terminals.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;

use anyhow::{Context, ensure};

use crate::docker::Docker;
use crate::terminal::Terminal;

/// Runs through it. `name`: of a container that the caller removes.
///
/// # Errors
/// When something does not come through as it should.
pub fn exercise(docker: &Docker, name: &str) -> anyhow::Result<()> {
    let said = docker.run(&["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7"])?;
    ensure!((said.code, said.out.as_str(), said.err.as_str()) == (7, "out\n", "err\n"), "{said:?}");
    let container = format!("container={name}");
    // From before it begins: it may be late.
    let events = ["events", "--since", "1h", "--filter", &container, "--format", "{{.Action}}"];
    let mut events = docker.piped(&events)?;
    let mut events_out = lines(&mut events);
    let script = "trap 'exit 5' TERM; echo first; sleep 1000 & wait";
    docker.ok(&["run", "-d", "--name", name, "busybox", "sh", "-c", script])?;
    for action in ["create", "start"] {
        let line = events_out.next().context("events ended")??;
        ensure!(line == action, "{line}, not {action}");
    }
    ensure!(docker.ok(&["ps", "--filter", &format!("name=^{name}$"), "--format", "{{.Names}}"])? == name);

    let mut logs = docker.piped(&["logs", "-f", name])?;
    ensure!(lines(&mut logs).next().context("logs ended")?? == "first");
    copies(docker, name)?;
    input_ends(docker, name)?;
    in_terminals(docker, name)?;
    ensure!(logs.try_wait()?.is_none(), "logs -f goes on while the container does");

    let attached = docker.piped(&["attach", "--no-stdin", name])?;
    // By then it also waits for the container's end.
    ensure!(events_out.any(|line| line.is_ok_and(|line| line == "attach")), "events ended");
    end(events)?;
    docker.ok(&["stop", "-t", "120", name])?;
    let attached = attached.wait_with_output()?;
    ensure!(attached.status.code() == Some(5), "attach tells the container's exit code: {attached:?}");
    ensure!(logs.wait()?.success(), "logs -f ends with the container");
    Ok(())
}

/// Large, so that nothing hides in a buffer.
fn copies(docker: &Docker, name: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let (there, back) = (dir.path().join("there"), dir.path().join("back"));
    std::fs::write(&there, &bytes)?;
    docker.ok(&["cp", "-q", &there.display().to_string(), &format!("{name}:/copied")])?;
    docker.ok(&["cp", "-q", &format!("{name}:/copied"), &back.display().to_string()])?;
    ensure!(std::fs::read(&back)? == bytes, "what came back differs");
    Ok(())
}

/// The end of the client's input reaches the program, and all that the program then says the client.
fn input_ends(docker: &Docker, name: &str) -> anyhow::Result<()> {
    let input = "line of input\n".repeat(50_000);
    let said = docker.fed(input.as_bytes(), &["exec", "-i", name, "sh", "-c", "cat; echo whole >&2; exit 3"])?;
    ensure!((said.code, said.err.as_str()) == (3, "whole\n"), "{} {}", said.code, said.err);
    ensure!(said.out == input, "{} bytes of {}", said.out.len(), input.len());
    let said = docker.fed(b"a\nb\n", &["run", "-i", "--rm", "busybox", "wc", "-l"])?;
    ensure!(said.out.trim() == "2", "{said:?}");
    Ok(())
}

fn in_terminals(docker: &Docker, name: &str) -> anyhow::Result<()> {
    let terminal = Terminal::open(&docker.command(["exec", "-it", name, "sh"]))?;
    terminal.wait_for("a prompt", |screen| screen.contains("/ #"))?;
    terminal.type_text("echo $((6*7)); stty size")?;
    terminal.press("Enter")?;
    terminal.wait_for("the answers", |screen| screen.lines().any(|line| line == "42") && screen.contains("30 100"))?;
    terminal.resize(80, 20)?;
    terminal.type_text("until [ \"$(stty size)\" = '20 80' ]; do :; done; echo resi''zed")?;
    terminal.press("Enter")?;
    terminal.wait_for("the new size", |screen| screen.contains("resized"))?;
    terminal.type_text("exit 4")?;
    terminal.press("Enter")?;
    ensure!(terminal.wait_exit()? == 4);
    Ok(())
}

fn lines(child: &mut Child) -> std::io::Lines<BufReader<std::process::ChildStdout>> {
    BufReader::new(child.stdout.take().expect("stdout was piped")).lines()
}

/// Ends a command that would go on for ever.
fn end(mut child: Child) -> anyhow::Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// What `docker system dial-stdio` prints when it is given this request, and its standard input ends there.
///
/// # Errors
/// When it cannot be started, or does not end well.
pub fn dial(docker: &Docker, request: &str) -> anyhow::Result<Vec<u8>> {
    let mut child = docker.piped(&["system", "dial-stdio"])?;
    let mut stdin = child.stdin.take().expect("stdin was piped");
    stdin.write_all(format!("{request} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "dial-stdio: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
