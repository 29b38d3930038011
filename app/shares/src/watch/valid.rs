//! How long the guest's kernel may go without asking.

use std::os::fd::BorrowedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::share::Share;
use crate::wire::{Attr, ListCache};
use crate::{Errno, sys};

/// Where nobody would tell it that the host has changed something, and where it is told.
///
/// Not longer, because some of it nobody tells: what is written by a shared map the host's own kernel keeps for itself, and what an earlier
/// daemon said the next one does not know.
pub(crate) const SHORT: Duration = Duration::from_secs(1);
pub(crate) const LONG: Duration = Duration::from_secs(10);
/// Of a change that may be followed by another with the same time: seconds are compared, and clocks of file systems are coarse.
const RECENT: Duration = Duration::from_secs(2);

impl Share {
    /// Whether a folder that the guest gets to know is watched since now.
    pub(crate) fn watch(&self, node: u64, folder: BorrowedFd<'_>) -> bool {
        self.watcher().is_some_and(|watcher| watcher.add(self, node, folder))
    }

    /// Whether the guest may be told for long that a name is not there.
    pub(crate) fn is_absent(&self, folder: u64, name: &[u8]) -> bool {
        self.watcher().is_some_and(|watcher| watcher.absent(folder, name))
    }

    /// What a name in a folder leads to.
    pub(crate) fn name_valid(&self, folder: u64) -> Duration {
        if self.is_watched(folder) { LONG } else { SHORT }
    }

    /// Of a folder it tells itself, of a file the folder that it is in, unless it has other names elsewhere.
    pub(crate) fn attr_valid(&self, node: u64, attr: &Attr) -> Duration {
        let told = match attr.mode & sys::KIND {
            sys::DIRECTORY => self.is_watched(node),
            _ if self.file().is_some() => self.is_watched(node),
            _ => {
                let names = self.nodes().names_of(node);
                attr.links == 1 && !names.is_empty() && names.iter().all(|(folder, _)| self.is_watched(*folder))
            }
        };
        if told { LONG } else { SHORT }
    }

    /// Whether the kernel may list a directory once more from what it keeps: for as long as the names in it are good, since it would ask for
    /// each of them alone afterwards, where a new list tells of all. It finds by the modification time whether its list is right; another change at
    /// the same time would not show, so the last one must lie behind.
    pub(crate) fn list_cache(&self, node: u64, folder: BorrowedFd<'_>) -> Result<ListCache, Errno> {
        let (_, Attr { modified: (seconds, _), .. }) = sys::attr(folder)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let lies_behind = u64::try_from(seconds).is_ok_and(|seconds| Duration::from_secs(seconds) + RECENT < now);
        if !lies_behind || !self.is_watched(node) {
            return Ok(ListCache::Unused);
        }
        let listed = self.nodes().listed(node);
        Ok(if listed.is_some_and(|at| at.elapsed() < LONG) { ListCache::Kept } else { ListCache::Anew })
    }

    fn is_watched(&self, folder: u64) -> bool {
        self.watcher().is_some_and(|watcher| watcher.covers(folder))
    }
}
