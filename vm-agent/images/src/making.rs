//! An image in the making: what it needs is kept, and cleared up when nothing comes of it.

use std::ops::Deref;

use crate::Images;
use crate::pins::Pin;

/// Keeps the layers and blobs of an image that no record refers to yet.
///
/// It goes with the work into threads and tasks, which may end after everybody has given them up. Dropped before
/// [`Making::done`], what was left is collected.
#[derive(Debug)]
pub(crate) struct Making {
    images: Images,
    /// `None` once it is done.
    pin: Option<Pin>,
    /// Not all of it was recorded.
    leaves_something: bool,
}

impl Images {
    pub(crate) fn making(&self) -> Making {
        Making { images: self.clone(), pin: Some(self.inner.pins.pin()), leaves_something: false }
    }
}

impl Making {
    /// Some of it was put in its place for nothing, and is collected at the end.
    pub(crate) fn leaves_something(&mut self) {
        self.leaves_something = true;
    }

    /// Everything is recorded, and nothing was left unless that was told.
    pub(crate) fn done(mut self) {
        if !self.leaves_something {
            self.pin = None;
        }
    }
}

impl Deref for Making {
    type Target = Pin;

    fn deref(&self) -> &Pin {
        self.pin.as_ref().expect("taken with the whole only")
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // Before the collection, which it would hinder.
        if self.pin.take().is_some() {
            self.images.collect_later();
        }
    }
}
