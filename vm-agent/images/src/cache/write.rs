//! The steps of a build as a cache: a list of them, and the layers that they made.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use layers::Digest;
use serde_json::{Value, json};

use super::read::{CONFIG, INLINE, LARGEST};
use super::records::{Config, Listed, Made, Told, beneath};
use crate::image::{LayerRecord, in_family};
use crate::manifest::media;
use crate::pins::Pin;
use crate::{Draft, Error, ImageId, Images, Keeper, Result, blocking};

/// Layers that are written at the same time.
const AT_ONCE: usize = 3;

/// A step of a build.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it goes by.
    pub key: Digest,
    /// What the one beneath goes by, or what the steps begin with.
    pub parent: Digest,
    /// What it goes by, too.
    pub alias: Option<Digest>,
    /// What it copied, as its words have it.
    pub name: Option<String>,
    /// What it came to; without one it is only written that there is such a step.
    pub image: Option<ImageId>,
}

/// How a cache is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the manifest of an image, which every registry takes.
    Manifest,
    /// As an index, with OCI's media types or with Docker's.
    Index { oci: bool },
}

/// Where a cache goes.
pub trait Target: fmt::Debug + Send + Sync {
    /// Puts a blob there, unless it is.
    fn blob<'a>(&'a self, blob: &'a Blob) -> BoxFuture<'a, Result<()>>;

    /// Puts the manifest there, behind everything that it names.
    fn manifest<'a>(&'a self, digest: &'a Digest, media_type: &'a str, content: &'a [u8]) -> BoxFuture<'a, Result<()>>;
}

/// A blob that is here.
#[derive(Debug, Clone)]
pub struct Blob {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    path: PathBuf,
}

impl Blob {
    /// Its bytes.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }
}

/// Hears of a part when it begins, and again, with `true`, when it is done.
pub type Tell<'a> = dyn Fn(&str, bool) + Send + Sync + 'a;

/// The manifest of a cache that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub media_type: &'static str,
    pub digest: Digest,
    /// Bytes.
    pub size: usize,
}

impl Images {
    /// Writes steps and their layers to `target`; each step stands behind the one that it was made on top of. Nothing is written if no step made a layer.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`] when a step's image is gone; the target's.
    pub async fn write_cache(
        &self,
        steps: &[Step],
        form: Form,
        target: &dyn Target,
        told: &Tell<'_>,
    ) -> Result<Option<Written>> {
        let making = self.making();
        let steps = self.listed(steps, &making).await?;
        let mut layers: Vec<&LayerRecord> = Vec::new();
        for layer in steps.iter().filter_map(layer) {
            if !layers.iter().any(|known| known.blob.digest == layer.blob.digest) {
                layers.push(layer);
            }
        }
        if layers.is_empty() {
            return Ok(None);
        }
        let config = serde_json::to_vec(&Config::of(&steps)).expect("strings and numbers only");
        check_size(&config)?;
        let mut writing: Vec<BoxFuture<'_, Result<()>>> = Vec::new();
        for layer in &layers {
            let blob = self.blob(layer.blob.digest, layer.blob.size);
            writing.push(put("layer", blob, target, told).boxed());
        }
        stream::iter(writing).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let (digest, size) = (Digest::of(&config), config.len() as u64);
        making.blob(digest);
        let content = self.inner.content.clone();
        let making = blocking(move || {
            content.put(&config)?;
            Ok(making)
        })
        .await?;
        put("config", self.blob(digest, size), target, told).await?;
        let (media_type, manifest) =
            manifest(form, &layers, &json!({"mediaType": CONFIG, "digest": digest, "size": size}));
        let manifest = manifest.to_string().into_bytes();
        let written = Written { media_type, digest: Digest::of(&manifest), size: manifest.len() };
        let what = match form {
            Form::Manifest => format!("writing cache image manifest {}", written.digest),
            Form::Index { .. } => format!("writing cache manifest {}", written.digest),
        };
        told(&what, false);
        target.manifest(&written.digest, media_type, &manifest).await?;
        told(&what, true);
        drop(making);
        Ok(Some(written))
    }

    /// The image with a list of its own steps in it; none if none of them made a layer.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`] when an image is gone.
    pub async fn with_steps(&self, id: &ImageId, steps: &[Step], keeper: Arc<Keeper>) -> Result<Option<ImageId>> {
        let making = self.making();
        let steps = self.listed(steps, &making).await?;
        if steps.iter().all(|step| layer(step).is_none()) {
            return Ok(None);
        }
        let records = serde_json::to_vec(&Config::within(&steps)).expect("strings and numbers only");
        check_size(&records)?;
        let (mut raw, chain) = self.base(Some(id), &making).await?;
        if let Some(raw) = raw.as_object_mut() {
            raw.insert(INLINE.to_owned(), Value::String(BASE64.encode(records)));
        }
        let draft = Draft { keeper: Some(keeper), ..Draft::default() };
        self.record_made(raw, chain, Some(*id), draft, making).await.map(Some)
    }

