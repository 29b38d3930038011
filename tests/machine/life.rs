//! What must outlive what.

use std::fs;
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
    let checks = || -> anyhow::Result<usize> {
        let console = machine.berth(&["machine", "logs", "--source", "console"])?;
        ensure!(console.contains("the engine is ready"), "{console}");
        Ok(console.matches("checking the data disk").count())
    };
    let before = checks()?;
    machine.berth(&["down"])?;
    ensure!(status(machine)?["machine"]["phase"] == "stopped", "{}", status(machine)?);
    machine.berth(&["up"])?;
    ensure!(checks()? == before, "the data disk was not closed in order");
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

/// A folder of this computer is in use when the daemon is killed, and when it is asked to end: who goes by path goes on, who had a file open
/// is told, inotify tells of the mount's own folder as before and of others to who asks again, and only what was under way may be done twice.
pub(crate) fn daemon_dies_and_folders_go_on(machine: &Machine) -> Result {
    const ENDS: [&str; 2] = ["killed", "asked"];
    let folder = machine.home().join("shared");
    fs::create_dir_all(folder.join("deep"))?;
    machine.berth(&["config", "set", "shares", &folder.display().to_string()])?;
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    let bind = format!("{}:/d", folder.display());
    let by_path = "n=0; while :; do n=$((n+1)); until echo $n >>/d/log; do echo again $n; done 2>/dev/null; done";
    docker.ok(&["run", "-d", "--name", "path", "-v", &bind, "busybox", "sh", "-c", by_path])?;
    let lines = || fs::read_to_string(folder.join("log")).map(|log| log.lines().count()).unwrap_or_default();
    let says = |name: &str, line: &str| {
        until(line, Duration::from_secs(120), || {
            docker.ok(&["logs", name]).ok().filter(|said| said.lines().any(|said| said == line))
        })
    };
    let program = tests::fixture::program("watch")?.display().to_string();
    let watch = |name: &str, of: &str| -> Result {
        docker.ok(&["create", "--name", name, "-v", &bind, "busybox", "/watch", of])?;
        docker.ok(&["cp", &program, &format!("{name}:/watch")])?;
        docker.ok(&["start", name])?;
        says(name, "ready").map(drop)
    };
    watch("watch", "/d")?;
    fs::write(folder.join("deep/here"), "found\n")?;
    for end_of in ENDS {
        // It is in a folder below the mount, and has nothing open.
        let below = format!("below-{end_of}");
        let relative = format!(
            "echo begun; until [ -e /d/go-{end_of} ]; do sleep 1; done; cat here || echo stale; \
             until cd /d/deep && cat here; do sleep 1; done; echo over"
        );
        docker.ok(&["run", "-d", "--name", &below, "-v", &bind, "-w", "/d/deep", "busybox", "sh", "-c", &relative])?;
        says(&below, "begun")?;
        // It has a file open, and waits before it uses it again.
        let open = format!(
            "exec 3>>/d/{end_of}; echo before >&3; until [ -e /d/go-{end_of} ]; do sleep 1; done; \
             echo after >&3 || echo told; exec 3>>/d/{end_of}; echo again >&3; echo over"
        );
        docker.ok(&["run", "-d", "--name", end_of, "-v", &bind, "busybox", "sh", "-c", &open])?;
        until("the open file", Duration::from_secs(120), || {
            fs::read_to_string(folder.join(end_of)).ok().filter(|said| said == "before\n")
        })?;
        let now = status(machine)?;
        ensure!(now["daemon"]["open_files"].as_u64().is_some_and(|open| open > 0), "{now}");
        if end_of == "killed" {
            end(&now["daemon"]["pid"])?;
        } else {
            machine.berth(&["machine", "quit"])?;
        }
        let before = lines();
        // The next verb, whichever it is, starts a new daemon.
        machine.berth(&["ps"])?;
        until("lines after the daemon was gone", Duration::from_secs(180), || (lines() > before + 5).then_some(()))?;
        fs::write(folder.join(format!("go-{end_of}")), "")?;
        says(end_of, "over")?;
        let said = docker.ok(&["logs", end_of])?;
        ensure!(said.lines().any(|line| line == "told"), "{end_of}: {said}");
        ensure!(fs::read_to_string(folder.join(end_of))? == "before\nagain\n", "{end_of}");
        says(&below, "over")?;
        let said = docker.ok(&["logs", &below])?;
        ensure!(said == "begun\nstale\nfound\nover", "{below}: {said}");
        says("watch", &format!("create /d/go-{end_of}"))?;
        let again = format!("watch-{end_of}");
        watch(&again, "/d/deep")?;
        fs::write(folder.join("deep").join(end_of), "")?;
        says(&again, &format!("create /d/deep/{end_of}"))?;
    }
    ensure!(docker.ok(&["inspect", "--format", "{{.State.Running}}", "path"])? == "true");
    docker.ok(&["rm", "-f", "path"])?;
    let log = fs::read_to_string(folder.join("log"))?;
    let mut numbers: Vec<usize> = log.lines().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let all = numbers.len();
    ensure!(numbers.is_sorted(), "out of order");
    numbers.dedup();
    ensure!(numbers.iter().copied().eq(1..=numbers.len()), "one is missing");
    ensure!(all - numbers.len() <= ENDS.len(), "{} were done twice", all - numbers.len());
    Ok(())
}

pub(crate) fn own_verbs_and_json(machine: &Machine) -> Result {
    let up: serde_json::Value = serde_json::from_str(&machine.berth(&["up", "--json"])?)?;
    ensure!(up["phase"] == "running", "{up}");
    let out = machine.berth(&["run", "--rm", "hello-world"])?;
    ensure!(out.contains("Hello from"), "{out}");
    let code = machine.command(&["run", "--rm", "busybox", "sh", "-c", "exit 5"]).status()?.code();
    ensure!(code == Some(5), "{code:?}");
    machine.berth(&["run", "-d", "--name", "own", "-p", "80", "busybox", "sleep", "1000"])?;
    crate::shape::is_recorded(machine)?;
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
