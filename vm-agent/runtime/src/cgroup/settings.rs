//! From OCI resources to file writes, and what has to be dropped where the host lacks a controller.

use oci_spec::runtime::LinuxResources;

use super::Controllers;
use crate::{Error, Result};

/// What to write into a cgroup's directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// (file name, value), in order.
    pub writes: Vec<(String, String)>,
    /// dockerd's sentence for every limit that is not enforced here.
    pub warnings: Vec<&'static str>,
}

/// `available` are the controllers of the container's parent cgroup. The device rules are not here: see
/// [`crate::device_filter`].
pub fn settings(resources: &LinuxResources, available: &Controllers) -> Result<Settings> {
    let mut s = Settings::default();
    let has = |name: &str| available.contains(name);
    cpu(resources, &mut s, has("cpu"), has("cpuset"));
    memory(resources, &mut s, has("memory"))?;
    if let Some(pids) = resources.pids() {
        let limit = pids.limit();
        s.limit(
            has("pids"),
            "pids.max",
            if limit > 0 { limit.to_string() } else { "max".to_owned() },
            (limit > 0).then_some(
                "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
            ),
        );
    }
    block_io(resources, &mut s, has("io"));
    for limit in resources.hugepage_limits().iter().flatten() {
        let file = format!("hugetlb.{}.max", limit.page_size());
        s.limit(has("hugetlb"), &file, limit.limit().to_string(), None);
    }
    for (key, value) in resources.unified().iter().flatten() {
        // The key is a file name in the container's cgroup and nothing else.
        if key.contains('/') || !key.contains('.') || key.starts_with("cgroup.") {
            return Err(Error::CgroupValue { key: key.clone(), value: value.clone() });
        }
        s.writes.push((key.clone(), value.clone()));
    }
    Ok(s)
}

impl Settings {
    fn limit(&mut self, available: bool, file: &str, value: String, warning: Option<&'static str>) {
        match (available, warning) {
            (true, _) => self.writes.push((file.to_owned(), value)),
            (false, Some(warning)) if !self.warnings.contains(&warning) => self.warnings.push(warning),
            (false, _) => {}
        }
    }
}

fn cpu(resources: &LinuxResources, s: &mut Settings, has_cpu: bool, has_cpuset: bool) {
    let Some(cpu) = resources.cpu() else { return };
    if let Some(shares) = cpu.shares().filter(|n| *n > 0) {
        s.limit(
            has_cpu,
            "cpu.weight",
            weight_of_shares(shares).to_string(),
            Some("Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded."),
        );
    }
    if let Some(idle) = cpu.idle() {
        s.limit(has_cpu, "cpu.idle", idle.to_string(), None);
    }
    if cpu.quota().is_some() || cpu.period().is_some() {
        let quota = cpu.quota().filter(|q| *q > 0).map_or("max".to_owned(), |q| q.to_string());
        // The kernel's default period, microseconds.
        let period = cpu.period().filter(|p| *p > 0).unwrap_or(100_000);
        s.limit(
            has_cpu,
            "cpu.max",
            format!("{quota} {period}"),
            Some("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded."),
        );
    }
    if let Some(burst) = cpu.burst() {
        s.limit(has_cpu, "cpu.max.burst", burst.to_string(), None);
    }
    let no_cpuset = "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.";
    for (file, list) in [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())] {
        if let Some(list) = list.as_ref().filter(|l| !l.is_empty()) {
            s.limit(has_cpuset, file, list.clone(), Some(no_cpuset));
        }
    }
}

