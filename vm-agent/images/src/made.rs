//! Images that are made here: on top of another one from a container's changes, or from the archive of a whole tree.

use std::io::{self, Read, Write};

use layers::{DiffId, Digest};
use serde_json::{Map, Value, json};

use crate::compression::{Compression, Tee};
use crate::image::{ImageRecord, LayerRecord, layer_media_type};
use crate::making::Making;
use crate::manifest::{Descriptor, Manifest, media};
use crate::pins::Pin;
use crate::{Error, ImageId, Images, Platform, Reference, Result, blocking};

/// What a new image says about itself, beside its layers.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub author: String,
    pub comment: String,
    /// The command that made it, for the history.
    pub created_by: String,
    /// The engine's version.
    pub engine: String,
    /// How its containers run: `config` of the image's JSON.
    pub config: Value,
    /// The container that it was made from: its ID.
    pub container: Option<String>,
    /// That container's configuration.
    pub container_config: Value,
    /// The name that it gets, `:latest` without a tag, in the step that records it: one without could be pruned in between.
    pub reference: Option<Reference>,
}

impl Images {
    /// Makes an image on top of `base`, or of nothing, from what `changes` writes: a tar with OCI whiteouts. One without entries
    /// adds no layer.
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
        let making = self.making();
        let (raw, mut chain) = match base {
            None => (Value::Null, Vec::new()),
            Some(base) => {
                // Nothing is collected between reading the record and pinning what it needs.
                let _commit = self.inner.commit.lock().await;
                let record = self.record(base)?;
                making.chain(&record.chain());
                for layer in &record.layers {
                    making.blob(layer.blob.digest);
                }
                (self.image(base)?.raw.clone(), record.layers)
            }
        };
        let images = self.clone();
        let written = blocking(move || {
            let layer = images.write_layer(changes, &making)?;
            Ok((layer, making))
        });
        let (layer, making) = written.await?;
        let created = jiff::Timestamp::now().to_string();
        let mut step = step(&created, &draft);
        let is_empty = is_empty(&layer.diff_id);
        if is_empty {
            step.insert("empty_layer".to_owned(), Value::Bool(true));
        } else {
            chain.push(layer);
        }
        let mut history = match raw.get("history") {
            Some(Value::Array(steps)) => steps.clone(),
            _ => Vec::new(),
        };
        history.push(Value::Object(step));
        let text = |key| raw.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        // As the base says it, not as it is understood.
        let platform = Platform {
            os: text("os").unwrap_or_else(|| "linux".to_owned()),
            architecture: text("architecture").unwrap_or_else(|| Platform::host().architecture),
            variant: text("variant"),
        };
        let mut config = describe(&created, &draft, &platform, &chain, history);
        for key in ["os.version", "os.features"] {
            if let Some(value) = raw.get(key) {
                config.insert(key.to_owned(), value.clone());
            }
        }
        let id = self.record_made(Value::Object(config), chain, base.copied(), draft.reference, making).await?;
        // The layer was written, but no image has it.
        if is_empty && let Err(e) = self.collect().await {
            tracing::warn!("collecting unused layers: {e}");
        }
        Ok(id)
    }

    /// Makes an image of one layer from a plain tar.
    pub(crate) async fn import_tree(
        &self,
        tree: impl Read + Send + 'static,
        platform: &Platform,
        draft: Draft,
    ) -> Result<ImageId> {
        let making = self.making();
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
        self.record_made(Value::Object(config), chain, None, draft.reference, making).await
    }

    /// Runs `changes` beside the unpacking of what it writes.
    fn write_layer(
        &self,
        changes: impl FnOnce(&mut dyn Write) -> layers::Result<()> + Send,
        pin: &Pin,
    ) -> Result<LayerRecord> {
        let (reader, mut writer) = io::pipe().map_err(Error::io("cannot make", "a pipe"))?;
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || changes(&mut writer));
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
        let mut encoder = flate2::write::GzEncoder::new(&mut blob, flate2::Compression::fast());
        let mut failed = None;
        let tee = Tee { reader: tar, encoder: &mut encoder, failed: &mut failed };
        let applied = self.inner.layers.import(tee, |diff_id| pin.chain(&[*diff_id]))?;
        encoder.finish().map_err(Error::io("cannot compress", "a layer"))?;
        if let Some(e) = failed {
            return Err(Error::io("cannot compress", "a layer")(e));
        }
        let media_type = layer_media_type(Compression::Gzip);
        let descriptor = Descriptor::new(media_type, blob.digest(), blob.size());
        pin.blob(descriptor.digest);
        blob.commit()?;
        Ok(LayerRecord { diff_id: applied.diff_id, blob: descriptor })
    }

    async fn record_made(
        &self,
        config: Value,
        layers: Vec<LayerRecord>,
        parent: Option<ImageId>,
        reference: Option<Reference>,
        making: Making,
    ) -> Result<ImageId> {
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
            last_tagged: None,
        };
        self.commit(id, record, references, making).await?.done();
        Ok(id)
    }
}

/// An entry of the history.
fn step(created: &str, draft: &Draft) -> Map<String, Value> {
    let mut step = Map::new();
    step.insert("created".to_owned(), created.into());
    for (key, text) in [("created_by", &draft.created_by), ("author", &draft.author), ("comment", &draft.comment)] {
        if !text.is_empty() {
            step.insert(key.to_owned(), text.as_str().into());
        }
    }
    step
}

/// The image's JSON, with the members that dockerd writes.
fn describe(
    created: &str,
    draft: &Draft,
    platform: &Platform,
    layers: &[LayerRecord],
    history: Vec<Value>,
) -> Map<String, Value> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let mut rootfs = json!({ "type": "layers" });
    if !diff_ids.is_empty() {
        rootfs["diff_ids"] = json!(diff_ids);
    }
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| config.insert(key.to_owned(), value);
    set("architecture", platform.architecture.as_str().into());
    if !draft.author.is_empty() {
        set("author", draft.author.as_str().into());
    }
    set("config", draft.config.clone());
    if let Some(container) = &draft.container {
        set("container", container.as_str().into());
    }
    set("container_config", draft.container_config.clone());
    set("created", created.into());
    set("docker_version", draft.engine.as_str().into());
    set("history", history.into());
    set("os", platform.os.as_str().into());
    set("rootfs", rootfs);
    if let Some(variant) = &platform.variant {
        set("variant", variant.as_str().into());
    }
    config
}

/// True for the layer that changes nothing: the end of an archive, and nothing before it.
fn is_empty(diff_id: &DiffId) -> bool {
    *diff_id == Digest::of(&[0; 1024])
}

fn is_broken_pipe(error: &layers::Error) -> bool {
    matches!(error, layers::Error::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}
