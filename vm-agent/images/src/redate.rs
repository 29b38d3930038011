//! An image as if its steps had been made at another time.

use std::sync::Arc;

use serde_json::Value;

use crate::draft::Draft;
use crate::{ImageId, Images, Keeper, Result};

impl Images {
    /// Says of an image that it and the steps behind its first `inherited` ones were made at a time that was chosen, and nothing
    /// of where. The same steps give the same image then.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`] when it is gone.
    pub async fn redate(
        &self,
        id: &ImageId,
        inherited: usize,
        time: jiff::Timestamp,
        keeper: Arc<Keeper>,
    ) -> Result<ImageId> {
        let making = self.making();
        let (before, chain) = self.base(Some(id), &making).await?;
        let mut raw = before.clone();
        let created = Value::String(time.to_string());
        let steps = raw.get_mut("history").and_then(Value::as_array_mut).into_iter().flatten();
        for step in steps.skip(inherited) {
            step["created"] = created.clone();
        }
        if let Some(raw) = raw.as_object_mut() {
            raw.insert("created".to_owned(), created);
            for key in ["container", "container_config"] {
                raw.remove(key);
            }
        }
        if raw == before {
            // It says so already, and is made of nothing else.
            return Ok(*id);
        }
        let draft = Draft { keeper: Some(keeper), ..Draft::default() };
        self.record_made(raw, chain, Some(*id), draft, making).await
    }
}
