//! `berth stats`.

use bollard::Docker;
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::{ListContainersOptions, StatsOptions};
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::args::Stats;
use super::format;
use crate::{Failure, print_json};

/// One line of the table.
#[derive(Debug, Serialize)]
struct Line {
    id: String,
    name: String,
    cpu_percent: f64,
    memory_bytes: u64,
    memory_limit_bytes: u64,
    pids: u64,
}

pub(crate) async fn stats(docker: &Docker, stats: Stats) -> Result<i32, Failure> {
    loop {
        let names = if stats.containers.is_empty() { running(docker).await? } else { stats.containers.clone() };
        // Each answer takes the engine a second of measuring: asked together.
        let lines = join_all(names.iter().map(|name| one(docker, name))).await;
        let lines: Vec<Line> = lines.into_iter().collect::<Result<_, _>>()?;
        if stats.json {
            print_json(&lines)?;
        } else {
            if !stats.no_stream {
                print!("\x1b[H\x1b[2J");
            }
            print!("{}", table(&lines));
        }
        if stats.no_stream {
            return Ok(0);
        }
    }
}

async fn running(docker: &Docker) -> Result<Vec<String>, Failure> {
    let list = docker.list_containers(Some(ListContainersOptions::default())).await?;
    Ok(list.into_iter().filter_map(|container| container.id).collect())
}

async fn one(docker: &Docker, name: &str) -> Result<Line, Failure> {
    let options = StatsOptions { stream: false, one_shot: false };
    let answer = docker.stats(name, Some(options)).boxed().try_next().await?;
    let answer = answer.ok_or_else(|| Failure::new(1, format!("{name}: no statistics came")))?;
    Ok(line(&answer))
}

fn line(answer: &ContainerStatsResponse) -> Line {
    let memory = answer.memory_stats.as_ref();
    let usage = memory.and_then(|memory| memory.usage).unwrap_or_default();
    // Page cache that can be had back at once is not counted, as docker does it.
    let inactive = memory.and_then(|memory| memory.stats.as_ref()?.get("inactive_file").copied()).unwrap_or_default();
    Line {
        id: answer.id.clone().unwrap_or_default(),
        name: answer.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned(),
        cpu_percent: cpu_percent(answer),
        memory_bytes: usage.saturating_sub(inactive),
        memory_limit_bytes: memory.and_then(|memory| memory.limit).unwrap_or_default(),
        pids: answer.pids_stats.as_ref().and_then(|pids| pids.current).unwrap_or_default(),
    }
}

/// Share of one processor between the two measurements of an answer, in percent.
fn cpu_percent(answer: &ContainerStatsResponse) -> f64 {
    let (Some(now), Some(before)) = (&answer.cpu_stats, &answer.precpu_stats) else { return 0.0 };
    let total = |stats: &bollard::models::ContainerCpuStats| {
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

fn table(lines: &[Line]) -> String {
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            vec![
                format::short(&line.id),
                line.name.clone(),
                format!("{:.2}%", line.cpu_percent),
                format!("{} / {}", format::memory(line.memory_bytes), format::memory(line.memory_limit_bytes)),
                line.pids.to_string(),
            ]
        })
        .collect();
    format::table(&["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "PIDS"], &rows)
}