/// v1 shares (2..=262144) to v2 weight (1..=10000) as runc does since 1.3.2: the curve that leads from the least to the most by way of
/// what is usual, 1024 and 100. Its logarithm is a quadratic function of the shares' logarithm.
pub(super) fn weight_of_shares(shares: u64) -> u64 {
    let log = (shares.clamp(2, 262_144) as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    10_f64.powf(exponent).ceil() as u64
}

fn memory(resources: &LinuxResources, s: &mut Settings, has: bool) -> Result<()> {
    let Some(memory) = resources.memory() else { return Ok(()) };
    let bytes = |n: i64| if n < 0 { "max".to_owned() } else { n.to_string() };
    let limit = memory.limit().filter(|n| *n != 0);
    // Swap first when it shrinks and last when it grows does not matter in v2: the two limits are independent.
    if let Some(limit) = limit {
        s.limit(
            has,
            "memory.max",
            bytes(limit),
            Some(
                "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
            ),
        );
    }
    if let Some(total) = memory.swap().filter(|n| *n != 0) {
        // OCI's value is memory plus swap, the kernel's file is swap alone.
        let swap = match limit {
            _ if total < 0 => -1,
            Some(limit) if limit >= 0 && total >= limit => total - limit,
            _ => return Err(Error::CgroupValue { key: "memory.swap".to_owned(), value: total.to_string() }),
        };
        s.limit(
            has,
            "memory.swap.max",
            bytes(swap),
            (total > 0).then_some(
                "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
            ),
        );
    }
    if let Some(reservation) = memory.reservation().filter(|n| *n != 0) {
        s.limit(
            has,
            "memory.low",
            bytes(reservation),
            Some(
                "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
            ),
        );
    }
    Ok(())
}

fn block_io(resources: &LinuxResources, s: &mut Settings, has: bool) {
    let Some(io) = resources.block_io() else { return };
    let scale = |w: u16| 1 + (u64::from(w.clamp(10, 1000)) - 10) * 9_999 / 990;
    if let Some(weight) = io.weight().filter(|w| *w > 0) {
        s.limit(
            has,
            "io.weight",
            format!("default {}", scale(weight)),
            Some("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."),
        );
    }
    for device in io.weight_device().iter().flatten() {
        if let Some(weight) = device.weight() {
            s.limit(
                has,
                "io.weight",
                format!("{}:{} {}", device.major(), device.minor(), scale(weight)),
                Some(
                    "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
                ),
            );
        }
    }
    for (list, key, warning) in [
        (
            io.throttle_read_bps_device(),
            "rbps",
            "Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.",
        ),
        (
            io.throttle_write_bps_device(),
            "wbps",
            "Your kernel does not support BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS write limit discarded.",
        ),
        (
            io.throttle_read_iops_device(),
            "riops",
            "Your kernel does not support IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded.",
        ),
        (
            io.throttle_write_iops_device(),
            "wiops",
            "Your kernel does not support IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded.",
        ),
    ] {
        for device in list.iter().flatten() {
            let value = format!("{}:{} {key}={}", device.major(), device.minor(), device.rate());
            s.limit(has, "io.max", value, Some(warning));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Controllers {
        ["cpu", "cpuset", "memory", "pids", "io", "hugetlb"].into_iter().map(str::to_owned).collect()
    }

    fn check(json: &str, expect: &[(&str, &str)]) {
        let resources: LinuxResources = serde_json::from_str(json).expect("spec");
        let got = settings(&resources, &all()).expect("settings");
        let got: Vec<(&str, &str)> = got.writes.iter().map(|(f, v)| (f.as_str(), v.as_str())).collect();
        assert_eq!(got, expect, "{json}");
    }

    #[test]
    fn writes() {
        check(r#"{"cpu":{"shares":1024}}"#, &[("cpu.weight", "100")]);
        check(r#"{"cpu":{"quota":150000,"period":100000}}"#, &[("cpu.max", "150000 100000")]);
        check(r#"{"cpu":{"quota":-1}}"#, &[("cpu.max", "max 100000")]);
        check(r#"{"cpu":{"cpus":"0-1","mems":""}}"#, &[("cpuset.cpus", "0-1")]);
        check(
            r#"{"memory":{"limit":67108864,"swap":134217728,"reservation":33554432}}"#,
            &[("memory.max", "67108864"), ("memory.swap.max", "67108864"), ("memory.low", "33554432")],
        );
        check(r#"{"memory":{"limit":67108864,"swap":-1}}"#, &[("memory.max", "67108864"), ("memory.swap.max", "max")]);
        check(r#"{"pids":{"limit":100}}"#, &[("pids.max", "100")]);
        check(r#"{"pids":{"limit":-1}}"#, &[("pids.max", "max")]);
        check(
            r#"{"blockIO":{"weight":500,"throttleReadBpsDevice":[{"major":254,"minor":0,"rate":1048576}]}}"#,
            &[("io.weight", "default 4950"), ("io.max", "254:0 rbps=1048576")],
        );
        check(r#"{"unified":{"memory.high":"1000000"}}"#, &[("memory.high", "1000000")]);
    }

    #[test]
    fn nothing_to_enforce_with() {
        let resources: LinuxResources =
            serde_json::from_str(r#"{"memory":{"limit":67108864},"pids":{"limit":5},"cpu":{"shares":512}}"#)
                .expect("spec");
        let got = settings(&resources, &Controllers::new()).expect("settings");
        assert!(got.writes.is_empty());
        assert_eq!(got.warnings.len(), 3);
        assert!(got.warnings.iter().all(|w| w.starts_with("Your kernel does not support")));
    }

    #[test]
    fn nonsense_is_refused() {
        for json in [
            r#"{"memory":{"limit":100,"swap":50}}"#,
            r#"{"unified":{"../memory.max":"1"}}"#,
            r#"{"unified":{"cgroup.procs":"1"}}"#,
        ] {
            let resources: LinuxResources = serde_json::from_str(json).expect("spec");
            assert!(settings(&resources, &all()).is_err(), "{json}");
        }
    }

    #[test]
    fn ends_of_the_share_range() {
        for (shares, weight) in [(2, 1), (3, 2), (512, 59), (1023, 100), (1024, 100), (2048, 174), (262_143, 10_000)] {
            assert_eq!(weight_of_shares(shares), weight, "{shares}");
        }
        assert_eq!(weight_of_shares(262_144), 10_000);
        assert_eq!(weight_of_shares(0), 1);
        assert_eq!(weight_of_shares(u64::MAX), 10_000);
    }
}
