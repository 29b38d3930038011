//! `docker load`: docker-archives and OCI layouts, plain, gzip or zstd.
//!
//! The archive is read once, as it comes; its files become unfinished blobs in the content store, since the description of what
//! they are may stand at the end. Then the images in it are put together, and recorded one by one.

mod archive;
mod assemble;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;

use crate::progress::{Progress, Sink};
use crate::{ImageId, Images, Platform, Result, blocking};

/// Whom a load works for.
#[derive(Debug, Clone)]
struct Audience {
    progress: Sink,
    has_left: Arc<AtomicBool>,
}

impl Audience {
    /// An error when nobody wants the outcome any more.
    fn is_there(&self) -> io::Result<()> {
        match self.has_left.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(io::Error::other("nobody waits for the load any more")),
        }
    }
}

/// Tells the thread that reads and unpacks when the future that waits for it is dropped.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Images {
    /// Loads every image of an archive that is for `wanted`; without it every one, and of each index that for the machine's own
    /// platform. When the future is dropped, the work ends.
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
        let bridge = SyncIoBridge::new(archive);
        let images = self.clone();
        let audience = Audience { progress: progress.clone(), has_left: Arc::default() };
        let waiting = Waiting(Arc::clone(&audience.has_left));
        let asked = wanted.is_some();
        let platform = wanted.cloned().unwrap_or_else(Platform::host);
        let making = self.making();
        let (assembled, mut making) = blocking(move || {
            let mut parts = archive::read(&images.inner.content, bridge)?;
            let mut found = archive::images(&parts, &platform)?;
            if asked {
                found = archive::for_platform(found, &parts, &platform)?;
            }
            let assemble = |image| images.assemble(image, &mut parts, &making, &audience);
            let assembled = found.into_iter().map(assemble).collect::<Result<Vec<_>>>()?;
            Ok((assembled, making))
        })
        .await?;
        drop(waiting);
        let mut loaded = Vec::new();
        for image in assembled {
            making = self.commit(image.id, image.record, image.references.clone(), making).await?;
            if image.references.is_empty() {
                progress.send(Progress::Stream(format!("Loaded image ID: {}\n", image.id)));
            }
            for reference in &image.references {
                progress.send(Progress::Stream(format!("Loaded image: {}\n", reference.familiar())));
            }
            loaded.push(image.id);
        }
        making.done();
        Ok(loaded)
    }
}
