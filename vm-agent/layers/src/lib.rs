//! Overlay snapshots: layers are applied from tar streams, stacked by the overlay file system, and compared.
//!
//! This crate owns `ROOT/layers`. Every layer lives in a directory of its own, named by its diffID and unpacked without
//! looking at its parents, so that the layers of an image unpack in parallel and images share them. It never
//! mounts anything where it could be seen: [`Layers::mount`] returns a detached mount.
//!
//! ```text
//! ROOT/layers/<diffID, hex>/fs            a layer
//! ROOT/layers/implied/<chain ID, hex>/fs  on top of a chain: metadata of directories that layers imply (see `implied`)
//! ROOT/layers/empty                       beneath an image without layers
//! ROOT/layers/ingest/<number>             unfinished, removed at the next start
//! ROOT/layers/removed/<number>            being deleted, removed at the next start
//! ```
//!
//! # What exists
//!
//! A layer exists when the metadata store has a record of it. [`Layers::apply`] only puts a directory in place;
//! [`Layers::settle`] flushes the file system and adds the records to a batch that the caller writes together with the
//! image that needs them. A power cut at any instant leaves directories without records at worst, and those go at the
//! next [`Layers::open`].

pub mod archive;
mod changes;
mod digest;
mod disk;
mod error;
mod implied;
mod metadata;
pub mod mount_table;
mod names;
mod omit;
mod overlay;
mod pack;
mod remove;
mod stack;
mod tree;
mod unpack;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::{Batch, Store, Table};

pub use digest::{DiffId, Digest, NotADigest};
pub use error::Error;
pub use remove::remove_tree;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The most layers in one overlay: `OVL_MAX_STACK` of the kernel's `fs/overlayfs/params.h`, less one for implied directories and one for
/// an upper directory that is only read.
pub const MAX_LAYERS: usize = 498;

/// The layers on disk. Clones share them.
#[derive(Debug, Clone)]
pub struct Layers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: disk::Disk,
    table: Table<Record>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Every layer whose directory is in place, recorded or not.
    layers: HashMap<DiffId, Record>,
    /// Chains whose implied directories are in place.
    corrected: HashSet<Digest>,
}

/// What the store keeps of a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    size: u64,
    /// Directories without a description, as [`names::to_text`] writes them.
    implied: Vec<String>,
}

/// A layer that was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Bytes in regular files, as Docker counts a layer's size.
    pub size: u64,
}

/// The writable directories of a container; both on the same file system as the layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpperDir {
    pub upper: PathBuf,
    pub work: PathBuf,
}

/// The directories of an overlay: pure data, mounted by [`Layers::mount`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlaySpec {
    /// Read-only directories, topmost first.
    pub lowers: Vec<PathBuf>,
    /// Without one the overlay is read-only.
    pub upper: Option<UpperDir>,
}

/// How a path differs from the layers beneath. The numbers are those of the Engine API (`Kind` of a change).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Modified = 0,
    Added = 1,
    Deleted = 2,
}

/// One line of `docker diff`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Absolute within the container.
    pub path: PathBuf,
    pub kind: ChangeKind,
}

/// Layers that nothing needs any more: first their records go, then, by [`Layers::discard`], their directories.
#[derive(Debug, Default)]
#[must_use = "the directories stay until the garbage is discarded"]
pub struct Garbage {
    layers: Vec<DiffId>,
    chains: Vec<Digest>,
    /// Bytes in regular files.
    pub size: u64,
}

impl Garbage {
    /// The layers that go.
    pub fn layers(&self) -> &[DiffId] {
        &self.layers
    }
}

