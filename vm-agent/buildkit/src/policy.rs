//! How much of what builds keep stays without anybody's prune: rules like dockerd's own. Pure.

use crate::stock::{InvalidFilter, Item, Room, Which};
use bollard_buildkit_proto::moby::buildkit::v1::types::GcPolicy;
use build::Space;
use std::collections::HashSet;
use std::time::Duration;

/// What is made again most easily.
const EASY: [&str; 3] = ["type==source.local", "type==exec.cachemount", "type==source.git.checkout"];

const GIB: u64 = 1 << 30;
const GB: u64 = 1_000_000_000;

/// What the engine's settings say of builds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// What builds keep stays until somebody prunes it.
    pub without_gc: bool,
    /// How much stays; what is not said at all is a share of the disk.
    pub room: Room,
    /// Builds may ask for `--allow security.insecure`.
    pub insecure: bool,
}

/// One after the other, each of what the ones before left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// What it is about, as a prune's filters say it; empty: everything.
    filters: Vec<String>,
    /// What BuildKit keeps for itself, too, which is nothing here.
    all: bool,
    /// Only what was not used for so long goes.
    unused_for: Duration,
    room: Room,
}

/// Of a disk, in whole GB and one more, as dockerd has it.
fn share(space: Space, percent: u64) -> u64 {
    (u64::try_from(u128::from(space.total) * u128::from(percent) / 100).unwrap_or(u64::MAX) / GIB + 1) * GB
}

impl Policy {
    /// dockerd's rules, with its numbers for what the settings do not say; none at all if they say so.
    pub(crate) fn new(settings: Settings, space: Space) -> Policy {
        if settings.without_gc {
            return Policy(Vec::new());
        }
        let mut room = settings.room;
        if room == Room::default() {
            room = Room { reserved: share(space, 10), max_used: share(space, 80), min_free: share(space, 20) };
        }
        // dockerd's share, e·π·φ percent, in thousandths of a percent.
        let easy = u64::try_from(u128::from(room.reserved) * 13_817 / 100_000).unwrap_or(u64::MAX);
        let rule = |hours: u64, all| Rule { filters: Vec::new(), all, unused_for: Duration::from_hours(hours), room };
        let first = Rule {
            filters: EASY.map(str::to_owned).to_vec(),
            room: Room { max_used: easy.max(512 * 1_000_000), ..Room::default() },
            ..rule(48, false)
        };
        Policy(vec![first, rule(60 * 24, false), rule(0, false), rule(0, true)])
    }

    /// The IDs of what is to go, with so many bytes free on the disk. Of what was used at the same time what comes first goes first.
    ///
    /// # Errors
    ///
    /// A filter that nobody understands.
    pub(crate) fn choose(&self, all: &[Item], free: u64) -> Result<HashSet<String>, InvalidFilter> {
        let (mut left, mut free, mut gone) = (all.to_vec(), free, HashSet::new());
        for rule in &self.0 {
            let which = Which::parse(&rule.filters)?.unused_for(rule.unused_for).within(rule.room);
            let goes = which.choose(&left, free);
            left.retain(|item| {
                let stays = !goes.contains(&item.id);
                if !stays {
                    free = free.saturating_add(item.size);
                }
                stays
            });
            gone.extend(goes);
        }
        Ok(gone)
    }

