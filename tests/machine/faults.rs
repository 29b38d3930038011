//! Processes that are killed, and accelerators that do not work.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Machine;
use tests::wait::until;

type Result = anyhow::Result<()>;

pub(crate) fn hypervisor_killed(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    docker.ok(&["run", "--name", "before", "busybox", "sh", "-c", "echo kept >/file"])?;
    let port = tests::ports::next();
    docker.ok(&["run", "-d", "-p", &format!("{port}:80"), "busybox", "sleep", "1000"])?;
    ensure!(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_err(), "port {port} is published");
    let status: serde_json::Value = serde_json::from_str(&machine.berth(&["status", "--json"])?)?;
    let pid = status["machine"]["hypervisor_pid"].as_i64().context("the status names the hypervisor's process")?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(pid)?), nix::sys::signal::Signal::SIGKILL)?;
    let cause = until("the daemon's notice", Duration::from_secs(120), || {
        let out = machine.command(&["status", "--json"]).output().ok()?;
        let status: serde_json::Value = serde_json::from_slice(&out.stdout).ok()?;
        status["machine"]["failure"]["cause"].as_str().map(str::to_owned)
    })?;
    ensure!(!cause.is_empty());
    // Nobody is behind it any more.
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    machine.berth(&["up"])?;
    // Creation is durable before its answer; a start and an exit reach the disk within half a second, so that the container may be
    // found as it was before its start, or as one that ran when the machine died (255, as in dockerd), or as it ended.
    let state = docker.ok(&["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "before"])?;
    ensure!(["exited 0", "exited 255", "created 0"].contains(&state.as_str()), "{state}");
    docker.ok(&["start", "before"])?;
    ensure!(docker.ok(&["wait", "before"])? == "0");
    docker.ok(&["run", "--rm", "busybox", "true"])?;
    Ok(())
}

/// The machine cannot be asked to power off any more: its containers are told to end all the same.
pub(crate) fn vsock_device_killed(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    let script =
        "trap 'echo heard >/data/end; exit 0' TERM; echo ready >/data/begin; while :; do sleep 1 & wait $!; done";
    docker.ok(&["run", "-d", "--name", "listens", "-v", "kept:/data", "busybox", "sh", "-c", script])?;
    until("the container listens", Duration::from_secs(120), || {
        docker.ok(&["exec", "listens", "cat", "/data/begin"]).ok().filter(|said| said == "ready")
    })?;
    let record = fs::read_to_string(machine.home().join("data/machine/machine.json"))?;
    let record: serde_json::Value = serde_json::from_str(&record)?;
    let device = record["instance"]["helpers"][0]["pid"].as_i64().context("the record names the vsock device")?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(device)?), nix::sys::signal::Signal::SIGKILL)?;
    let down: serde_json::Value = serde_json::from_str(&machine.berth(&["down", "--json"])?)?;
    ensure!(down["phase"] == "stopped" && down["notes"].as_array().is_some_and(Vec::is_empty), "{down}");
    machine.berth(&["up"])?;
    ensure!(docker.ok(&["run", "--rm", "-v", "kept:/data", "busybox", "cat", "/data/end"])? == "heard");
    Ok(())
}

pub(crate) fn engine_killed_after_run(machine: &Machine) -> Result {
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    let port = tests::ports::next();
    let id = docker.ok(&["run", "-d", "-p", &format!("{port}:80"), "busybox", "httpd", "-f", "-h", "/var/www"])?;
    // The supervisor starts the engine again, which adopts what runs. The script does not find its own command line.
    let script = "for p in /proc/[0-9]*; do \
                  case \"$(tr '\\0' ' ' <$p/cmdline 2>/dev/null)\" in *' engine --'[r]'oot='*) echo ${p#/proc/};; esac; done";
    let engine = || -> anyhow::Result<u32> {
        let out = machine.berth(&["shell", "sh", "-c", script])?;
        out.trim().parse().with_context(|| format!("one engine, not {out:?}"))
    };
    let before = engine()?;
    machine.berth(&["shell", "kill", "-9", &before.to_string()])?;
    until("another engine", Duration::from_secs(120), || engine().ok().filter(|pid| *pid != before))?;
    let state = until("the engine's answer", Duration::from_secs(120), || {
        docker.ok(&["inspect", "--format", "{{.State.Status}} {{.RestartCount}}", &id]).ok()
    })?;
    ensure!(state == "running 0", "{state}");
    let page = until("the published port", Duration::from_secs(120), || {
        tests::http::page(&format!("http://127.0.0.1:{port}/"))
    })?;
    ensure!(page.contains("busybox"), "{page}");
    docker.ok(&["rm", "-f", &id])?;
    Ok(())
}

