//! `docker run` and its options.

use std::time::Duration;

use anyhow::ensure;
use tests::case::Case;
use tests::engine::Kind;
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; hello_world, passes_exit_code, unknown_command_is_127, directory_as_command_is_126, unknown_image_is_125, reads_standard_input, keeps_streams_apart, environment_user_and_directory, hostname_and_name, read_only_root, tmpfs, add_host_and_dns, hosts_have_the_names_of_ipv6, ulimit_and_sysctl, capabilities, init_reaps, no_new_privileges, masked_paths, options_without_effect, device_filter, vsock_is_refused, privileged_sees_devices, device, removes_itself, removes_itself_when_it_cannot_start, restart_policy, labels, stop_signal, stop_timeouts, oom_score, entrypoint, seccomp_profile_of_a_file, cgroup_parent]
}

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

/// Of a container's own loopback, on networks without IPv6, too.
pub(crate) fn hosts_have_the_names_of_ipv6(case: &Case<'_>) -> Result {
    let lines = "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
                 ff02::1\tip6-allnodes\nff02::2\tip6-allrouters";
    let network = case.network("four");
    case.ok(&["network", "create", &network])?;
    for network in ["bridge", "none", &network] {
        let hosts = case.ok(&["run", "--rm", "--network", network, "busybox", "cat", "/etc/hosts"])?;
        ensure!(hosts.contains(lines), "{network}: {hosts}");
    }
    let off = "net.ipv6.conf.all.disable_ipv6=1";
    let hosts = case.ok(&["run", "--rm", "--sysctl", off, "busybox", "cat", "/etc/hosts"])?;
    ensure!(!hosts.contains("::"), "{hosts}");
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
    // dockerd 28's lists, of which only what the kernel has can be covered.
    const MASKED: &str = "/proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats \
        /proc/timer_list /proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware /sys/devices/virtual/powercap";
    const READ_ONLY: &str = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger";
    let name = case.container("masked");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    let list = |field: &str| -> anyhow::Result<Vec<String>> {
        let text = case.ok(&["inspect", "--format", &format!("{{{{json .HostConfig.{field}}}}}"), &name])?;
        let mut paths: Vec<String> = serde_json::from_str(&text)?;
        // One per processor, where there are some.
        paths.retain(|path| !path.starts_with("/sys/devices/system/cpu/"));
        Ok(paths)
    };
    ensure!(list("MaskedPaths")? == MASKED.split_whitespace().collect::<Vec<_>>(), "{:?}", list("MaskedPaths"));
    ensure!(list("ReadonlyPaths")? == READ_ONLY.split_whitespace().collect::<Vec<_>>(), "{:?}", list("ReadonlyPaths"));
    // Every masked path is an empty folder or reads as an empty file.
    let look = format!(
        "for p in {MASKED}; do [ -e $p ] || continue; \
         if [ -d $p ]; then n=$(ls -A $p | wc -l); else n=$(wc -c <$p); fi; echo $p $n; done"
    );
    let out = case.ok(&["exec", &name, "sh", "-c", &look])?;
    ensure!(out.lines().any(|line| line == "/sys/firmware 0"), "nothing was there to be masked: {out}");
    ensure!(out.lines().all(|line| line.ends_with(" 0")), "{out}");
    // A write meets a read-only file system, whatever the permissions.
    let touch = format!("for p in {READ_ONLY}; do [ -e $p ] || continue; touch $p 2>&1 && echo written $p; done; true");
    let out = case.ok(&["exec", &name, "sh", "-c", &touch])?;
    ensure!(out.contains("/proc/sys:") && out.contains("/proc/bus:"), "{out}");
    ensure!(out.lines().all(|line| line.ends_with("Read-only file system")), "{out}");
    // And with the lists empty nothing is covered.
    let out = case.ok(&["run", "--rm", "--privileged", "busybox", "sh", "-c", "touch /proc/sys && echo open"])?;
    ensure!(out == "open", "{out}");
    Ok(())
}

/// Says the refusals of options that have no effect here.
pub(crate) fn options_without_effect(case: &Case<'_>) -> Result {
    // A reference may run where the first version of cgroups has what the second has not.
    let first = case.kind == Kind::Reference && case.ok(&["info", "--format", "{{.CgroupVersion}}"])? == "1";
    for (options, text) in [
        (&["--storage-opt", "size=1G"][..], "--storage-opt is supported only for overlay over xfs"),
        (&["--isolation", "hyperv"], "invalid isolation (hyperv)"),
        (&["--cpu-rt-runtime", "1000"], "kernel does not support CPU real-time scheduler"),
    ] {
        if first && options[0] == "--cpu-rt-runtime" {
            continue;
        }
        let mut arguments = vec!["create"];
        arguments.extend(options);
        arguments.push("busybox");
        let said = case.run(&arguments)?;
        ensure!(said.code != 0 && said.err.to_lowercase().contains(&text.to_lowercase()), "{options:?}: {said:?}");
    }
    let said = case.run(&["run", "--rm", "--network-alias", "web", "busybox", "true"])?;
    ensure!(said.code == 125 && said.err.contains("for user-defined networks"), "{said:?}");
    Ok(())
}