impl Layers {
    /// Opens `directory` (`ROOT/layers`, made when missing) and removes what earlier runs left unfinished.
    pub fn open(directory: &Path, store: &Store) -> Result<Layers> {
        let table = store.table("layers");
        let mut layers = HashMap::new();
        for (key, record) in table.all()? {
            if let Some(id) = Digest::from_hex(&key) {
                layers.insert(id, record);
            }
        }
        let disk = disk::Disk::open(directory, |id| layers.contains_key(id))?;
        layers.retain(|id, _| {
            let exists = disk.layer(id).is_dir();
            if !exists {
                tracing::error!("layer {id} is recorded, but its directory is gone: images that use it cannot run");
            }
            exists
        });
        let corrected = disk.chains()?;
        let state = Mutex::new(State { layers, corrected });
        Ok(Layers { inner: Arc::new(Inner { disk, table, state }) })
    }

    /// True when the layer is recorded, or was applied in this run.
    pub fn contains(&self, id: &DiffId) -> bool {
        self.state().layers.contains_key(id)
    }

    /// Bytes in the layer's regular files.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`]
    pub fn size(&self, id: &DiffId) -> Result<u64> {
        self.state().layers.get(id).map(|record| record.size).ok_or(Error::Missing(*id))
    }

    /// Unpacks a layer from its uncompressed tar; blocking. Nothing is in place before the diffID was verified.
    ///
    /// The tar is read to its end even when the layer exists already.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] passes on the reader's own error; [`Error::DiffId`] when the bytes are not the promised ones.
    pub fn apply(&self, tar: impl Read, diff_id: &DiffId) -> Result<Applied> {
        self.unpack(tar, Some(diff_id), |_| {})
    }

    /// [`Layers::apply`] for a tar whose diffID nobody has promised. `keep` learns it before the layer can be seen: from
    /// then on the caller keeps it from being collected.
    pub fn import(&self, tar: impl Read, keep: impl FnOnce(&DiffId)) -> Result<Applied> {
        self.unpack(tar, None, keep)
    }

    fn unpack(&self, tar: impl Read, expected: Option<&DiffId>, keep: impl FnOnce(&DiffId)) -> Result<Applied> {
        let ingest = self.inner.disk.ingest()?;
        let mut tar = Hashed { source: tar, hasher: Sha256::new() };
        let unpacked = unpack::unpack(&mut tar, &ingest.tree())?;
        let diff_id = Digest::from(tar.hasher);
        if let Some(expected) = expected.filter(|expected| **expected != diff_id) {
            return Err(Error::DiffId { expected: *expected, actual: diff_id });
        }
        let record =
            Record { size: unpacked.size, implied: unpacked.implied.iter().map(|name| names::to_text(name)).collect() };
        let size = record.size;
        keep(&diff_id);
        let mut stale = None;
        if let Entry::Vacant(place) = self.state().layers.entry(diff_id) {
            // Garbage that was collected and not discarded yet.
            let tree = self.inner.disk.layer(&diff_id);
            if tree.exists() {
                stale = self.inner.disk.take_away(&tree);
            }
            ingest.publish(&diff_id)?;
            place.insert(record);
        }
        self.inner.disk.delete(stale.as_slice());
        Ok(Applied { diff_id, size })
    }

    /// Makes the layers of `chain` (bottom first) safe against a power cut and adds their records to `batch`; blocking.
    ///
    /// The caller writes the batch durably, together with the record of the image that needs the layers. `flush`: the caller
    /// has put files of its own on the same file system that must be safe as well.
    pub fn settle(&self, chain: &[DiffId], flush: bool, batch: &mut Batch) -> Result<()> {
        let corrected = self.correct(chain)?;
        let mut unrecorded = Vec::new();
        for id in chain {
            if self.inner.table.get(&id.hex())?.is_none() {
                unrecorded.push((*id, self.state().layers.get(id).cloned().ok_or(Error::Missing(*id))?));
            }
        }
        if flush || corrected || !unrecorded.is_empty() {
            self.inner.disk.sync()?;
        }
        for (id, record) in unrecorded {
            batch.put(&self.inner.table, &id.hex(), &record);
        }
        Ok(())
    }

