//! run, start, exec, logs, stop, rm.

use anyhow::ensure;
use tests::berth::Berth;
use tests::case::Case;
use tests::terminal::Terminal;

type Result = anyhow::Result<()>;

pub(crate) fn hello_and_exit_codes(berth: &Berth, _: &Case<'_>) -> Result {
    ensure!(berth.ok(&["run", "--rm", "hello-world"])?.contains("Hello from"));
    ensure!(berth.run(&["run", "--rm", "busybox", "sh", "-c", "exit 7"])?.code == 7);
    ensure!(berth.run(&["run", "--rm", "busybox", "no-such-program"])?.code == 127);
    ensure!(berth.run(&["run", "--rm", "busybox", "/etc"])?.code == 126);
    Ok(())
}

pub(crate) fn detaching_leaves_it_running(berth: &Berth, case: &Case<'_>) -> Result {
    let name = case.container("left");
    let terminal = Terminal::open(&berth.command(&["run", "-it", "--name", &name, "busybox", "sh"]))?;
    terminal.wait_for("a prompt", |screen| screen.contains("/ #"))?;
    terminal.press("C-p")?;
    terminal.press("C-q")?;
    ensure!(terminal.wait_exit()? == 0);
    ensure!(case.ok(&["inspect", "--format", "{{.State.Running}}", &name])? == "true");
    // With keys of one's own; the container lives on both times.
    let keys = ["exec", "-it", "--detach-keys", "ctrl-x,x", &name, "sh"];
    let terminal = Terminal::open(&berth.command(&keys))?;
    terminal.wait_for("a prompt", |screen| screen.contains("/ #"))?;
    terminal.type_text("echo one$((1+1))")?;
    terminal.press("Enter")?;
    terminal.wait_for("the answer", |screen| screen.contains("one2"))?;
    terminal.press("C-x")?;
    terminal.type_text("x")?;
    ensure!(terminal.wait_exit()? == 0);
    ensure!(case.ok(&["inspect", "--format", "{{.State.Running}}", &name])? == "true");
    Ok(())
}

pub(crate) fn options_arrive(berth: &Berth, case: &Case<'_>) -> Result {
    let (name, volume, network) = (case.container("all"), case.volume("v"), case.network("n"));
    case.ok(&["network", "create", &network])?;
    let mount = format!("type=volume,source={volume},target=/data,readonly");
    berth.ok(&[
        "run",
        "-d",
        "--name",
        &name,
        "--mount",
        &mount,
        "--network",
        &network,
        "--network-alias",
        "other",
        "--expose",
        "81-82",
        "--group-add",
        "10",
        "--stop-timeout",
        "1",
        "--health-cmd",
        "true",
        "--health-interval",
        "1h",
        "--dns-search",
        "example",
        "--ipc",
        "private",
        "busybox",
        "sleep",
        "1000",
    ])?;
    let check = |template: &str, expect: &str| -> Result {
        let got = case.ok(&["inspect", "--format", template, &name])?;
        ensure!(got == expect, "{template}: {got}");
        Ok(())
    };
    check("{{(index .Mounts 0).Name}} {{(index .Mounts 0).RW}}", &format!("{volume} false"))?;
    check("{{json .HostConfig.GroupAdd}} {{.Config.StopTimeout}}", "[\"10\"] 1")?;
    check("{{json .Config.Healthcheck.Test}} {{.Config.Healthcheck.Interval}}", "[\"CMD-SHELL\",\"true\"] 1h0m0s")?;
    check("{{json .HostConfig.DnsSearch}} {{.HostConfig.IpcMode}}", "[\"example\"] private")?;
    ensure!(case.ok(&["inspect", "--format", "{{json .Config.ExposedPorts}}", &name])?.contains("82/tcp"));
    let found = berth.ok(&["run", "--rm", "--network", &network, "busybox", "ping", "-c", "1", "other"])?;
    ensure!(found.contains("1 packets received"), "{found}");
    let from = berth.ok(&["run", "--rm", "--volumes-from", &name, "busybox", "ls", "-d", "/data"])?;
    ensure!(from == "/data", "{from}");
    let said = berth.run(&["run", "--rm", "--pid", &format!("container:{name}"), "busybox", "ps"])?;
    ensure!(said.out.contains("sleep 1000"), "{said:?}");
    Ok(())
}

