//! Resource limits of a request: refused, discarded with a warning, or kept. Pure; the texts are dockerd's.

use engine_api::Resources;
use std::collections::BTreeSet;

/// Bytes; below this dockerd expects no container to start.
const MINIMUM_MEMORY: i64 = 6 * 1024 * 1024;

/// Why limits are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResources {
    #[error("Minimum memory limit allowed is 6MB")]
    Memory,
    #[error("Minimum memoryswap limit should be larger than memory limit, see usage")]
    SwapBelowMemory,
    #[error("You should always set the Memory limit when using Memoryswap limit, see usage")]
    SwapWithoutMemory,
    #[error("Invalid value: {0}, valid memory swappiness range is 0-100")]
    Swappiness(i64),
    #[error("Minimum memory reservation allowed is 6MB")]
    Reservation,
    #[error("Minimum memory limit can not be less than memory reservation limit, see usage")]
    ReservationAboveMemory,
    #[error("Conflicting options: Nano CPUs and CPU Period cannot both be set")]
    NanoAndPeriod,
    #[error("Conflicting options: Nano CPUs and CPU Quota cannot both be set")]
    NanoAndQuota,
    #[error("NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted")]
    NoCfs,
    #[error("range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available")]
    Cpus(usize),
    #[error("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")]
    Period,
    #[error("CPU cfs quota can not be less than 1ms (i.e. 1000)")]
    Quota,
    #[error("invalid CPU shares ({0}): value must be a positive integer")]
    Shares(i64),
    #[error("Invalid value {0} for cpuset {1}: invalid format: {0}")]
    Cpuset(String, &'static str),
    #[error("Requested CPUs are not available - requested {requested}, available: {available}")]
    CpusNotThere { requested: String, available: String },
    #[error("Range of blkio weight is from 10 to 1000")]
    BlkioWeight,
    #[error("kernel does not support CPU real-time scheduler")]
    Realtime,
    #[error("Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps")]
    Qos,
}

/// What this machine can enforce.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abilities {
    /// Names of `cgroup.controllers`.
    pub(crate) controllers: BTreeSet<String>,
    pub(crate) swap: bool,
    pub(crate) cpus: usize,
    /// Whether AppArmor profiles can be loaded and applied here, which the engine does not ask for.
    pub(crate) apparmor: bool,
}

impl Abilities {
    fn has(&self, controller: &str) -> bool {
        self.controllers.contains(controller)
    }
}

/// Checks and adapts in place; answers the warnings.
pub(crate) fn adapt(
    resources: &mut Resources,
    abilities: &Abilities,
    update: bool,
) -> Result<Vec<String>, InvalidResources> {
    let mut warnings = Vec::new();
    memory(resources, abilities, update, &mut warnings)?;
    if let Some(limit) = resources.pids_limit
        && !abilities.has("pids")
    {
        if limit > 0 {
            warn(
                &mut warnings,
                "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
            );
        }
        resources.pids_limit = None;
    }
    cpu(resources, abilities, &mut warnings)?;
    block_io(resources, abilities, &mut warnings)?;
    Ok(warnings)
}

