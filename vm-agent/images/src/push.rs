//! `docker push`.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use layers::Digest;
use tokio::sync::Semaphore;

use crate::image::{ImageRecord, LayerRecord, ReferenceRecord, short};
use crate::manifest::{Descriptor, Document};
use crate::progress::{Limit, Progress, Sink};
use crate::registry::{Action, Auth, Meter, Session, Uploaded};
use crate::{Error, ImageId, Images, Reference, Result, Wrapped};

const UPLOADS: usize = 5;
/// Pieces of a blob on their way to the connection.
///
/// Small enough that a slow line takes one long before it counts as stalled.
const PIECE: usize = 64 * 1024;

impl Images {
    /// Pushes one tag, or every tag of the repository when the reference has none. Dropping the future cancels.
    ///
    /// # Errors
    ///
    /// [`Error::NothingToPush`], [`Error::NoSuchTag`], and the registry's refusals in `dockerd`'s words.
    pub async fn push(&self, reference: &Reference, auth: &Auth, progress: &Sink) -> Result<()> {
        let local: Vec<(Reference, ImageId)> = self
            .references()?
            .into_iter()
            .filter(|(local, _)| local.digest.is_none() && local.name() == reference.name())
            .collect();
        progress.line(format!("The push refers to repository [{}]", reference.name()));
        let wanted: Vec<&(Reference, ImageId)> = match &reference.tag {
            Some(tag) => local.iter().filter(|(local, _)| local.tag.as_ref() == Some(tag)).collect(),
            None => local.iter().collect(),
        };
        if wanted.is_empty() {
            let familiar = reference.familiar();
            return Err(if local.is_empty() { Error::NothingToPush(familiar) } else { Error::NoSuchTag(familiar) });
        }
        self.push_all(reference, &wanted, auth, progress).await
    }

    /// Pushes an image under a name, whatever has that name here meanwhile. Dropping the future cancels.
    ///
    /// # Errors
    ///
    /// The registry's refusals in `dockerd`'s words.
    pub async fn push_wrapped(
        &self,
        wrapped: &Wrapped,
        reference: &Reference,
        auth: &Auth,
        progress: &Sink,
    ) -> Result<()> {
        let (session, from) = self.push_session(reference, auth).await?;
        let tagged = reference.clone().or_latest();
        self.push_record(&session, &tagged, &wrapped.id, &wrapped.record, &from, progress).await
    }

    async fn push_all(
        &self,
        reference: &Reference,
        wanted: &[&(Reference, ImageId)],
        auth: &Auth,
        progress: &Sink,
    ) -> Result<()> {
        let (session, from) = self.push_session(reference, auth).await?;
        for (tagged, id) in wanted {
            let hold = self.inner.pins.pin();
            let record = self.pinned(id, &hold).await?;
            self.push_record(&session, tagged, id, &record, &from, progress).await?;
        }
        Ok(())
    }

    /// With the repositories whose blobs may be mounted.
    async fn push_session(&self, reference: &Reference, auth: &Auth) -> Result<(Session, Vec<String>)> {
        let from = self.mountable(reference)?;
        let origin = self.registry().origin(&reference.domain);
        let session = Session::open(&self.registry(), &origin, &reference.path, auth, Action::Push, &from)
            .await
            .map_err(|failure| failure.into_error())?;
        Ok((session, from))
    }

    /// Pushes what a record names, which has to stay meanwhile.
    async fn push_record(
        &self,
        session: &Session,
        reference: &Reference,
        id: &ImageId,
        record: &ImageRecord,
        from: &[String],
        progress: &Sink,
    ) -> Result<()> {
        let content = self.inner.content.read(&record.manifest)?;
        let Document::Manifest(manifest) = Document::parse(&content, &record.manifest_media_type)? else {
            return Err(Error::Corrupt(format!("the manifest of {} is an index", reference.familiar())));
        };
        let mut layers: Vec<&LayerRecord> = Vec::new();
        for layer in record.layers.iter().rev() {
            progress.about(&short(&layer.diff_id), "Preparing");
            if !layers.iter().any(|known| known.blob.digest == layer.blob.digest) {
                layers.push(layer);
            }
        }
        let concurrent = self.registry().config().concurrent_uploads;
        let permits = Semaphore::new(if concurrent == 0 { UPLOADS } else { concurrent });
        let uploads = layers.into_iter().map(|layer| async {
            if permits.available_permits() == 0 {
                progress.about(&short(&layer.diff_id), "Waiting");
            }
            let _permit = permits.acquire().await.expect("never closed");
            let from = self.mount_source(from, &layer.blob.digest, reference)?;
            self.push_layer(session, layer, from.as_deref(), progress).await
        });
        futures_util::future::try_join_all(uploads).await?;
        self.push_blob(session, &manifest.config, None, |_| {}).await?;
        let tag = reference.tag_or_digest();
        session
            .put_manifest(&tag, &record.manifest_media_type, &content)
            .await
            .map_err(|failure| failure.into_error())?;
        self.remember_digest(reference, id, record).await?;
        let size = content.len() as u64;
        progress.line(format!("{tag}: digest: {} size: {size}", record.manifest));
        progress.send(Progress::Pushed { tag, digest: record.manifest, size });
        Ok(())
    }

