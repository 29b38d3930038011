//! Gives memory back to the host while nothing happens: files that the kernel keeps in memory, the longest unused first.
//!
//! The kernel keeps what was read for as long as nobody else wants the memory, and the host cannot see that it might have it. What the
//! kernel frees, the balloon's driver reports (free page reporting), in whole blocks of 2 MiB: hence the compaction. Decision 0035
//! says why this way.

use std::fs;
use std::time::Duration;

use tokio::time::sleep;

const LOOK: Duration = Duration::from_secs(30);
/// So many looks without work make a machine idle.
const IDLE_LOOKS: u32 = 4;
/// Of all processors' time, in percent: a machine whose containers only wait takes less.
const IDLE: f64 = 4.0;
/// What is kept of files in any case: the agent's own programs and the shell's among them.
const KEEP: u64 = 64 << 20;
/// A smaller gain is not worth the work.
const WORTH: u64 = 16 << 20;
/// A part at a time, so that what is still wanted shows itself by being read again.
const PARTS: u64 = 4;

const RECLAIM: &str = "/sys/fs/cgroup/memory.reclaim";
const COMPACT: &str = "/proc/sys/vm/compact_memory";

pub(super) async fn when_idle() {
    let mut idle = Idle::default();
    loop {
        sleep(LOOK).await;
        let (Ok(stat), Ok(meminfo)) = (fs::read_to_string("/proc/stat"), fs::read_to_string("/proc/meminfo")) else {
            return;
        };
        let Some(times) = Times::read(&stat) else { return };
        let Some(bytes) = idle.look(times, file_cache(&meminfo)) else { continue };
        if tokio::task::spawn_blocking(move || give_back(bytes)).await.is_err() {
            return;
        }
    }
}

/// The kernel answers EAGAIN when it found less than was asked for: that is no failure.
fn give_back(bytes: u64) {
    match fs::write(RECLAIM, bytes.to_string()) {
        Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => {
            tracing::warn!(%error, "memory could not be given back to the host");
            return;
        }
        _ => {}
    }
    if let Err(error) = fs::write(COMPACT, "1") {
        tracing::warn!(%error, "the free memory could not be compacted");
    }
}

/// Processor time since boot, in ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Times {
    all: u64,
    idle: u64,
}

impl Times {
    /// The first line of /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal.
    fn read(stat: &str) -> Option<Times> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().take(8).map(str::parse::<u64>).collect::<Result<_, _>>().ok()?;
        // A machine that waits for its disk is not idle.
        Some(Times { all: ticks.iter().sum(), idle: *ticks.get(3)? })
    }

    fn busy_since(self, before: Times) -> f64 {
        let all = self.all.saturating_sub(before.all);
        if all == 0 {
            return 100.0;
        }
        100.0 - 100.0 * self.idle.saturating_sub(before.idle) as f64 / all as f64
    }
}

#[derive(Debug, Default)]
struct Idle {
    before: Option<Times>,
    looks: u32,
    /// The cache after the latest reclaim: what did not grow since is what the machine uses, or all that there is.
    left: Option<u64>,
}

impl Idle {
    /// How much to give back now.
    fn look(&mut self, now: Times, cache: u64) -> Option<u64> {
        let before = self.before.replace(now)?;
        if now.busy_since(before) > IDLE {
            (self.looks, self.left) = (0, None);
            return None;
        }
        self.looks += 1;
        let over = cache.checked_sub(KEEP).filter(|over| *over >= WORTH)?;
        if self.looks < IDLE_LOOKS {
            return None;
        }
        // The last part found nothing: it will not the next time either, unless more was read since, be it by light work.
        if self.left.is_some_and(|left| cache + WORTH / 4 > left && cache <= left + WORTH) {
            return None;
        }
        self.left = Some(cache);
        Some((over / PARTS).max(WORTH))
    }
}

/// What the kernel keeps of files and could read again: not what is in memory only (tmpfs) or waits to be written.
fn file_cache(meminfo: &str) -> u64 {
    let of = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
    };
    (of("Active(file):") + of("Inactive(file):")).saturating_sub(of("Dirty:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn quiet(looks: u64) -> Times {
        Times { all: looks * 6000, idle: looks * 5950 }
    }

    #[test]
    fn an_idle_machine_gives_back_part_after_part_down_to_what_it_keeps() {
        let (mut idle, mut cache, mut given) = (Idle::default(), GIB, Vec::new());
        for look in 0..60 {
            if let Some(bytes) = idle.look(quiet(look), cache) {
                given.push((look, bytes));
                cache -= bytes;
            }
        }
        assert_eq!(given[0], (u64::from(IDLE_LOOKS), (GIB - KEEP) / PARTS));
        assert!(given.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{given:?}");
        assert!((KEEP..KEEP + 2 * WORTH).contains(&cache), "{cache}");
    }

    #[test]
    fn work_puts_it_off() {
        let mut idle = Idle::default();
        for look in 0..u64::from(IDLE_LOOKS) {
            assert_eq!(idle.look(quiet(look), GIB), None);
        }
        let busy = Times { all: quiet(4).all, idle: quiet(3).idle };
        assert_eq!(idle.look(busy, GIB), None);
        let later = |looks: u64| Times { all: busy.all + looks * 6000, idle: busy.idle + looks * 5950 };
        for look in 1..u64::from(IDLE_LOOKS) {
            assert_eq!(idle.look(later(look), GIB), None);
        }
        assert!(idle.look(later(u64::from(IDLE_LOOKS)), GIB).is_some());
    }

    #[test]
    fn what_cannot_be_had_is_not_asked_for_again_and_again() {
        let mut idle = Idle::default();
        let asked = (0..20).filter(|look| idle.look(quiet(*look), GIB).is_some()).count();
        assert_eq!(asked, 1);
        // After work there may be something to be had once more.
        let busy = Times { all: quiet(20).all, idle: quiet(19).idle };
        assert_eq!(idle.look(busy, GIB), None);
        let later = |looks: u64| Times { all: busy.all + looks * 6000, idle: busy.idle + looks * 5950 };
        assert_eq!((1..20).filter(|look| idle.look(later(*look), GIB).is_some()).count(), 1);
    }

    #[test]
    fn what_light_work_reads_is_given_back_too() {
        let mut idle = Idle::default();
        assert_eq!((0..20).filter(|look| idle.look(quiet(*look), GIB).is_some()).count(), 1);
        assert!(idle.look(quiet(20), 2 * GIB).is_some());
    }

    #[test]
    fn the_kernel_s_figures_are_read() {
        let stat = "cpu  10 0 5 80 3 1 1 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(Times::read(stat), Some(Times { all: 100, idle: 80 }));
        assert_eq!(Times::read("intr 1"), None);
        let meminfo = "Cached: 999 kB\nActive(file):       2048 kB\nInactive(file):     1024 kB\nDirty:      1024 kB\n";
        assert_eq!(file_cache(meminfo), 2 << 20);
    }
}
