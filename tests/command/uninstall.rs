//! `berth uninstall`: what goes, and what stays.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tests::berth::Berth;
use tests::case::Case;

type Result = anyhow::Result<()>;

/// A user with a home folder of their own, who has machines, a docker context, docker's clients that ask for credentials here, and the
/// window at login.
struct User {
    berth: Berth,
    context: PathBuf,
    login: PathBuf,
}

impl User {
    fn new() -> anyhow::Result<Self> {
        let berth = Berth::new(None)?;
        // As docker's own client keeps one.
        let folder = Sha256::digest("berth").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let context = berth.docker_config().join("contexts/meta").join(folder).join("meta.json");
        let login = berth.home().join("home/.config/autostart/Berth.desktop");
        for file in [&context, &login] {
            fs::create_dir_all(file.parent().context("it has a folder")?)?;
        }
        let user = Self { berth, context, login };
        user.context_of("Berth", "/run/engine.sock")?;
        fs::write(&user.login, "[Desktop Entry]\nExec=/usr/bin/berth-desktop --hidden\n")?;
        fs::write(
            user.docker_config(),
            r#"{"credsStore":"berth","credHelpers":{"a.example":"berth","b.example":"other"},"psFormat":"mine"}"#,
        )?;
        user.said(&["machine", "create", "work"])?;
        Ok(user)
    }

    fn docker_config(&self) -> PathBuf {
        self.berth.docker_config().join("config.json")
    }

    /// Who made the context `berth`, and where it leads.
    fn context_of(&self, by: &str, socket: &str) -> Result {
        let endpoint = format!(r#"{{"docker":{{"Host":"unix://{socket}","SkipTLSVerify":false}}}}"#);
        let text = format!(r#"{{"Name":"berth","Metadata":{{"Description":"{by}"}},"Endpoints":{endpoint}}}"#);
        Ok(fs::write(&self.context, text)?)
    }

    /// Exit code and both streams.
    fn said(&self, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
        let home = self.berth.home().join("home");
        let mut command = self.berth.command(arguments);
        command.env_remove("BERTH_HOME").env("HOME", &home).env("XDG_RUNTIME_DIR", self.berth.home().join("run"));
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        let out = command.output()?;
        let said = [out.stdout, out.stderr].concat();
        Ok((out.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
    }

    fn has(&self, below_home: &str) -> bool {
        self.berth.home().join("home").join(below_home).exists()
    }
}

pub(crate) fn entries_go_and_data_stays(_: &Berth, _: &Case<'_>) -> Result {
    let user = User::new()?;
    let (code, said) = user.said(&["uninstall"])?;
    ensure!(code == 1 && said.contains("--yes") && user.context.exists() && user.login.exists(), "{said}");
    let (code, said) = user.said(&["uninstall", "--yes", "--json"])?;
    let told: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    ensure!(code == 0 && told["removed"].as_array().is_some_and(|files| files.len() == 2), "{said}");
    ensure!(told["credential_helper"] == true && !user.context.exists() && !user.login.exists(), "{said}");
    let docker: Value = serde_json::from_slice(&fs::read(user.docker_config())?)?;
    let expected = serde_json::json!({ "credHelpers": { "b.example": "other" }, "psFormat": "mine" });
    ensure!(docker == expected, "{docker}");
    ensure!(user.said(&["machine", "list"])?.1.contains("work"), "the machine is there");
    let (code, said) = user.said(&["uninstall", "--yes", "--json"])?;
    ensure!(code == 0 && said.trim() == r#"{"credential_helper":false,"removed":[]}"#, "{said}");
    Ok(())
}

pub(crate) fn data_goes_when_it_is_to(_: &Berth, _: &Case<'_>) -> Result {
    let user = User::new()?;
    // Somebody else's, of the same names.
    fs::write(&user.login, "[Desktop Entry]\nExec=/usr/bin/other\n")?;
    user.context_of("mine", "/run/engine.sock")?;
    ensure!(user.has(".config/berth/machines/work"), "the machine is there");
    let (code, said) = user.said(&["uninstall", "--yes", "--data"])?;
    ensure!(code == 0 && user.context.exists() && user.login.exists(), "{said}");
    for folder in [".config/berth", ".local/share/berth", ".cache/berth"] {
        ensure!(!user.has(folder), "{folder} is left: {said}");
    }
    ensure!(said.contains(".config/berth") && user.has(".config/autostart"), "{said}");
    Ok(())
}

pub(crate) fn another_home_is_left_alone(_: &Berth, _: &Case<'_>) -> Result {
    let user = User::new()?;
    let elsewhere = |arguments: &[&str]| -> anyhow::Result<String> {
        let mut command = user.berth.command(arguments);
        let out = command.env("HOME", user.berth.home().join("home")).output()?;
        ensure!(out.status.success(), "{out:?}");
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    elsewhere(&["machine", "create", "other"])?;
    elsewhere(&["uninstall", "--yes", "--data"])?;
    let docker = fs::read_to_string(user.docker_config())?;
    ensure!(user.context.exists() && user.login.exists() && docker.contains("credsStore"), "{docker}");
    ensure!(user.has(".config/berth/machines/work") && !user.berth.home().join("config").exists(), "its own went");
    // The context of that home itself.
    let socket = user.berth.home().join("run/engine.sock");
    user.context_of("Berth", Path::new(&socket).to_str().context("it is text")?)?;
    elsewhere(&["uninstall", "--yes"])?;
    ensure!(!user.context.exists(), "it leads there");
    Ok(())
}
