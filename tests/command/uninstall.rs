//! `berth uninstall`: what goes, and what stays.

use std::fs;
use std::path::PathBuf;

use anyhow::ensure;
use sha2::{Digest, Sha256};
use tests::berth::Berth;
use tests::case::Case;

type Result = anyhow::Result<()>;

/// A user who has machines, a docker context, and the window at login; the two files that are others'.
fn lived_in() -> anyhow::Result<(Berth, PathBuf, PathBuf)> {
    let alone = Berth::new(None)?;
    alone.ok(&["machine", "create", "work"])?;
    // As docker's own client keeps one.
    let folder = Sha256::digest("berth").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let context = alone.docker_config().join("contexts/meta").join(folder).join("meta.json");
    fs::create_dir_all(context.parent().expect("it has a folder"))?;
    fs::write(&context, described("Berth"))?;
    let login = alone.home().join("home/.config/autostart/Berth.desktop");
    fs::create_dir_all(login.parent().expect("it has a folder"))?;
    fs::write(&login, "[Desktop Entry]\nExec=/usr/bin/berth-desktop --hidden\n")?;
    Ok((alone, context, login))
}

/// The docker context `berth`, of whom this says.
fn described(by: &str) -> String {
    format!(r#"{{"Name":"berth","Metadata":{{"Description":"{by}"}},"Endpoints":{{}}}}"#)
}

fn uninstall(berth: &Berth, more: &[&str]) -> anyhow::Result<(i32, String)> {
    let home = berth.home().join("home");
    let mut command = berth.command(&["uninstall"]);
    let out = command.args(more).env("HOME", &home).env_remove("XDG_CONFIG_HOME").output()?;
    let said = [out.stdout, out.stderr].concat();
    Ok((out.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
}

pub(crate) fn entries_go_and_data_stays(_: &Berth, _: &Case<'_>) -> Result {
    let (alone, context, login) = lived_in()?;
    let (code, said) = uninstall(&alone, &[])?;
    ensure!(code == 1 && said.contains("--yes") && context.exists() && login.exists(), "nobody was asked: {said}");
    let (code, said) = uninstall(&alone, &["--yes", "--json"])?;
    let removed: serde_json::Value = serde_json::from_str(&said)?;
    ensure!(code == 0 && removed["removed"].as_array().is_some_and(|files| files.len() == 2), "{said}");
    ensure!(!context.exists() && !login.exists(), "{said}");
    ensure!(alone.ok(&["machine", "list"])?.contains("work"), "the machine is there");
    let (code, said) = uninstall(&alone, &["--yes", "--json"])?;
    ensure!(code == 0 && said.trim() == r#"{"removed":[]}"#, "{said}");
    Ok(())
}

pub(crate) fn data_goes_when_it_is_to(_: &Berth, _: &Case<'_>) -> Result {
    let (alone, context, login) = lived_in()?;
    // Somebody else's, of the same names.
    fs::write(&login, "[Desktop Entry]\nExec=/usr/bin/other\n")?;
    fs::write(&context, described("mine"))?;
    let (code, said) = uninstall(&alone, &["--yes", "--data"])?;
    ensure!(code == 0 && context.exists() && login.exists(), "{said}");
    for folder in ["config", "data", "cache", "run"] {
        ensure!(!alone.home().join(folder).exists(), "{folder} is left: {said}");
    }
    ensure!(said.contains(&alone.home().join("config").display().to_string()), "{said}");
    Ok(())
}
