//! `docker search` and `docker plugin`.

use anyhow::ensure;
use tests::case::Case;

use crate::api::registries::index;
use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; search, plugin_of_an_image]
}

pub(crate) fn search(case: &Case<'_>) -> Result {
    let index = index()?;
    let term = format!("{}/ship", index.address());
    let format = ["--format", "{{.Name}} {{.StarCount}} {{.IsOfficial}} {{.Description}}"];
    let find = |options: &[&str]| case.ok(&[&["search"], &format[..], options, &[term.as_str()]].concat());
    // The CLI sorts by stars.
    let (ship, mine, yours) = ("ship 10 [OK] Sails & <oars>, é", "me/ship 3", "you/ship 0");
    let all = find(&[])?;
    let lines: Vec<&str> = all.lines().map(str::trim).collect();
    ensure!(lines.len() == 3 && lines[0] == ship && lines[1] == mine && lines[2].starts_with(yours), "{all}");
    let found = find(&["--filter", "is-official=true"])?;
    ensure!(found.trim() == ship, "{found}");
    let found = find(&["--filter", "stars=3", "--filter", "is-official=false"])?;
    ensure!(found.trim() == mine, "{found}");
    let found = find(&["--limit", "1"])?;
    ensure!(found.trim() == ship, "{found}");
    let said = case.run(&["search", "--limit", "101", &term])?;
    ensure!(said.code == 1 && said.err.contains("limit 101 is outside the range of [1, 100]"), "{}", said.err);
    let said = case.run(&["search", "--filter", "colour=red", &term])?;
    ensure!(said.code == 1 && said.err.contains("invalid filter 'colour'"), "{}", said.err);
    Ok(())
}

pub(crate) fn plugin_of_an_image(case: &Case<'_>) -> Result {
    let reference = format!("{}/no-plugin{}:1", case.registry.address(), case.number());
    case.ok(&["tag", "busybox", &reference])?;
    case.ok(&["push", "-q", &reference])?;
    case.ok(&["rmi", &reference])?;
    let said = case.run(&["plugin", "install", "--grant-all-permissions", &reference])?;
    ensure!(said.code == 1 && said.err.contains("did not find plugin config for specified reference"), "{}", said.err);
    Ok(())
}
