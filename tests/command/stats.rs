//! stats.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tests::berth::Berth;
use tests::case::Case;

type Result = anyhow::Result<()>;

/// The words of the heading, wherever the columns begin.
fn heading(text: &str) -> Vec<String> {
    let line = text.lines().next().unwrap_or_default().rsplit("\x1b[2J").next().unwrap_or_default();
    line.split("  ").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// With nothing to measure the tables come one a second, not as fast as they can. The engine here is one that has no containers.
pub(crate) fn nothing_runs(_: &Berth, _: &Case<'_>) -> Result {
    let folder = tempfile::Builder::new().prefix("bs").tempdir_in("/tmp")?;
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket)?;
    std::thread::spawn(move || {
        // One answer for each connection, whatever is asked: the list of containers.
        while let Ok((mut client, _)) = listener.accept() {
            let mut head = [0; 4096];
            let read = client.read(&mut head);
            if read.is_ok() {
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
                // The client may be gone.
                let _ = client.write_all(answer.as_bytes());
            }
        }
    });
    let berth = Berth::new(Some(&format!("unix://{}", socket.display())))?;
    // Before the first table, whenever that is read; after a first one that took long the second may come at once, and the third may not.
    let begun = Instant::now();
    let mut child = berth.piped(&["stats"])?;
    let mut lines = BufReader::new(child.stdout.take().context("stdout was piped")?).lines();
    for _ in 0..3 {
        while !lines.next().context("the tables ended")??.contains("CONTAINER ID") {}
    }
    let third = begun.elapsed();
    child.kill()?;
    child.wait()?;
    // A lower bound, which no busy computer can break.
    ensure!(third >= Duration::from_secs(1), "three tables within a second: it spins");
    Ok(())
}

pub(crate) fn like_docker(berth: &Berth, case: &Case<'_>) -> Result {
    let name = case.container("measured");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    let ours = berth.ok(&["stats", "--no-stream", &name])?;
    let theirs = case.ok(&["stats", "--no-stream", &name])?;
    ensure!(heading(&ours) == heading(&theirs), "{ours}\n{theirs}");
    let template = "{{.Name}}|{{.ID}}|{{.NetIO}}|{{.BlockIO}}";
    let shape = |text: &str| text.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect::<String>();
    let ours = berth.ok(&["stats", "--no-stream", "--format", template, &name])?;
    let theirs = case.ok(&["stats", "--no-stream", "--format", template, &name])?;
    ensure!(
        shape(&ours).matches('|').count() == 3 && ours.split('|').next() == theirs.split('|').next(),
        "{ours}\n{theirs}"
    );
    let json: serde_json::Value = serde_json::from_str(&berth.ok(&["stats", "--no-stream", "--json", &name])?)?;
    ensure!(json[0]["name"] == name && json[0]["network_received_bytes"].is_u64(), "{json}");
    case.ok(&["stop", "-t", "0", &name])?;
    ensure!(berth.ok(&["stats", "--no-stream", "-a", "--format", "{{.Name}}"])?.lines().any(|line| line == name));
    let said = berth.run(&["stats", "--no-stream", "no-such-container"])?;
    ensure!(said.code == 1 && said.err.contains("no-such-container"), "{said:?}");
    Ok(())
}

/// A container that goes while it is watched takes nobody with it.
pub(crate) fn one_ends(berth: &Berth, case: &Case<'_>) -> Result {
    let (stays, goes) = (case.container("stays"), case.container("goes"));
    for name in [&stays, &goes] {
        case.ok(&["run", "-d", "--name", name, "busybox", "sleep", "1000"])?;
    }
    let mut child = berth.piped(&["stats", "--format", "{{.Name}} {{.PIDs}}", &stays, &goes])?;
    let mut lines = BufReader::new(child.stdout.take().context("stdout was piped")?).lines();
    let mut until = |wanted: String| -> Result {
        loop {
            let line = lines.next().with_context(|| format!("the output ended before {wanted}"))??;
            if line.contains(&wanted) {
                return Ok(());
            }
        }
    };
    until(goes.clone())?;
    case.ok(&["rm", "-f", &goes])?;
    until(format!("{goes} --"))?;
    until(stays.clone())?;
    child.kill()?;
    child.wait()?;
    Ok(())
}
