//! Images that are made here: on top of another one from a container's changes, or from the archive of a whole tree.

use std::io::{self, Read, Write};
use std::thread::Builder;

use layers::{DiffId, Digest};
use serde_json::Value;

use crate::compression::Compression;
use crate::draft::{Draft, describe, on_top, step};
use crate::image::{ImageRecord, LayerRecord, layer_media_type};
use crate::making::Making;
use crate::manifest::{Descriptor, Manifest, media};
use crate::pins::Pin;
use crate::wanted::Waiting;
use crate::{Error, ImageId, Images, Platform, Reference, Result, blocking, gzip};

impl Images {
    /// Makes an image on top of `base`, or of nothing, from what `changes` writes: a tar with OCI whiteouts. One without entries
    /// adds no layer. Dropping the future ends the writing.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`] when `base` is gone; those of `changes`.
    pub async fn derive(
        &self,
        base: Option<&ImageId>,
        draft: Draft,
        changes: impl FnOnce(&mut dyn Write) -> layers::Result<()> + Send + 'static,
    ) -> Result<ImageId> {
        self.make(base, draft, Some(changes)).await
    }

    /// [`Images::derive`] where only what the image says about itself is new.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`] when `base` is gone.
    pub async fn amend(&self, base: Option<&ImageId>, draft: Draft) -> Result<ImageId> {
        self.make(base, draft, None::<fn(&mut dyn Write) -> layers::Result<()>>).await
    }

    /// Makes on top of `base` what the next step of another image made: `source` must have the steps and the layers of `base`, and more.
    /// The same step gives the same image.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`] when one of them is gone, [`Error::Corrupt`] when `source` has fewer layers than it says.
    pub async fn repeat(&self, base: Option<&ImageId>, source: &ImageId, draft: Draft) -> Result<ImageId> {
        let making = self.making();
        let (raw, mut chain) = self.base(base, &making).await?;
        let (_, layers) = self.base(Some(source), &making).await?;
        let source = self.image(source)?;
        let number = raw.get("history").and_then(Value::as_array).map_or(0, Vec::len);
        let next = source.steps().get(number).ok_or_else(|| Error::Corrupt("there is no next step".to_owned()))?;
        let is_empty = |step: &&Value| step.get("empty_layer").and_then(Value::as_bool).unwrap_or_default();
        if !is_empty(&next) {
            let below = source.steps()[..number].iter().filter(|step| !is_empty(step)).count();
            let layer = layers.get(below).ok_or_else(|| Error::Corrupt("an image lacks layers".to_owned()))?;
            chain.push(layer.clone());
        }
        let created = next.get("created").and_then(Value::as_str).unwrap_or_default().to_owned();
        let config = on_top(&raw, &created, &draft, &chain, next.clone());
        self.record_made(Value::Object(config), chain, base.copied(), draft, making).await
    }

    async fn make(
        &self,
        base: Option<&ImageId>,
        draft: Draft,
        changes: Option<impl FnOnce(&mut dyn Write) -> layers::Result<()> + Send + 'static>,
    ) -> Result<ImageId> {
        let making = self.making();
        let (raw, mut chain) = self.base(base, &making).await?;
        let waiting = Waiting::default();
        let wanted = waiting.wanted();
        let images = self.clone();
        let written = blocking(move || {
            let changes = changes.map(|changes| move |out: &mut dyn Write| changes(&mut wanted.writes(out)));
            let layer = changes.map(|changes| images.write_layer(changes, &making)).transpose()?;
            Ok((layer, making))
        });
        let (layer, making) = written.await?;
        let created = jiff::Timestamp::now().to_string();
        let mut step = step(&created, &draft);
        let is_garbage = layer.as_ref().is_some_and(|layer| is_empty(&layer.diff_id));
        match layer.filter(|_| !is_garbage) {
            Some(layer) => chain.push(layer),
            None => {
                step.insert("empty_layer".to_owned(), Value::Bool(true));
            }
        }
        let config = on_top(&raw, &created, &draft, &chain, Value::Object(step));
        let id = self.record_made(Value::Object(config), chain, base.copied(), draft, making).await?;
        // The layer was written, but no image has it.
        if is_garbage && let Err(e) = self.collect().await {
            tracing::warn!("collecting unused layers: {e}");
        }
        Ok(id)
    }

    /// The JSON and the layers of an image that is made something of, kept by `making`.
    pub(crate) async fn base(&self, base: Option<&ImageId>, making: &Making) -> Result<(Value, Vec<LayerRecord>)> {
        let Some(base) = base else { return Ok((Value::Null, Vec::new())) };
        // Nothing is collected between reading the record and pinning what it needs.
        let _commit = self.inner.commit.lock().await;
        let record = self.record(base)?;
        making.chain(&record.chain());
        for layer in &record.layers {
            making.blob(layer.blob.digest);
        }
        Ok((self.image(base)?.raw.clone(), record.layers))
    }

