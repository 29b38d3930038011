//! `docker history`.

use crate::image::seconds;
use crate::{ImageId, Images, Platform, Result};

/// One step of an image's making.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// The image that ended with this step, where it is here: the newest one, then its parents one after the other.
    pub id: Option<ImageId>,
    /// Seconds since 1970; 0 when the image does not say.
    pub created: i64,
    pub created_by: String,
    pub tags: Vec<String>,
    /// Bytes in the files of the step's layer; 0 without one.
    pub size: u64,
    pub comment: String,
}

impl Images {
    /// The steps, newest first; only of an image for `wanted`, where that is given.
    pub fn history(&self, name_or_id: &str, wanted: Option<&Platform>) -> Result<Vec<HistoryEntry>> {
        let id = self.resolve_for(name_or_id, wanted)?;
        let image = self.image(&id)?;
        let mut layers = image.chain.iter();
        let mut entries = Vec::new();
        let steps = image.raw.get("history").and_then(serde_json::Value::as_array);
        for step in steps.into_iter().flatten() {
            let text = |key| step.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
            let empty = step.get("empty_layer").and_then(serde_json::Value::as_bool).unwrap_or_default();
            let layer = if empty { None } else { layers.next() };
            entries.push(HistoryEntry {
                id: None,
                created: seconds(text("created")).unwrap_or_default(),
                created_by: text("created_by").to_owned(),
                tags: Vec::new(),
                size: layer.map(|layer| self.inner.layers.size(layer)).transpose()?.unwrap_or_default(),
                comment: text("comment").to_owned(),
            });
        }
        entries.reverse();
        let mut names = self.names()?;
        let mut next = Some(id);
        for entry in &mut entries {
            let Some(id) = next else { break };
            entry.id = Some(id);
            entry.tags = names.remove(&id).unwrap_or_default().0;
            next = self.inner.images.get(&id.hex())?.and_then(|record| record.parent);
        }
        Ok(entries)
    }
}
