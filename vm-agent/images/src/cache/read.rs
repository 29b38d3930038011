//! The list of steps that a cache is, found from its manifest.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use layers::Digest;

use super::records::{self, Config, Found, Record, Steps};
use crate::image;
use crate::manifest::{Descriptor, Document, Index, MAX_CONFIG, Manifest};
use crate::{Error, Platform, Result};

/// What BuildKit calls a list of steps.
pub(super) const CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";

/// Where it is in the configuration of an image that has its steps in itself, in base64.
pub(crate) const INLINE: &str = "moby.buildkit.cache.v0";

/// Bytes of the largest list that is read: some ten thousand steps. BuildKit reads 1 MiB.
pub(super) const LARGEST: u64 = 4 << 20;

/// Indexes in indexes that are followed.
const MAX_DEPTH: usize = 3;

/// A blob's bytes as they come.
pub type Pieces = BoxStream<'static, Result<Bytes>>;

/// Where a cache is. Nothing that it gives is taken without its digest.
pub trait Source: fmt::Debug + Send + Sync {
    /// A manifest or an index.
    fn document<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Vec<u8>>>;

    /// A blob of `size` bytes.
    fn blob<'a>(&'a self, digest: &'a Digest, size: u64) -> BoxFuture<'a, Result<Pieces>>;
}

/// The steps that somebody made, by their keys.
#[derive(Debug)]
pub struct Cache {
    pub(super) source: Arc<dyn Source>,
    steps: Steps,
}

impl Cache {
    /// Reads the list of steps that a manifest, or one of an index, leads to: a cache, or an image that has its steps in itself.
    /// `platform` chooses among several images.
    ///
    /// # Errors
    ///
    /// Those of `source`; [`Error::Corrupt`] and [`Error::Unsupported`] for what is no cache, or too large.
    pub async fn read(
        source: Arc<dyn Source>,
        content: Vec<u8>,
        media_type: &str,
        platform: &Platform,
    ) -> Result<Cache> {
        let mut document = Document::parse(&content, media_type)?;
        for _ in 0..MAX_DEPTH {
            let index = match document {
                Document::Manifest(manifest) => return Cache::of_manifest(source, &manifest).await,
                Document::Index(index) => index,
            };
            if let Some(config) = list(&index) {
                let steps = listed(&*source, config).await?;
                return Ok(Cache { source, steps });
            }
            let chosen = index.select(platform)?;
            let content = source.document(&chosen.digest).await?;
            check(&content, &chosen.digest)?;
            document = Document::parse(&content, &chosen.media_type)?;
        }
        Err(Error::Unsupported("the cache's index refers to more indexes than can be followed".to_owned()))
    }

    async fn of_manifest(source: Arc<dyn Source>, manifest: &Manifest) -> Result<Cache> {
        let steps = if manifest.config.media_type == CONFIG {
            listed(&*source, &manifest.config).await?
        } else {
            within(&*source, manifest).await?
        };
        Ok(Cache { source, steps })
    }

    /// Whether it has what the step of that key came to.
    pub fn has(&self, key: &Digest) -> bool {
        self.step(key).is_some()
    }

    /// Whether there is a step of that key, be what it came to in this cache or not.
    pub fn knows(&self, key: &Digest) -> bool {
        self.steps.all.contains_key(key)
    }

    /// The step that goes by another key, too.
    pub fn same(&self, alias: &Digest) -> Option<Digest> {
        self.steps.same.get(alias).copied()
    }

    /// What the step of that key copied, as its words have it.
    pub fn name(&self, key: &Digest) -> Option<&str> {
        self.step(key)?.told.name.as_deref()
    }

    pub(super) fn step(&self, key: &Digest) -> Option<&Found> {
        self.steps.all.get(key)?.as_ref()
    }

    /// Whether all that it has was made by another builder, whose keys mean nothing here.
    pub fn is_foreign(&self) -> bool {
        self.steps.is_foreign && self.steps.all.is_empty()
    }
}

fn list(index: &Index) -> Option<&Descriptor> {
    index.manifests.iter().find(|descriptor| descriptor.media_type == CONFIG)
}

async fn listed(source: &dyn Source, config: &Descriptor) -> Result<Steps> {
    let content = small(source, config, LARGEST).await?;
    let config: Config = serde_json::from_slice(&content).map_err(malformed)?;
    Ok(records::steps(&config.records, &config.layers()))
}

/// Of an image that has its steps in itself.
async fn within(source: &dyn Source, manifest: &Manifest) -> Result<Steps> {
    manifest.check()?;
    let config = image::Config::parse(&small(source, &manifest.config, MAX_CONFIG).await?)?;
    if config.diff_ids.len() != manifest.layers.len() {
        return Err(Error::Corrupt("layers from manifest don't match image configuration".to_owned()));
    }
    let Some(text) = config.raw.get(INLINE).and_then(serde_json::Value::as_str) else {
        return Ok(Steps::default());
    };
    let content = BASE64.decode(text).map_err(|error| Error::Corrupt(format!("the list of steps: {error}")))?;
    let list: Vec<Record> = serde_json::from_slice(&content).map_err(malformed)?;
    let layers = config.diff_ids.iter().zip(&manifest.layers);
    let layers: Vec<_> =
        layers.map(|(diff_id, blob)| Some(image::LayerRecord { diff_id: *diff_id, blob: blob.clone() })).collect();
    Ok(records::steps(&list, &layers))
}

