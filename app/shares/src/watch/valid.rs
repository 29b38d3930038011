//! How long the guest's kernel may go without asking.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::share::Share;
use crate::sys;
use crate::wire::Attr;

/// Where nobody would tell it that the host has changed something, and where it is told.
///
/// Not longer, because some of it nobody tells: what is written by a shared map the host's own kernel keeps for itself, and what an earlier
/// daemon said the next one does not know.
pub(crate) const SHORT: Duration = Duration::from_secs(1);
pub(crate) const LONG: Duration = Duration::from_secs(10);

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

    fn is_watched(&self, folder: u64) -> bool {
        self.watcher().is_some_and(|watcher| watcher.covers(folder))
    }
}
