//! `docker run` and its options.

use anyhow::ensure;
use tests::case::Case;

type Result = anyhow::Result<()>;

pub(crate) fn hello_world(case: &Case<'_>) -> Result {
    let out = case.ok(&["run", "--rm", "hello-world"])?;
    ensure!(out.contains("Hello from"), "hello-world said: {out}");
    Ok(())
}

pub(crate) fn passes_exit_code(case: &Case<'_>) -> Result {
    let said = case.run(&["run", "--rm", "busybox", "sh", "-c", "exit 7"])?;
    ensure!(said.code == 7, "{said:?}");
    Ok(())
}

pub(crate) fn unknown_command_is_127(case: &Case<'_>) -> Result {
    let said = case.run(&["run", "--rm", "busybox", "no-such-command"])?;
    ensure!(said.code == 127, "{said:?}");
    ensure!(said.err.contains("\"no-such-command\": executable file not found in $PATH"), "{said:?}");
    let said = case.run(&["run", "--rm", "busybox", "/no/such/file"])?;
    ensure!(said.code == 127 && said.err.contains("no such file or directory"), "{said:?}");
    Ok(())
}

pub(crate) fn directory_as_command_is_126(case: &Case<'_>) -> Result {
    let said = case.run(&["run", "--rm", "busybox", "/etc"])?;
    ensure!(said.code == 126, "{said:?}");
    let said = case.run(&["run", "--rm", "busybox", "/etc/passwd"])?;
    ensure!(said.code == 126 && said.err.contains("permission denied"), "{said:?}");
    Ok(())
}

pub(crate) fn unknown_image_is_125(case: &Case<'_>) -> Result {
    let name = format!("{}/no-such-image:1", case.registry.address());
    let said = case.run(&["run", "--rm", &name])?;
    ensure!(said.code == 125 && said.err.contains("not found"), "{said:?}");
    Ok(())
}

pub(crate) fn reads_standard_input(case: &Case<'_>) -> Result {
    let said = case.fed(b"one\ntwo\n", &["run", "--rm", "-i", "busybox", "cat"])?;
    ensure!(said.code == 0 && said.out == "one\ntwo\n", "{said:?}");
    // More than any pipe or window holds, so that half-close and back-pressure both matter.
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| b"0123456789abcdef\n"[(n % 17) as usize]).collect();
    let said = case.fed(&big, &["run", "--rm", "-i", "busybox", "md5sum"])?;
    let plain = case.fed(&big, &["run", "--rm", "-i", "busybox", "sh", "-c", "cat | md5sum"])?;
    ensure!(said.code == 0 && said.out == plain.out && said.out.len() > 32, "{said:?} {plain:?}");
    Ok(())
}

pub(crate) fn keeps_streams_apart(case: &Case<'_>) -> Result {
    let said = case.run(&["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2"])?;
    ensure!(said.out == "out\n" && said.err == "err\n", "{said:?}");
    Ok(())
}

pub(crate) fn environment_user_and_directory(case: &Case<'_>) -> Result {
    let out = case.ok(&[
        "run",
        "--rm",
        "-e",
        "COLOUR=blue",
        "-u",
        "1000:1001",
        "-w",
        "/made/here",
        "busybox",
        "sh",
        "-c",
        "echo $COLOUR; id -u; id -g; pwd; echo $PATH",
    ])?;
    let lines: Vec<&str> = out.lines().collect();
    ensure!(lines[..4] == ["blue", "1000", "1001", "/made/here"], "{out}");
    ensure!(lines[4].contains("/usr/sbin"), "{out}");
    Ok(())
}

pub(crate) fn hostname_and_name(case: &Case<'_>) -> Result {
    let name = case.container("named");
    let out = case.ok(&[
        "run",
        "--name",
        &name,
        "--hostname",
        "apple",
        "busybox",
        "sh",
        "-c",
        "hostname; cat /etc/hostname; grep apple /etc/hosts",
    ])?;
    ensure!(out.lines().take(2).all(|line| line == "apple"), "{out}");
    ensure!(out.lines().nth(2).is_some_and(|line| line.ends_with("apple")), "{out}");
    let id = case.ok(&["inspect", "--format", "{{.Id}}", &name])?;
    let other = case.ok(&["run", "--rm", "busybox", "hostname"])?;
    ensure!(id.len() == 64 && other.len() == 12, "{id} {other}");
    Ok(())
}

pub(crate) fn read_only_root(case: &Case<'_>) -> Result {
    let said = case.run(&["run", "--rm", "--read-only", "busybox", "touch", "/new"])?;
    ensure!(said.code == 1 && said.err.contains("Read-only file system"), "{said:?}");
    Ok(())
}

