//! `berth stats`.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCpuStats, ContainerStatsResponse};
use bollard::query_parameters::{ListContainersOptions, StatsOptions};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};

use super::args::Stats;
use super::format;
use super::template::Template;
use crate::busy::Busy;
use crate::{Failure, print_json};

/// The least time between two tables. An answer takes the engine a second of measuring, unless there is nothing to measure.
const PACE: Duration = Duration::from_secs(1);

/// Fields of a line and their headings, as docker names them.
const FIELDS: &[(&str, &str)] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

const TABLE: &str =
    r"table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

/// What one container uses.
#[derive(Debug, Serialize)]
struct Line {
    id: String,
    name: String,
    cpu_percent: f64,
    memory_bytes: u64,
    memory_limit_bytes: u64,
    memory_percent: f64,
    network_received_bytes: u64,
    network_sent_bytes: u64,
    block_read_bytes: u64,
    block_written_bytes: u64,
    pids: u64,
}

pub(crate) async fn stats(docker: &Docker, stats: Stats) -> Result<i32, Failure> {
    let template = Template::parse(stats.format.as_deref().unwrap_or(TABLE)).map_err(|text| Failure::new(1, text))?;
    // Until the first table; from then on each says that it lives.
    let mut busy = Some(Busy::begin(rust_i18n::t!("busy.stats")));
    for name in &stats.containers {
        // A name that is wrong from the beginning is an error; one that goes later is only gone.
        docker.inspect_container(name, None).await?;
    }
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let names =
            if stats.containers.is_empty() { listed(docker, stats.all).await? } else { stats.containers.clone() };
        // Asked together, since each answer takes its second.
        let lines = join_all(names.iter().map(|name| one(docker, name))).await;
        let lines: Vec<Option<Line>> = lines.into_iter().collect::<Result<_, _>>()?;
        let text = if stats.json {
            None
        } else {
            let rows = names.iter().zip(&lines);
            // Of all that run, one that has just ended is no more of them; one that was named keeps its line.
            let rows = rows.filter(|(_, line)| line.is_some() || !stats.containers.is_empty());
            let rows: Vec<Value> = rows.map(|(name, line)| row(name, line.as_ref(), stats.no_trunc)).collect();
            Some(template.lines(&rows, FIELDS).map_err(|text| Failure::new(1, text))?)
        };
        drop(busy.take());
        match text {
            None => drop(print_json(&lines.into_iter().flatten().collect::<Vec<_>>())?),
            Some(text) if stats.no_stream => print!("{text}"),
            // Clears the screen first, so that the table stays in its place.
            Some(text) => print!("\x1b[H\x1b[2J{text}"),
        }
        // A closed pipe is found out here, not in a thousand tables.
        std::io::Write::flush(&mut std::io::stdout()).map_err(|error| Failure::new(1, error.to_string()))?;
        if stats.no_stream {
            return Ok(0);
        }
    }
}

async fn listed(docker: &Docker, all: bool) -> Result<Vec<String>, Failure> {
    let list = docker.list_containers(Some(ListContainersOptions { all, ..Default::default() })).await?;
    Ok(list.into_iter().filter_map(|container| container.id).collect())
}

/// `None` when the container is gone, or ended while it was measured.
async fn one(docker: &Docker, name: &str) -> Result<Option<Line>, Failure> {
    let options = StatsOptions { stream: false, one_shot: false };
    let mut answers = std::pin::pin!(docker.stats(name, Some(options)));
    match answers.try_next().await {
        Ok(answer) => Ok(answer.as_ref().map(line)),
        Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn line(answer: &ContainerStatsResponse) -> Line {
    let memory = answer.memory_stats.as_ref();
    let usage = memory.and_then(|memory| memory.usage).unwrap_or_default();
    // Page cache that can be had back at once is not counted, as docker does it.
    let inactive = memory.and_then(|memory| memory.stats.as_ref()?.get("inactive_file").copied()).unwrap_or_default();
    let memory_bytes = usage.saturating_sub(inactive);
    let memory_limit_bytes = memory.and_then(|memory| memory.limit).unwrap_or_default();
    let networks = || answer.networks.iter().flatten().map(|(_, network)| network);
    Line {
        id: answer.id.clone().unwrap_or_default(),
        name: answer.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned(),
        cpu_percent: cpu_percent(answer),
        memory_bytes,
        memory_limit_bytes,
        memory_percent: share(memory_bytes, memory_limit_bytes),
        network_received_bytes: networks().filter_map(|network| network.rx_bytes).sum(),
        network_sent_bytes: networks().filter_map(|network| network.tx_bytes).sum(),
        block_read_bytes: block_bytes(answer, "read"),
        block_written_bytes: block_bytes(answer, "write"),
        pids: answer.pids_stats.as_ref().and_then(|pids| pids.current).unwrap_or_default(),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

fn block_bytes(answer: &ContainerStatsResponse, operation: &str) -> u64 {
    let entries = answer.blkio_stats.as_ref().and_then(|stats| stats.io_service_bytes_recursive.as_ref());
    let entries = entries.into_iter().flatten();
    entries
        .filter(|entry| entry.op.as_deref().is_some_and(|op| op.eq_ignore_ascii_case(operation)))
        .filter_map(|entry| entry.value)
        .sum()
}

/// Share of one processor between the two measurements of an answer, in percent.
fn cpu_percent(answer: &ContainerStatsResponse) -> f64 {
    let (Some(now), Some(before)) = (&answer.cpu_stats, &answer.precpu_stats) else { return 0.0 };
    let total = |stats: &ContainerCpuStats| {
        (
            stats.cpu_usage.as_ref().and_then(|usage| usage.total_usage).unwrap_or_default(),
            stats.system_cpu_usage.unwrap_or_default(),
        )
    };
    let ((used_now, all_now), (used_before, all_before)) = (total(now), total(before));
    let all = all_now.saturating_sub(all_before) as f64;
    if all == 0.0 {
        return 0.0;
    }
    used_now.saturating_sub(used_before) as f64 / all * f64::from(now.online_cpus.unwrap_or(1)) * 100.0
}

/// The line in docker's words; without numbers for a container that is gone.
fn row(asked: &str, line: Option<&Line>, whole: bool) -> Value {
    let pair = |a: String, b: String| format!("{a} / {b}");
    let Some(line) = line else {
        let none = || "--".to_owned();
        return json!({
            "Container": asked, "ID": none(), "Name": asked, "CPUPerc": none(), "MemUsage": pair(none(), none()),
            "MemPerc": none(), "NetIO": none(), "BlockIO": none(), "PIDs": none(),
        });
    };
    json!({
        "Container": asked,
        "ID": if whole { line.id.clone() } else { format::short(&line.id) },
        "Name": line.name,
        "CPUPerc": format!("{:.2}%", line.cpu_percent),
        "MemUsage": pair(format::memory(line.memory_bytes), format::memory(line.memory_limit_bytes)),
        "MemPerc": format!("{:.2}%", line.memory_percent),
        "NetIO": pair(format::size(line.network_received_bytes), format::size(line.network_sent_bytes)),
        "BlockIO": pair(format::size(line.block_read_bytes), format::size(line.block_written_bytes)),
        "PIDs": line.pids.to_string(),
    })
}