pub(crate) fn id_file(berth: &Berth, case: &Case<'_>) -> Result {
    let name = case.container("id");
    let file = berth.home().join("id");
    let option = file.display().to_string();
    berth.ok(&["run", "--cidfile", &option, "--name", &name, "busybox", "true"])?;
    ensure!(std::fs::read_to_string(&file)? == case.ok(&["inspect", "--format", "{{.Id}}", &name])?);
    let said = berth.run(&["run", "--rm", "--cidfile", &option, "busybox", "true"])?;
    ensure!(said.code == 125 && said.err.contains("--cidfile"), "{said:?}");
    let other = berth.home().join("other");
    let said = berth.run(&["run", "--cidfile", &other.display().to_string(), "--pull", "never", "no/such/image"])?;
    ensure!(said.code == 125 && !other.exists(), "{said:?}");
    Ok(())
}

pub(crate) fn start_attached(berth: &Berth, case: &Case<'_>) -> Result {
    let name = case.container("again");
    case.ok(&["create", "-i", "--name", &name, "busybox", "sh", "-c", "cat; exit 4"])?;
    let mut child = berth.piped(&["start", "-a", "-i", &name])?;
    std::io::Write::write_all(&mut child.stdin.take().expect("stdin was piped"), b"through\n")?;
    let out = child.wait_with_output()?;
    ensure!(out.stdout == b"through\n" && out.status.code() == Some(4), "{out:?}");
    let said = berth.run(&["start", "-a", &name, &name])?;
    ensure!(said.code == 1 && said.err.contains("-a"), "{said:?}");
    Ok(())
}

pub(crate) fn exec_with_files(berth: &Berth, case: &Case<'_>) -> Result {
    let name = case.container("exec");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    let file = berth.home().join("env");
    std::fs::write(&file, "# nothing\nFIRST=1\n\nSECOND=two words\n")?;
    let file = file.display().to_string();
    let out =
        berth.ok(&["exec", "--env-file", &file, "-e", "THIRD=3", &name, "sh", "-c", "echo $FIRST $SECOND $THIRD"])?;
    ensure!(out == "1 two words 3", "{out}");
    ensure!(berth.run(&["exec", &name, "sh", "-c", "exit 9"])?.code == 9);
    let said = berth.run(&["exec", "-it", &name, "sh"])?;
    ensure!(said.code == 1 && said.err.contains("TTY"), "{said:?}");
    Ok(())
}

pub(crate) fn logs_by_time(berth: &Berth, case: &Case<'_>) -> Result {
    let name = case.container("logs");
    berth.ok(&["run", "--name", &name, "busybox", "echo", "said"])?;
    let logs = |option: &str, value: &str| berth.ok(&["logs", option, value, &name]);
    ensure!(logs("--since", "10m")? == "said" && logs("--since", "1971-01-01T00:00:00Z")? == "said");
    ensure!(logs("--until", "10m")?.is_empty() && logs("--until", "1971-01-01T00:00:00+01:00")?.is_empty());
    ensure!(logs("--since", "2999-01-01")?.is_empty());
    let said = berth.run(&["logs", "--since", "yesterday", &name])?;
    ensure!(said.code == 1 && said.err.contains("--since") && said.err.contains("yesterday"), "{said:?}");
    Ok(())
}

pub(crate) fn stop_and_rm(berth: &Berth, case: &Case<'_>) -> Result {
    let name = case.container("ends");
    let script = "trap 'exit 5' USR1; echo ready; while :; do sleep 0.1; done";
    berth.ok(&["run", "-d", "--name", &name, "busybox", "sh", "-c", script])?;
    // Before its trap the kernel would drop the signal.
    case.says(&name, "ready")?;
    // Only the signal that was asked for ends it with 5; the shell as PID 1 ignores SIGTERM.
    ensure!(berth.ok(&["stop", "-s", "USR1", "--timeout", "120", &name])? == name);
    ensure!(case.ok(&["inspect", "--format", "{{.State.ExitCode}}", &name])? == "5");
    ensure!(berth.ok(&["rm", &name])? == name);
    let said = berth.run(&["rm", &name])?;
    ensure!(said.code == 1 && said.err.contains(&name), "{said:?}");
    Ok(())
}
