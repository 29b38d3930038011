//! What images were made from here, step by step.

use std::collections::{HashMap, HashSet};

use store::{Batch, Durability};

use crate::{ImageId, Images, Result};

impl Images {
    /// Whether an image is `origin`, or was made from it here.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn is_made_from(&self, id: ImageId, origin: &ImageId) -> Result<bool> {
        let mut next = Some(id);
        while let Some(at) = next {
            if at == *origin {
                return Ok(true);
            }
            next = self.inner.images.get(&at.hex())?.and_then(|record| record.parent);
        }
        Ok(false)
    }

    /// Takes the parent of images that were made from themselves, which earlier versions could write: whoever walks up would walk for
    /// ever. For the engine's start, before anybody else is there.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or written.
    pub async fn cut_loops(&self) -> Result<()> {
        let mut records: HashMap<_, _> = self.records()?.into_iter().collect();
        let parents = records.iter().filter_map(|(id, record)| Some((*id, record.parent?))).collect();
        let mut batch = Batch::new();
        for id in looped(&parents) {
            if let Some(record) = records.get_mut(&id) {
                record.parent = None;
                batch.put(&self.inner.images, &id.hex(), record);
                tracing::warn!("image {id} was made from itself: it is made from nothing now");
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        Ok(self.inner.store.write(batch, Durability::Durable).await?)
    }
}

/// Of each loop of parents one image. Pure.
fn looped(parents: &HashMap<ImageId, ImageId>) -> Vec<ImageId> {
    let (mut done, mut found) = (HashSet::new(), Vec::new());
    for start in parents.keys() {
        let (mut way, mut at) = (HashSet::new(), *start);
        while !done.contains(&at) {
            way.insert(at);
            match parents.get(&at) {
                Some(parent) if way.contains(parent) => {
                    found.push(at);
                    break;
                }
                Some(parent) => at = *parent,
                None => break,
            }
        }
        done.extend(way);
    }
    found
}