    /// How often [`Layers::settle`] flushed the file system since the layers were opened: for tests and diagnosis.
    pub fn flushes(&self) -> u64 {
        self.inner.disk.flushes()
    }

    /// Puts the chain's implied directories in place; true when it had to make some.
    fn correct(&self, chain: &[DiffId]) -> Result<bool> {
        let Some(chain_id) = Digest::chain(chain) else { return Ok(false) };
        if chain.len() > MAX_LAYERS {
            return Err(Error::TooMany(chain.len()));
        }
        if self.state().corrected.contains(&chain_id) {
            return Ok(false);
        }
        let layers = chain.iter().rev().map(|id| self.layer(id)).collect::<Result<Vec<_>>>()?;
        let corrections = implied::corrections(&layers)?;
        if corrections.is_empty() {
            return Ok(false);
        }
        let ingest = self.inner.disk.ingest()?;
        implied::build(&ingest.tree(), &layers, &corrections)?;
        let mut state = self.state();
        if state.corrected.insert(chain_id) {
            ingest.publish_chain(&chain_id)?;
        }
        Ok(true)
    }

    fn layer(&self, id: &DiffId) -> Result<implied::Layer> {
        let state = self.state();
        let record = state.layers.get(id).ok_or(Error::Missing(*id))?;
        let implied: BTreeSet<Vec<u8>> = record.implied.iter().map(|name| names::from_text(name)).collect();
        Ok(implied::Layer { path: self.inner.disk.layer(id), implied })
    }

    /// The overlay of `chain`, bottom first. The chain must have been settled.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::TooMany`].
    pub fn overlay(&self, chain: &[DiffId], upper: Option<UpperDir>) -> Result<OverlaySpec> {
        if chain.len() > MAX_LAYERS {
            return Err(Error::TooMany(chain.len()));
        }
        let state = self.state();
        let mut lowers = Vec::with_capacity(chain.len() + 1);
        match Digest::chain(chain) {
            None => lowers.push(self.inner.disk.empty()),
            Some(chain_id) if state.corrected.contains(&chain_id) => lowers.push(self.inner.disk.chain(&chain_id)),
            Some(_) => {}
        }
        // The kernel refuses a directory twice (ELOOP). Of a layer that a chain has several times the topmost decides every
        // name that the others could: they can be left out.
        let mut seen = HashSet::new();
        for id in chain.iter().rev().filter(|id| seen.insert(**id)) {
            if !state.layers.contains_key(id) {
                return Err(Error::Missing(*id));
            }
            lowers.push(self.inner.disk.layer(id));
        }
        Ok(OverlaySpec { lowers, upper })
    }

    /// What the overlay of `chain` and `upper` shows, for reading: `upper` is the topmost of the lower directories, so that another
    /// overlay may be mounted over the same ones, and write, while this one is read. What is written then may or may not be seen.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::TooMany`].
    pub fn overlay_to_read(&self, chain: &[DiffId], upper: &UpperDir) -> Result<OverlaySpec> {
        let mut spec = self.overlay(chain, None)?;
        spec.lowers.insert(0, upper.upper.clone());
        Ok(spec)
    }