    /// As clients are told of it.
    pub(crate) fn told(&self) -> Vec<GcPolicy> {
        let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let rules = self.0.iter().map(|rule| GcPolicy {
            all: rule.all,
            keep_duration: i64::try_from(rule.unused_for.as_nanos()).unwrap_or(i64::MAX),
            filters: rule.filters.clone(),
            reserved_space: number(rule.room.reserved),
            max_used_space: number(rule.room.max_used),
            min_free_space: number(rule.room.min_free),
        });
        rules.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn item(id: &str, kind: &'static str, size: u64, hours: u64) -> Item {
        let used = SystemTime::now() - Duration::from_hours(hours);
        Item { id: id.to_owned(), kind, description: "", size, used, in_use: id.starts_with("used") }
    }

    fn chosen(policy: &Policy, all: &[Item], free: u64) -> String {
        let mut ids: Vec<String> = policy.choose(all, free).expect("understood").into_iter().collect();
        ids.sort();
        ids.join(" ")
    }

    fn settings(reserved: u64, max_used: u64, min_free: u64) -> Settings {
        Settings { room: Room { reserved, max_used, min_free }, ..Settings::default() }
    }

    /// What dockerd 28.5.2 says on a disk of 252 GiB.
    #[test]
    fn the_numbers_are_dockerds() {
        let policy = Policy::new(Settings::default(), Space { total: 252 * GIB, free: 0 });
        let told = policy.told();
        let numbers = |rule: &GcPolicy| (rule.reserved_space, rule.max_used_space, rule.min_free_space);
        let hours = |rule: &GcPolicy| rule.keep_duration / 1_000_000_000 / 3600;
        assert_eq!((told.len(), told[0].filters.len(), hours(&told[0]), hours(&told[1])), (4, 3, 48, 1440));
        let (reserved, max_used, min_free) = numbers(&told[0]);
        assert_eq!((reserved, max_used / 1_000_000, min_free), (0, 3592, 0));
        for rule in &told[1..] {
            assert_eq!(numbers(rule), (26_000_000_000, 202_000_000_000, 51_000_000_000));
        }
        assert!(told[3].all && !told[2].all && hours(&told[2]) == 0);
    }

    #[test]
    fn what_is_said_takes_the_place_of_the_disks_shares() {
        let told = Policy::new(settings(0, 7, 0), Space { total: 252 * GIB, free: 0 }).told();
        assert_eq!((told[0].max_used_space, told[2].max_used_space, told[2].min_free_space), (512_000_000, 7, 0));
        let none = Settings { without_gc: true, ..settings(0, 7, 0) };
        let policy = Policy::new(none, Space { total: 1, free: 0 });
        assert!(policy.told().is_empty() && chosen(&policy, &[item("a", "regular", 100, 9999)], 0).is_empty());
    }

    #[test]
    fn the_oldest_goes_first_until_there_is_room() {
        let policy = Policy::new(settings(0, 100, 0), Space { total: 1000, free: 0 });
        let all = [
            item("a", "regular", 60, 5),
            item("b", "exec.cachemount", 50, 9),
            item("c", "regular", 40, 1),
            item("used", "exec.cachemount", 10, 99),
        ];
        // 160 bytes are there.
        assert_eq!(chosen(&policy, &all, 0), "a b");
        assert_eq!(chosen(&policy, &all[..2], 0), "b");
        assert_eq!(chosen(&policy, &all[..1], 0), "");
    }

    #[test]
    fn what_is_easily_made_goes_after_two_days() {
        let policy = Policy::new(Settings::default(), Space { total: 100 * GIB, free: 0 });
        let mb = 1_000_000;
        let all = [
            item("cache", "exec.cachemount", 900 * mb, 49),
            item("context", "source.local", 900 * mb, 47),
            item("step", "regular", 900 * mb, 49),
            item("old", "regular", 0, 61 * 24),
        ];
        // 2.7 GB are more than the 1.5 that such things may have, and less than all may have.
        assert_eq!(chosen(&policy, &all, u64::MAX), "cache");
        assert_eq!(chosen(&policy, &all[1..], u64::MAX), "");
        // A full disk, and nothing reserved.
        let full = Policy::new(settings(0, 0, 2_000 * mb), Space { total: 100 * GIB, free: 0 });
        assert_eq!(chosen(&full, &all, 1_000 * mb), "cache old step");
    }

    #[test]
    fn what_was_used_at_once_goes_in_its_order() {
        let policy = Policy::new(settings(0, 10, 0), Space { total: 1000, free: 0 });
        let used = SystemTime::now();
        let step = |id: &str| Item { used, ..item(id, "regular", 10, 0) };
        let all = [step("child"), step("parent"), step("base")];
        assert_eq!(chosen(&policy, &all, 0), "child parent");
    }
}
