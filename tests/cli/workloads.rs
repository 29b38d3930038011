//! Heavy guests of a container: an init system, another engine, a cluster's node, programs of an older processor, tools with
//! all rights. In the long run only.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use installers::workloads::Workloads;
use tests::archive::append;
use tests::case::Case;
use tests::docker::said;
use tests::wait::until;

use crate::suite::{Entry, cases, in_the_long_run};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![in_the_long_run; systemd_with_an_engine_inside, kind_makes_its_node, programs_of_i386, tools_with_all_rights]
}

fn workloads() -> anyhow::Result<Workloads> {
    let folder = std::env::var_os("BERTH_TEST_WORKLOADS")
        .context("BERTH_TEST_WORKLOADS names no folder: `cargo verify --all` makes one, in ~/.cache/berth/workloads")?;
    Ok(Workloads::at(PathBuf::from(folder)))
}

/// Imports the Debian with systemd as an image called `name`.
fn system(case: &Case<'_>, name: &str) -> Result {
    let archive = File::open(workloads()?.system())?;
    let mut import = case.command(["import", "-c", "ENV container=docker", "-c", "STOPSIGNAL SIGRTMIN+3"]);
    import.args(["-c", "CMD [\"/sbin/init\"]", "-", name]).stdin(Stdio::from(archive));
    let said = said(import.output()?)?;
    ensure!(said.code == 0, "{said:?}");
    Ok(())
}

/// Waits until the systemd of `container` has started what it had to.
fn started(case: &Case<'_>, container: &str) -> Result {
    let asked = ["exec", container, "systemctl", "is-system-running"];
    let state = until("systemd's start", Duration::from_secs(300), || {
        let state = case.run(&asked).ok()?.out;
        ["running", "degraded"].contains(&state.trim()).then_some(state)
    })?;
    ensure!(state.trim() == "running", "{}", case.ok(&["exec", container, "systemctl", "--failed", "--no-pager"])?);
    Ok(())
}

/// systemd is process 1, dockerd one of its services; a container in a container has a limit, a published port and an end.
pub(crate) fn systemd_with_an_engine_inside(case: &Case<'_>) -> Result {
    let (image, name, volume) = (case.image("system"), case.container("system"), case.volume("inner"));
    system(case, &image)?;
    let store = format!("{volume}:/var/lib/docker");
    let place = ["--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp", "-v", &store];
    case.ok(&[&["run", "-d", "--privileged", "--name", &name], place.as_slice(), &[&image]].concat())?;
    started(case, &name)?;
    let within = |command: &[&str]| case.ok(&[&["exec", &name], command].concat());
    ensure!(within(&["cat", "/proc/1/comm"])? == "systemd");
    until("the inner engine", Duration::from_secs(120), || within(&["docker", "version"]).ok())?;

    let mut save = case.command(["save", "busybox"]);
    let mut save = save.stdout(Stdio::piped()).spawn()?;
    let mut load = case.command(["exec", "-i", &name, "docker", "load"]);
    let loaded = said(load.stdin(save.stdout.take().context("piped")?).output()?)?;
    ensure!(save.wait()?.success() && loaded.code == 0, "{loaded:?}");

    ensure!(within(&["docker", "run", "--rm", "busybox", "echo", "deep"])? == "deep");
    if case.kind.is_machine() {
        let limited = ["docker", "run", "--rm", "-m", "64m", "busybox", "cat", "/sys/fs/cgroup/memory.max"];
        ensure!(within(&limited)? == "67108864");
    }
    let serve = "echo inner >/index.html; exec httpd -f -h /";
    within(&["docker", "run", "-d", "--name", "web", "-p", "8080:80", "busybox", "sh", "-c", serve])?;
    let fetch = "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3";
    let page = until("the inner page", Duration::from_secs(120), || within(&["bash", "-c", fetch]).ok())?;
    ensure!(page.ends_with("inner"), "{page}");
    within(&["docker", "rm", "-f", "web"])?;

    // systemd halts at its stop signal, and says so by its exit code.
    case.ok(&["stop", "-t", "120", &name])?;
    let code = case.ok(&["inspect", "-f", "{{.State.ExitCode}}", &name])?;
    ensure!(code == "130", "{code}");
    Ok(())
}

