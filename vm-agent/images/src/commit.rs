//! Recording an image: the moment from which it is there.

use std::collections::HashSet;

use layers::Digest;
use store::{Batch, Durability};

use crate::image::{self, ImageRecord, ReferenceRecord};
use crate::making::Making;
use crate::pins::Pin;
use crate::{ImageId, Images, Reference, Result, blocking, unabridged};

impl Images {
    /// Records an image with everything it needs, and points references at it, in one transaction.
    ///
    /// `making` must keep the image's layers and blobs. Dropping the future does not stop it: a write that was asked for cannot be
    /// taken back, and until it can be seen a collection would take the image's layers for garbage.
    pub(crate) async fn commit(
        &self,
        id: ImageId,
        record: ImageRecord,
        references: Vec<Reference>,
        making: Making,
    ) -> Result<Making> {
        let images = self.clone();
        unabridged(async move {
            let mut making = making;
            if images.put_image(id, record, &references, &making).await? {
                making.leaves_something();
            }
            Ok(making)
        })
        .await
    }

    /// Whether the image was here in another form: of the two that it keeps, the other one is needed by nobody then.
    async fn put_image(
        &self,
        id: ImageId,
        mut record: ImageRecord,
        references: &[Reference],
        pin: &Pin,
    ) -> Result<bool> {
        let chain = record.chain();
        pin.chain(&chain);
        let _commit = self.inner.commit.lock().await;
        let known = self.inner.images.get(&id.hex())?;
        let is_otherwise = known.as_ref().is_some_and(|known| known.manifest != record.manifest);
        if let Some(known) = known.as_ref().filter(|known| known.made_here) {
            // What was made here may come back in the form in which it left: annotated, or compressed otherwise. It stays as it is.
            record.manifest = known.manifest;
            record.manifest_media_type.clone_from(&known.manifest_media_type);
            record.layers.clone_from(&known.layers);
        }
        let layers = self.inner.layers.clone();
        // A layer that stayed for a container may come with a blob that is new.
        let recorded: HashSet<Digest> = self.recorded_layers()?.into_iter().map(|(blob, _)| blob).collect();
        let fresh = record.layers.iter().any(|layer| !recorded.contains(&layer.blob.digest));
        let mut batch = blocking(move || {
            let mut batch = Batch::new();
            layers.settle(&chain, fresh, &mut batch)?;
            Ok(batch)
        })
        .await?;
        // What nobody had is nobody's origin.
        if let Some(parent) = record.parent.filter(|_| known.is_some())
            && self.is_made_from(parent, &id)?
        {
            // The same image again, made from what had been made from it: it stays what that comes from.
            record.parent = None;
        }
        if let Some(known) = known {
            record.last_tagged = known.last_tagged;
            record.parent = record.parent.or(known.parent);
            record.made_here |= known.made_here;
        }
        if let Some(parent) = record.parent {
            // Only an image that is here can have children.
            self.record(&parent)?;
        }
        if !references.is_empty() {
            record.last_tagged = Some(image::now());
        }
        batch.put(&self.inner.images, &id.hex(), &record);
        for reference in references {
            batch.put(&self.inner.references, &reference.to_string(), &ReferenceRecord { image: id });
        }
        self.inner.store.write(batch, Durability::Durable).await?;
        self.known().remove(&id);
        Ok(is_otherwise)
    }
}
