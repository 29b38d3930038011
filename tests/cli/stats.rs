//! `docker stats`: numbers beside what the container itself did, and beside what its own files say of it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::case::Case;
use tests::engine::Kind;
use tests::http::{head, request};
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; columns, of_processors, of_memory_and_processes, of_disks, of_networks, of_one_that_does_not_run]
}

/// One sample, without waiting for a second one.
fn sample(case: &Case<'_>, name: &str) -> anyhow::Result<Value> {
    samples_at(case, &format!("/v1.51/containers/{name}/stats?stream=false&one-shot=true"))
}

fn samples_at(case: &Case<'_>, path: &str) -> anyhow::Result<Value> {
    let answer = request(case.host(), "GET", path, "")?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.message());
    Ok(serde_json::from_str(&answer.body)?)
}

/// The first samples of a stream.
fn streamed(case: &Case<'_>, name: &str, count: usize) -> anyhow::Result<Vec<Value>> {
    let socket = case.host().strip_prefix("unix://").context("a Unix socket")?;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(300)))?;
    write!(stream, "GET /v1.51/containers/{name}/stats HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    head(&mut stream)?;
    BufReader::new(stream).lines().take(count).map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

fn number(sample: &Value, pointer: &str) -> anyhow::Result<u64> {
    sample.pointer(pointer).and_then(Value::as_u64).with_context(|| format!("no {pointer} in {sample}"))
}

/// What a container's own file says, by whichever version of cgroups.
fn own(case: &Case<'_>, name: &str, files: [&str; 2]) -> anyhow::Result<String> {
    let script = format!("cd /sys/fs/cgroup; cat {} 2>/dev/null || cat {}", files[0], files[1]);
    case.ok(&["exec", name, "sh", "-c", &script])
}

/// Whether the engine counts memory and processes, by whichever version of cgroups; else says that `test` is skipped.
fn counts(case: &Case<'_>, test: &str) -> anyhow::Result<bool> {
    match case.kind {
        Kind::Reference => Ok(case.ok(&["info", "--format", "{{.MemoryLimit}} {{.PidsLimit}}"])? == "true true"),
        _ => case.has_limits(test),
    }
}

pub(crate) fn columns(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::stats::columns")? {
        return Ok(());
    }
    let volume = format!("{}:/v", case.volume("written"));
    let script = "ping -c 1 $(ip route | awk '/default/ {print $3}') >/dev/null; \
        dd if=/dev/zero of=/v/file bs=1M count=4 conv=fsync 2>/dev/null; echo ready; while :; do :; done";
    let name = case.started("stats", &["--memory", "64m", "-v", &volume], script)?;
    let columns = "{{.Name}}|{{.MemUsage}}|{{.PIDs}}|{{.CPUPerc}}|{{.NetIO}}|{{.BlockIO}}";
    let out = case.ok(&["stats", "--no-stream", "--format", columns, &name])?;
    let columns: Vec<&str> = out.split('|').collect();
    let [shown, memory, pids, cpu, net, block] = columns[..] else { anyhow::bail!("{out}") };
    ensure!(shown == name && memory.ends_with("/ 64MiB") && pids == "1", "{out}");
    ensure!(cpu.trim_end_matches('%').parse::<f64>().is_ok_and(|percent| percent > 1.0), "{out}");
    ensure!(net.split(" / ").all(|count| !count.starts_with("0B")), "{out}");
    ensure!(block.split(" / ").nth(1).is_some_and(|written| !written.starts_with("0B")), "{out}");
    Ok(())
}