fn memory(
    r: &mut Resources,
    abilities: &Abilities,
    update: bool,
    warnings: &mut Vec<String>,
) -> Result<(), InvalidResources> {
    // -1 is how clients say "not set".
    if r.memory_swappiness == Some(-1) {
        r.memory_swappiness = None;
    }
    if r.memory != 0 && r.memory < MINIMUM_MEMORY {
        return Err(InvalidResources::Memory);
    }
    if r.memory > 0 && !abilities.has("memory") {
        warn(
            warnings,
            "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
        );
        r.memory = 0;
        r.memory_swap = -1;
    }
    if r.memory > 0 && r.memory_swap != -1 && !abilities.swap {
        warn(
            warnings,
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
        );
        r.memory_swap = -1;
    }
    if r.memory > 0 && r.memory_swap > 0 && r.memory_swap < r.memory {
        return Err(InvalidResources::SwapBelowMemory);
    }
    if r.memory == 0 && r.memory_swap > 0 && !update {
        return Err(InvalidResources::SwapWithoutMemory);
    }
    if let Some(swappiness) = r.memory_swappiness {
        if !(0..=100).contains(&swappiness) {
            return Err(InvalidResources::Swappiness(swappiness));
        }
        // cgroup v2 has no such setting per group.
        warn(
            warnings,
            "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
        );
        r.memory_swappiness = None;
    }
    if r.memory_reservation > 0 && !abilities.has("memory") {
        warn(
            warnings,
            "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
        );
        r.memory_reservation = 0;
    }
    if r.memory_reservation > 0 && r.memory_reservation < MINIMUM_MEMORY {
        return Err(InvalidResources::Reservation);
    }
    if r.memory > 0 && r.memory_reservation > 0 && r.memory < r.memory_reservation {
        return Err(InvalidResources::ReservationAboveMemory);
    }
    if r.kernel_memory > 0 {
        warn(
            warnings,
            "Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
        );
        r.kernel_memory = 0;
    }
    if r.oom_kill_disable.take() == Some(true) {
        warn(warnings, "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    }
    // As dockerd, which leaves an update as it is: a memory limit without a swap limit allows as much swap again.
    if r.memory > 0 && r.memory_swap == 0 && !update {
        r.memory_swap = r.memory.saturating_mul(2);
    }
    Ok(())
}

fn cpu(r: &mut Resources, abilities: &Abilities, warnings: &mut Vec<String>) -> Result<(), InvalidResources> {
    if r.nano_cpus > 0 && r.cpu_period > 0 {
        return Err(InvalidResources::NanoAndPeriod);
    }
    if r.nano_cpus > 0 && r.cpu_quota > 0 {
        return Err(InvalidResources::NanoAndQuota);
    }
    if r.nano_cpus > 0 && !abilities.has("cpu") {
        return Err(InvalidResources::NoCfs);
    }
    super::promises::realtime(r)?;
    let most = i64::try_from(abilities.cpus).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    if r.nano_cpus < 0 || r.nano_cpus > most {
        return Err(InvalidResources::Cpus(abilities.cpus));
    }
    if r.cpu_shares < 0 {
        return Err(InvalidResources::Shares(r.cpu_shares));
    }
    if r.cpu_shares > 0 && !abilities.has("cpu") {
        warn(warnings, "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.");
        r.cpu_shares = 0;
    }
    if (r.cpu_period != 0 || r.cpu_quota != 0) && !abilities.has("cpu") {
        warn(warnings, "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
        r.cpu_period = 0;
        r.cpu_quota = 0;
    }
    if r.cpu_period != 0 && !(1000..=1_000_000).contains(&r.cpu_period) {
        return Err(InvalidResources::Period);
    }
    if r.cpu_quota > 0 && r.cpu_quota < 1000 {
        return Err(InvalidResources::Quota);
    }
    if r.cpu_percent > 0 {
        warn(warnings, "linux does not support CPU percent. Percent discarded.");
        r.cpu_percent = 0;
    }
    let pinned = !r.cpuset_cpus.is_empty() || !r.cpuset_mems.is_empty();
    if pinned && !abilities.has("cpuset") {
        warn(warnings, "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.");
        r.cpuset_cpus.clear();
        r.cpuset_mems.clear();
    }
    let highest = highest_of(&r.cpuset_cpus).ok_or_else(|| InvalidResources::Cpuset(r.cpuset_cpus.clone(), "cpus"))?;
    if highest.is_some_and(|cpu| cpu >= abilities.cpus) {
        return Err(InvalidResources::CpusNotThere {
            requested: r.cpuset_cpus.clone(),
            available: format!("0-{}", abilities.cpus.saturating_sub(1)),
        });
    }
    highest_of(&r.cpuset_mems).ok_or_else(|| InvalidResources::Cpuset(r.cpuset_mems.clone(), "mems"))?;
    Ok(())
}

fn block_io(r: &mut Resources, abilities: &Abilities, warnings: &mut Vec<String>) -> Result<(), InvalidResources> {
    let io = abilities.has("io");
    if r.blkio_weight > 0 && !io {
        warn(warnings, "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
        r.blkio_weight = 0;
    }
    if r.blkio_weight > 0 && !(10..=1000).contains(&r.blkio_weight) {
        return Err(InvalidResources::BlkioWeight);
    }
    if r.io_maximum_bandwidth != 0 || r.io_maximum_iops != 0 {
        return Err(InvalidResources::Qos);
    }
    // An empty list stays one.
    if !io && r.blkio_weight_device.take_if(|list| !list.is_empty()).is_some() {
        warn(
            warnings,
            "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
        );
    }
    for (list, name, what) in [
        (&mut r.blkio_device_read_bps, "BPS Block I/O read", "Block I/O BPS read"),
        (&mut r.blkio_device_write_bps, "BPS Block I/O write", "Block I/O BPS write"),
        (&mut r.blkio_device_read_iops, "IOPS Block read", "Block I/O IOPS read"),
        (&mut r.blkio_device_write_iops, "IOPS Block write", "Block I/O IOPS write"),
    ] {
        if !io && list.take().is_some_and(|list| !list.is_empty()) {
            warnings.push(format!(
                "Your kernel does not support {name} limit or the cgroup is not mounted. {what} limit discarded."
            ));
        }
    }
    Ok(())
}

/// The highest number in `0-3,7`; `Some(None)` for the empty list, `None` when it is not a list.
fn highest_of(list: &str) -> Option<Option<usize>> {
    if list.is_empty() {
        return Some(None);
    }
    let mut highest = 0;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last {
            return None;
        }
        highest = highest.max(last);
    }
    Some(Some(highest))
}

fn warn(warnings: &mut Vec<String>, text: &str) {
    warnings.push(text.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abilities(controllers: &[&str]) -> Abilities {
        Abilities {
            controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
            swap: controllers.contains(&"memory"),
            cpus: 4,
            apparmor: false,
        }
    }

    const ALL: &[&str] = &["cpu", "cpuset", "io", "memory", "pids"];

    fn check(json: &str, controllers: &[&str]) -> Result<(Resources, Vec<String>), String> {
        let mut resources: Resources = serde_json::from_str(json).expect("valid JSON");
        let warnings = adapt(&mut resources, &abilities(controllers), false).map_err(|error| error.to_string())?;
        Ok((resources, warnings))
    }

    #[test]
    fn limits_are_kept_where_they_can_be_enforced() {
        let (resources, warnings) =
            check(r#"{"Memory": 67108864, "NanoCpus": 1500000000, "PidsLimit": 50, "CpusetCpus": "0-3"}"#, ALL)
                .expect("valid");
        assert_eq!(warnings, [""; 0]);
        assert_eq!(resources.memory, 67_108_864);
        assert_eq!(resources.memory_swap, 134_217_728);
        assert_eq!(resources.pids_limit, Some(50));
    }

    #[test]
    fn limits_are_discarded_with_a_warning_where_they_cannot() {
        let (resources, warnings) =
            check(r#"{"Memory": 67108864, "PidsLimit": 50, "CpuShares": 5}"#, &[]).expect("valid");
        assert_eq!(resources.memory, 0);
        assert_eq!(resources.pids_limit, None);
        assert_eq!(
            warnings,
            [
                "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
                "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
                "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
            ]
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for (json, text) in [
            (r#"{"Memory": 1000}"#, "Minimum memory limit allowed is 6MB"),
            (r#"{"NanoCpus": 5000000000}"#, "range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"),
            (r#"{"CpusetCpus": "0-9"}"#, "Requested CPUs are not available - requested 0-9, available: 0-3"),
            (r#"{"CpuRealtimeRuntime": 9}"#, "kernel does not support CPU real-time scheduler"),
            (r#"{"CpuRealtimePeriod": 9}"#, "kernel does not support CPU real-time scheduler"),
            (r#"{"CpusetCpus": "x"}"#, "Invalid value x for cpuset cpus: invalid format: x"),
            (
                r#"{"CpuPeriod": 5}"#,
                "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
            ),
            (
                r#"{"MemorySwap": 10000000}"#,
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            ),
        ] {
            assert_eq!(check(json, ALL).expect_err(json), text, "{json}");
        }
    }
}