pub(crate) fn tmpfs(case: &Case<'_>) -> Result {
    let out = case.ok(&[
        "run",
        "--rm",
        "--tmpfs",
        "/scratch:size=1m,mode=1777",
        "busybox",
        "sh",
        "-c",
        "grep ' /scratch ' /proc/mounts; stat -c %a /scratch",
    ])?;
    ensure!(out.contains("tmpfs /scratch tmpfs") && out.contains("size=1024k") && out.ends_with("1777"), "{out}");
    Ok(())
}

pub(crate) fn add_host_and_dns(case: &Case<'_>) -> Result {
    let out = case.ok(&[
        "run",
        "--rm",
        "--add-host",
        "db:10.1.2.3",
        "--dns",
        "192.0.2.53",
        "--dns-search",
        "example.org",
        "busybox",
        "sh",
        "-c",
        "grep db /etc/hosts; cat /etc/resolv.conf",
    ])?;
    ensure!(out.contains("10.1.2.3\tdb"), "{out}");
    ensure!(out.contains("nameserver 192.0.2.53") && out.contains("search example.org"), "{out}");
    Ok(())
}

pub(crate) fn ulimit_and_sysctl(case: &Case<'_>) -> Result {
    let out = case.ok(&[
        "run",
        "--rm",
        "--ulimit",
        "nofile=1234:4321",
        "--sysctl",
        "net.ipv4.ip_default_ttl=99",
        "busybox",
        "sh",
        "-c",
        "ulimit -Sn; ulimit -Hn; cat /proc/sys/net/ipv4/ip_default_ttl",
    ])?;
    ensure!(out == "1234\n4321\n99", "{out}");
    Ok(())
}

pub(crate) fn capabilities(case: &Case<'_>) -> Result {
    let effective = |extra: &[&str]| -> anyhow::Result<u64> {
        let mut arguments = vec!["run", "--rm"];
        arguments.extend(extra);
        arguments.extend(["busybox", "grep", "CapEff", "/proc/self/status"]);
        let out = case.ok(&arguments)?;
        Ok(u64::from_str_radix(out.split_whitespace().last().unwrap_or_default(), 16)?)
    };
    // dockerd's default fourteen.
    ensure!(effective(&[])? == 0xa804_25fb, "default: {:x}", effective(&[])?);
    ensure!(effective(&["--cap-drop", "ALL"])? == 0, "--cap-drop ALL");
    ensure!(effective(&["--cap-add", "NET_ADMIN"])? == 0xa804_35fb, "--cap-add NET_ADMIN");
    ensure!(effective(&["--cap-drop", "ALL", "--cap-add", "CHOWN"])? == 1, "--cap-add CHOWN alone");
    Ok(())
}

pub(crate) fn init_reaps(case: &Case<'_>) -> Result {
    let out = case.ok(&[
        "run",
        "--rm",
        "--init",
        "busybox",
        "sh",
        "-c",
        "cat /proc/1/cmdline | tr '\\0' ' '; echo; echo $$",
    ])?;
    let lines: Vec<&str> = out.lines().collect();
    ensure!(lines.len() == 2 && lines[0].contains("init") && lines[1] != "1", "{out}");
    let said = case.run(&["run", "--rm", "--init", "busybox", "sh", "-c", "exit 9"])?;
    ensure!(said.code == 9, "{said:?}");
    Ok(())
}

pub(crate) fn no_new_privileges(case: &Case<'_>) -> Result {
    let out = case.ok(&[
        "run",
        "--rm",
        "--security-opt",
        "no-new-privileges",
        "busybox",
        "grep",
        "NoNewPrivs",
        "/proc/self/status",
    ])?;
    ensure!(out.ends_with('1'), "{out}");
    let out = case.ok(&["run", "--rm", "busybox", "grep", "Seccomp:", "/proc/self/status"])?;
    ensure!(out.ends_with('2'), "{out}");
    let out = case.ok(&[
        "run",
        "--rm",
        "--security-opt",
        "seccomp=unconfined",
        "busybox",
        "grep",
        "Seccomp:",
        "/proc/self/status",
    ])?;
    ensure!(out.ends_with('0'), "{out}");
    Ok(())
}

pub(crate) fn masked_paths(case: &Case<'_>) -> Result {
    let out = case
        .ok(&[
            "run",
            "--rm",
            "busybox",
            "sh",
            "-c",
            "wc -c </proc/timer_list 2>/dev/null; ls /sys/firmware | wc -l; touch /proc/sys/kernel/x 2>&1",
        ])
        .or_else(|_| {
            case.run(&[
                "run",
                "--rm",
                "busybox",
                "sh",
                "-c",
                "ls /sys/firmware | wc -l; echo x >/proc/sys/kernel/hostname",
            ])
            .map(|s| s.out + &s.err)
        })?;
    ensure!(out.contains('0'), "{out}");
    let said = case.run(&["run", "--rm", "busybox", "sh", "-c", "echo x >/proc/sys/kernel/hostname"])?;
    ensure!(said.code != 0 && said.err.contains("Read-only file system"), "{said:?}");
    Ok(())
}