/// The container's cgroup is below the parent, as dockerd's driver for cgroupfs has it; what was made for it goes with it.
pub(crate) fn cgroup_parent(case: &Case<'_>) -> Result {
    let parent = format!("t{}-parent", case.number());
    for (given, path) in
        [(format!("/{parent}/inner"), format!("/{parent}/inner")), (parent.clone(), format!("/{parent}"))]
    {
        let (name, beside) = (case.container("parent"), case.container("beside"));
        for name in [&name, &beside] {
            let run = ["run", "-d", "--cgroupns", "host", "--cgroup-parent", &given, "--name", name];
            case.ok(&[&run[..], &["busybox", "sleep", "1000"]].concat())?;
            let id = case.ok(&["inspect", "-f", "{{.Id}}", name])?;
            let seen = case.ok(&["exec", name, "cat", "/proc/self/cgroup"])?;
            ensure!(seen.lines().any(|line| line == format!("0::{path}/{id}")), "{given}: {seen}");
            ensure!(case.ok(&["inspect", "-f", "{{.HostConfig.CgroupParent}}", name])? == given);
        }
        case.ok(&["rm", "-f", &name])?;
        // Its neighbour lives on, can be stopped and frozen, and comes back to the same place.
        case.ok(&["pause", &beside])?;
        case.ok(&["unpause", &beside])?;
        case.ok(&["restart", "-t", "0", &beside])?;
        let seen = case.ok(&["exec", &beside, "cat", "/proc/self/cgroup"])?;
        ensure!(seen.contains(&format!("0::{path}/")), "{seen}");
        case.ok(&["rm", "-f", &beside])?;
        // dockerd leaves the parents behind.
        if case.kind != Kind::Reference {
            until("the parents' end", Duration::from_secs(120), || {
                let list =
                    ["run", "--rm", "--cgroupns", "host", "busybox", "ls", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
                case.run(&list).ok().filter(|said| !said.out.contains(&parent))
            })?;
        }
    }
    Ok(())
}

pub(crate) fn device_filter(case: &Case<'_>) -> Result {
    // /dev/fuse, which asks for no privilege of its own.
    let open = "mknod /fuse c 10 229 && : </fuse && echo open";
    let said = case.run(&["run", "--rm", "busybox", "sh", "-c", open])?;
    ensure!(said.code != 0 && said.err.contains("Operation not permitted"), "{said:?}");
    let out = case.ok(&["run", "--rm", "--device-cgroup-rule", "c 10:229 rwm", "busybox", "sh", "-c", open])?;
    ensure!(out == "open", "{out}");
    Ok(())
}

pub(crate) fn vsock_is_refused(case: &Case<'_>) -> Result {
    let name = case.container("vsock");
    let program = tests::fixture::program("socket_family")?.display().to_string();
    let answer = |options: &[&str], family: &str| -> anyhow::Result<String> {
        let mut arguments = vec!["create", "--name", &name];
        arguments.extend(options);
        arguments.extend(["busybox", "/socket_family", family]);
        case.ok(&arguments)?;
        case.ok(&["cp", &program, &format!("{name}:/socket_family")])?;
        let out = case.ok(&["start", "-a", &name])?;
        case.ok(&["rm", &name])?;
        Ok(out)
    };
    let (vsock, disguised) = ("40", "4294967336");
    ensure!(answer(&[], "2")? == "0", "AF_INET is open to everybody");
    ensure!(answer(&[], vsock)? == "1", "AF_VSOCK is EPERM");
    // The kernel takes the low half as the family; dockerd's own rule compares all of it.
    ensure!(case.kind == Kind::Reference || answer(&[], disguised)? == "1", "so is what the kernel takes for AF_VSOCK");
    ensure!(answer(&["--security-opt", "seccomp=unconfined"], vsock)? != "1", "it was the filter");
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

pub(crate) fn removes_itself_when_it_cannot_start(case: &Case<'_>) -> Result {
    let name = case.container("stillborn");
    let said = case.run(&["run", "--rm", "--name", &name, "busybox", "no-such-command"])?;
    ensure!(said.code == 127, "{said:?}");
    // dockerd removes it behind its answer.
    tests::wait::until("the removal", std::time::Duration::from_secs(120), || {
        let listed = case.ok(&["ps", "-aq", "--filter", &format!("name={name}")]).ok()?;
        listed.is_empty().then_some(())
    })
}

pub(crate) fn restart_policy(case: &Case<'_>) -> Result {
    let name = case.container("again");
    case.ok(&["run", "-d", "--restart", "on-failure:2", "--name", &name, "busybox", "sh", "-c", "exit 3"])?;
    // `wait` returns at the first stop; the policy is spent when the count has reached its limit.
    let count = tests::wait::until("the second restart", std::time::Duration::from_secs(120), || {
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
    let script = "trap 'exit 42' USR1; echo ready; while :; do sleep 0.1; done";
    let name = case.started("signal", &["--stop-signal", "USR1"], script)?;
    case.ok(&["stop", "-t", "120", &name])?;
    let out = case.ok(&["inspect", "--format", "{{.State.ExitCode}}", &name])?;
    ensure!(out == "42", "{out}");
    Ok(())
}

/// What a container was made with, where the stop says nothing else.
pub(crate) fn stop_timeouts(case: &Case<'_>) -> Result {
    // Longer and shorter than the ten seconds that it would be.
    let slow = |seconds: u32| format!("trap 'sleep {seconds}; exit 42' TERM; echo ready; while :; do sleep 0.1; done");
    let patient = case.started("patient", &["--stop-timeout", "120"], &slow(12))?;
    let hasty = case.started("hasty", &["--stop-timeout", "1"], &slow(9))?;
    case.ok(&["stop", &patient, &hasty])?;
    let ends = case.ok(&["inspect", "--format", "{{.State.ExitCode}} {{.Config.StopTimeout}}", &patient, &hasty])?;
    ensure!(ends == "42 120\n137 1", "{ends}");
    Ok(())
}

pub(crate) fn oom_score(case: &Case<'_>) -> Result {
    let read = ["cat", "/proc/self/oom_score_adj"];
    for (options, expect) in [(&[][..], "0"), (&["--privileged"], "0"), (&["--oom-score-adj", "200"], "200")] {
        let name = case.container(&format!("score{}", options.len()));
        let run = ["run", "-d", "--name", &name];
        case.ok(&[&run[..], options, &["busybox", "sleep", "1000"]].concat())?;
        let first = case.ok(&["exec", &name, "cat", "/proc/1/oom_score_adj"])?;
        let other = case.ok(&[&["exec", &name], &read[..]].concat())?;
        ensure!(first == expect && other == expect, "{options:?}: {first} {other}");
    }
    let said = case.run(&[&["run", "--rm", "--oom-score-adj", "1001", "busybox"], &read[..]].concat())?;
    let words = "Invalid value 1001, range for oom score adj is [-1000, 1000]";
    ensure!(said.code == 125 && said.err.contains(words), "{said:?}");
    Ok(())
}

pub(crate) fn entrypoint(case: &Case<'_>) -> Result {
    let image = case.image("entry:1");
    let config = serde_json::json!({ "Entrypoint": ["echo", "image"], "Cmd": ["default"] });
    tests::image::derive(case.docker, "busybox", &image, &config)?;
    for (options, command, expect) in [
        (&[][..], &[][..], "image default"),
        (&[], &["given"], "image given"),
        // Another entry point drops the image's command with the image's entry point.
        (&["--entrypoint", "echo"], &[], ""),
        (&["--entrypoint", "echo"], &["given"], "given"),
        (&["--entrypoint", "", "-e", "A=b"], &["echo", "plain"], "plain"),
    ] {
        let out = case.ok(&[&["run", "--rm"], options, &[&image], command].concat())?;
        ensure!(out == expect, "{options:?} {command:?}: {out:?}");
    }
    let said = case.run(&["run", "--rm", "--entrypoint", "", &image])?;
    ensure!(said.code == 125 && said.err.contains("no command specified"), "{said:?}");
    Ok(())
}

pub(crate) fn seccomp_profile_of_a_file(case: &Case<'_>) -> Result {
    let dir = tempfile::tempdir()?;
    let profile = dir.path().join("profile.json");
    let rules = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }],
    });
    std::fs::write(&profile, rules.to_string())?;
    let option = format!("seccomp={}", profile.display());
    let try_it = ["busybox", "sh", "-c", "mkdir /made; unshare -U true && echo unshared"];
    // The file takes the place of the default profile: what that refuses is allowed here.
    let said = case.run(&[&["run", "--rm", "--security-opt", &option], &try_it[..]].concat())?;
    ensure!(said.err.contains("Function not implemented") && said.out.trim() == "unshared", "{said:?}");
    let said = case.run(&[&["run", "--rm"], &try_it[..]].concat())?;
    ensure!(said.code != 0 && said.err.contains("not permitted") && !said.err.contains("mkdir"), "{said:?}");
    std::fs::write(&profile, r#"{"defaultAction": "SCMP_ACT_NONSENSE"}"#)?;
    let said = case.run(&["run", "--rm", "--security-opt", &option, "busybox", "true"])?;
    ensure!(said.code == 125, "{said:?}");
    Ok(())
}
