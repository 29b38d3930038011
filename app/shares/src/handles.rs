//! What the kernel has open, by number.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::Errno;

/// An open file or directory.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) node: u64,
    pub(crate) fd: OwnedFd,
    /// Whether its content can be changed by it.
    pub(crate) writes: bool,
    /// Of a directory: what was in it when its list was begun.
    pub(crate) list: Mutex<Option<Arc<Vec<Listed>>>>,
}

/// What all shares of this process hold open. It needs descriptors for other things as well.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// How many files and folders of this computer containers have open, in all shares of this process: who ends it takes them away.
pub fn open_files() -> usize {
    OPEN.load(Ordering::Relaxed)
}

/// Half of what this process may open, once it has asked for as much as it can have.
fn limit() -> usize {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    *LIMIT.get_or_init(|| crate::sys::descriptors() / 2)
}

impl Drop for Handle {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One name of a directory.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: Vec<u8>,
    pub(crate) inode: u64,
    /// The file type's four bits of a mode; 0: not known.
    pub(crate) kind: u32,
}

#[derive(Debug)]
pub(crate) struct Handles {
    open: HashMap<u64, Arc<Handle>>,
    next: u64,
}

impl Handles {
    pub(crate) fn new(next: u64) -> Handles {
        Handles { open: HashMap::new(), next }
    }

    /// # Errors
    /// ENFILE: containers hold as much open as this process can spare.
    pub(crate) fn add(&mut self, node: u64, fd: OwnedFd, writes: bool) -> Result<u64, Errno> {
        if OPEN.fetch_add(1, Ordering::Relaxed) >= limit() {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::NFILE);
        }
        self.next += 1;
        self.open.insert(self.next, Arc::new(Handle { node, fd, writes, list: Mutex::new(None) }));
        Ok(self.next)
    }

    /// # Errors
    /// EBADF: nothing is open by this number.
    pub(crate) fn get(&self, handle: u64) -> Result<Arc<Handle>, Errno> {
        self.open.get(&handle).cloned().ok_or(Errno::BADF)
    }

    /// Any handle of a node: what is left of a file that has no name any more.
    pub(crate) fn of(&self, node: u64) -> Option<Arc<Handle>> {
        self.open.values().find(|handle| handle.node == node).cloned()
    }

    pub(crate) fn remove(&mut self, handle: u64) -> Option<Arc<Handle>> {
        self.open.remove(&handle)
    }
}
