//! What the kernel has open, by number.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use crate::Errno;

/// An open file or directory.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) node: u64,
    pub(crate) fd: OwnedFd,
    /// Of a directory: what was in it when its list was begun.
    pub(crate) list: Mutex<Option<Arc<Vec<Listed>>>>,
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

    pub(crate) fn add(&mut self, node: u64, fd: OwnedFd) -> u64 {
        self.next += 1;
        self.open.insert(self.next, Arc::new(Handle { node, fd, list: Mutex::new(None) }));
        self.next
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
