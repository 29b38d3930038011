//! BuildKit's own clients on the engine's socket: gRPC from the first word, without asking for it by HTTP/1.

use anyhow::{Context, ensure};
use tests::buildx::Folder;
use tests::case::Case;
use tests::docker::{Said, said};
use tests::limit;

use crate::suite::{Entry, cases, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    // dockerd has it from version 29 on.
    cases![not_of_dockerd; a_remote_builder, other_requests]
}

/// The driver of buildx for a BuildKit that somebody else started.
pub(crate) fn a_remote_builder(case: &Case<'_>) -> Result {
    let image = case.image("bkremote:1");
    let dockerfile = "FROM busybox\nRUN --mount=type=cache,target=/c echo x >/c/f; echo told >/f\nCOPY f /g\n";
    let folder = Folder::new(&[("Dockerfile", dockerfile), ("f", "sent\n")])?;
    let buildx = |arguments: &[&str]| -> anyhow::Result<Said> {
        let said = said(limit::output(&mut folder.docker(case, &[&["buildx"], arguments].concat()))?)?;
        ensure!(said.code == 0, "{arguments:?}: {said:?}");
        Ok(said)
    };
    buildx(&["create", "--name", "far", "--driver", "remote", case.docker.host()])?;
    let told = buildx(&["inspect", "--bootstrap", "far"])?.out;
    for words in [["Driver:", "remote"], ["Status:", "running"]] {
        ensure!(told.lines().any(|line| line.split_whitespace().eq(words)), "{words:?}: {told}");
    }
    let build = |arguments: &[&str]| buildx(&[&["build", "--builder", "far"], arguments, &["."]].concat());
    build(&["-o", "out"])?;
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).with_context(|| name.to_owned());
    ensure!((read("out/f")?, read("out/g")?) == ("told\n".to_owned(), "sent\n".to_owned()));
    // An archive goes to the client, and by its other connection to the engine.
    let told = build(&["--load", "-t", &image])?.err;
    ensure!(told.contains("CACHED"), "{told}");
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/f", "/g"])? == "told\nsent");
    let used = buildx(&["du", "--builder", "far"])?.out;
    ensure!(used.contains("Reclaimable:"), "{used}");
    let shown = buildx(&["history", "ls", "--builder", "far"])?.out;
    ensure!(shown.contains("Completed"), "{shown}");
    buildx(&["rm", "far"])?;
    Ok(())
}

/// HTTP/2 is for gRPC: another request is told so, and the engine goes on.
pub(crate) fn other_requests(case: &Case<'_>) -> Result {
    let socket = case.docker.host().strip_prefix("unix://").context("the engine is on a socket")?;
    let mut curl = std::process::Command::new("curl");
    curl.args(["-s", "--http2-prior-knowledge", "--unix-socket", socket, "http://localhost/_ping"]);
    let answer = said(limit::output(&mut curl)?)?;
    ensure!(answer.code == 0 && answer.out.contains("use HTTP/1.1"), "{answer:?}");
    ensure!(!case.ok(&["version", "--format", "{{.Server.Version}}"])?.is_empty());
    Ok(())
}