/// A QEMU that fails with the first accelerator in the way that `fault` says, and is the real one with any other.
pub(crate) fn broken_qemu(machine: &Machine, fault: &str) -> anyhow::Result<PathBuf> {
    let path = machine.home().join("qemu-with-a-fault");
    let text = format!("#!/bin/sh\ncase \"$*\" in *'-accel kvm'*) {fault} ;; esac\nexec qemu-system-x86_64 \"$@\"\n");
    tests::program::write(&path, &text)?;
    Ok(path)
}

/// Starts with the second accelerator after that fault, and remembers it; the note that says why.
fn falls_back(machine: &Machine, fault: &str) -> anyhow::Result<String> {
    let qemu = broken_qemu(machine, fault)?;
    machine.berth(&["config", "set", "qemu", &qemu.display().to_string()])?;
    machine.berth(&["config", "set", "accelerator_order", "kvm,tcg"])?;
    let up: serde_json::Value = serde_json::from_str(&machine.berth(&["up", "--json"])?)?;
    ensure!(up["phase"] == "running" && up["accelerator"] == "tcg", "{up}");
    let notes = up["notes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [note] = notes else { anyhow::bail!("the change of accelerator is said once: {up}") };
    let note = note.as_str().context("a note is text")?.to_owned();
    // Remembered: the next start does not try it again.
    machine.berth(&["down"])?;
    let up: serde_json::Value = serde_json::from_str(&machine.berth(&["up", "--json"])?)?;
    ensure!(up["accelerator"] == "tcg" && up["notes"].as_array().is_none_or(Vec::is_empty), "{up}");
    Ok(note)
}

pub(crate) fn first_accelerator_dies(machine: &Machine) -> Result {
    let note = falls_back(machine, "echo 'failed to set MSR' >&2; exit 1")?;
    ensure!(note.contains("failed to set MSR"), "{note}");
    Ok(())
}

/// The real QEMU, emulating and with a control socket that answers, whose firmware finds nothing to boot and waits for ever: a guest
/// that never says a word. Of the arguments only those of accelerator and kernel are changed.
const SILENT: &str = r#"
    left=$#
    while [ "$left" -gt 0 ]; do
        argument=$1; shift; left=$((left - 1))
        case "$argument" in
            kvm) set -- "$@" tcg,thread=multi ;;
            host) set -- "$@" max ;;
            -kernel|-initrd|-append) shift; left=$((left - 1)) ;;
            *) set -- "$@" "$argument" ;;
        esac
    done
    echo hung >> "$(dirname "$0")/hung"
"#;

pub(crate) fn first_accelerator_hangs(machine: &Machine) -> Result {
    machine.berth(&["config", "set", "boot_deadline", "30s"])?;
    let note = falls_back(machine, SILENT)?;
    // The serial link tells by itself that nobody answers; over vsock the guest's driver never came.
    let words = ["no word came from the guest within 30.0 s", "the guest did not answer in time"];
    ensure!(words.iter().any(|words| note.contains(words)), "{note}");
    let hung = fs::read_to_string(machine.home().join("hung"))?;
    ensure!(hung == "hung\n", "it was tried once: {hung:?}");
    Ok(())
}

