//! `docker image inspect`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Image, ImageId, Images, Platform, Result};

/// Everything about one image.
#[derive(Debug, Clone)]
pub struct Inspect {
    pub image: Arc<Image>,
    /// Familiar forms.
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: Option<ImageId>,
    /// Nanoseconds since 1970.
    pub last_tagged: Option<i64>,
    /// Where the layers are, the topmost first.
    pub directories: Vec<PathBuf>,
}

impl Images {
    /// By reference, ID, or the beginning of one; only an image for `wanted`, where that is given.
    pub fn inspect(&self, name_or_id: &str, wanted: Option<&Platform>) -> Result<Inspect> {
        let id = self.resolve_for(name_or_id, wanted)?;
        let record = self.record(&id)?;
        let (repo_tags, repo_digests) = self.names()?.remove(&id).unwrap_or_default();
        let image = self.image(&id)?;
        let directories = self.inner.layers.overlay(&image.chain, None)?.lowers;
        Ok(Inspect {
            image,
            repo_tags,
            repo_digests,
            parent: record.parent,
            last_tagged: record.last_tagged,
            directories,
        })
    }
}
