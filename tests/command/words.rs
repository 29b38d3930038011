//! What needs no engine: languages, completions, manual pages, JSON without a machine, the banner.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tests::berth::Berth;
use tests::case::Case;
use tests::terminal::Terminal;

type Result = anyhow::Result<()>;

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

pub(crate) fn chinese(_: &Berth, _: &Case<'_>) -> Result {
    let alone = Berth::new(None)?;
    let say = |arguments: &[&str]| -> anyhow::Result<String> {
        let out = alone.command(arguments).env("LC_ALL", "zh_CN.UTF-8").output()?;
        Ok(String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    };
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["machine", "logs", "--help"],
        &["status"],
        &["config", "list"],
        &["config", "get", "no_such_key"],
        &["config", "set", "cpus", "many"],
        &["run", "busybox"],
        &["shell", "true"],
        &["version"],
        &["terminal", "--banner"],
    ] {
        let text = say(arguments)?;
        ensure!(is_chinese(&text), "{arguments:?} says nothing in Chinese: {text}");
        // A key without a text is printed as it is.
        for section in ["status.", "banner.", "machine.", "option.", "expected.", "version.", "zh-CN."] {
            let word =
                |word: &str| word.strip_prefix(section).is_some_and(|rest| rest.starts_with(char::is_alphabetic));
            ensure!(!text.split_whitespace().any(word), "{arguments:?} shows a key: {text}");
        }
    }
    let help = say(&["--help"])?;
    let text = help.lines().next().into_iter().chain(help.lines().filter(|line| line.starts_with("  ")));
    for line in text {
        ensure!(is_chinese(line), "not translated: {line}");
    }
    Ok(())
}

pub(crate) fn completions_and_manual(berth: &Berth, _: &Case<'_>) -> Result {
    let script = berth.home().join("berth.bash");
    fs::write(&script, berth.ok(&["completions", "bash"])?)?;
    // The words that bash offers after `berth sta`.
    let line = "source \"$1\"; complete -p berth; COMP_WORDS=(berth sta); COMP_CWORD=1; \
                _berth berth sta berth; echo \"${COMPREPLY[@]}\"";
    let out = Command::new("bash").args(["-c", line, "bash"]).arg(&script).output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    ensure!(out.status.success() && text.contains("berth"), "{out:?}");
    ensure!(["status", "start", "stats"].iter().all(|verb| text.contains(verb)), "{text}");
    for shell in ["zsh", "fish", "powershell"] {
        ensure!(berth.ok(&["completions", shell])?.contains("berth"), "{shell}");
    }
    let folder = berth.home().join("man");
    berth.ok(&["man", &folder.display().to_string()])?;
    let pages: Vec<String> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<_>>()?;
    let help = berth.ok(&["--help"])?;
    let verbs = help.lines().filter(|line| line.starts_with("  ") && !line.trim_start().starts_with('-'));
    let verbs: Vec<&str> =
        verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").collect();
    ensure!(verbs.len() > 20, "{help}");
    for verb in verbs {
        ensure!(pages.contains(&format!("berth-{verb}.1")), "no page for {verb}: {pages:?}");
    }
    ensure!(pages.contains(&"berth-machine-logs.1".to_owned()), "{pages:?}");
    let page = folder.join("berth-run.1");
    let roff = fs::read_to_string(&page)?;
    ensure!(roff.contains(".TH berth") && roff.contains("network\\-alias"), "{roff}");
    if Command::new("man").arg("--version").output().is_ok_and(|out| out.status.success()) {
        let out = Command::new("man").arg("-l").arg(&page).env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8").output()?;
        let text = String::from_utf8_lossy(&out.stdout);
        ensure!(out.status.success() && text.contains("SYNOPSIS"), "{out:?}");
    }
    Ok(())
}

