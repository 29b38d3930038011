//! `docker tag`.

use store::{Batch, Durability};

use crate::image::{ReferenceRecord, now};
use crate::{Error, ImageId, Images, Reference, Result};

impl Images {
    /// Points `target` (`:latest` when it has no tag) at an image; an image that had the name before keeps its others.
    ///
    /// # Errors
    ///
    /// [`Error::TagWithDigest`], [`Error::NoSuchImage`].
    pub async fn tag(&self, name_or_id: &str, target: &Reference) -> Result<ImageId> {
        if target.digest.is_some() {
            return Err(Error::TagWithDigest);
        }
        let target = target.clone().or_latest();
        let _commit = self.inner.commit.lock().await;
        let id = self.resolve(name_or_id)?;
        let mut record = self.record(&id)?;
        record.last_tagged = Some(now());
        let mut batch = Batch::new();
        batch.put(&self.inner.images, &id.hex(), &record);
        batch.put(&self.inner.references, &target.to_string(), &ReferenceRecord { image: id });
        self.inner.store.write(batch, Durability::Durable).await?;
        Ok(id)
    }
}