    /// Makes an image of one layer from a plain tar.
    pub(crate) async fn import_tree(
        &self,
        tree: impl Read + Send + 'static,
        platform: &Platform,
        draft: Draft,
    ) -> Result<ImageId> {
        let making = self.making();
        let waiting = Waiting::default();
        let tree = waiting.wanted().reads(tree);
        let images = self.clone();
        let placed = blocking(move || {
            let layer = images.place(tree, &making)?;
            Ok((layer, making))
        });
        let (layer, making) = placed.await?;
        let created = jiff::Timestamp::now().to_string();
        let chain = vec![layer];
        let history = vec![Value::Object(step(&created, &draft))];
        let mut config = describe(&created, &draft, platform, &chain, history);
        if !draft.comment.is_empty() {
            config.insert("comment".to_owned(), Value::String(draft.comment.clone()));
        }
        self.record_made(Value::Object(config), chain, None, draft, making).await
    }

    /// Runs `changes` beside the unpacking of what it writes.
    pub(crate) fn write_layer(
        &self,
        changes: impl FnOnce(&mut dyn Write) -> layers::Result<()> + Send,
        pin: &Pin,
    ) -> Result<LayerRecord> {
        let (reader, mut writer) = io::pipe().map_err(Error::io("cannot make", "a pipe"))?;
        std::thread::scope(|scope| {
            let writing = Builder::new().spawn_scoped(scope, move || changes(&mut writer));
            let writing = writing.map_err(Error::io("cannot begin", "a thread"))?;
            let placed = self.place(reader, pin);
            match writing.join() {
                // The reader that gave up broke the pipe: its own reason counts.
                Ok(Err(e)) if placed.is_ok() || !is_broken_pipe(&e) => Err(e.into()),
                Ok(_) => placed,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Unpacks a plain tar and keeps it, compressed, as the blob that a registry gets.
    fn place(&self, tar: impl Read, pin: &Pin) -> Result<LayerRecord> {
        let mut blob = self.inner.content.ingest()?;
        let (applied, compressed) =
            gzip::beside(tar, &mut blob, |tar| self.inner.layers.import(tar, |diff_id| pin.chain(&[*diff_id])))
                .map_err(Error::io("cannot compress", "a layer"))?;
        let applied = applied?;
        compressed.map_err(Error::io("cannot compress", "a layer"))?;
        let media_type = layer_media_type(Compression::Gzip);
        let descriptor = Descriptor::new(media_type, blob.digest(), blob.size());
        pin.blob(descriptor.digest);
        blob.commit()?;
        Ok(LayerRecord { diff_id: applied.diff_id, blob: descriptor })
    }

    pub(crate) async fn record_made(
        &self,
        config: Value,
        layers: Vec<LayerRecord>,
        parent: Option<ImageId>,
        draft: Draft,
        making: Making,
    ) -> Result<ImageId> {
        let reference = draft.reference;
        if reference.as_ref().is_some_and(|reference| reference.digest.is_some()) {
            return Err(Error::TagWithDigest);
        }
        let references: Vec<Reference> = reference.into_iter().map(Reference::or_latest).collect();
        let content = config.to_string().into_bytes();
        let id = Digest::of(&content);
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::OCI_MANIFEST.to_owned()),
            config: Descriptor::new(media::OCI_CONFIG, id, content.len() as u64),
            layers: layers.iter().map(|layer| layer.blob.clone()).collect(),
        };
        let manifest_content = serde_json::to_vec(&manifest).expect("strings and numbers only");
        let manifest = Digest::of(&manifest_content);
        making.blob(id);
        making.blob(manifest);
        if let Some(keeper) = &draft.keeper {
            let chain: Vec<DiffId> = layers.iter().map(|layer| layer.diff_id).collect();
            keeper.take(id, &chain);
        }
        let store = self.inner.content.clone();
        let put = blocking(move || {
            store.put(&content)?;
            store.put(&manifest_content)?;
            Ok(making)
        });
        let making = put.await?;
        let record = ImageRecord {
            layers,
            manifest,
            manifest_media_type: media::OCI_MANIFEST.to_owned(),
            indexes: Vec::new(),
            parent,
            made_here: true,
            last_tagged: None,
        };
        self.commit(id, record, references, making).await?.done();
        Ok(id)
    }
}

/// True for the layer that changes nothing: the end of an archive, and nothing before it.
fn is_empty(diff_id: &DiffId) -> bool {
    *diff_id == Digest::of(&[0; 1024])
}

fn is_broken_pipe(error: &layers::Error) -> bool {
    let source = match error {
        layers::Error::Io { source, .. } | layers::Error::Read(source) => source,
        _ => return false,
    };
    source.kind() == io::ErrorKind::BrokenPipe
}
