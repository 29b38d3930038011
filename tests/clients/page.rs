//! `docs/compatibility.md` says what is run here, in the same versions.

use anyhow::ensure;
use libtest_mimic::{Failed, Trial};
use tests::engine::Kind;

use crate::{clients, install, trial};

const PAGE: &str = include_str!("../../docs/compatibility.md");

pub(crate) fn trials() -> Vec<Trial> {
    type Test = fn() -> anyhow::Result<()>;
    let tests: [(&str, Test); 2] = [
        ("page::says_what_is_installed_and_run", says_what_is_installed_and_run),
        ("page::versions_are_compared_by_number", install::versions_are_compared_by_number),
    ];
    let failed = |error: anyhow::Error| Failed::from(format!("{error:#}"));
    tests.into_iter().map(|(name, run)| Trial::test(name, move || run().map_err(failed))).collect()
}

fn says_what_is_installed_and_run() -> anyhow::Result<()> {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    // But the titles of the columns.
    for row in rows.iter().skip(1) {
        ensure!(
            clients().iter().any(|client| client.title == row[0]),
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
