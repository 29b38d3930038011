//! What must not be collected although no record refers to it yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layers::{DiffId, Digest};

/// Everything that work in progress needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pins {
    pinned: Arc<Mutex<Pinned>>,
}

#[derive(Debug, Default)]
struct Pinned {
    next: u64,
    chains: HashMap<u64, Vec<Vec<DiffId>>>,
    blobs: HashMap<u64, Vec<Digest>>,
}

/// Keeps its layers and blobs until it is dropped.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Pins,
    number: u64,
}

impl Pins {
    pub(crate) fn pin(&self) -> Pin {
        let mut pinned = self.lock();
        pinned.next += 1;
        Pin { pins: self.clone(), number: pinned.next }
    }

    pub(crate) fn chains(&self) -> Vec<Vec<DiffId>> {
        self.lock().chains.values().flatten().cloned().collect()
    }

    pub(crate) fn has_blob(&self, digest: &Digest) -> bool {
        self.lock().blobs.values().any(|blobs| blobs.contains(digest))
    }

    fn lock(&self) -> MutexGuard<'_, Pinned> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pin {
    /// Keeps the layers of a chain, bottom first.
    pub(crate) fn chain(&self, chain: &[DiffId]) {
        self.pins.lock().chains.entry(self.number).or_default().push(chain.to_vec());
    }

    /// Keeps a blob.
    pub(crate) fn blob(&self, digest: Digest) {
        self.pins.lock().blobs.entry(self.number).or_default().push(digest);
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pinned = self.pins.lock();
        pinned.chains.remove(&self.number);
        pinned.blobs.remove(&self.number);
    }
}