/// A loop that goes on until the kernel says that its process has used two seconds.
pub(crate) fn of_processors(case: &Case<'_>) -> Result {
    let script = "read line </proc/1/stat; set -- $line; while [ ${14} -lt 200 ]; do \
        i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; read line </proc/1/stat; set -- $line; done; \
        echo ${14} ${15}; echo ready; exec sleep 1000";
    let name = case.started("busy", &[], script)?;
    let first = sample(case, &name)?;
    let said = case.ok(&["logs", &name])?;
    let ticks: Vec<u64> = said.split_whitespace().take(2).map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [user, kernel] = ticks[..] else { anyhow::bail!("{said}") };
    // A hundredth of a second each. What was done before the program began, by others, counts too.
    let (least, most) = ((user + kernel - 2) * 10_000_000, (user + kernel + 150) * 10_000_000);
    let used = number(&first, "/cpu_stats/cpu_usage/total_usage")?;
    ensure!((least..=most).contains(&used), "{used} ns, not {least} to {most}: {first}");
    let parts = ["usermode", "kernelmode"].map(|mode| number(&first, &format!("/cpu_stats/cpu_usage/usage_in_{mode}")));
    let [in_user, in_kernel] = parts;
    let (in_user, in_kernel) = (in_user?, in_kernel?);
    ensure!(in_user > in_kernel && (in_user + in_kernel).abs_diff(used) < 500_000_000, "{first}");
    let processors: u64 = case.ok(&["info", "--format", "{{.NCPU}}"])?.parse()?;
    ensure!(number(&first, "/cpu_stats/online_cpus")? == processors, "{first}");
    // The computer's own count is that of all its processors, since its start.
    ensure!(number(&first, "/cpu_stats/system_cpu_usage")? > used, "{first}");
    ensure!(number(&first, "/precpu_stats/cpu_usage/total_usage")? == 0, "one shot has nothing before it: {first}");

    // Asked for in another way it is the same.
    let two = samples_at(case, &format!("/v1.51/containers/{name}/stats?stream=false"))?;
    let stream = streamed(case, &name, 3)?;
    let last = sample(case, &name)?;
    ensure!(stream.len() == 3, "{stream:?}");
    let mut before = used;
    for later in [&two, &stream[0], &stream[1], &stream[2], &last] {
        let now = number(later, "/cpu_stats/cpu_usage/total_usage")?;
        ensure!((before..=most).contains(&now), "{now} ns after {before}: {later}");
        before = now;
    }
    for pair in stream.windows(2) {
        for field in ["cpu_usage/total_usage", "system_cpu_usage"] {
            let of = |sample: &Value, when: &str| number(sample, &format!("/{when}cpu_stats/{field}"));
            ensure!(of(&pair[1], "pre")? == of(&pair[0], "")?, "{field}: {pair:?}");
        }
        ensure!(pair[1]["preread"] == pair[0]["read"], "{pair:?}");
    }
    let of = |when: &str| number(&two, &format!("/{when}cpu_stats/system_cpu_usage"));
    ensure!(of("pre")? > 0 && of("pre")? < of("")?, "two samples in one: {two}");
    Ok(())
}

pub(crate) fn of_memory_and_processes(case: &Case<'_>) -> Result {
    const HELD: u64 = 20 << 20;
    const SLACK: u64 = 6 << 20;
    if !counts(case, "cli::stats::of_memory_and_processes")? {
        return Ok(());
    }
    let script = "sleep 1000 & sleep 1000 & sleep 1000 & echo ready; wait";
    let name = case.started("holds", &["--memory", "64m", "--pids-limit", "50"], script)?;
    let files = ["memory.current", "memory/memory.usage_in_bytes"];
    let usage = || {
        // Around the engine's sample the container's own file is read: what the reading itself takes comes and goes.
        let before: u64 = own(case, &name, files)?.parse()?;
        let sample = sample(case, &name)?;
        let after: u64 = own(case, &name, files)?.parse()?;
        let seen = number(&sample, "/memory_stats/usage")?;
        let (least, most) = (before.min(after).saturating_sub(SLACK), before.max(after) + SLACK);
        ensure!((least..=most).contains(&seen), "{seen} bytes, not {least} to {most}: {sample}");
        ensure!(number(&sample, "/memory_stats/limit")? == 64 << 20, "{sample}");
        Ok(seen)
    };
    let empty = usage()?;
    case.ok(&["exec", &name, "dd", "if=/dev/zero", "of=/dev/shm/held", "bs=1M", "count=20"])?;
    let full = usage()?;
    ensure!((empty + HELD - SLACK..=empty + HELD + SLACK).contains(&full), "{empty}, then {full}");
    case.ok(&["exec", &name, "rm", "/dev/shm/held"])?;
    let freed = usage()?;
    ensure!(freed + HELD - SLACK <= full, "{full}, then {freed}");
    let sample = sample(case, &name)?;
    ensure!(sample["pids_stats"] == serde_json::json!({ "current": 4, "limit": 50 }), "{sample}");
    case.ok(&["exec", &name, "sh", "-c", "kill $(pidof sleep)"])?;
    case.ok(&["wait", &name])?;
    Ok(())
}

