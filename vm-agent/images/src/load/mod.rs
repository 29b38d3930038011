//! `docker load`: docker-archives and OCI layouts, plain, gzip or zstd.
//!
//! The archive is read once, as it comes; its files become unfinished blobs in the content store, since the description of what
//! they are may stand at the end. Then the images in it are put together, and recorded one by one.

mod archive;
mod assemble;

use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;

use crate::progress::{Progress, Sink};
use crate::{ImageId, Images, Platform, Result, blocking};

impl Images {
    /// Loads every image of an archive, or of each index the one for `wanted` (the machine's own platform).
    ///
    /// # Errors
    ///
    /// [`crate::Error::Corrupt`] when the archive is damaged or holds no image. Images before the failing one stay.
    pub async fn load(
        &self,
        archive: impl AsyncRead + Send + Unpin + 'static,
        wanted: Option<&Platform>,
        progress: &Sink,
    ) -> Result<Vec<ImageId>> {
        let result = self.try_load(archive, wanted, progress).await;
        if result.is_err() {
            self.collect_later();
        }
        result
    }

    async fn try_load(
        &self,
        archive: impl AsyncRead + Send + Unpin + 'static,
        wanted: Option<&Platform>,
        progress: &Sink,
    ) -> Result<Vec<ImageId>> {
        let bridge = SyncIoBridge::new(archive);
        let (images, sink) = (self.clone(), progress.clone());
        let platform = wanted.cloned().unwrap_or_else(Platform::host);
        let pin = self.inner.pins.pin();
        let (assembled, pin) = blocking(move || {
            let mut parts = archive::read(&images.inner.content, bridge)?;
            let found = archive::images(&parts, &platform)?;
            let mut assembled = Vec::new();
            for image in found {
                assembled.push(images.assemble(image, &mut parts, &pin, &sink)?);
            }
            Ok((assembled, pin))
        })
        .await?;
        let mut loaded = Vec::new();
        for image in assembled {
            self.commit(image.id, image.record, &image.references, &pin).await?;
            if image.references.is_empty() {
                progress.send(Progress::Stream(format!("Loaded image ID: {}\n", image.id)));
            }
            for reference in &image.references {
                progress.send(Progress::Stream(format!("Loaded image: {}\n", reference.familiar())));
            }
            loaded.push(image.id);
        }
        Ok(loaded)
    }
}
