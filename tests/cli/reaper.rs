//! A container that holds the engine's socket and removes what it is told to: what Testcontainers leaves behind when it is killed.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; removes_what_its_clients_named, ends_when_nobody_comes]
}

/// A reaper with `settings` that has said that it is ready; its name. It may have ended since.
fn start(case: &Case<'_>, settings: &[&str]) -> anyhow::Result<String> {
    let image = format!("{}:latest", case.image("reaper"));
    tests::reaper::load(case.docker, &image)?;
    let name = case.container("reaper");
    // As Testcontainers does: the socket by the path that the client itself uses.
    let socket = case.host().strip_prefix("unix://").context("DOCKER_HOST is a socket")?;
    let socket = format!("{socket}:/var/run/docker.sock");
    let mut words = vec!["run", "-d", "--name", &name, "-p", "127.0.0.1::8080", "-v", &socket];
    words.extend(settings.iter().flat_map(|setting| ["-e", setting]));
    words.push(&image);
    case.ok(&words)?;
    until("the reaper's start", Duration::from_secs(300), || {
        case.ok(&["logs", &name]).ok()?.contains("Started!").then_some(())
    })?;
    Ok(name)
}

pub(crate) fn removes_what_its_clients_named(case: &Case<'_>) -> Result {
    // Its first client comes when there is something to remove, a dozen commands later.
    let reaper = start(case, &["RYUK_RECONNECTION_TIMEOUT=1s", "RYUK_CONNECTION_TIMEOUT=15m"])?;
    let address = case.ok(&["port", &reaper, "8080"])?;
    let (label, other) = (format!("session=a {}&b", case.number()), format!("session={}", case.number()));
    let label = format!("--label={label}");
    let (network, volume, image) = (case.network("net"), case.volume("vol"), case.image("img"));
    let kept = [case.volume("kept-label"), case.volume("kept")];
    case.ok(&["network", "create", &label, &network])?;
    case.ok(&["volume", "create", &label, &volume])?;
    case.ok(&["volume", "create", &format!("--label={other}"), &kept[0]])?;
    case.ok(&["volume", "create", &kept[1]])?;
    let mount = format!("{volume}:/data");
    let running = case.container("running");
    case.ok(&[
        "run",
        "-d",
        "--name",
        &running,
        &label,
        "--network",
        &network,
        "-v",
        &mount,
        "busybox",
        "sleep",
        "9999",
    ])?;
    let created = case.container("created");
    case.ok(&["create", "--name", &created, &label, "busybox"])?;
    let unlabelled = case.container("unlabelled");
    case.ok(&["create", "--name", &unlabelled, "busybox"])?;
    let label = label.trim_start_matches("--label=");
    case.ok(&["commit", "--change", &format!("LABEL \"{}\"=\"{}\"", "session", &label[8..]), &created, &image])?;

    let mut client = TcpStream::connect(&address)?;
    let mut answers = BufReader::new(client.try_clone()?);
    let wanted = label.replace(' ', "%20").replace('&', "%26").replacen('=', "%3D", 1);
    for line in [format!("label={wanted}&label=session\r\n"), "label=nobody%3Dhas\n".to_owned()] {
        client.write_all(line.as_bytes())?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        ensure!(answer == "ACK\n", "{line:?}: {answer:?}");
    }
    ensure!(
        case.ok(&["inspect", "--format", "{{.State.Running}}", &running])? == "true",
        "nothing goes before its client"
    );
    drop((client, answers));
    let code = case.ok(&["wait", &reaper])?;
    ensure!(code == "0", "{}", case.ok(&["logs", &reaper])?);
    let gone = [
        ("container", &running),
        ("container", &created),
        ("network", &network),
        ("volume", &volume),
        ("image", &image),
    ];
    for (noun, name) in gone {
        ensure!(case.run(&[noun, "inspect", name])?.code == 1, "{noun} {name} is still there");
    }
    case.ok(&["container", "inspect", &unlabelled])?;
    case.ok(&["volume", "inspect", &kept[0], &kept[1]])?;
    Ok(())
}

pub(crate) fn ends_when_nobody_comes(case: &Case<'_>) -> Result {
    let reaper = start(case, &["RYUK_CONNECTION_TIMEOUT=300ms", "RYUK_VERBOSE=true"])?;
    ensure!(case.ok(&["wait", &reaper])? == "0", "{}", case.ok(&["logs", &reaper])?);
    Ok(())
}
