//! `docker stats`: a container's use of CPU, memory, disk and network, from cgroup v2.
//!
//! The numbers are computed as dockerd does on cgroup v2; files that the machine lacks (a controller on v1) leave their
//! part empty.

use crate::handle::{Handle, Run, View};
use crate::requests::StatsRequest;
use crate::service::{Inner, blocking};
use crate::{Containers, Result};
use engine_api::stats::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats, ThrottlingData,
};
use engine_api::{ContainerStats, Map, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const INTERVAL: Duration = Duration::from_secs(1);
/// Between the two samples of a first answer: docker's client gives up after two seconds, its own start and a busy computer included. Rates
/// are exact to 2 % of one processor: `/proc/stat` counts by ticks.
const FIRST: Duration = Duration::from_millis(500);
/// Clock ticks of `/proc/stat`: USER_HZ is 100 on every architecture we run on.
const NANOS_PER_TICK: u64 = 10_000_000;

impl Containers {
    /// Samples until the receiver is dropped, or one.
    pub async fn stats(&self, id: &str, request: StatsRequest) -> Result<mpsc::Receiver<ContainerStats>> {
        let handle = self.inner.find(id)?;
        let (sender, receiver) = mpsc::channel(1);
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let mut before = ContainerStats::default();
            if !request.one_shot && handle.view().run.is_some() {
                // Rates need two samples.
                before = inner.sample(&handle.view()).await;
                tokio::time::sleep(FIRST).await;
            }
            loop {
                let view = handle.view();
                let mut sample = inner.sample(&view).await;
                sample.precpu_stats = before.cpu_stats;
                sample.preread = before.read;
                before = sample.clone();
                if sender.send(sample).await.is_err() || !request.stream || view.gone {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(INTERVAL) => {}
                    () = sender.closed() => return,
                    () = gone(&handle) => return,
                }
            }
        });
        Ok(receiver)
    }
}

async fn gone(handle: &Handle) {
    handle.wait_for(|_| false).await;
}

impl Inner {
    /// What a container uses now; only its name and id when it does not run.
    async fn sample(&self, view: &View) -> ContainerStats {
        let mut stats = ContainerStats {
            name: format!("/{}", view.record.name),
            id: view.record.id.clone(),
            ..ContainerStats::default()
        };
        let Some(run) = view.run.clone() else { return stats };
        stats.read = Timestamp::now();
        if let Some(sandbox) = &run.sandbox {
            match self.services.networks.stats(sandbox).await {
                Ok(interfaces) => {
                    stats.networks =
                        Some(interfaces.into_iter().map(|(name, counters)| (name, network(counters))).collect())
                }
                Err(error) => tracing::debug!(container = stats.id, %error, "no network statistics"),
            }
        }
        let cpus = self.abilities.cpus;
        let files = blocking(move || Ok(Files::read(&run))).await.unwrap_or_default();
        files.fill(&mut stats, cpus);
        stats
    }
}

fn network(counters: network::InterfaceStats) -> NetworkStats {
    NetworkStats {
        rx_bytes: counters.rx_bytes,
        rx_packets: counters.rx_packets,
        rx_errors: counters.rx_errors,
        rx_dropped: counters.rx_dropped,
        tx_bytes: counters.tx_bytes,
        tx_packets: counters.tx_packets,
        tx_errors: counters.tx_errors,
        tx_dropped: counters.tx_dropped,
    }
}

/// The texts that a sample is made of; `None` for what this machine does not have.
#[derive(Debug, Default)]
struct Files {
    cpu: Option<String>,
    memory_current: Option<String>,
    memory_stat: Option<String>,
    memory_max: Option<String>,
    memory_events: Option<String>,
    pids_current: Option<String>,
    pids_max: Option<String>,
    io: Option<String>,
    /// `/proc/stat` and `/proc/meminfo`.
    machine: String,
    meminfo: String,
}

impl Files {
    fn read(run: &Run) -> Files {
        let file = |name: &str| run.cgroup.read(name).ok().flatten();
        Files {
            cpu: file("cpu.stat"),
            memory_current: file("memory.current"),
            memory_stat: file("memory.stat"),
            memory_max: file("memory.max"),
            memory_events: file("memory.events"),
            pids_current: file("pids.current"),
            pids_max: file("pids.max"),
            io: file("io.stat"),
            machine: std::fs::read_to_string("/proc/stat").unwrap_or_default(),
            meminfo: std::fs::read_to_string("/proc/meminfo").unwrap_or_default(),
        }
    }

