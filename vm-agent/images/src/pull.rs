//! `docker pull`.

use std::sync::Arc;

use futures_util::future::try_join_all;
use layers::{DiffId, Digest};

use crate::fetch::Tools;
use crate::image::{Config, ImageRecord, LayerRecord, platform, short};
use crate::making::Making;
use crate::manifest::{Descriptor, Document, MAX_CONFIG, Manifest};
use crate::progress::Sink;
use crate::registry::{Action, Auth, Endpoint, RemoteManifest, Session};
use crate::{Error, ImageId, Images, Kind, Platform, Reference, Result, blocking};

/// Indexes in indexes that are followed.
const MAX_DEPTH: usize = 3;

/// What a registry has under a reference, before any layer came.
struct Found {
    /// What the user's reference means: an index or a manifest.
    root: RemoteManifest,
    indexes: Vec<RemoteManifest>,
    remote: RemoteManifest,
    manifest: Manifest,
    config: Vec<u8>,
    diff_ids: Vec<DiffId>,
}

impl Images {
    /// Pulls one image; `:latest` when the reference has neither a tag nor a digest. Dropping the future cancels.
    ///
    /// Without a platform the machine's own is taken.
    ///
    /// # Errors
    ///
    /// In `dockerd`'s words: [`Error::NotFound`], [`Error::Unauthorized`], [`Error::Unavailable`], [`Error::Corrupt`], …
    pub async fn pull(
        &self,
        reference: &Reference,
        wanted: Option<&Platform>,
        auth: &Auth,
        progress: &Sink,
    ) -> Result<ImageId> {
        let reference = reference.clone().or_latest();
        let mut endpoints = self.registry().endpoints(&reference.domain).into_iter().peekable();
        while let Some(endpoint) = endpoints.next() {
            let result = self.pull_from(&endpoint, &reference, wanted, auth, progress).await;
            match result {
                // Another registry does not make room here.
                Err(e) if endpoints.peek().is_some() && e.kind() != Kind::NoSpace => {
                    tracing::info!("pulling {reference} from a mirror: {e}: trying the next one");
                }
                result => return result,
            }
        }
        unreachable!("the registry itself is the last endpoint")
    }