    /// What the images of steps say of them. Their layers stay as long as `pin` does.
    async fn listed(&self, steps: &[Step], pin: &Pin) -> Result<Vec<Listed>> {
        let _commit = self.inner.commit.lock().await;
        let mut all = Vec::new();
        for step in steps {
            let Step { key, parent, alias, name, image } = step.clone();
            let Some(image) = image else {
                all.push(Listed { key, parent, alias: None, made: None });
                continue;
            };
            let (record, image) = (self.record(&image)?, self.image(&image)?);
            pin.chain(&record.chain());
            for layer in &record.layers {
                pin.blob(layer.blob.digest);
            }
            let text = |key: &str| image.raw.get(key).and_then(Value::as_str).map(str::to_owned);
            let last = image.steps().last();
            let is_empty = last.and_then(|last| last.get("empty_layer")).and_then(Value::as_bool).unwrap_or_default();
            let made = Made {
                told: Told {
                    created: text("created").unwrap_or_default(),
                    container: text("container"),
                    engine: text("docker_version").unwrap_or_default(),
                    name,
                },
                layer: record.layers.last().filter(|_| !is_empty).cloned(),
                on: record.layers.split_last().map_or_else(|| beneath(&[]), |(_, below)| beneath(below)),
                depth: record.layers.len(),
            };
            all.push(Listed { key, parent, alias, made: Some(made) });
        }
        Ok(all)
    }

    fn blob(&self, digest: Digest, size: u64) -> Blob {
        Blob { digest, size, path: self.inner.content.path(&digest) }
    }
}

fn layer(step: &Listed) -> Option<&LayerRecord> {
    step.made.as_ref()?.layer.as_ref()
}

/// Puts a blob there, and tells of it.
async fn put(kind: &str, blob: Blob, target: &dyn Target, told: &Tell<'_>) -> Result<()> {
    let what = format!("writing {kind} {}", blob.digest);
    told(&what, false);
    target.blob(&blob).await?;
    told(&what, true);
    Ok(())
}

/// Nobody reads a larger one.
fn check_size(list: &[u8]) -> Result<()> {
    let size = list.len() as u64;
    if size <= LARGEST {
        Ok(())
    } else {
        Err(Error::Unsupported(format!("the list of steps is too large ({size} > {LARGEST})")))
    }
}

/// The manifest with its media type.
fn manifest(form: Form, layers: &[&LayerRecord], config: &Value) -> (&'static str, Value) {
    let oci = form != Form::Index { oci: false };
    let mut all: Vec<Value> = layers.iter().map(|layer| describe(layer, oci)).collect();
    let media_type = match form {
        Form::Manifest => {
            let media_type = media::OCI_MANIFEST;
            return (media_type, json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": all}));
        }
        Form::Index { oci: true } => media::OCI_INDEX,
        Form::Index { oci: false } => media::DOCKER_LIST,
    };
    all.push(config.clone());
    (media_type, json!({"schemaVersion": 2, "mediaType": media_type, "manifests": all}))
}

/// A layer as BuildKit describes it to itself.
fn describe(layer: &LayerRecord, oci: bool) -> Value {
    let annotations = BTreeMap::from([("containerd.io/uncompressed", layer.diff_id.to_string())]);
    json!({
        "mediaType": in_family(&layer.blob.media_type, oci),
        "digest": layer.blob.digest,
        "size": layer.blob.size,
        "annotations": annotations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Descriptor, Document};

    #[test]
    fn manifests_name_layers_and_the_list() {
        let layer = LayerRecord {
            diff_id: Digest::of(b"tar"),
            blob: Descriptor::new(media::OCI_LAYER_GZIP, Digest::of(b"gz"), 2),
        };
        let config = json!({"mediaType": CONFIG, "digest": Digest::of(b"list"), "size": 4});
        for (form, told, kind) in [
            (Form::Manifest, media::OCI_MANIFEST, media::OCI_LAYER_GZIP.to_owned()),
            (Form::Index { oci: true }, media::OCI_INDEX, media::OCI_LAYER_GZIP.to_owned()),
            (Form::Index { oci: false }, media::DOCKER_LIST, format!("{}.gzip", media::DOCKER_LAYER)),
        ] {
            let (media_type, written) = manifest(form, &[&layer], &config);
            assert_eq!(media_type, told);
            let (layers, list) = match Document::parse(written.to_string().as_bytes(), media_type).expect("valid") {
                Document::Manifest(manifest) => (manifest.layers, manifest.config),
                Document::Index(mut index) => {
                    let list = index.manifests.pop().expect("the list");
                    (index.manifests, list)
                }
            };
            assert_eq!((list.media_type.as_str(), list.size), (CONFIG, 4));
            assert_eq!(
                (layers.len(), layers[0].digest, layers[0].media_type.as_str()),
                (1, layer.blob.digest, kind.as_str())
            );
        }
        assert_eq!(in_family(&format!("{}.zstd", media::DOCKER_LAYER), true), format!("{}+zstd", media::OCI_LAYER));
        assert_eq!(in_family(media::DOCKER_LAYER, true), media::OCI_LAYER);
    }
}