    fn fill(&self, stats: &mut ContainerStats, cpus: usize) {
        if let Some(text) = &self.cpu {
            let cpu = table(text);
            let nanos = |key: &str| cpu.get(key).map_or(0, |micros| micros.saturating_mul(1000));
            let count = |key: &str| cpu.get(key).copied().unwrap_or(0);
            stats.cpu_stats = CpuStats {
                cpu_usage: CpuUsage {
                    total_usage: nanos("usage_usec"),
                    percpu_usage: None,
                    usage_in_kernelmode: nanos("system_usec"),
                    usage_in_usermode: nanos("user_usec"),
                },
                system_cpu_usage: system_usage(&self.machine),
                online_cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
                throttling_data: ThrottlingData {
                    periods: count("nr_periods"),
                    throttled_periods: count("nr_throttled"),
                    throttled_time: nanos("throttled_usec"),
                },
            };
        }
        if let Some(current) = self.memory_current.as_deref().and_then(number) {
            let machine = total_memory(&self.meminfo);
            let limit = self.memory_max.as_deref().and_then(number).unwrap_or(u64::MAX);
            let events = self.memory_events.as_deref().map(table).unwrap_or_default();
            stats.memory_stats = MemoryStats {
                usage: current,
                max_usage: 0,
                stats: self.memory_stat.as_deref().map(table),
                failcnt: events.get("oom").copied().unwrap_or(0),
                // No limit, or one beyond what there is, is the machine's memory.
                limit: limit.min(machine),
            };
        }
        if let Some(current) = self.pids_current.as_deref().and_then(number) {
            let limit = self.pids_max.as_deref().and_then(number).unwrap_or(u64::MAX);
            stats.pids_stats = PidsStats { current, limit };
        }
        if let Some(text) = &self.io {
            stats.blkio_stats =
                BlkioStats { io_service_bytes_recursive: Some(block_io(text)), ..BlkioStats::default() };
        }
    }
}

/// Flat keyed files (cgroup-v2.rst): `key value` a line.
fn table(text: &str) -> Map<u64> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

/// A single value; `max` is none.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already.
fn system_usage(text: &str) -> u64 {
    let Some(line) = text.lines().next().and_then(|line| line.strip_prefix("cpu ")) else { return 0 };
    line.split_whitespace().take(8).filter_map(|word| word.parse::<u64>().ok()).sum::<u64>() * NANOS_PER_TICK
}

/// Bytes.
fn total_memory(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).map_or(u64::MAX, |kib| kib * 1024)
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`
fn block_io(text: &str) -> Vec<BlkioEntry> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else { continue };
        let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else { continue };
        for word in words {
            let (op, value) = match word.split_once('=') {
                Some(("rbytes", value)) => ("read", value),
                Some(("wbytes", value)) => ("write", value),
                _ => continue,
            };
            let Ok(value) = value.parse() else { continue };
            entries.push(BlkioEntry { major, minor, op: op.to_owned(), value });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_dockerds() {
        let files = Files {
            cpu: Some(
                "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 4\nnr_throttled 1\nthrottled_usec 7\n"
                    .into(),
            ),
            memory_current: Some("1048576\n".into()),
            memory_stat: Some("anon 100\ninactive_file 300\n".into()),
            memory_max: Some("max\n".into()),
            memory_events: Some("low 0\noom 2\noom_kill 1\n".into()),
            pids_current: Some("3\n".into()),
            pids_max: Some("max\n".into()),
            io: Some("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n".into()),
            machine: "cpu  10 0 20 70 0 0 0 0 5 0\ncpu0 1 1 1 1\n".into(),
            meminfo: "MemTotal:       1000 kB\nMemFree: 1 kB\n".into(),
        };
        let mut stats = ContainerStats::default();
        files.fill(&mut stats, 2);
        assert_eq!(stats.cpu_stats.cpu_usage.total_usage, 5_000_000);
        assert_eq!(stats.cpu_stats.system_cpu_usage, 1_000_000_000);
        assert_eq!(stats.cpu_stats.online_cpus, 2);
        assert_eq!(stats.cpu_stats.throttling_data.throttled_time, 7000);
        assert_eq!((stats.memory_stats.usage, stats.memory_stats.limit), (1_048_576, 1_024_000));
        assert_eq!(stats.memory_stats.failcnt, 2);
        assert_eq!(stats.memory_stats.stats.expect("memory.stat")["inactive_file"], 300);
        assert_eq!((stats.pids_stats.current, stats.pids_stats.limit), (3, u64::MAX));
        let io = stats.blkio_stats.io_service_bytes_recursive.expect("io.stat");
        assert_eq!((io[0].op.as_str(), io[0].value, io[1].op.as_str(), io[1].value), ("read", 10, "write", 20));
    }

    #[test]
    fn a_machine_without_controllers_has_empty_parts() {
        let mut stats = ContainerStats::default();
        Files::default().fill(&mut stats, 2);
        assert_eq!(stats.memory_stats, MemoryStats::default());
        assert_eq!(stats.pids_stats, PidsStats::default());
    }
}