fn malformed(error: serde_json::Error) -> Error {
    Error::Corrupt(format!("the list of steps is malformed: {error}"))
}

fn check(content: &[u8], digest: &Digest) -> Result<()> {
    if Digest::of(content) == *digest {
        return Ok(());
    }
    Err(Error::Corrupt(format!("verification failed for digest {digest}")))
}

/// A whole blob of at most `limit` bytes, verified.
async fn small(source: &dyn Source, blob: &Descriptor, limit: u64) -> Result<Vec<u8>> {
    let too_large = || {
        let Descriptor { digest, size, .. } = blob;
        Error::Unsupported(format!("blob {digest} is too large ({size} > {limit})"))
    };
    if blob.size > limit {
        return Err(too_large());
    }
    let mut pieces = source.blob(&blob.digest, blob.size).await?;
    let mut content = Vec::new();
    while let Some(piece) = pieces.try_next().await? {
        content.extend_from_slice(&piece);
        if content.len() as u64 > limit {
            return Err(too_large());
        }
    }
    check(&content, &blob.digest)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::media;
    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use serde_json::{Value, json};
    use std::collections::HashMap;

    /// Blobs in memory.
    #[derive(Debug, Default)]
    struct Memory(HashMap<Digest, Vec<u8>>);

    impl Memory {
        fn put(&mut self, content: &Value, media_type: &str) -> Value {
            let content = content.to_string().into_bytes();
            let digest = Digest::of(&content);
            let told = json!({"mediaType": media_type, "digest": digest, "size": content.len()});
            self.0.insert(digest, content);
            told
        }

        fn get(&self, digest: &Digest) -> Result<Vec<u8>> {
            self.0.get(digest).cloned().ok_or(Error::MissingBlob(*digest))
        }
    }

    impl Source for Memory {
        fn document<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Vec<u8>>> {
            std::future::ready(self.get(digest)).boxed()
        }

        fn blob<'a>(&'a self, digest: &'a Digest, _: u64) -> BoxFuture<'a, Result<Pieces>> {
            let content = self.get(digest).map(|content| stream::iter([Ok(Bytes::from(content))]).boxed());
            std::future::ready(content).boxed()
        }
    }

    fn read(memory: Memory, root: &Value) -> Result<Cache> {
        let content = root.to_string().into_bytes();
        let platform = Platform::host();
        let reading = Cache::read(Arc::new(memory), content, "", &platform);
        reading.now_or_never().expect("it is all there")
    }

    fn record(key: &Digest) -> Value {
        json!({"digest": key, "berth": {"created": "2024-05-01T10:20:30Z", "engine": "1"}})
    }

    #[test]
    fn lists_are_found_in_manifests_in_indexes_and_in_images() {
        let key = Digest::of(b"key");
        let list = json!({"records": [record(&key)]});
        let mut memory = Memory::default();
        let config = memory.put(&list, CONFIG);
        let manifest = json!({"schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config, "layers": []});
        assert!(read(memory, &manifest).expect("a cache").has(&key));
        let mut memory = Memory::default();
        let config = memory.put(&list, CONFIG);
        let index = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [config]});
        assert!(read(memory, &index).expect("a cache").has(&key));
        let mut memory = Memory::default();
        let inline = BASE64.encode(json!([record(&key)]).to_string());
        let image = json!({"os": "linux", "architecture": Platform::host().architecture, "rootfs": {"type": "layers"}, INLINE: inline});
        let config = memory.put(&image, media::OCI_CONFIG);
        let manifest = json!({"schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config, "layers": []});
        let entry = memory.put(&manifest, media::OCI_MANIFEST);
        let index = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [entry]});
        let cache = read(memory, &index).expect("an image");
        assert!(cache.has(&key) && !cache.has(&Digest::of(b"other")) && !cache.is_foreign());
    }

    #[test]
    fn what_is_damaged_or_too_large_is_refused() {
        let mut memory = Memory::default();
        let config = memory.put(&json!({"records": []}), CONFIG);
        let digest: Digest = config["digest"].as_str().expect("a text").parse().expect("a digest");
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": []});
        memory.0.insert(digest, b"{}".to_vec());
        let told = read(memory, &manifest).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(told, Err(format!("verification failed for digest {digest}")));
        let missing = read(Memory::default(), &manifest);
        assert!(matches!(missing, Err(Error::MissingBlob(_))));
        let large = json!({"mediaType": CONFIG, "digest": digest, "size": LARGEST + 1});
        let manifest = json!({"schemaVersion": 2, "config": large, "layers": []});
        let told = read(Memory::default(), &manifest).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(told, Err(format!("blob {digest} is too large ({} > {LARGEST})", LARGEST + 1)));
    }
}
