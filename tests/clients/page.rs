//! `docs/compatibility.md` says what is run here, in the same versions.

use anyhow::ensure;
use libtest_mimic::{Failed, Trial};
use tests::docker::Docker;
use tests::engine::Kind;

use crate::{clients, install, trial};

/// The client that has a suite of its own, `tests/cli`.
const DOCKER_CLI: &str = "docker CLI";
const PAGE: &str = include_str!("../../docs/compatibility.md");

pub(crate) fn trials() -> Vec<Trial> {
    type Test = fn() -> anyhow::Result<()>;
    let tests: [(&str, Test); 3] = [
        ("page::says_what_the_docker_cli_is_asked", says_what_the_docker_cli_is_asked),
        ("page::says_what_is_installed_and_run", says_what_is_installed_and_run),
        ("page::versions_are_compared_by_number", install::versions_are_compared_by_number),
    ];
    let failed = |error: anyhow::Error| Failed::from(format!("{error:#}"));
    tests.into_iter().map(|(name, run)| Trial::test(name, move || run().map_err(failed))).collect()
}

fn rows() -> Vec<Vec<&'static str>> {
    let lines = PAGE.lines().filter(|line| line.starts_with("| "));
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Each file of `tests/cli` is named, and the version is not newer than the one that is run here.
fn says_what_the_docker_cli_is_asked() -> anyhow::Result<()> {
    let mut nouns = Vec::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/cli"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        nouns.extend(name.strip_suffix(".rs").filter(|name| *name != "mod").map(|name| name.replace('_', " ")));
    }
    nouns.sort();
    let rows = rows();
    let row = rows.iter().find(|row| row[0] == DOCKER_CLI);
    let wanted = nouns.join(", ");
    ensure!(
        row.is_some_and(|row| row[2..5] == [&wanted, "passes", "passes"]),
        "docs/compatibility.md should have the line\n| {DOCKER_CLI} | VERSION | {wanted} | passes | passes |"
    );
    let version = row.map(|row| row[1]).unwrap_or_default();
    // `Docker version 28.2.2, build …`
    let said = Docker::new("unix:///nowhere")?.ok(&["--version"])?;
    let run = said.split_whitespace().nth(2).unwrap_or_default().trim_end_matches(',');
    ensure!(install::is_at_least(run, version), "docs/compatibility.md says {version}, {run} is run");
    Ok(())
}

fn says_what_is_installed_and_run() -> anyhow::Result<()> {
    let rows = rows();
    // But the titles of the columns.
    for row in rows.iter().skip(1) {
        ensure!(
            row[0] == DOCKER_CLI || clients().iter().any(|client| client.title == row[0]),
            "docs/compatibility.md has {}: no such client",
            row[0]
        );
    }
    for client in clients() {
        let row = rows.iter().find(|row| row[0] == client.title);
        let version = client.recipe.version();
        let nouns: Vec<String> = trial::nouns(&client).iter().map(trial::Noun::name).collect();
        let on = |kind| match ((client.on)(kind, false), (client.on)(kind, true)) {
            (true, _) => "passes",
            (false, true) => "passes (`--all`)",
            (false, false) => "–",
        };
        let wanted = [client.title, &version, &nouns.join(", "), on(Kind::Native), on(Kind::Vsock)];
        ensure!(
            row.is_some_and(|row| row[..5] == wanted),
            "docs/compatibility.md should have the line\n| {} |",
            wanted.join(" | ")
        );
    }
    Ok(())
}