pub(crate) fn json_without_a_machine(_: &Berth, _: &Case<'_>) -> Result {
    let alone = Berth::new(None)?;
    let json = |arguments: &[&str]| -> anyhow::Result<(serde_json::Value, i32)> {
        let said = alone.run(arguments)?;
        let value = serde_json::from_str(&said.out).with_context(|| format!("{arguments:?}: {said:?}"))?;
        Ok((value, said.code))
    };
    let (status, code) = json(&["status", "--json"])?;
    ensure!(status["machine"]["phase"] == "stopped" && code == 3, "{status}");
    let (version, code) = json(&["version", "--json"])?;
    ensure!(version["berth"].is_string() && version["daemon"].is_null() && code == 0, "{version}");
    let (settings, _) = json(&["config", "list", "--json"])?;
    ensure!(settings.as_array().is_some_and(|all| all.len() > 10), "{settings}");
    let (down, code) = json(&["down", "--json"])?;
    ensure!(down["phase"] == "stopped" && code == 0, "{down}");
    let (quit, _) = json(&["machine", "quit", "--json"])?;
    ensure!(quit["daemon"] == "ended", "{quit}");
    for (verb, word) in [
        (&["config", "get", "no_such_key", "--json"][..], "no_such_key"),
        (&["config", "set", "cpus", "many", "--json"], "many"),
        (&["shell", "--json", "true"], "not running"),
        (&["ps", "--json"], "not running"),
    ] {
        let (failed, code) = json(verb)?;
        ensure!(code == 1 && failed["error"].as_str().is_some_and(|text| text.contains(word)), "{verb:?}: {failed}");
    }
    for verb in ["up", "down", "status", "shell", "reset", "uninstall", "diagnose", "version"] {
        ensure!(alone.ok(&[verb, "--help"])?.contains("--json"), "{verb}");
    }
    for verb in ["logs", "restart", "quit"] {
        ensure!(alone.ok(&["machine", verb, "--help"])?.contains("--json"), "machine {verb}");
    }
    Ok(())
}

/// A machine that cannot start: programs get the status with its failure, people a shell that says why.
pub(crate) fn machine_that_does_not_start(_: &Berth, _: &Case<'_>) -> Result {
    let alone = Berth::new(None)?;
    alone.ok(&["config", "set", "docker_context", "false"])?;
    alone.ok(&["config", "set", "qemu", "/no/such/qemu"])?;
    let _daemon = Quit(&alone);
    for verb in [&["up", "--json"][..], &["machine", "restart", "--json"]] {
        let said = alone.run(verb)?;
        let status: serde_json::Value =
            serde_json::from_str(&said.out).with_context(|| format!("{verb:?}: {said:?}"))?;
        ensure!(said.code == 1 && status["phase"] == "failed" && said.err.is_empty(), "{verb:?}: {said:?}");
        let cause = status["failure"]["cause"].as_str().unwrap_or_default();
        ensure!(cause.contains("/no/such/qemu"), "{verb:?}: {status}");
    }
    let out = alone.command(&["status"]).env("LC_ALL", "zh_CN.UTF-8").output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    ensure!(text.contains("没有找到 QEMU") && text.contains("/no/such/qemu"), "{text}");
    let command = alone.command(&["terminal"]);
    let terminal = Terminal::open(&command)?;
    terminal.wait_for("the cause", |screen| screen.contains("QEMU was not found") && screen.contains("tries again"))?;
    // The step, and where more is said; lines are cut where the screen ends.
    let screen = terminal.screen().replace('\n', "");
    ensure!(screen.contains("✗ ") && screen.contains("daemon.log"), "{screen}");
    terminal.type_text("echo \"<$BERTH_TERMINAL$DOCKER_HOST>\"; exit 3")?;
    terminal.press("Enter")?;
    ensure!(terminal.wait_exit()? == 3);
    ensure!(terminal.screen().contains("<1>"), "{}", terminal.screen());
    Ok(())
}

/// Ends the daemon that a case started, also when the case fails.
struct Quit<'a>(&'a Berth);

impl Drop for Quit<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(&["machine", "quit"]);
    }
}

