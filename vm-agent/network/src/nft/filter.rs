//! The table as a whole: what should be in it, and changing it.

use std::collections::BTreeSet;
use std::io;

use super::element::Element;
use super::ruleset;
use super::transaction::{RawElement, Transaction};
use crate::Outside;
use crate::netlink::{Socket, errno};

/// The engine's table. Keeps the wanted elements in memory, so that the table can be made anew at any time.
#[derive(Debug)]
pub(crate) struct Filter {
    socket: Socket,
    elements: BTreeSet<Element>,
    outside: Option<Outside>,
}

impl Filter {
    /// Makes the table of the calling thread's network namespace, or empties the one that an earlier engine left;
    /// packets see the old table or the new one with all `elements`, nothing between.
    pub(crate) fn open(elements: BTreeSet<Element>, outside: Option<Outside>) -> io::Result<Filter> {
        let mut filter = Filter { socket: Socket::open(libc::NETLINK_NETFILTER)?, elements, outside };
        filter.install()?;
        Ok(filter)
    }

    /// Applies the removals, then the additions, at one instant. Elements that are there already, or not there, are
    /// skipped.
    pub(crate) fn change(&mut self, remove: &[Element], add: &[Element]) -> io::Result<()> {
        let gone: Vec<&Element> = remove.iter().filter(|e| self.elements.contains(e) && !add.contains(e)).collect();
        let new: Vec<&Element> = add.iter().filter(|e| !self.elements.contains(e)).collect();
        let mut t = Transaction::new(ruleset::FAMILY, ruleset::TABLE);
        by_set(&gone, |set, elements| t.remove(set, elements));
        by_set(&new, |set, elements| t.add(set, elements));
        let result = t.commit(&mut self.socket);
        let flushed = result.as_ref().is_err_and(|e| errno(e) == Some(libc::ENOENT));
        if result.is_err() && !flushed {
            return result;
        }
        gone.iter().for_each(|e| _ = self.elements.remove(e));
        self.elements.extend(new.iter().map(|e| (*e).clone()));
        if !flushed {
            return Ok(());
        }
        // Somebody flushed the ruleset: put everything back.
        self.install().inspect_err(|_| {
            new.iter().for_each(|e| _ = self.elements.remove(e));
            self.elements.extend(gone.iter().map(|e| (*e).clone()));
        })
    }

    fn install(&mut self) -> io::Result<()> {
        let mut t = Transaction::new(ruleset::FAMILY, ruleset::TABLE);
        ruleset::install(&mut t, self.outside.as_ref());
        by_set(&self.elements.iter().collect::<Vec<_>>(), |set, elements| t.add(set, elements));
        t.commit(&mut self.socket)
    }
}

/// Encodes elements and hands them over set by set.
fn by_set(elements: &[&Element], mut each: impl FnMut(&'static str, &[RawElement])) {
    let mut encoded: Vec<(&'static str, RawElement)> = elements.iter().map(|e| e.encode()).collect();
    encoded.sort();
    for group in encoded.chunk_by(|a, b| a.0 == b.0) {
        let raw: Vec<RawElement> = group.iter().map(|(_, raw)| raw.clone()).collect();
        each(group[0].0, &raw);
    }
}
