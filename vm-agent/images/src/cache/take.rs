//! An image made of a step that a cache has.

use futures_util::TryStreamExt as _;
use layers::{DiffId, Digest};
use serde_json::Value;

use super::Cache;
use super::read::Pieces;
use super::records::beneath;
use crate::draft::{on_top, step};
use crate::fetch::{unpack, verify};
use crate::image::{LayerRecord, short};
use crate::making::Making;
use crate::progress::{Limit, Sink};
use crate::{Draft, Error, ImageId, Images, Result, blocking};

impl Images {
    /// Makes on top of `base` what the step of that key made, as `draft` describes it; `None` where it was made on other layers than those of `base`. Only the step's own layer is fetched, unless it is
    /// here; when it was made, in which container and by which engine is as the cache says, so that the image is the same as there.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`] when `base` is gone; [`Error::MissingBlob`] when the cache has no such step; the cache's, and
    /// [`Error::Corrupt`] when what it has is not what it says.
    pub async fn take(
        &self,
        base: Option<&ImageId>,
        draft: Draft,
        cache: &Cache,
        key: &Digest,
        progress: &Sink,
    ) -> Result<Option<ImageId>> {
        let found = cache.step(key).ok_or(Error::MissingBlob(*key))?;
        if found.told.created.parse::<jiff::Timestamp>().is_err() {
            return Err(Error::Corrupt(format!("{:?} is no time", found.told.created)));
        }
        let mut making = self.making();
        let (raw, mut chain) = self.base(base, &making).await?;
        if let Some(layer) = &found.layer {
            if found.on != Some(beneath(&chain)) {
                return Ok(None);
            }
            if chain.len() >= layers::MAX_LAYERS {
                return Err(layers::Error::TooMany(chain.len() + 1).into());
            }
            chain.push(layer.clone());
            making = self.bring(cache, layer, &chain, making, progress).await?;
        }
        let told = found.told.clone();
        let draft = Draft { engine: told.engine, container: told.container, ..draft };
        let mut step = step(&told.created, &draft);
        if found.layer.is_none() {
            step.insert("empty_layer".to_owned(), Value::Bool(true));
        }
        let config = on_top(&raw, &told.created, &draft, &chain, Value::Object(step));
        self.record_made(Value::Object(config), chain, base.copied(), draft, making).await.map(Some)
    }

    /// Brings a layer here, with its blob, unless both are.
    async fn bring(
        &self,
        cache: &Cache,
        layer: &LayerRecord,
        chain: &[LayerRecord],
        making: Making,
        progress: &Sink,
    ) -> Result<Making> {
        let (content, layers) = (&self.inner.content, &self.inner.layers);
        let LayerRecord { diff_id, blob } = layer;
        let is_verified = {
            // Nothing is collected between pinning what is here and looking whether it is.
            let _commit = self.inner.commit.lock().await;
            let chain: Vec<DiffId> = chain.iter().map(|layer| layer.diff_id).collect();
            making.chain(&chain);
            making.blob(blob.digest);
            self.recorded_layers()?.contains(&layer.pair())
        };
        let has_blob = content.contains(&blob.digest, blob.size);
        if is_verified && has_blob && layers.contains(diff_id) {
            return Ok(making);
        }
        if !has_blob {
            let (needed, free) = (blob.size.saturating_mul(2), content.free()?);
            if needed > free {
                return Err(Error::NoRoom { what: "the step".to_owned(), needed, free });
            }
            let pieces = cache.source.blob(&blob.digest, blob.size).await?;
            self.receive(layer, pieces, progress).await?;
        }
        progress.about(&short(&blob.digest), "Extracting");
        let (content, layers, diff_id, digest) = (content.clone(), layers.clone(), *diff_id, blob.digest);
        let making = blocking(move || {
            let file = content.file(&digest)?;
            let result = match layers.contains(&diff_id) {
                true => verify(file, &diff_id),
                false => unpack(&layers, file, &diff_id),
            };
            result.map_err(|source| Error::Unpack { blob: digest, source })?;
            Ok(making)
        })
        .await?;
        progress.about(&short(&blob.digest), "Pull complete");
        Ok(making)
    }

    /// Writes a blob that comes, and gives it its name if it is the one.
    async fn receive(&self, layer: &LayerRecord, mut pieces: Pieces, progress: &Sink) -> Result<()> {
        let LayerRecord { blob, .. } = layer;
        let mut ingest = self.inner.content.ingest()?;
        let (id, mut limit) = (short(&blob.digest), Limit::default());
        let wrong =
            |what: String| Error::Corrupt(format!("layer verification failed for digest {}{what}", blob.digest));
        while let Some(piece) = pieces.try_next().await? {
            if ingest.size() + piece.len() as u64 > blob.size {
                return Err(wrong(format!(": there are more than the {} bytes that were announced", blob.size)));
            }
            ingest = blocking(move || {
                ingest.append(&piece)?;
                Ok(ingest)
            })
            .await?;
            if limit.pass() {
                progress.count(&id, "Downloading", ingest.size(), blob.size);
            }
        }
        if ingest.size() != blob.size {
            return Err(wrong(format!(": {} bytes came, {} were announced", ingest.size(), blob.size)));
        }
        if ingest.digest() != blob.digest {
            return Err(wrong(String::new()));
        }
        progress.count(&id, "Downloading", blob.size, blob.size);
        ingest.commit().map(drop)
    }
}
