//! What must not be collected although no record refers to it yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layers::{DiffId, Digest};

use crate::ImageId;

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
    images: HashMap<u64, HashSet<ImageId>>,
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

    /// Whether an image itself is needed, not only what it has.
    pub(crate) fn keep(&self, image: &ImageId) -> bool {
        self.lock().images.values().any(|images| images.contains(image))
    }

    /// Does it while nobody can pin the blob, unless somebody has.
    pub(crate) fn unless_pinned<T>(&self, digest: &Digest, act: impl FnOnce() -> T) -> Option<T> {
        let pinned = self.lock();
        let is_pinned = pinned.blobs.values().any(|blobs| blobs.contains(digest));
        (!is_pinned).then(act)
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

    /// Keeps an image, be it recorded by now or to be recorded.
    pub(crate) fn image(&self, id: ImageId) {
        self.pins.lock().images.entry(self.number).or_default().insert(id);
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
        pinned.images.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_pins_what_is_being_removed() {
        let pins = Pins::default();
        let digest = Digest::of(b"blob");
        assert_eq!(pins.unless_pinned(&digest, || pins.pinned.try_lock().is_err()), Some(true));
        let pin = pins.pin();
        pin.blob(digest);
        assert_eq!(pins.unless_pinned(&digest, || ()), None);
        drop(pin);
        assert_eq!(pins.unless_pinned(&digest, || ()), Some(()));
    }
}
