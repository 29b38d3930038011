//! `docker import`: images from archives of whole trees.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::suite::{Entry, cases, everywhere};

use serde_json::Value;
use tests::case::Case;
use tests::events::Listener;
use tests::http::request;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; from_standard_input, from_an_address, refusals]
}

/// The tree of a busybox container.
fn tree(case: &Case<'_>) -> anyhow::Result<Vec<u8>> {
    let name = case.container("tree");
    case.ok(&["run", "--name", &name, "busybox", "sh", "-c", "echo imported >/mark"])?;
    let out = case.command(["export", &name]).output()?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(out.stdout)
}

fn inspect(case: &Case<'_>, image: &str) -> anyhow::Result<Value> {
    let answer = request(case.host(), "GET", &format!("/v1.51/images/{image}/json"), "")?;
    ensure!(answer.status == 200, "{image}: {} {}", answer.status, answer.body);
    Ok(serde_json::from_str(&answer.body)?)
}

pub(crate) fn from_standard_input(case: &Case<'_>) -> Result {
    let image = case.image("imported:1");
    let tree = tree(case)?;
    let listener = Listener::start(case)?;
    let said = case.fed(
        &tree,
        &[
            "import",
            "-m",
            "why",
            "-c",
            "CMD cat /mark",
            "-c",
            "LABEL of=import",
            "--platform",
            "linux/amd64",
            "-",
            &image,
        ],
    )?;
    ensure!(said.code == 0, "{said:?}");
    let events = listener.told()?;
    let inspect = inspect(case, &image)?;
    let id = inspect["Id"].as_str().context("an id")?;
    ensure!(said.out.trim() == id, "{said:?}");
    ensure!(case.ok(&["run", "--rm", &image])? == "imported");
    ensure!(inspect["Comment"] == "why" && inspect["Parent"] == "" && inspect["Os"] == "linux", "{inspect}");
    ensure!(inspect["RootFS"]["Layers"].as_array().map(Vec::len) == Some(1), "{inspect}");
    let history = case.ok(&["history", "--no-trunc", "--format", "{{.Comment}}|{{.CreatedBy}}", &image])?;
    ensure!(history == "why|", "{history}");
    let told: Vec<String> = events
        .iter()
        .filter(|event| event["Actor"]["ID"] == id)
        .map(|event| {
            let attributes = &event["Actor"]["Attributes"];
            format!("{} {} {}", event["Action"], attributes["name"], attributes["of"])
        })
        .collect();
    let wanted = [format!("\"tag\" \"{image}\" \"import\""), format!("\"import\" \"{id}\" \"import\"")];
    ensure!(told == wanted, "{told:?}");
    for program in ["gzip", "zstd"] {
        let image = case.image(&format!("{program}:1"));
        let said = case.fed(&packed(program, &tree)?, &["import", "-", &image])?;
        ensure!(said.code == 0, "{program}: {said:?}");
        ensure!(case.ok(&["run", "--rm", &image, "cat", "/mark"])? == "imported", "{program}");
        ensure!(self::inspect(case, &image)?["Comment"] == "Imported from -", "{program}");
    }
    Ok(())
}

/// What a program writes when it is fed.
fn packed(program: &str, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("stdin was piped")?;
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let out = child.wait_with_output()?;
    writer.join().expect("the writer does not panic")?;
    Ok(out.stdout)
}

/// An address is asked from the engine, on the way that registries are.
pub(crate) fn from_an_address(case: &Case<'_>) -> Result {
    let image = case.image("downloaded:1");
    let tree = tree(case)?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let server = std::thread::spawn(move || -> std::io::Result<Vec<String>> {
        let mut asked = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept()?;
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            if path == "/tree.tar" {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", tree.len())?;
                stream.write_all(&tree)?;
            } else {
                let gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\ngone\n";
                stream.write_all(gone.as_bytes())?;
            }
            asked.push(path);
        }
        Ok(asked)
    });
    let path = format!("/v1.51/images/create?fromSrc={address}/tree.tar&repo={}&tag=1", image.trim_end_matches(":1"));
    let answer = request(case.host(), "POST", &path, "")?;
    ensure!(answer.status == 200, "{answer:?}");
    let lines: Vec<Value> = answer.body.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    ensure!(lines[0]["status"] == format!("Downloading from http://{address}/tree.tar"), "{}", answer.body);
    ensure!(lines.iter().any(|line| line["status"] == "Importing" && line.get("id").is_none()), "{}", answer.body);
    let inspect = inspect(case, &image)?;
    ensure!(lines.last().is_some_and(|line| line["status"] == inspect["Id"]), "{}", answer.body);
    ensure!(inspect["Comment"] == format!("Imported from {address}/tree.tar"), "{inspect}");
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/mark"])? == "imported");
    let answer = request(case.host(), "POST", &format!("/v1.51/images/create?fromSrc=http://{address}/other"), "")?;
    let words = format!("failed to GET http://{address}/other with status 404 Not Found: gone");
    ensure!(answer.status == 404 && answer.body.contains(&words), "{answer:?}");
    let asked = server.join().expect("the server does not panic")?;
    ensure!(asked == ["/tree.tar", "/other"], "{asked:?}");
    Ok(())
}

/// A failure after the first line comes within the stream, and nothing is made.
pub(crate) fn refusals(case: &Case<'_>) -> Result {
    let image = case.image("refused:1");
    // An archive that is none has ended too early for dockerd.
    for (archive, arguments, texts) in [
        (&b"this is no archive"[..], &[][..], &["the archive is damaged", "unexpected EOF"][..]),
        (b"", &["-c", "RUN x"], &["RUN is not a valid change command"]),
        (b"", &["--platform", "windows/amd64"], &["operating system is not supported"]),
    ] {
        let said = case.fed(archive, &[&["import"], arguments, &["-", &image]].concat())?;
        ensure!(said.code == 1 && texts.iter().any(|text| said.err.contains(text)), "{said:?}");
        let answer = request(case.host(), "GET", &format!("/v1.51/images/{image}/json"), "")?;
        ensure!(answer.status == 404, "{arguments:?}: {answer:?}");
    }
    Ok(())
}
