//! `berth tls` and the setting `listen`, without a daemon; and what commands wait for.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::berth::Berth;
use tests::case::Case;
use tests::wait::until;

type Result = anyhow::Result<()>;

pub(crate) fn made_shown_and_pointed_at(berth: &Berth, _: &Case<'_>) -> Result {
    let said = berth.run(&["tls", "create", "--san", "box.example", "--san", "192.0.2.7"])?;
    ensure!(said.code == 0 && said.out.contains("for localhost, 127.0.0.1, ::1"), "{said:?}");
    ensure!(said.err.contains("`berth config set listen tcp://0.0.0.0:2376`"), "{said:?}");
    let folder = berth.home().join("config/tls");
    for name in ["ca.pem", "ca-key.pem", "server-cert.pem", "server-key.pem", "cert.pem", "key.pem"] {
        ensure!(folder.join(name).is_file(), "{name}");
    }
    let laptop = berth.ok(&["tls", "client", "laptop", "--days", "3"])?;
    ensure!(laptop == folder.join("clients/laptop").display().to_string(), "{laptop}");
    let all: Value = serde_json::from_str(&berth.ok(&["tls", "show", "--json"])?)?;
    let roles: Vec<_> = all.as_array().into_iter().flatten().map(|known| known["role"].as_str()).collect();
    ensure!(roles == ["authority", "server", "client", "client"].map(Some), "{all}");
    let names = all[1]["names"].to_string();
    ensure!(names.contains("box.example") && names.contains("192.0.2.7"), "{names}");
    let shown = berth.ok(&["tls", "show"])?;
    ensure!(shown.contains("expires within 3 days: `berth tls client laptop --force`"), "{shown}");

    berth.ok(&["config", "set", "listen", "tcp://127.0.0.1,tcp://127.0.0.1:2375"])?;
    ensure!(berth.ok(&["config", "get", "listen"])? == "tcp://127.0.0.1:2376,tcp://127.0.0.1:2375");
    let variables: Value = serde_json::from_str(&berth.ok(&["tls", "env", "--client", "laptop", "--json"])?)?;
    ensure!(variables["DOCKER_HOST"] == "tcp://127.0.0.1:2376" && variables["DOCKER_TLS_VERIFY"] == "1", "{variables}");
    ensure!(variables["DOCKER_CERT_PATH"] == laptop.as_str(), "{variables}");
    let lines = berth.ok(&["tls", "env", "--shell", "sh"])?;
    ensure!(lines.contains(&format!("export DOCKER_CERT_PATH='{}'\n", folder.display())), "{lines}");
    let lines = berth.ok(&["tls", "env", "--shell", "sh", "--unset"])?;
    ensure!(lines.starts_with("unset DOCKER_HOST\nunset DOCKER_TLS_VERIFY\nunset DOCKER_CERT_PATH\n"), "{lines}");

    berth.ok(&["tls", "renew"])?;
    let renewed: Value = serde_json::from_str(&berth.ok(&["tls", "show", "--json"])?)?;
    ensure!(renewed[0] == all[0] && renewed[1]["sha256"] != all[1]["sha256"] && renewed[3] == all[3], "{renewed}");
    ensure!(renewed[1]["names"].to_string().contains("box.example"), "{renewed}");
    Ok(())
}

pub(crate) fn refusals(berth: &Berth, _: &Case<'_>) -> Result {
    let refused = |words: &[&str], expected: &str| -> Result {
        let said = berth.run(words)?;
        ensure!(said.code != 0 && said.err.contains(expected), "{words:?}: {said:?}");
        let mut chinese = berth.command(words);
        let chinese = tests::docker::said(chinese.env("LC_ALL", "zh_CN.UTF-8").output()?)?;
        ensure!(chinese.err.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{words:?}: {chinese:?}");
        Ok(())
    };
    for words in [&["tls", "show"][..], &["tls", "renew"], &["tls", "client", "laptop"]] {
        refused(words, "make them with `berth tls create`")?;
    }
    refused(&["config", "set", "listen", "tcp://0.0.0.0"], "make them with `berth tls create`")?;
    berth.ok(&["config", "set", "listen", ""])?;
    refused(&["tls", "env"], "`berth config set listen tcp://0.0.0.0:2376`")?;
    for (address, words) in [
        ("tcp://0.0.0.0:2375", "would make everybody who reaches it root in the machine"),
        ("unix:///x", "is no address: it must look like tcp://0.0.0.0:2376"),
        ("tcp://box.example:2376", "is no address of this computer"),
        ("tcp://127.0.0.1:0", "has no port that clients could know"),
    ] {
        refused(&["config", "set", "listen", address], words)?;
    }
    ensure!(berth.ok(&["config", "get", "listen"])?.is_empty());
    refused(&["tls", "create", "--san", "a b"], "`a b` is no name of a server")?;
    ensure!(!berth.home().join("config/tls/ca.pem").exists());
    berth.ok(&["tls", "create"])?;
    refused(&["tls", "create"], "`berth tls renew` keeps it, `berth tls create --force` replaces it")?;
    refused(&["tls", "client", "../x"], "is no name for a client")?;
    berth.ok(&["tls", "client", "laptop"])?;
    refused(&["tls", "client", "laptop"], "`berth tls client laptop --force` makes new ones")?;
    Ok(())
}

/// Who keeps something locked is named, and waited for: by the command itself, and by a daemon that was asked.
pub(crate) fn locks(_: &Berth, _: &Case<'_>) -> Result {
    let berth = Berth::new(None)?;
    let config = berth.home().join("config");
    berth.ok(&["config", "set", "docker_context", "false"])?;
    let lock = config.join("tls.lock");
    File::create(&lock)?;
    let set = ["config", "set", "disk_gib", "65"];
    waits(&berth, &["tls", "create", "--force"], &lock)?;
    waits(&berth, &set, &config)?;
    waits(&berth, &["logout", "registry.example"], &berth.docker_config())?;
    let mut daemon = berth.piped(&["daemon"])?;
    let socket = berth.home().join("run/control.sock");
    until("the daemon", Duration::from_secs(120), || UnixStream::connect(&socket).ok())?;
    let told = waits(&berth, &set, &config);
    berth.ok(&["machine", "quit"])?;
    daemon.wait()?;
    told
}

fn waits(berth: &Berth, words: &[&str], locked: &std::path::Path) -> Result {
    let (process, path) = (std::process::id(), locked.display());
    for (locale, line) in [
        ("C.UTF-8", format!("waiting for process {process}, which has locked {path}\n")),
        ("zh_CN.UTF-8", format!("正在等待进程 {process}，它锁定了 {path}\n")),
    ] {
        let held = File::open(locked)?;
        held.lock()?;
        let mut command = berth.command(words);
        let mut waiting = command.env("LC_ALL", locale).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut said = String::new();
        // Open until it has ended: it may have more to say.
        let mut stderr = BufReader::new(waiting.stderr.take().context("it is piped")?);
        stderr.read_line(&mut said)?;
        drop(held);
        let ended = waiting.wait()?;
        ensure!(said == line && ended.success(), "{words:?}: {ended}: {said}");
    }
    Ok(())
}
