//! Garbage: layers and blobs that no image, no container and no work in progress needs.

use std::collections::HashSet;
use std::sync::PoisonError;

use layers::DiffId;
use store::{Batch, Durability};

use crate::pins::Pin;
use crate::{Holder, ImageId, Images, Result, blocking, unabridged};

/// Keeps an image's layers from being collected until it is dropped.
#[derive(Debug)]
pub struct Hold {
    _pin: Pin,
}

/// Keeps whole images until it is dropped: none of them can be deleted, as if others had been made from them.
#[derive(Debug)]
pub struct Keeper {
    images: Images,
    pin: Pin,
}

impl Keeper {
    /// Keeps an image that is here.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoSuchImage`]
    pub async fn keep(&self, id: &ImageId) -> Result<()> {
        // Nothing is deleted between looking and pinning.
        let _commit = self.images.inner.commit.lock().await;
        self.take(*id, &self.images.record(id)?.chain());
        Ok(())
    }

    /// The same for one that is about to be recorded.
    pub(crate) fn take(&self, id: ImageId, chain: &[DiffId]) {
        self.pin.chain(chain);
        self.pin.image(id);
    }
}

impl Images {
    /// For work that needs images for longer than a moment.
    pub fn keeper(&self) -> Keeper {
        Keeper { images: self.clone(), pin: self.inner.pins.pin() }
    }

    /// Protects an image's layers while a container that will use them is being recorded.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoSuchImage`]
    pub fn hold(&self, id: &ImageId) -> Result<Hold> {
        let pin = self.inner.pins.pin();
        pin.chain(&self.record(id)?.chain());
        Ok(Hold { _pin: pin })
    }

    /// Removes what nothing needs; returns the bytes that this freed. Does nothing before [`Images::set_holders`].
    ///
    /// Dropping the future does not stop it: what is out of the records must also go from the disk.
    pub async fn collect(&self) -> Result<u64> {
        let images = self.clone();
        unabridged(async move { images.collect_now().await }).await
    }

    async fn collect_now(&self) -> Result<u64> {
        let _commit = self.inner.commit.lock().await;
        if self.holders().is_none() {
            return Ok(0);
        }
        let images: Vec<Vec<DiffId>> = self.records()?.iter().map(|(_, record)| record.chain()).collect();
        let mut batch = Batch::new();
        // Pins before holders: a container drops its pin after it can be seen as a holder.
        let keep = || {
            let mut keep = self.inner.pins.chains();
            keep.extend(self.holders().unwrap_or_default().into_iter().map(|holder| holder.chain));
            keep.extend(images);
            keep
        };
        let garbage = self.inner.layers.collect(keep, &mut batch);
        let freed = garbage.size;
        if !batch.is_empty() {
            self.inner.store.write(batch, Durability::Durable).await?;
        }
        let images = self.clone();
        let blobs = blocking(move || {
            images.inner.layers.discard(garbage);
            images.discard_blobs()
        })
        .await?;
        Ok(freed + blobs)
    }

    /// Who uses images; `None` before anybody could say.
    pub(crate) fn holders(&self) -> Option<Vec<Holder>> {
        let holders = self.inner.holders.read().unwrap_or_else(PoisonError::into_inner).clone();
        holders.map(|holders| holders())
    }

    /// Removes blobs that no image and no work in progress needs.
    pub(crate) fn discard_blobs(&self) -> Result<u64> {
        let mut needed = HashSet::new();
        for (id, record) in self.records()? {
            needed.extend(record.blobs(&id));
        }
        self.inner.content.retain(|blob| needed.contains(blob), &self.inner.pins)
    }

    /// Collects in the background after work that left things behind.
    pub(crate) fn collect_later(&self) {
        let images = self.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(e) = images.collect().await {
                    tracing::warn!("collecting unused layers: {e}");
                }
            });
        }
    }
}
