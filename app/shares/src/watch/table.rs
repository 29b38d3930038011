//! Which folders are watched, the one of least use first to go. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::budget::Slot;
use super::valid::LONG;
use crate::wire::ROOT;

#[derive(Debug)]
struct Watch {
    number: i32,
    used: u64,
    /// All changes are told: nobody else than this computer changes it.
    sure: bool,
    /// Names that the guest was told are not there, for long, and when.
    absent: HashMap<Box<[u8]>, Instant>,
    _slot: Slot,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    by_node: HashMap<u64, Watch>,
    by_number: HashMap<i32, u64>,
    clock: u64,
    /// How many names are not there, in all folders, and when those were looked for that the guest has forgotten.
    absent: usize,
    swept: Option<Instant>,
}

/// A folder that is not watched any more: its number here and there, and what it was said not to hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) node: u64,
    pub(super) number: i32,
    pub(super) absent: Vec<Box<[u8]>>,
}

impl Table {
    /// So many names of all folders are remembered as not there; of more the guest is not told for long.
    const ABSENT: usize = 1 << 16;
    const SWEEP: Duration = Duration::from_secs(1);

    pub(super) fn covers(&mut self, node: u64) -> bool {
        self.clock += 1;
        self.by_node.get_mut(&node).is_some_and(|watch| {
            watch.used = self.clock;
            true
        })
    }

    pub(super) fn has(&self, node: u64) -> bool {
        self.by_node.contains_key(&node)
    }

    /// Whether all is told of a folder.
    pub(super) fn is_sure(&mut self, node: u64) -> bool {
        self.covers(node) && self.by_node.get(&node).is_some_and(|watch| watch.sure)
    }

    /// Whether the guest may take a name for not there for long.
    pub(super) fn absent(&mut self, node: u64, name: &[u8], now: Instant) -> bool {
        if self.absent >= Self::ABSENT {
            self.sweep(now);
        }
        let Some(watch) = self.by_node.get_mut(&node).filter(|watch| watch.sure) else { return false };
        if let Some(told) = watch.absent.get_mut(name) {
            *told = now;
            return true;
        }
        let has_room = self.absent < Self::ABSENT;
        if has_room {
            watch.absent.insert(name.into(), now);
            self.absent += 1;
        }
        has_room
    }

    /// Lets go what the guest has forgotten by itself.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|before| now < before + Self::SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.by_node.values_mut().for_each(|watch| watch.absent.retain(|_, told| now < *told + LONG));
        self.absent = self.by_node.values().map(|watch| watch.absent.len()).sum();
    }

    /// There is something by this name now.
    pub(super) fn present(&mut self, node: u64, name: &[u8]) {
        if let Some(watch) = self.by_node.get_mut(&node)
            && watch.absent.remove(name).is_some()
        {
            self.absent -= 1;
        }
    }

    pub(super) fn add(&mut self, node: u64, number: i32, sure: bool, slot: Slot) {
        // The same folder under another number of its node.
        if let Some(before) = self.by_number.insert(number, node)
            && before != node
        {
            self.take(before);
        }
        self.take(node);
        self.clock += 1;
        self.by_node.insert(node, Watch { number, used: self.clock, sure, absent: HashMap::new(), _slot: slot });
    }

    /// The node of a folder by the number of its watch.
    pub(super) fn node(&self, number: i32) -> Option<u64> {
        self.by_number.get(&number).copied()
    }

    /// Those of all folders that are watched.
    pub(super) fn nodes(&self) -> Vec<u64> {
        self.by_node.keys().copied().collect()
    }

    pub(super) fn remove(&mut self, node: u64) -> Option<Dropped> {
        let watch = self.take(node)?;
        if self.by_number.get(&watch.number) == Some(&node) {
            self.by_number.remove(&watch.number);
        }
        Some(Dropped { node, number: watch.number, absent: watch.absent.into_keys().collect() })
    }

    fn take(&mut self, node: u64) -> Option<Watch> {
        let watch = self.by_node.remove(&node)?;
        self.absent -= watch.absent.len();
        Some(watch)
    }

    /// Makes room: an eighth of all, so that it is not made for each. The root stays.
    pub(super) fn make_room(&mut self) -> Vec<Dropped> {
        let mut by_use: Vec<(u64, u64)> = self.by_node.iter().map(|(node, watch)| (watch.used, *node)).collect();
        by_use.retain(|(_, node)| *node != ROOT);
        by_use.sort_unstable();
        by_use.truncate((by_use.len() / 8).max(1));
        by_use.into_iter().filter_map(|(_, node)| self.remove(node)).collect()
    }

    /// What the guest was told is not there, of all folders; it is told anew.
    pub(super) fn all_absent(&mut self) -> Vec<(u64, Box<[u8]>)> {
        self.absent = 0;
        let of =
            |(node, watch): (&u64, &mut Watch)| watch.absent.drain().map(|(name, _)| (*node, name)).collect::<Vec<_>>();
        self.by_node.iter_mut().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::*;

    fn slot() -> Slot {
        Box::leak(Box::new(Budget::new(1))).take().unwrap()
    }

    #[test]
    fn the_least_used_go_first_and_the_root_stays() {
        let (mut table, now) = (Table::default(), Instant::now());
        for node in 1..=9 {
            table.add(node, node as i32 * 10, true, slot());
        }
        assert!(table.covers(2));
        assert!(table.absent(3, b"a", now) && !table.absent(99, b"a", now));
        let dropped = Dropped { node: 3, number: 30, absent: vec![b"a".as_slice().into()] };
        assert_eq!(table.make_room(), [dropped]);
        assert!(!table.covers(3) && table.node(30).is_none() && table.node(20) == Some(2));
        assert_eq!(table.absent, 0);
    }

    #[test]
    fn a_folder_of_another_node_is_watched_once() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.add(2, 20, true, slot());
        table.add(3, 20, false, slot());
        assert!(!table.covers(2) && table.covers(3) && !table.is_sure(3) && !table.absent(3, b"a", now));
        assert_eq!(table.remove(2), None);
        assert_eq!(table.node(20), Some(3));
    }

    #[test]
    fn names_that_are_not_there_are_remembered_up_to_a_bound_and_for_as_long_as_they_are_good() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.add(1, 1, true, slot());
        table.add(2, 2, true, slot());
        for number in 0..Table::ABSENT {
            assert!(table.absent(1, number.to_string().as_bytes(), now));
        }
        assert!(table.absent(1, b"0", now + LONG / 2) && !table.absent(2, b"one too many", now));
        table.present(1, b"0");
        table.present(1, b"none");
        assert!(table.absent(2, b"one too many", now) && !table.absent(2, b"another", now));
        let later = now + LONG;
        assert!(table.absent(2, b"another", later), "those before are forgotten");
        assert_eq!(table.all_absent().len(), 1);
        assert!(table.absent(1, b"0", later) && table.absent == 1);
    }
}