/// What is written, and is on the disk for sure.
pub(crate) fn of_disks(case: &Case<'_>) -> Result {
    if !case.has_limits("cli::stats::of_disks")? {
        return Ok(());
    }
    let name =
        case.started("writes", &["-v", &format!("{}:/v", case.volume("disk"))], "echo ready; exec sleep 1000")?;
    let written = || -> anyhow::Result<u64> {
        let sample = sample(case, &name)?;
        let entries = sample["blkio_stats"]["io_service_bytes_recursive"].as_array().cloned().unwrap_or_default();
        Ok(entries.iter().filter(|entry| entry["op"] == "write").filter_map(|entry| entry["value"].as_u64()).sum())
    };
    let of_its_own = || -> anyhow::Result<u64> {
        let text = case.ok(&["exec", &name, "cat", "/sys/fs/cgroup/io.stat"])?;
        Ok(text.split_whitespace().filter_map(|word| word.strip_prefix("wbytes=")?.parse::<u64>().ok()).sum())
    };
    let before = written()?;
    case.ok(&["exec", &name, "dd", "if=/dev/zero", "of=/v/file", "bs=1M", "count=4", "conv=fsync"])?;
    let (least, seen, most) = (of_its_own()?, written()?, of_its_own()?);
    ensure!((least..=most).contains(&seen) && seen >= before + (4 << 20), "{before}, then {least} {seen} {most}");
    Ok(())
}

/// Received and sent as the container's own interface counts it, and as many as were fetched.
pub(crate) fn of_networks(case: &Case<'_>) -> Result {
    const FETCHED: u64 = 3_000_000;
    let (network, server) = (case.network("wire"), case.container("server"));
    case.ok(&["network", "create", &network])?;
    let script = format!("mkdir /www; head -c {FETCHED} /dev/zero >/www/file; httpd -f -h /www");
    case.ok(&["run", "-d", "--name", &server, "--network", &network, "busybox", "sh", "-c", &script])?;
    let name = case.started("fetches", &["--network", &network], "echo ready; exec sleep 1000")?;
    // `/proc/net/dev`: bytes, packets, errors, drops, four others; the same of what is sent.
    let counted = || -> anyhow::Result<[u64; 4]> {
        let text = case.ok(&["exec", &name, "grep", "eth0:", "/proc/net/dev"])?;
        let words: Vec<u64> = text.split_whitespace().skip(1).map(str::parse).collect::<std::result::Result<_, _>>()?;
        Ok([words[0], words[1], words[8], words[9]])
    };
    let url = format!("http://{server}/file");
    until("the page", Duration::from_secs(120), || {
        case.ok(&["exec", &name, "wget", "-q", "-O", "/dev/null", &url]).ok()
    })?;
    let before = counted()?;
    let sample = sample(case, &name)?;
    let after = counted()?;
    let interfaces = sample["networks"].as_object().context("networks")?;
    ensure!(interfaces.keys().eq(["eth0"]), "{sample}");
    let mut seen = [0; 4];
    for (at, field) in ["rx_bytes", "rx_packets", "tx_bytes", "tx_packets"].into_iter().enumerate() {
        seen[at] = number(&sample, &format!("/networks/eth0/{field}"))?;
        ensure!((before[at]..=after[at]).contains(&seen[at]), "{field}: {before:?} {seen:?} {after:?}");
    }
    ensure!(seen[0] >= FETCHED && seen[2] < FETCHED / 2 && seen[2] > 0, "{sample}");
    // The other one sent it.
    let other = samples_at(case, &format!("/v1.51/containers/{server}/stats?stream=false&one-shot=true"))?;
    ensure!(number(&other, "/networks/eth0/tx_bytes")? >= FETCHED, "{other}");
    ensure!(number(&other, "/networks/eth0/rx_bytes")? < FETCHED / 2, "{other}");
    Ok(())
}

pub(crate) fn of_one_that_does_not_run(case: &Case<'_>) -> Result {
    let name = case.container("still");
    let id = case.ok(&["create", "--name", &name, "busybox", "true"])?;
    let sample = sample(case, &name)?;
    ensure!(sample["id"] == id && sample["name"] == format!("/{name}"), "{sample}");
    ensure!(number(&sample, "/cpu_stats/cpu_usage/total_usage")? == 0 && sample["networks"].is_null(), "{sample}");
    ensure!(
        sample["pids_stats"] == serde_json::json!({}) && sample["memory_stats"] == serde_json::json!({}),
        "{sample}"
    );
    Ok(())
}