pub(crate) fn privileged_sees_devices(case: &Case<'_>) -> Result {
    let plain = case.ok(&["run", "--rm", "busybox", "sh", "-c", "ls /dev | sort | tr '\\n' ' '"])?;
    ensure!(!plain.contains("kmsg") && plain.contains("null"), "{plain}");
    let privileged =
        case.ok(&["run", "--rm", "--privileged", "busybox", "sh", "-c", "ls /dev | sort | tr '\\n' ' '"])?;
    ensure!(privileged.contains("kmsg"), "{privileged}");
    let out = case.ok(&[
        "run",
        "--rm",
        "--privileged",
        "busybox",
        "sh",
        "-c",
        "mkdir /m && mount -t tmpfs none /m && echo mounted",
    ])?;
    ensure!(out == "mounted", "{out}");
    Ok(())
}

pub(crate) fn device(case: &Case<'_>) -> Result {
    let out = case.ok(&[
        "run",
        "--rm",
        "--device",
        "/dev/full:/dev/brimming",
        "busybox",
        "sh",
        "-c",
        "ls -l /dev/brimming; echo x >/dev/brimming || echo refused",
    ])?;
    ensure!(out.contains("1,   7") && out.contains("refused"), "{out}");
    Ok(())
}

pub(crate) fn removes_itself(case: &Case<'_>) -> Result {
    let name = case.container("gone");
    case.ok(&["run", "--rm", "--name", &name, "busybox", "true"])?;
    let said = case.run(&["inspect", &name])?;
    ensure!(said.code == 1 && said.err.to_lowercase().contains("no such object"), "{said:?}");
    Ok(())
}

pub(crate) fn restart_policy(case: &Case<'_>) -> Result {
    let name = case.container("again");
    case.ok(&["run", "-d", "--restart", "on-failure:2", "--name", &name, "busybox", "sh", "-c", "exit 3"])?;
    // `wait` returns at the first stop; the policy is spent when the count has reached its limit.
    let count = tests::wait::until("the second restart", std::time::Duration::from_secs(30), || {
        let text =
            case.ok(&["inspect", "--format", "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}", &name]).ok()?;
        (text == "2 exited 3").then_some(text)
    });
    count.map(drop)
}

pub(crate) fn labels(case: &Case<'_>) -> Result {
    let name = case.container("labelled");
    case.ok(&["create", "--label", "a.b=c d", "--label", "empty", "--name", &name, "busybox"])?;
    let out = case.ok(&["inspect", "--format", "{{json .Config.Labels}}", &name])?;
    let labels: serde_json::Value = serde_json::from_str(&out)?;
    ensure!(labels["a.b"] == "c d" && labels["empty"] == "", "{out}");
    Ok(())
}

pub(crate) fn stop_signal(case: &Case<'_>) -> Result {
    let name = case.container("signal");
    case.ok(&[
        "run",
        "-d",
        "--stop-signal",
        "USR1",
        "--name",
        &name,
        "busybox",
        "sh",
        "-c",
        "trap 'exit 42' USR1; echo ready; while :; do sleep 0.1; done",
    ])?;
    tests::wait::until("the trap", std::time::Duration::from_secs(20), || {
        case.ok(&["logs", &name]).ok().filter(|log| log.contains("ready"))
    })?;
    case.ok(&["stop", &name])?;
    let out = case.ok(&["inspect", "--format", "{{.State.ExitCode}}", &name])?;
    ensure!(out == "42", "{out}");
    Ok(())
}

pub(crate) fn memory_limit_kills(case: &Case<'_>) -> Result {
    let name = case.container("oom");
    let said = case.run(&[
        "run",
        "--name",
        &name,
        "--memory",
        "16m",
        "--memory-swap",
        "16m",
        "busybox",
        "sh",
        "-c",
        "tail /dev/zero",
    ])?;
    ensure!(said.code == 137, "{said:?}");
    let out = case.ok(&["inspect", "--format", "{{.State.OOMKilled}}", &name])?;
    ensure!(out == "true", "OOMKilled {out}");
    Ok(())
}

pub(crate) fn limits_are_written(case: &Case<'_>) -> Result {
    let out = case.ok(&[
        "run",
        "--rm",
        "--memory",
        "64m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "33",
        "busybox",
        "sh",
        "-c",
        "cd /sys/fs/cgroup; cat memory.max cpu.max pids.max",
    ])?;
    ensure!(out == "67108864\n50000 100000\n33", "{out}");
    Ok(())
}
