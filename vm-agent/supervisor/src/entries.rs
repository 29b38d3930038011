//! What the supervisor remembers: every process it made, until the engine has acknowledged its end. Pure bookkeeping.

use std::{collections::HashMap, os::fd::OwnedFd};

use crate::protocol::{EntryInfo, Exit};

/// One process (or, before its intermediate reported, one to be).
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) pid: i32,
    pub(crate) pidfd: Option<OwnedFd>,
    pub(crate) started_at: i64,
    pub(crate) exit: Option<Exit>,
    pub(crate) fds: Vec<(String, OwnedFd)>,
}

#[derive(Debug, Default)]
pub(crate) struct Entries {
    by_id: HashMap<String, Entry>,
    by_pid: HashMap<i32, String>,
}

impl Entries {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Entry> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn insert(&mut self, id: String, entry: Entry) {
        self.by_pid.insert(entry.pid, id.clone());
        self.by_id.insert(id, entry);
    }

    /// Forgets an id with its descriptors; only its `Ack` does this, and only after it ended.
    pub(crate) fn remove_ended(&mut self, id: &str) -> bool {
        if self.by_id.get(id).is_none_or(|entry| entry.exit.is_none()) {
            return false;
        }
        self.by_id.remove(id).is_some()
    }

    /// A process ended. `None`: it was nobody's (an orphan, an intermediate).
    pub(crate) fn ended(&mut self, pid: i32, code: i32, signal: Option<i32>, at: i64) -> Option<Exit> {
        // The number is free for another process from now on.
        let id = self.by_pid.remove(&pid)?;
        let entry = self.by_id.get_mut(&id)?;
        let exit = Exit { id, pid, code, signal, at };
        entry.exit = Some(exit.clone());
        Some(exit)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (EntryInfo, &Entry)> {
        self.by_id.iter().map(|(id, entry)| {
            let pidfd = entry.pidfd.iter().map(|_| "pidfd".to_owned());
            let info = EntryInfo {
                id: id.clone(),
                pid: entry.pid,
                started_at: entry.started_at,
                exit: entry.exit.clone(),
                fds: pidfd.chain(entry.fds.iter().map(|(name, _)| name.clone())).collect(),
            };
            (info, entry)
        })
    }

    /// Pidfds of everything that runs.
    pub(crate) fn running(&self) -> impl Iterator<Item = &OwnedFd> {
        self.by_id.values().filter(|entry| entry.exit.is_none()).filter_map(|entry| entry.pidfd.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: i32) -> Entry {
        Entry { pid, pidfd: None, started_at: 1, exit: None, fds: Vec::new() }
    }

    #[test]
    fn an_exit_is_kept_until_it_is_acknowledged() {
        let mut entries = Entries::default();
        entries.insert("a".to_owned(), entry(7));
        assert!(!entries.remove_ended("a"), "still running");
        let exit = entries.ended(7, 137, Some(9), 5).expect("known");
        assert_eq!((exit.id.as_str(), exit.code, exit.signal), ("a", 137, Some(9)));
        assert_eq!(entries.iter().next().expect("kept").0.exit, Some(exit));
        assert!(entries.ended(7, 0, None, 6).is_none(), "the number may be somebody else's by now");
        assert!(entries.remove_ended("a"));
        assert!(!entries.contains("a"));
        assert!(!entries.remove_ended("a"));
    }

    #[test]
    fn a_reused_number_belongs_to_the_new_process() {
        let mut entries = Entries::default();
        entries.insert("old".to_owned(), entry(7));
        entries.ended(7, 0, None, 1);
        entries.insert("new".to_owned(), entry(7));
        assert_eq!(entries.ended(7, 1, None, 2).expect("known").id, "new");
        assert_eq!(entries.get_mut("old").and_then(|e| e.exit.clone()).expect("kept").code, 0);
    }
}
