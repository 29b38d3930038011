//! `docker images` and the images' part of `docker system df`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use layers::DiffId;

#[cfg(doc)]
use crate::Error;
use crate::{Image, ImageId, Images, Reference, Result};

/// One line of `docker images`.
#[derive(Debug, Clone)]
pub struct Summary {
    pub id: ImageId,
    pub parent: Option<ImageId>,
    /// Familiar forms: `busybox:latest`; none for a dangling image.
    pub repo_tags: Vec<String>,
    /// Familiar forms: `busybox@sha256:…`
    pub repo_digests: Vec<String>,
    /// Nanoseconds since 1970; `None` when the image does not say.
    pub created: Option<i64>,
    /// Bytes in the files of all layers.
    pub size: u64,
    /// Bytes in layers that other images have too.
    pub shared_size: u64,
    pub labels: Option<BTreeMap<String, String>>,
    /// Other images were made from it.
    pub has_children: bool,
}

/// Tags and digests.
type Names = (Vec<String>, Vec<String>);

impl Summary {
    /// True when no tag and no digest names the image.
    pub fn is_dangling(&self) -> bool {
        self.repo_tags.is_empty() && self.repo_digests.is_empty()
    }

    /// A step on the way to other images: nobody names it, and lists leave it out.
    pub fn is_intermediate(&self) -> bool {
        self.is_dangling() && self.has_children
    }
}

/// What the images take.
#[derive(Debug, Clone, Default)]
pub struct DiskUsage {
    /// Bytes in the files of all layers, each counted once.
    pub layers_size: u64,
    pub images: Vec<Summary>,
}

impl Images {
    /// These images and all that were made from them here, however many steps ago.
    pub fn with_children(&self, images: impl IntoIterator<Item = ImageId>) -> Result<HashSet<ImageId>> {
        let mut children: HashMap<ImageId, Vec<ImageId>> = HashMap::new();
        for (id, record) in self.records()? {
            if let Some(parent) = record.parent {
                children.entry(parent).or_default().push(id);
            }
        }
        let mut found = HashSet::new();
        let mut next: Vec<ImageId> = images.into_iter().collect();
        while let Some(id) = next.pop() {
            if found.insert(id) {
                next.extend(children.get(&id).into_iter().flatten());
            }
        }
        Ok(found)
    }

    /// The images that this engine made from `parent` in one step, the newest first; without one those that it made from nothing. Who
    /// made another could have said anything of its making.
    pub fn children(&self, parent: Option<&ImageId>) -> Result<Vec<Arc<Image>>> {
        let mut children = Vec::new();
        for (id, record) in self.records()? {
            if record.parent.as_ref() != parent || !record.made_here {
                continue;
            }
            match self.image(&id) {
                Ok(image) => children.push(image),
                Err(e) => tracing::error!("image {id}: {e}"),
            }
        }
        children.sort_by_key(|image| std::cmp::Reverse(image.created()));
        Ok(children)
    }

    /// The image that another was made from in one step here.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`]
    pub fn parent(&self, id: &ImageId) -> Result<Option<ImageId>> {
        Ok(self.record(id)?.parent)
    }

    /// Every image, the newest first.
    pub fn list(&self) -> Result<Vec<Summary>> {
        let records = self.records()?;
        let mut users: HashMap<DiffId, usize> = HashMap::new();
        for (_, record) in &records {
            for layer in &record.layers {
                *users.entry(layer.diff_id).or_default() += 1;
            }
        }
        let parents: HashSet<ImageId> = records.iter().filter_map(|(_, record)| record.parent).collect();
        let mut names = self.names()?;
        let mut summaries = Vec::with_capacity(records.len());
        for (id, record) in records {
            let image = match self.image(&id) {
                Ok(image) => image,
                Err(e) => {
                    // One damaged image must not hide the others.
                    tracing::error!("image {id}: {e}");
                    continue;
                }
            };
            let (repo_tags, repo_digests) = names.remove(&id).unwrap_or_default();
            let shared = image.chain.iter().filter(|layer| users.get(layer).is_some_and(|users| *users > 1));
            summaries.push(Summary {
                id,
                parent: record.parent,
                repo_tags,
                repo_digests,
                created: image.created(),
                size: image.size,
                shared_size: shared.map(|layer| self.inner.layers.size(layer).unwrap_or_default()).sum(),
                labels: image.labels(),
                has_children: parents.contains(&id),
            });
        }
        summaries.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.repo_tags.cmp(&b.repo_tags)));
        Ok(summaries)
    }

    /// What `docker system df` shows of images.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        let mut layers: Vec<DiffId> = self.records()?.iter().flat_map(|(_, record)| record.chain()).collect();
        layers.sort();
        layers.dedup();
        let layers_size = layers.iter().map(|layer| self.inner.layers.size(layer).unwrap_or_default()).sum();
        Ok(DiskUsage { layers_size, images: self.list()? })
    }

    /// The tags and digests of every image, in their familiar forms.
    pub(crate) fn names(&self) -> Result<HashMap<ImageId, Names>> {
        let mut names: HashMap<ImageId, Names> = HashMap::new();
        for (reference, id) in self.references()? {
            let (tags, digests) = names.entry(id).or_default();
            if reference.digest.is_some() { digests } else { tags }.push(reference.familiar());
        }
        Ok(names)
    }

    /// The references of one image, sorted.
    pub(crate) fn references_of(&self, id: &ImageId) -> Result<Vec<Reference>> {
        Ok(self.references()?.into_iter().filter(|(_, image)| image == id).map(|(reference, _)| reference).collect())
    }
}
