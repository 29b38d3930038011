//! How the guest is: memory, disk, load, boot.

use std::fs;

use control::message::Status;
use nix::sys::statvfs::statvfs;

use crate::state::Relay;

/// Reads `/proc` (proc(5)) and the data disk's file system; what cannot be read stays zero.
pub(crate) fn read(relay: &Relay) -> Status {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let loadavg = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut load = [0.0; 3];
    for (value, word) in load.iter_mut().zip(loadavg.split(' ')) {
        *value = word.parse().unwrap_or_default();
    }
    let (disk_total, disk_available) = match statvfs(&relay.options.data_dir) {
        Ok(disk) => (disk.blocks() * disk.fragment_size(), disk.blocks_available() * disk.fragment_size()),
        Err(_) => (0, 0),
    };
    Status {
        uptime_ms: uptime_ms(),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        memory_total: kilobytes(&meminfo, "MemTotal:"),
        memory_available: kilobytes(&meminfo, "MemAvailable:"),
        disk_total,
        disk_available,
        cpus: std::thread::available_parallelism().map_or(0, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        load,
        engine: *relay.engine.borrow(),
        forwards: u32::try_from(relay.forwards().len()).unwrap_or(u32::MAX),
        boot: relay.steps().clone(),
    }
}

/// Milliseconds since the kernel started.
pub(crate) fn uptime_ms() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let since = clock_gettime(ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The kernel's random id of this boot.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn kilobytes(meminfo: &str, name: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_lines_are_found_by_their_whole_name() {
        let meminfo = "MemTotal:        1024 kB\nMemFree: 3 kB\nMemAvailable:   12 kB\n";
        assert_eq!(kilobytes(meminfo, "MemTotal:"), 1 << 20);
        assert_eq!(kilobytes(meminfo, "MemAvailable:"), 12288);
        assert_eq!(kilobytes(meminfo, "Missing:"), 0);
    }
}
