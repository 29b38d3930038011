//! Caches in registries.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use layers::Digest;

use super::{Blob, Cache, Pieces, Source, Target};
use crate::manifest::Descriptor;
use crate::registry::{Action, Session};
use crate::{Auth, Images, Platform, Reference, Result};

impl Images {
    /// The cache, or the image with its steps in itself, that a registry has under a reference (`:latest` without tag and digest).
    ///
    /// # Errors
    ///
    /// The registry's, in `dockerd`'s words; those of [`Cache::read`].
    pub async fn cache(&self, reference: &Reference, auth: &Auth, platform: &Platform) -> Result<Cache> {
        let reference = reference.clone().or_latest();
        let mut last = None;
        for endpoint in self.registry().endpoints(&reference.domain) {
            let found = async {
                let session =
                    Session::open(&self.registry(), &endpoint, &reference.path, auth, Action::Pull, &[]).await?;
                let root = session.manifest(&reference.tag_or_digest()).await?;
                Ok((session, root))
            };
            let found: Result<_, crate::registry::Failure> = found.await;
            match found {
                Ok((session, root)) => {
                    return Cache::read(Arc::new(InRegistry(session)), root.content, &root.media_type, platform).await;
                }
                Err(failure) => last = Some(failure.into_pull_error(&reference)),
            }
        }
        Err(last.expect("the registry itself is the last endpoint"))
    }

    /// Where a cache is put under a reference (`:latest` without a tag).
    ///
    /// # Errors
    ///
    /// The registry's, in `dockerd`'s words.
    pub async fn cache_target(&self, reference: &Reference, auth: &Auth) -> Result<Arc<dyn Target>> {
        let reference = reference.clone().or_latest();
        let origin = self.registry().origin(&reference.domain);
        let session = Session::open(&self.registry(), &origin, &reference.path, auth, Action::Push, &[]).await;
        let session = session.map_err(|failure| failure.into_error())?;
        Ok(Arc::new(IntoRegistry { images: self.clone(), session, tag: reference.tag_or_digest() }))
    }
}

#[derive(Debug)]
struct InRegistry(Session);

impl Source for InRegistry {
    fn document<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Vec<u8>>> {
        async move {
            let found = self.0.manifest(&digest.to_string()).await;
            Ok(found.map_err(|failure| failure.into_error())?.content)
        }
        .boxed()
    }

    fn blob<'a>(&'a self, digest: &'a Digest, size: u64) -> BoxFuture<'a, Result<Pieces>> {
        let download = self.0.blob(digest, size);
        let pieces = stream::try_unfold(download, |mut download| async move {
            let piece = download.next(|_| {}).await.map_err(|failure| failure.into_error())?;
            Ok(piece.map(|piece| (piece, download)))
        });
        std::future::ready(Ok(pieces.boxed())).boxed()
    }
}

#[derive(Debug)]
struct IntoRegistry {
    images: Images,
    session: Session,
    tag: String,
}

impl Target for IntoRegistry {
    fn blob<'a>(&'a self, blob: &'a Blob) -> BoxFuture<'a, Result<()>> {
        async move {
            let descriptor = Descriptor::new("", blob.digest, blob.size);
            self.images.push_blob(&self.session, &descriptor, None, |_| {}).await.map(drop)
        }
        .boxed()
    }

    fn manifest<'a>(&'a self, _: &'a Digest, media_type: &'a str, content: &'a [u8]) -> BoxFuture<'a, Result<()>> {
        async move {
            let put = self.session.put_manifest(&self.tag, media_type, content).await;
            put.map_err(|failure| failure.into_error())
        }
        .boxed()
    }
}