    async fn push_layer(
        &self,
        session: &Session,
        layer: &LayerRecord,
        from: Option<&str>,
        progress: &Sink,
    ) -> Result<()> {
        let id = short(&layer.diff_id);
        if session.has_blob(&layer.blob.digest).await.map_err(|failure| failure.into_error())? {
            progress.about(&id, "Layer already exists");
            return Ok(());
        }
        let total = layer.blob.size;
        let shown = progress.clone();
        let name = id.clone();
        let limit = std::sync::Mutex::new(Limit::default());
        let count = move |sent: u64| {
            if limit.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pass() || sent == total {
                shown.count(&name, "Pushing", sent, total);
            }
        };
        match self.push_blob(session, &layer.blob, from, count).await? {
            Uploaded::Sent => progress.about(&id, "Pushed"),
            Uploaded::Mounted => progress.about(&id, format!("Mounted from {}", from.unwrap_or_default())),
        }
        Ok(())
    }

    /// Uploads a blob of the content store, unless the repository has it.
    pub(crate) async fn push_blob(
        &self,
        session: &Session,
        blob: &Descriptor,
        from: Option<&str>,
        count: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Uploaded> {
        let path = self.inner.content.path(&blob.digest);
        if !self.inner.content.contains(&blob.digest, blob.size) {
            return Err(Error::MissingBlob(blob.digest));
        }
        if from.is_none() && session.has_blob(&blob.digest).await.map_err(|failure| failure.into_error())? {
            return Ok(Uploaded::Sent);
        }
        let count = Arc::new(count);
        let body = |meter: Meter| {
            let count = Arc::clone(&count);
            let both = move |sent| {
                meter.taken(sent);
                count(sent);
            };
            Ok(reqwest::Body::wrap_stream(file_stream(std::fs::File::open(&path)?, Arc::new(both))))
        };
        session.upload(&blob.digest, blob.size, from, body).await.map_err(|failure| failure.into_error())
    }

    /// Repositories on the same registry whose images we have: their blobs may be mounted. One that got an image in another form
    /// (compressed otherwise, say) has not the blobs that are here: asked to mount one, a registry begins an upload instead.
    fn mountable(&self, target: &Reference) -> Result<Vec<String>> {
        let mut paths: Vec<String> = self
            .references()?
            .into_iter()
            .filter(|(local, _)| local.domain == target.domain && local.path != target.path && local.digest.is_some())
            .map(|(local, _)| local.path)
            .collect();
        paths.sort();
        paths.dedup();
        // Every one of them costs a scope of the token.
        paths.truncate(4);
        Ok(paths)
    }

    /// A repository that is known to have the blob.
    fn mount_source(&self, from: &[String], blob: &Digest, target: &Reference) -> Result<Option<String>> {
        for (reference, id) in self.references()? {
            let known =
                reference.domain == target.domain && reference.digest.is_some() && from.contains(&reference.path);
            if known && self.record(&id).is_ok_and(|record| record.layers.iter().any(|l| l.blob.digest == *blob)) {
                return Ok(Some(reference.path));
            }
        }
        Ok(None)
    }

    /// From now on the image is known by the digest that it was pushed under, too.
    async fn remember_digest(&self, reference: &Reference, id: &ImageId, record: &ImageRecord) -> Result<()> {
        let key = reference.with_digest(record.manifest).to_string();
        let _commit = self.inner.commit.lock().await;
        if self.inner.images.get(&id.hex())?.is_none() {
            // Removed while it was pushed: there is nothing left that the name could mean.
            return Ok(());
        }
        Ok(self.inner.references.put(&key, &ReferenceRecord { image: *id }, store::Durability::Durable).await?)
    }

    /// `docker login`: returns the identity token when the registry issues one.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthorized`] when its token server refuses, [`Error::Unavailable`] when it does so itself or cannot be asked,
    /// [`Error::ServerAddress`].
    pub async fn login(&self, registry: &str, auth: &Auth) -> Result<Option<String>> {
        let host = registry.trim_start_matches("https://").trim_start_matches("http://");
        let address = if host.len() < registry.len() { registry.to_owned() } else { format!("https://{registry}") };
        if let Err(error) = reqwest::Url::parse(&address) {
            return Err(Error::ServerAddress { address, reason: error.to_string() });
        }
        let host = match host.split('/').next().unwrap_or_default() {
            // The CLI's key for Docker Hub.
            "" | "index.docker.io" | "registry-1.docker.io" => crate::DOCKER_HUB,
            host => host,
        };
        let origin = self.registry().origin(host);
        self.registry().login(&origin, auth).await.map_err(|failure| failure.into_error())
    }
}

/// A file's bytes, read on a thread that may block; `count` is told how many are on their way.
fn file_stream(
    file: std::fs::File,
    count: Arc<impl Fn(u64) + Send + Sync + 'static>,
) -> impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static {
    let file = tokio::fs::File::from_std(file);
    stream::try_unfold((file, 0), move |(mut file, sent)| {
        let count = Arc::clone(&count);
        async move {
            let mut piece = bytes::BytesMut::with_capacity(PIECE);
            let length = tokio::io::AsyncReadExt::read_buf(&mut file, &mut piece).await?;
            if length == 0 {
                return Ok(None);
            }
            let sent = sent + length as u64;
            count(sent);
            Ok(Some((piece.freeze(), (file, sent))))
        }
    })
    .boxed()
}