    /// The ID and the JSON of an image that a registry has, without any of its layers.
    ///
    /// # Errors
    ///
    /// As [`Images::pull`].
    pub async fn peek(
        &self,
        reference: &Reference,
        wanted: Option<&Platform>,
        auth: &Auth,
    ) -> Result<(ImageId, serde_json::Value)> {
        let reference = reference.clone().or_latest();
        let mut last = None;
        for endpoint in self.registry().endpoints(&reference.domain) {
            let found = async {
                let session =
                    Session::open(&self.registry(), &endpoint, &reference.path, auth, Action::Pull, &[]).await;
                let session = session.map_err(|failure| failure.into_pull_error(&reference))?;
                find(&session, &reference, wanted).await
            };
            match found.await {
                Ok(found) => return Ok((found.manifest.config.digest, Config::parse(&found.config)?.raw)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("the registry itself is the last endpoint"))
    }

    /// Every tag of a repository, for `docker pull -a`.
    pub async fn remote_tags(&self, reference: &Reference, auth: &Auth) -> Result<Vec<String>> {
        let origin = self.registry().origin(&reference.domain);
        let list = async {
            let registry = &self.registry();
            let session = Session::open(registry, &origin, &reference.path, auth, Action::Pull, &[]).await?;
            session.tags().await
        };
        list.await.map_err(|failure| failure.into_pull_error(reference))
    }

    async fn pull_from(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        wanted: Option<&Platform>,
        auth: &Auth,
        progress: &Sink,
    ) -> Result<ImageId> {
        let session = Session::open(&self.registry(), endpoint, &reference.path, auth, Action::Pull, &[])
            .await
            .map_err(|failure| failure.into_pull_error(reference))?;
        let found = find(&session, reference, wanted).await?;
        // Not before: a failure that comes before any progress is answered with a status of its own.
        progress.message(&reference.tag_or_digest(), format!("Pulling from {}", reference.path));
        self.fetch(&session, reference, &found, progress).await
    }

    async fn fetch(&self, session: &Session, reference: &Reference, found: &Found, progress: &Sink) -> Result<ImageId> {
        let id = found.manifest.config.digest;
        let mut making = self.making();
        let mut record = found.record();
        let (recorded, is_here) = {
            // Nothing is collected between looking at what is here and pinning it.
            let _commit = self.inner.commit.lock().await;
            let known = self.inner.images.get(&id.hex())?;
            // As in dockerd nothing is told then of its layers.
            let is_here = known.is_some();
            if let Some(known) = known.filter(|known| known.made_here) {
                // It stays in the form in which it is here, whatever the registry has.
                record.layers = known.layers;
                record.manifest = known.manifest;
                record.manifest_media_type = known.manifest_media_type;
            }
            making.chain(&found.diff_ids);
            for blob in record.blobs(&id) {
                making.blob(blob);
            }
            (self.recorded_layers()?, is_here)
        };
        if record.manifest != found.remote.digest {
            making.blob(found.remote.digest);
            making.leaves_something();
        }
        let images = self.clone();
        let tools = Tools {
            content: self.inner.content.clone(),
            layers: self.inner.layers.clone(),
            session: session.clone(),
            recorded: Arc::new(recorded),
            abandoned: Arc::new(move || images.collect_later()),
        };
        let mut missing: Vec<&LayerRecord> = Vec::new();
        let mut told = Vec::new();
        for layer in &record.layers {
            if tools.has(&layer.blob, &layer.diff_id) {
                if !is_here {
                    told.push((short(&layer.blob.digest), "Already exists"));
                }
            } else if !missing.iter().any(|known| known.pair() == layer.pair()) {
                told.push((short(&layer.blob.digest), "Pulling fs layer"));
                missing.push(layer);
            }
        }
        self.check_room(&missing)?;
        for (layer, status) in told {
            progress.about(&layer, status);
        }
        try_join_all(
            missing.iter().map(|layer| self.inner.fetches.layer(&tools, &layer.blob, layer.diff_id, progress)),
        )
        .await?;
        let mut references = vec![reference.with_digest(found.root.digest)];
        if reference.digest.is_none() {
            references.push(reference.clone());
        }
        let before = self.lookup(references.last().expect("pushed above"))?;
        let making = self.store_documents(found, making).await?;
        self.commit(id, record, references, making).await?.done();
        progress.line(format!("Digest: {}", found.root.digest));
        let familiar = reference.familiar();
        progress.line(match before {
            Some(before) if before == id => format!("Status: Image is up to date for {familiar}"),
            _ => format!("Status: Downloaded newer image for {familiar}"),
        });
        Ok(id)
    }

    /// Refuses early what cannot fit: the blobs, and at least as much again once they are unpacked.
    fn check_room(&self, missing: &[&LayerRecord]) -> Result<()> {
        let missing = missing.iter().map(|LayerRecord { blob: Descriptor { digest, size, .. }, diff_id }| {
            let blob = if self.inner.content.contains(digest, *size) { 0 } else { *size };
            let tree = if self.inner.layers.contains(diff_id) { 0 } else { *size };
            blob.saturating_add(tree)
        });
        let needed = missing.fold(0, u64::saturating_add);
        let free = self.inner.content.free()?;
        if needed > free {
            return Err(Error::NoRoom { what: "the image".to_owned(), needed, free });
        }
        Ok(())
    }

    async fn store_documents(&self, found: &Found, making: Making) -> Result<Making> {
        let content = self.inner.content.clone();
        let mut documents = vec![found.config.clone(), found.remote.content.clone()];
        documents.extend(found.indexes.iter().map(|index| index.content.clone()));
        blocking(move || {
            for document in &documents {
                content.put(document)?;
            }
            Ok(making)
        })
        .await
    }
}

impl Found {
    fn record(&self) -> ImageRecord {
        let layers = self.manifest.layers.iter().zip(&self.diff_ids);
        ImageRecord {
            layers: layers.map(|(blob, diff_id)| LayerRecord { diff_id: *diff_id, blob: blob.clone() }).collect(),
            manifest: self.remote.digest,
            manifest_media_type: self.manifest.media_type().to_owned(),
            indexes: self.indexes.iter().map(|index| index.digest).collect(),
            parent: None,
            made_here: false,
            last_tagged: None,
        }
    }
}

/// The manifest for the platform, and the verified configuration that it names.
async fn find(session: &Session, reference: &Reference, wanted: Option<&Platform>) -> Result<Found> {
    let host = Platform::host();
    let target = wanted.unwrap_or(&host);
    let root =
        session.manifest(&reference.tag_or_digest()).await.map_err(|failure| failure.into_pull_error(reference))?;
    let mut remote = root.clone();
    let mut indexes = Vec::new();
    let manifest = loop {
        match Document::parse(&remote.content, &remote.media_type)? {
            Document::Manifest(manifest) => break manifest,
            Document::Index(index) => {
                if indexes.len() == MAX_DEPTH {
                    return Err(Error::Unsupported(
                        "the image's index refers to more indexes than can be followed".to_owned(),
                    ));
                }
                let selected = index.select(target)?.digest;
                indexes.push(remote);
                remote = session
                    .manifest(&selected.to_string())
                    .await
                    .map_err(|failure| failure.into_pull_error(&reference.with_digest(selected)))?;
            }
        }
    };
    manifest.check()?;
    let content = config(session, &manifest).await?;
    let config = Config::parse(&content)?;
    if config.diff_ids.len() != manifest.layers.len() {
        return Err(Error::Corrupt("layers from manifest don't match image configuration".to_owned()));
    }
    if config.diff_ids.len() > layers::MAX_LAYERS {
        return Err(layers::Error::TooMany(config.diff_ids.len()).into());
    }
    if let Some(wanted) = wanted.filter(|_| indexes.is_empty()) {
        let found = platform(&config.raw);
        if wanted.accepts(&found).is_none() {
            return Err(Error::WrongPlatform {
                reference: reference.familiar(),
                found: found.to_string(),
                wanted: wanted.to_string(),
            });
        }
    }
    Ok(Found { root, indexes, remote, manifest, config: content, diff_ids: config.diff_ids })
}

async fn config(session: &Session, manifest: &Manifest) -> Result<Vec<u8>> {
    let wanted = manifest.config.digest;
    let mut content = Vec::new();
    let mut download = session.blob(&wanted, manifest.config.size);
    while let Some(piece) = download.next(|_| {}).await.map_err(|failure| failure.into_error())? {
        content.extend_from_slice(&piece);
        if content.len() as u64 > MAX_CONFIG {
            break;
        }
    }
    if Digest::of(&content) != wanted {
        return Err(Error::Corrupt(format!("image config verification failed for digest {wanted}")));
    }
    Ok(content)
}
