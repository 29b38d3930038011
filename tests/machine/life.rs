//! What must outlive what.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Machine;
use tests::wait::until;

use crate::faults::broken_qemu;
use crate::pulls::end;

type Result = anyhow::Result<()>;

pub(crate) fn status(machine: &Machine) -> anyhow::Result<serde_json::Value> {
    // `status` ends with 3 when the machine does not run, and prints its JSON all the same.
    let out = machine.command(&["status", "--json"]).output()?;
    serde_json::from_slice(&out.stdout).with_context(|| String::from_utf8_lossy(&out.stderr).into_owned())
}

pub(crate) fn down_and_up_keeps_everything(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    docker.ok(&["volume", "create", "kept"])?;
    docker.ok(&[
        "run",
        "--name",
        "writer",
        "-v",
        "kept:/data",
        "busybox",
        "sh",
        "-c",
        "echo stays >/data/file; echo layer >/own",
    ])?;
    docker.ok(&["tag", "busybox", "mine:1"])?;
    for (name, policy) in [("always", "always"), ("unless", "unless-stopped"), ("halted", "unless-stopped")] {
        docker.ok(&["run", "-d", "--restart", policy, "--name", name, "busybox", "sleep", "100000"])?;
    }
    docker.ok(&["kill", "halted"])?;
    docker.ok(&["wait", "halted"])?;
    machine.berth(&["down"])?;
    ensure!(status(machine)?["machine"]["phase"] == "stopped", "{}", status(machine)?);
    machine.berth(&["up"])?;
    ensure!(docker.ok(&["run", "--rm", "-v", "kept:/data", "mine:1", "cat", "/data/file"])? == "stays");
    ensure!(docker.ok(&["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "writer"])? == "exited 0");
    docker.ok(&["cp", "writer:/own", "-"])?;
    for name in ["always", "unless"] {
        until("the restart policy", Duration::from_secs(120), || {
            docker.ok(&["inspect", "--format", "{{.State.Status}}", name]).ok().filter(|status| status == "running")
        })?;
    }
    // Who was stopped by hand stays so; the other two show that policies have been served.
    ensure!(docker.ok(&["inspect", "--format", "{{.State.Status}}", "halted"])? == "exited");
    // Run again, `up` has nothing to do.
    machine.berth(&["up"])?;
    Ok(())
}

/// Who waits for a machine that somebody else stops is told so, in words and in JSON.
pub(crate) fn another_command_decides_otherwise(machine: &Machine) -> Result {
    let qemu = broken_qemu(machine, "echo begun >> \"$(dirname \"$0\")/begun\"; exec sleep 1000")?;
    machine.berth(&["config", "set", "qemu", &qemu.display().to_string()])?;
    machine.berth(&["config", "set", "accelerator_order", "kvm"])?;
    for words in [&["up"][..], &["up", "--json"]] {
        let starting = machine.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        until("the hypervisor starts", Duration::from_secs(120), || {
            machine.home().join("begun").exists().then_some(())
        })?;
        std::fs::remove_file(machine.home().join("begun"))?;
        machine.berth(&["down"])?;
        let out = starting.wait_with_output()?;
        let (said, told) = (String::from_utf8(out.stdout)?, String::from_utf8(out.stderr)?);
        ensure!(out.status.code() == Some(1), "{words:?}: {said}{told}");
        if words.contains(&"--json") {
            let status: serde_json::Value = serde_json::from_str(&said)?;
            ensure!(status["phase"] == "stopped", "{said}");
        } else {
            ensure!(told.contains("another command stopped the machine meanwhile: `berth up` starts it"), "{told}");
        }
    }
    Ok(())
}

pub(crate) fn daemon_dies_and_containers_live(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    let port = tests::ports::next();
    let publish = format!("{port}:80");
    docker.ok(&[
        "run",
        "-d",
        "-p",
        &publish,
        "--name",
        "lives",
        "busybox",
        "sh",
        "-c",
        "mkdir /www; echo alive >/www/index.html; httpd -f -h /www",
    ])?;
    let before = docker.ok(&["inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", "lives"])?;
    end(&status(machine)?["daemon"]["pid"])?;
    // The next verb, whichever it is, starts a new daemon, which adopts the machine instead of booting another.
    ensure!(&machine.berth(&["ps"])?.contains("lives"));
    for verb in [&["status"][..], &["version"], &["shell", "true"], &["up"]] {
        end(&status(machine)?["daemon"]["pid"])?;
        machine.berth(verb)?;
    }
    let after = docker.ok(&["inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", "lives"])?;
    ensure!(before == after, "before {before}, after {after}");
    let url = format!("http://127.0.0.1:{port}/");
    let page = until("the published port", Duration::from_secs(120), || tests::http::page(&url))?;
    ensure!(page == "alive\n", "{page}");
    Ok(())
}

pub(crate) fn own_verbs_and_json(machine: &Machine) -> Result {
    let up: serde_json::Value = serde_json::from_str(&machine.berth(&["up", "--json"])?)?;
    ensure!(up["phase"] == "running", "{up}");
    let out = machine.berth(&["run", "--rm", "hello-world"])?;
    ensure!(out.contains("Hello from"), "{out}");
    let code = machine.command(&["run", "--rm", "busybox", "sh", "-c", "exit 5"]).status()?.code();
    ensure!(code == Some(5), "{code:?}");
    machine.berth(&["run", "-d", "--name", "own", "busybox", "sleep", "1000"])?;
    ensure!(&machine.berth(&["exec", "own", "echo", "inside"])? == "inside\n");
    ensure!(&machine.berth(&["ps"])?.contains("own"));
    let leaf = machine.home().join("leaf");
    std::fs::write(&leaf, "green")?;
    machine.berth(&["cp", &leaf.display().to_string(), "own:/tmp/leaf"])?;
    ensure!(&machine.berth(&["exec", "own", "cat", "/tmp/leaf"])? == "green");
    ensure!(&machine.berth(&["stats", "--no-stream", "own"])?.contains("own"));
    machine.berth(&["rm", "-f", "own"])?;
    ensure!(&machine.berth(&["images"])?.contains("hello-world"));
    let shell = machine.berth(&["shell", "uname", "-n"])?;
    ensure!(!shell.trim().is_empty(), "the guest's shell said nothing");
    shell_ends_resizes_and_speaks_json(machine)?;
    for verb in [&["version", "--json"][..], &["status", "--json"], &["config", "list", "--json"], &["env", "--json"]] {
        let text = machine.berth(verb)?;
        serde_json::from_str::<serde_json::Value>(&text).with_context(|| format!("{verb:?} printed {text}"))?;
    }
    Ok(())
}

fn shell_ends_resizes_and_speaks_json(machine: &Machine) -> Result {
    let said: serde_json::Value = serde_json::from_str(&machine.berth(&["shell", "--json", "uname", "-s"])?)?;
    ensure!(said["exit_code"] == 0 && said["output"].as_str().is_some_and(|text| text.trim() == "Linux"), "{said}");
    // Input that ends within a line ends all the same, for a program that reads lines and for a shell that edits them.
    for (arguments, input, expect) in [(&["shell", "cat"][..], "no line end", 0), (&["shell"], "exit 5", 5)] {
        let mut command = machine.command(arguments);
        let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn()?;
        std::io::Write::write_all(&mut child.stdin.take().context("stdin was piped")?, input.as_bytes())?;
        let ended = until("the end of the shell", Duration::from_secs(120), || child.try_wait().ok().flatten());
        if ended.is_err() {
            child.kill()?;
        }
        ensure!(ended?.code() == Some(expect), "{arguments:?} did not end with {expect}");
    }
    let terminal = tests::terminal::Terminal::open(&machine.command(&["shell"]))?;
    terminal.wait_for("a prompt", |screen| screen.contains('#'))?;
    terminal.resize(80, 20)?;
    terminal.type_text("until [ \"$(stty size)\" = '20 80' ]; do :; done; echo resi''zed; exit 4")?;
    terminal.press("Enter")?;
    ensure!(terminal.wait_exit()? == 4);
    ensure!(terminal.screen().contains("resized"));
    Ok(())
}
