//! Images: references, the content store, the registry client, and everything that can be done with an image.
//!
//! This crate owns `ROOT/content` and decides what layers are needed. An image is its configuration's digest, its
//! layers and the blobs that they came as: those are kept, so that `push` and `save` give back exactly what was pulled.
//! Nothing of an image is visible before everything was verified and one transaction recorded it.
//!
//! It does not know HTTP requests of clients, containers (who tell by [`Holder`]s what they use) or events.

pub mod cache;
mod clamp;
mod collect;
mod commit;
mod compression;
mod content;
mod draft;
mod error;
mod fetch;
mod follow;
mod gzip;
mod history;
mod image;
mod import;
mod inspect;
mod list;
mod load;
mod loose;
mod made;
mod making;
mod manifest;
mod parents;
mod pins;
mod platform;
mod progress;
mod pull;
mod push;
pub mod redact;
mod redate;
mod reference;
mod registry;
mod remote;
mod remove;
mod resolve;
mod save;
mod tag;
mod wanted;
mod wrap;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use store::{Store, Table};

pub use collect::{Hold, Keeper};
pub use compression::decompress;
pub use draft::Draft;
pub use error::{Error, Kind};
pub use history::HistoryEntry;
pub use image::Image;
pub use import::{Answered, Source};
pub use inspect::Inspect;
pub use layers::{DiffId, Digest};
pub use list::{DiskUsage, Summary};
pub use loose::Loose;
pub use platform::Platform;
pub use progress::{Detail, Progress, Sink};
pub use reference::{DOCKER_HUB, Reference};
pub use registry::{Asked, Auth, Patience, ProxyChoice, RegistryConfig, SearchResult};
pub use remote::{Described, DescribedPlatform, RemotePlugin};
pub use remove::{Pruned, Removal, Removed};
pub use save::ArchiveForm;
pub use wrap::{Codec, Recompress, Wrapped, Wrapping};

use content::Content;
use fetch::Fetches;
use image::{ImageRecord, ReferenceRecord};
use pins::Pins;
use registry::Registry;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The digest of an image's configuration: what `docker images` shows.
pub type ImageId = Digest;

/// A container that uses an image.
#[derive(Debug, Clone)]
pub struct Holder {
    pub container_id: String,
    pub image: ImageId,
    /// The layers that the container stands on, bottom first: they stay even when the image goes.
    pub chain: Vec<DiffId>,
    pub running: bool,
    /// The container has the image among its mounts instead of standing on it: its references stay, but the image goes when it
    /// is named by ID.
    pub mounted: bool,
}

/// Tells who uses images.
type Holders = Arc<dyn Fn() -> Vec<Holder> + Send + Sync>;

/// The images. Clones share them.
#[derive(Clone)]
pub struct Images {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    layers: layers::Layers,
    content: Content,
    images: Table<ImageRecord>,
    references: Table<ReferenceRecord>,
    /// What is under way goes on with the one that it began with.
    registry: RwLock<Registry>,
    fetches: Fetches,
    pins: Pins,
    /// Held while records and what they refer to change together: recording an image, and collecting garbage.
    commit: tokio::sync::Mutex<()>,
    holders: RwLock<Option<Holders>>,
    /// Images that were read before.
    known: Mutex<HashMap<ImageId, Arc<Image>>>,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}

impl Images {
    /// Opens `ROOT/content` beneath `root`, and removes unfinished ingests and blobs that no image needs.
    ///
    /// Layers are collected only after [`Images::set_holders`]: containers may need layers whose image is gone.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] when `config` cannot be used; those of the disk and the store.
    pub fn open(root: &Path, store: &Store, layers: &layers::Layers, config: RegistryConfig) -> Result<Images> {
        let inner = Inner {
            store: store.clone(),
            layers: layers.clone(),
            content: Content::open(&root.join("content"))?,
            images: store.table("images"),
            references: store.table("references"),
            fetches: Fetches::new(&config),
            registry: RwLock::new(Registry::new(config)?),
            pins: Pins::default(),
            commit: tokio::sync::Mutex::new(()),
            holders: RwLock::new(None),
            known: Mutex::new(HashMap::new()),
        };
        let images = Images { inner: Arc::new(inner) };
        images.discard_blobs()?;
        Ok(images)
    }

    /// Reaches registries otherwise from now on: with these for [`RegistryConfig::insecure`] and [`RegistryConfig::mirrors`].
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] that names the bad one; all stays as it was.
    pub fn set_registries(&self, insecure: Vec<String>, mirrors: Vec<String>) -> Result<()> {
        let config = RegistryConfig { insecure, mirrors, ..self.registry().config().clone() };
        let registry = Registry::new(config)?;
        *self.inner.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
        Ok(())
    }

    fn registry(&self) -> Registry {
        self.inner.registry.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who uses images: asked before every removal and collection.
    pub fn set_holders(&self, holders: impl Fn() -> Vec<Holder> + Send + Sync + 'static) {
        *self.inner.holders.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(holders));
    }

    /// The image of that ID.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`]
    pub fn image(&self, id: &ImageId) -> Result<Arc<Image>> {
        if let Some(image) = self.known().get(id) {
            return Ok(Arc::clone(image));
        }
        let record = self.record(id)?;
        let config = image::Config::parse(&self.inner.content.read(id)?)?;
        let chain = record.chain();
        let size = chain.iter().map(|layer| self.inner.layers.size(layer)).sum::<layers::Result<u64>>()?;
        let image =
            Arc::new(Image { id: *id, config: config.parsed, raw: config.raw, chain, size, manifest: record.manifest });
        self.known().insert(*id, Arc::clone(&image));
        Ok(image)
    }

    fn record(&self, id: &ImageId) -> Result<ImageRecord> {
        self.inner.images.get(&id.hex())?.ok_or_else(|| Error::NoSuchImage(id.to_string()))
    }

    fn records(&self) -> Result<Vec<(ImageId, ImageRecord)>> {
        let all = self.inner.images.all()?;
        Ok(all.into_iter().filter_map(|(key, record)| Some((Digest::from_hex(&key)?, record))).collect())
    }

    /// The blobs and what they unpack to, of all images: pairs that were verified.
    fn recorded_layers(&self) -> Result<HashSet<(Digest, DiffId)>> {
        Ok(self.records()?.iter().flat_map(|(_, record)| record.layers.iter().map(image::LayerRecord::pair)).collect())
    }

    /// Every reference and the image it means, sorted.
    fn references(&self) -> Result<Vec<(Reference, ImageId)>> {
        let all = self.inner.references.all()?;
        let mut references: Vec<(Reference, ImageId)> =
            all.into_iter().filter_map(|(key, record)| Some((Reference::parse(&key).ok()?, record.image))).collect();
        references.sort();
        Ok(references)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ImageId, Arc<Image>>> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs work that blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    outcome(tokio::task::spawn_blocking(work).await)
}

/// Runs a change to its end even if the caller goes away in the middle.
async fn unabridged<T: Send + 'static>(change: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    outcome(tokio::spawn(change).await)
}

fn outcome<T>(joined: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    match joined {
        Ok(result) => result,
        Err(e) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(Error::Store(store::Error::Closed)),
        },
    }
}