/// kind (Kubernetes in Docker) makes its network and a node and goes in; Kubernetes itself is not in this node's image.
pub(crate) fn kind_makes_its_node(case: &Case<'_>) -> Result {
    let (base, image, template) = (case.image("node-base"), case.image("node"), case.container("template"));
    system(case, &base)?;
    case.ok(&["create", "--name", &template, &base])?;
    let mut files = tar::Builder::new(Vec::new());
    append(&mut files, "kind/version", b"v1.30.0\n")?;
    // As in a node's image, nothing starts that kind does not need: it waits 30 seconds for systemd, under emulation, too.
    for unit in ["containerd.service", "docker.service", "docker.socket", "e2scrub_reap.service", "getty@tty1.service"]
    {
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        files.append_link(&mut link, format!("etc/systemd/system/{unit}"), "/dev/null")?;
    }
    let files = case.fed(&files.into_inner()?, &["cp", "-", &format!("{template}:/")])?;
    ensure!(files.code == 0, "{files:?}");
    let entrypoint = "ENTRYPOINT [\"/sbin/init\", \"--log-target=console\", \"--show-status=true\"]";
    case.ok(&["commit", "-c", entrypoint, "-c", "CMD []", &template, &image])?;

    let cluster = format!("kind{}", case.number());
    let kind = |arguments: &[&str]| -> anyhow::Result<_> {
        let mut kind = Command::new(workloads()?.kind());
        let home = tempfile::tempdir()?;
        let path = case.program().parent().map(|folder| format!("{}:", folder.display())).unwrap_or_default();
        kind.env("PATH", format!("{path}{}", std::env::var("PATH").unwrap_or_default()));
        kind.env("DOCKER_HOST", case.host()).env("HOME", home.path()).args(arguments);
        said(kind.output()?)
    };
    let node = format!("{cluster}-control-plane");
    let tried = (|| {
        let made = kind(&["create", "cluster", "--retain", "--name", &cluster, "--image", &image])?;
        let log = case.run(&["logs", "--tail", "20", &node])?.out;
        ensure!(made.code != 0 && made.err.contains("failed to init node with kubeadm"), "{made:?}\n{log}");
        ensure!(kind(&["get", "nodes", "--name", &cluster])?.out.trim() == node);
        started(case, &node)?;
        let shown = "{{.HostConfig.Privileged}} {{.HostConfig.CgroupnsMode}} {{len .NetworkSettings.Networks.kind.GlobalIPv6Address}}";
        let shown = case.ok(&["inspect", "-f", shown, &node])?;
        ensure!(shown.starts_with("true private ") && !shown.ends_with(" 0"), "{shown}");
        if case.kind.is_machine() {
            // kind bound /lib/modules. One that is loaded, one by its alias, and one that the kernel has built in.
            case.ok(&["exec", &node, "modprobe", "--all", "br_netfilter", "rtnl-link-vxlan", "ext4"])?;
        }
        let logs = tempfile::tempdir()?;
        let exported = kind(&["export", "logs", "--name", &cluster, &logs.path().display().to_string()])?;
        ensure!(logs.path().join(&node).join("serial.log").is_file(), "{exported:?}");
        Ok(())
    })();
    let removed = kind(&["delete", "cluster", "--name", &cluster]);
    case.run(&["network", "rm", "kind"])?;
    tried?;
    ensure!(removed?.code == 0 && case.ok(&["ps", "-aq", "--filter", &format!("name={node}")])?.is_empty());
    Ok(())
}

/// Programs of a 32-bit processor run, with the system calls of theirs that the filter passes.
pub(crate) fn programs_of_i386(case: &Case<'_>) -> Result {
    let image = case.image("i386");
    let mut files = tar::Builder::new(Vec::new());
    let mut program = File::open(workloads()?.busybox_i386())?;
    files.append_file("bin/busybox", &mut program)?;
    let import = ["import", "--platform", "linux/386", "-c", "ENTRYPOINT [\"/bin/busybox\"]", "-", &image];
    let imported = case.fed(&files.into_inner()?, &import)?;
    ensure!(imported.code == 0, "{imported:?}");
    ensure!(case.ok(&["inspect", "-f", "{{.Architecture}}", &image])? == "386");
    let run = |arguments: &[&str]| {
        let run = ["run", "--rm", "--platform", "linux/386", &image];
        case.ok(&[run.as_slice(), arguments].concat())
    };
    ensure!(run(&["id", "-u"])? == "0");
    ensure!(
        run(&["sh", "-c", "busybox sleep 0 & wait; echo $((6 * 7)); busybox ls /proc/self/fd >/dev/null"])? == "42"
    );
    let refused = case.run(&["run", "--rm", "--platform", "linux/386", &image, "mount", "-t", "tmpfs", "t", "/bin"])?;
    ensure!(refused.code != 0 && refused.err.contains("permission denied"), "{refused:?}");
    Ok(())
}

/// Tools that administer a kernel: a file system in a file, a link, a rule, another's namespaces.
pub(crate) fn tools_with_all_rights(case: &Case<'_>) -> Result {
    let image = case.image("tools");
    system(case, &image)?;
    let run = |script: &str| case.ok(&["run", "--rm", "--privileged", "--pid", "host", &image, "bash", "-ec", script]);
    // Unmounting gives the loop device back.
    let disk =
        run("truncate -s 32M /disk; mkfs.ext4 -q /disk; mount -o loop /disk /mnt; echo kept >/mnt/file; umount /mnt
        mount -o loop /disk /mnt; cat /mnt/file; umount /mnt")?;
    ensure!(disk == "kept", "{disk}");
    let links = run(
        "ip link add one type veth peer name two; ip addr add 192.0.2.1/24 dev one; ip -br link show one | cut -d@ -f1",
    )?;
    ensure!(links.trim() == "one", "{links}");
    let rules = run("iptables -t nat -A POSTROUTING -s 192.0.2.0/24 ! -d 192.0.2.0/24 -j MASQUERADE
        iptables -A FORWARD -p tcp -m multiport --dports 80,443 -m conntrack --ctstate NEW -j REJECT
        iptables -S FORWARD | grep -c multiport")?;
    ensure!(rules == "1", "{rules}");
    if case.kind.is_machine() {
        run("iptables -A FORWARD -p tcp -j LOG; ip6tables -A FORWARD -p tcp -j LOG")?;
        // Elsewhere process 1 may have rights that root here lacks.
        let entered = run("nsenter -t 1 -m -- /bin/busybox cat /etc/os-release")?;
        ensure!(entered.lines().any(|line| line == "ID=berth"), "{entered}");
    }
    Ok(())
}