/// Whoever ends of the guest's processes, and in whatever order: a container that reads and appends in a folder of this computer goes on,
/// with what it has open, and nothing is written twice or lost.
pub(crate) fn folders_outlive_engine_and_relay(machine: &Machine) -> Result {
    let folder = machine.home().join("shared");
    fs::create_dir_all(&folder)?;
    machine.berth(&["config", "set", "shares", &folder.display().to_string()])?;
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    fs::write(folder.join("read"), "here")?;
    let script = "exec 3>>/d/log; n=0; while :; do n=$((n+1)); echo $n >&3 || exit 8; [ \"$(cat /d/read)\" = here ] || exit 9; done";
    let bind = format!("{}:/d", folder.display());
    docker.ok(&["run", "-d", "--name", "appends", "-v", &bind, "busybox", "sh", "-c", script])?;
    let lines = || fs::read_to_string(folder.join("log")).map(|log| log.lines().count()).unwrap_or_default();
    let grows = |what: &str| {
        let before = lines();
        until(what, Duration::from_secs(180), || (lines() > before + 10).then_some(()))
    };
    grows("the first lines")?;
    // Somebody looks at what changes, so that the changes are repeated in the guest.
    let looks = "while :; do ls -l /d/busy >/dev/null; done";
    docker.ok(&["run", "-d", "--name", "looks", "-v", &bind, "busybox", "sh", "-c", looks])?;
    let busy = Busy::begin(folder.join("busy"))?;
    for role in ["engine", "relay", "relay", "engine", "relay"] {
        let pid = || machine.berth(&["shell", "pidof", &format!("berth-{role}")]).ok();
        let old = until("the process that is to end", Duration::from_secs(120), pid)?;
        // The relay carries this very command: its answer does not come.
        let _ = machine.berth(&["shell", "kill", "-9", old.trim()]);
        until("another one in its place", Duration::from_secs(120), || pid().filter(|new| *new != old))?;
        grows(&format!("lines after the {role} was killed"))?;
        until("the engine", Duration::from_secs(120), || docker.ok(&["version"]).ok())?;
    }
    ensure!(docker.ok(&["inspect", "--format", "{{.State.Running}}", "appends"])? == "true");
    busy.end()?;
    // Also with another mount of the same folder.
    ensure!(docker.ok(&["run", "--rm", "-v", &bind, "busybox", "cat", "/d/read"])? == "here");
    // What the container sees is what is there.
    let seen = || docker.ok(&["exec", "appends", "sh", "-c", "cd /d/busy && cat $(ls | sort)"]).ok();
    let there = Busy::content(&folder.join("busy"))?;
    until("the container sees what the host has", Duration::from_secs(120), || seen().filter(|seen| *seen == there))?;
    docker.ok(&["rm", "-f", "appends", "looks"])?;
    let log = fs::read_to_string(folder.join("log"))?;
    for (at, line) in log.lines().enumerate() {
        ensure!(line == (at + 1).to_string(), "line {} says {line}", at + 1);
    }
    Ok(())
}

/// Somebody on this computer who makes, writes, renames and removes files in a folder again and again, as an editor or a build does, and
/// knows what must be there afterwards.
struct Busy {
    folder: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<std::io::Result<u64>>,
}

impl Busy {
    fn begin(folder: PathBuf) -> anyhow::Result<Busy> {
        fs::create_dir_all(&folder)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (of, over) = (folder.clone(), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut round = 0;
            while !over.load(Ordering::Relaxed) {
                round += 1;
                Busy::round(&of, round)?;
                // More than the guest can repeat, and something is left for it to do so with.
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(round)
        });
        Ok(Busy { folder, is_over, thread })
    }

    /// Each of these fails, or what is read differs, if somebody else did one of them once more.
    fn round(folder: &Path, round: u64) -> std::io::Result<()> {
        use std::io::Write;
        let (file, fresh, other) =
            (folder.join("file"), folder.join("file.new"), folder.join(format!("f{}", round % 8)));
        fs::write(&fresh, format!("{round}\n"))?;
        fs::OpenOptions::new().append(true).open(&fresh)?.write_all(b"more\n")?;
        fs::rename(&fresh, &file)?;
        if round > 8 {
            fs::remove_file(&other)?;
        }
        let mut made = fs::OpenOptions::new().write(true).create_new(true).open(&other)?;
        made.write_all(format!("{round}\n").as_bytes())?;
        fs::create_dir(folder.join("folder"))?;
        fs::remove_dir(folder.join("folder"))?;
        match fs::read_to_string(&file)? == format!("{round}\nmore\n") {
            true => Ok(()),
            false => Err(std::io::Error::other(format!("round {round}: the file is not as it was written"))),
        }
    }

    fn end(self) -> Result {
        self.is_over.store(true, Ordering::Relaxed);
        let rounds = self.thread.join().map_err(|_| anyhow::anyhow!("it panicked"))?.context("a file of the host's")?;
        ensure!(rounds > 8, "{rounds}");
        let wanted: BTreeSet<String> = (0..8).map(|number| format!("f{number}")).chain(["file".into()]).collect();
        let there: BTreeSet<String> =
            fs::read_dir(&self.folder)?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ensure!(there == wanted, "{there:?}");
        for round in rounds - 7..=rounds {
            let text = fs::read_to_string(self.folder.join(format!("f{}", round % 8)))?;
            ensure!(text == format!("{round}\n"), "f{} says {text:?} after round {rounds}", round % 8);
        }
        Ok(())
    }

    /// What is in the files, in the order of their names.
    fn content(folder: &Path) -> anyhow::Result<String> {
        let names: BTreeSet<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        let texts: std::io::Result<String> = names.iter().map(fs::read_to_string).collect();
        Ok(texts?.trim_end().to_owned())
    }
}