/// Each log by its name: with a daemon, which also follows them, and without one.
pub(crate) fn logs_by_source(_: &Berth, _: &Case<'_>) -> Result {
    let alone = Berth::new(None)?;
    alone.ok(&["config", "set", "docker_context", "false"])?;
    alone.ok(&["config", "set", "qemu", "/no/such/qemu"])?;
    let folder = alone.home().join("data/log");
    let files = [
        ("console", "console.log"),
        ("qemu", "qemu.log"),
        ("vsock", "vhost-device-vsock.log"),
        ("daemon", "daemon.log"),
    ];
    for (source, file) in files {
        fs::write(folder.join(file), format!("of {source}\n"))?;
        ensure!(alone.ok(&["machine", "logs", "--source", source])? == format!("of {source}"), "{source}");
    }
    ensure!(alone.ok(&["machine", "logs"])? == "of console");
    // Fails for want of QEMU, and leaves a daemon.
    ensure!(alone.run(&["up"])?.code == 1);
    let _daemon = Quit(&alone);
    for (source, file) in files {
        let mut child = alone.piped(&["machine", "logs", "-f", "--source", source])?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout was piped")?).lines();
        let mut until = |wanted: &str| -> Result {
            for line in &mut lines {
                if line? == wanted {
                    return Ok(());
                }
            }
            anyhow::bail!("the log of {source} ended without `{wanted}`")
        };
        until(&format!("of {source}"))?;
        writeln!(fs::File::options().append(true).open(folder.join(file))?, "more of {source}")?;
        until(&format!("more of {source}"))?;
        child.kill()?;
        child.wait()?;
    }
    let said = alone.run(&["machine", "logs", "--source", "moon"])?;
    ensure!(said.code == 2 && said.err.contains("vsock"), "{said:?}");
    Ok(())
}

/// Whatever waits for somebody who does not answer says so on a terminal after a moment.
pub(crate) fn waiting_shows_it(_: &Berth, _: &Case<'_>) -> Result {
    let mut all = Vec::new();
    for (socket, arguments, sign) in [
        ("control.sock", &["status"][..], "asking the machine"),
        ("control.sock", &["version"], "asking the machine"),
        ("control.sock", &["up"], "starting the daemon"),
        ("engine.sock", &["stats", "--no-stream"], "measuring"),
        ("engine.sock", &["run", "-d", "busybox"], "creating a container of busybox"),
        ("engine.sock", &["run", "-it", "busybox"], "creating a container of busybox"),
        ("engine.sock", &["ps"], "waiting for the engine"),
        ("engine.sock", &["images"], "waiting for the engine"),
        ("engine.sock", &["inspect", "web"], "waiting for the engine"),
        ("engine.sock", &["exec", "-it", "web", "sh"], "waiting for the engine"),
        ("engine.sock", &["start", "-a", "web"], "waiting for the engine"),
        ("engine.sock", &["logs", "web"], "waiting for the log of web"),
        ("engine.sock", &["start", "web"], "starting web"),
        ("engine.sock", &["stop", "web"], "stopping web"),
        ("engine.sock", &["rm", "web"], "removing web"),
        ("engine.sock", &["rmi", "web"], "removing web"),
        ("engine.sock", &["cp", "web:/a", "b"], "copying"),
    ] {
        let alone = Berth::new(None)?;
        let run = alone.home().join("run");
        fs::create_dir(&run)?;
        // It takes connections and never says a word.
        let mute = UnixListener::bind(run.join(socket))?;
        let terminal = Terminal::open(&alone.command(arguments))?;
        terminal.wait_for("the sign", |screen| screen.contains(sign)).with_context(|| format!("{arguments:?}"))?;
        terminal.press("C-c")?;
        // Until those who wait are gone: they would look for another daemon.
        all.push((terminal, mute, alone));
    }
    Ok(())
}

/// `berth config list | head -1` is no reason for a backtrace.
pub(crate) fn closed_pipe(berth: &Berth, _: &Case<'_>) -> Result {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let out = berth.command(&["config", "list"]).stdout(writer).stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    ensure!(out.status.code() == Some(141) && out.stderr.is_empty(), "{out:?}");
    Ok(())
}

pub(crate) fn banner(berth: &Berth, _: &Case<'_>) -> Result {
    let folder = berth.home().join("bin");
    fs::create_dir(&folder)?;
    let banner = || -> anyhow::Result<String> {
        let out = berth.command(&["terminal", "--banner"]).env("PATH", &folder).output()?;
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let without = banner()?;
    ensure!(!without.contains("docker --context") && without.contains("berth run --rm hello-world"), "{without}");
    let docker = folder.join("docker");
    fs::write(&docker, "")?;
    ensure!(banner()? == without, "it is no program yet");
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755))?;
    let with = banner()?;
    ensure!(with.contains("docker --context berth"), "{with}");
    Ok(())
}