    /// Makes a container's upper and work directories, the upper one with the metadata of the chain's root directory.
    ///
    /// Their parent must exist. Directories that exist are kept.
    pub fn prepare_upper(&self, chain: &[DiffId], upper: &UpperDir) -> Result<()> {
        let lowers = self.overlay(chain, None)?.lowers;
        for directory in [&upper.upper, &upper.work] {
            match std::fs::create_dir(directory) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                other => other.map_err(Error::io("cannot make", directory))?,
            }
        }
        let from = std::fs::File::open(&lowers[0]).map_err(Error::io("cannot open", &lowers[0]))?;
        let to = std::fs::File::open(&upper.upper).map_err(Error::io("cannot open", &upper.upper))?;
        metadata::copy(&from, &to).map_err(|e| Error::io("cannot describe", &upper.upper)(e.into()))
    }

    /// Mounts an overlay detached (fsopen, fsconfig, fsmount): nothing appears in the mount table.
    ///
    /// # Errors
    ///
    /// [`Error::Mount`] with the kernel's own words.
    pub fn mount(&self, spec: &OverlaySpec) -> Result<OwnedFd> {
        overlay::mount(spec)
    }

    /// What a container changed, sorted by path, as `docker diff` lists it; blocking.
    pub fn changes(&self, upper: &Path, chain: &[DiffId]) -> Result<Vec<Change>> {
        changes::changes(upper, &self.overlay(chain, None)?.lowers)
    }

    /// Bytes in the regular files of an upper directory (`SizeRw`); blocking.
    pub fn upper_size(upper: &Path) -> Result<u64> {
        changes::size(upper)
    }

    /// Writes the tree beneath `root` (a directory or a mount) as a tar: `docker export`; blocking.
    pub fn export(root: BorrowedFd<'_>, out: impl Write) -> Result<()> {
        Layers::export_dated(root, None, out)
    }

    /// [`Layers::export`] where everything has the same time, in seconds since 1970, if there is one; blocking.
    pub fn export_dated(root: BorrowedFd<'_>, time: Option<i64>, mut out: impl Write) -> Result<()> {
        pack::pack(root, pack::Marks::None, &HashSet::new(), time, &mut out)
    }

    /// Writes the upper directory above `chain` as the tar of a new layer, deleted names as OCI whiteouts; blocking.
    ///
    /// `foreign`: absolute paths that somebody else than the container put there. They are left out where the chain has
    /// nothing under the name, and so are directories that changed only for their sake.
    pub fn export_changes(&self, upper: &Path, chain: &[DiffId], foreign: &[&str], mut out: impl Write) -> Result<()> {
        let omitted = omit::omitted(upper, &self.overlay(chain, None)?.lowers, foreign)?;
        let upper = std::fs::File::open(upper).map_err(Error::io("cannot open", upper))?;
        pack::pack(upper.as_fd(), pack::Marks::Whiteouts, &omitted, None, &mut out)
    }

    /// Takes every layer and chain out of sight that is in none of the chains of `keep`, and their records with `batch`.
    ///
    /// `keep` is asked while no layer can be applied, and must not call back. The caller writes the batch durably, then
    /// calls [`Layers::discard`].
    pub fn collect(&self, keep: impl FnOnce() -> Vec<Vec<DiffId>>, batch: &mut Batch) -> Garbage {
        let mut state = self.state();
        let keep = keep();
        let layers: HashSet<&DiffId> = keep.iter().flatten().collect();
        let chains: HashSet<Digest> = keep.iter().filter_map(|chain| Digest::chain(chain)).collect();
        let mut garbage = Garbage::default();
        state.layers.retain(|id, record| {
            let kept = layers.contains(id);
            if !kept {
                batch.remove(&self.inner.table, &id.hex());
                garbage.size += record.size;
                garbage.layers.push(*id);
            }
            kept
        });
        state.corrected.retain(|chain| {
            let kept = chains.contains(chain);
            if !kept {
                garbage.chains.push(*chain);
            }
            kept
        });
        garbage
    }

    /// Deletes the directories of garbage whose records are gone; blocking.
    ///
    /// A layer that was applied again in between is kept. What cannot be deleted now goes at the next start.
    pub fn discard(&self, garbage: Garbage) {
        let mut doomed = Vec::new();
        {
            let state = self.state();
            let layers =
                garbage.layers.iter().filter(|id| !state.layers.contains_key(id)).map(|id| self.inner.disk.layer(id));
            let chains =
                garbage.chains.iter().filter(|id| !state.corrected.contains(id)).map(|id| self.inner.disk.chain(id));
            for tree in layers.chain(chains) {
                doomed.extend(self.inner.disk.take_away(&tree));
            }
        }
        self.inner.disk.delete(&doomed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Hashes what is read through it.
struct Hashed<R> {
    source: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
