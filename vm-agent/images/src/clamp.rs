//! Images whose layers say nothing of when they were made.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::cache::INLINE;
use crate::compression::decompress;
use crate::image::LayerRecord;
use crate::pins::Pin;
use crate::wanted::{Waiting, Wanted};
use crate::{Draft, Error, ImageId, Images, Keeper, Result, blocking};

mod times;

impl Images {
    /// The same image, but that no file in the layers above its `inherited` lowest ones is younger than `time`. The same files give the
    /// same image then. Dropping the future ends it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`] when it is gone; [`Error::Unsupported`] for one that lists its own steps, which would be others.
    pub async fn clamp(
        &self,
        id: &ImageId,
        inherited: usize,
        time: jiff::Timestamp,
        keeper: Arc<Keeper>,
    ) -> Result<ImageId> {
        let making = self.making();
        let (mut raw, before) = self.base(Some(id), &making).await?;
        if raw.get(INLINE).is_some() {
            let words = "rewrite-timestamp beside an inline cache: this builder does not have it yet";
            return Err(Error::Unsupported(words.to_owned()));
        }
        let waiting = Waiting::default();
        let wanted = waiting.wanted();
        let (images, layers, seconds) = (self.clone(), before.clone(), time.as_second());
        let clamped = blocking(move || {
            let clamped: Result<Vec<LayerRecord>> = layers
                .into_iter()
                .enumerate()
                .map(|(at, layer)| match at < inherited {
                    true => Ok(layer),
                    false => images.clamp_layer(&layer, seconds, &wanted, &making),
                })
                .collect();
            Ok((clamped?, making))
        });
        let (after, making) = clamped.await?;
        if before.iter().map(LayerRecord::pair).eq(after.iter().map(LayerRecord::pair)) {
            return Ok(*id);
        }
        let diff_ids: Vec<String> = after.iter().map(|layer| layer.diff_id.to_string()).collect();
        if let Some(raw) = raw.as_object_mut() {
            let files = raw.entry("rootfs").or_insert_with(|| json!({ "type": "layers" }));
            files["diff_ids"] = Value::from(diff_ids);
        }
        let draft = Draft { keeper: Some(keeper), ..Draft::default() };
        self.record_made(raw, after, Some(*id), draft, making).await
    }

    fn clamp_layer(&self, layer: &LayerRecord, seconds: i64, wanted: &Wanted, pin: &Pin) -> Result<LayerRecord> {
        let source = wanted.reads(self.inner.content.file(&layer.blob.digest)?);
        let clamp = move |out: &mut dyn std::io::Write| {
            decompress(source).and_then(|tar| times::clamp(tar, out, seconds)).map_err(layers::Error::Read)
        };
        let clamped = self.write_layer(clamp, pin)?;
        // One that has no such time is the one that is here, however it is compressed.
        Ok(if clamped.diff_id == layer.diff_id { layer.clone() } else { clamped })
    }
}
