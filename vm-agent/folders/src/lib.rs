//! Folders and files of the host's, mounted by FUSE for the containers that ask for them.
//!
//! One mount for all containers of a folder, so that they see each other's locks and pages: the first user mounts, the last one
//! unmounts. Who uses what lives in memory; what is mounted, the kernel knows: the next engine finds it by its name
//! ([`Folders::adopt`]). Whoever answers the mount's requests, and whether the host would share at all, is the [`Host`]'s.

mod error;
mod mount;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

pub use error::{Error, Result};

/// What is asked of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The mount's own name.
    pub mount: String,
    /// As the client wrote it: a path of the host's system.
    pub path: String,
    pub read_only: bool,
    /// Make the folder if nothing is there.
    pub create: bool,
}

/// What the host shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// The file type's four bits of a mode.
    pub kind: u32,
    pub read_only: bool,
}

/// The way to the host.
pub trait Host: fmt::Debug + Send + Sync {
    /// Whether it would share this; nothing is made.
    fn look(&self, request: Request) -> BoxFuture<'_, Result<Shared>>;

    /// Has the requests of the mount at `place` answered, which are read from `device`, until it is unmounted.
    fn serve(&self, request: Request, place: PathBuf, device: OwnedFd) -> BoxFuture<'_, Result<()>>;

    /// Goes on with a mount that an earlier engine had served.
    fn resume(&self, request: Request, place: PathBuf) -> BoxFuture<'_, Result<()>>;

    /// The mount is gone.
    fn forget(&self, mount: &str);
}

/// All mounted folders. Clones share one state.
#[derive(Debug, Clone)]
pub struct Folders {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    host: Arc<dyn Host>,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

/// Path and whether it is mounted to be read only.
type Key = (String, bool);
/// Held while a folder is mounted or unmounted: a host that hangs holds up nobody who wants another folder.
type Slot = tokio::sync::Mutex<Option<Mounted>>;

#[derive(Debug)]
struct Mounted {
    name: String,
    users: HashSet<String>,
}

impl Folders {
    /// Mounts are made below `directory`, which is made with the first.
    pub fn new(directory: PathBuf, host: Arc<dyn Host>) -> Folders {
        Folders { inner: Arc::new(Inner { directory, host, slots: Mutex::default() }) }
    }

    /// Whether the host would share a path.
    ///
    /// # Errors
    /// The host's reason.
    pub async fn look(&self, path: &str, create: bool) -> Result<Shared> {
        let request = Request { mount: String::new(), path: path.to_owned(), read_only: false, create };
        self.inner.host.look(request).await
    }

    /// Takes a folder into use for `user` and answers where it is mounted. A folder that is not there is made by the host.
    ///
    /// # Errors
    /// The host does not share it, or it cannot be mounted. It is not in use then.
    pub async fn mount(&self, path: &str, read_only: bool, user: &str) -> Result<PathBuf> {
        let slot = self.inner.slot(path, read_only);
        let mut mounted = slot.lock().await;
        if mounted.is_none() {
            let name = self.inner.mount(path, read_only).await?;
            *mounted = Some(Mounted { name, users: HashSet::new() });
        }
        let mounted = mounted.as_mut().expect("it was just mounted");
        mounted.users.insert(user.to_owned());
        Ok(self.inner.directory.join(&mounted.name))
    }

    /// Ends the use, and unmounts behind the last user.
    pub async fn unmount(&self, path: &str, read_only: bool, user: &str) {
        let slot = self.inner.slot(path, read_only);
        let mut mounted = slot.lock().await;
        let Some(left) = mounted.as_mut() else { return };
        left.users.remove(user);
        if left.users.is_empty()
            && let Some(Mounted { name, .. }) = mounted.take()
        {
            self.inner.unmount(&name).await;
        }
    }

    /// Remembers a use that an earlier engine began.
    pub async fn adopt(&self, path: &str, read_only: bool, user: &str) {
        let slot = self.inner.slot(path, read_only);
        let mut mounted = slot.lock().await;
        if mounted.is_none() {
            let prefix = prefix(path, read_only);
            let found = self.inner.names().into_iter().find(|name| name.starts_with(&prefix));
            if let Some(name) = &found {
                let request = Request { mount: name.clone(), path: path.to_owned(), read_only, create: false };
                if let Err(error) = self.inner.host.resume(request, self.inner.directory.join(name)).await {
                    // A relay that lives serves it; it is one that dies later which could not go on.
                    tracing::warn!(path, %error, "a mounted folder is not taken over");
                }
            }
            *mounted = found.map(|name| Mounted { name, users: HashSet::new() });
        }
        if let Some(mounted) = mounted.as_mut() {
            mounted.users.insert(user.to_owned());
        }
    }

    /// Unmounts what an earlier engine had mounted and nobody uses any more; after the last [`Folders::adopt`].
    pub async fn unmount_unused(&self) {
        let mut used = HashSet::new();
        let slots: Vec<_> = self.inner.slots().values().cloned().collect();
        for slot in slots {
            used.extend(slot.lock().await.as_ref().map(|mounted| mounted.name.clone()));
        }
        for name in self.inner.names() {
            if !used.contains(&name) {
                self.inner.unmount(&name).await;
            }
        }
    }
}

impl Inner {
    async fn mount(&self, path: &str, read_only: bool) -> Result<String> {
        let name = format!("{}-{}", prefix(path, read_only), random()?);
        let request = Request { mount: name.clone(), path: path.to_owned(), read_only, create: true };
        let shared = self.host.look(request.clone()).await?;
        let (place, kind) = (self.directory.join(&name), shared.kind);
        let mounted = place.clone();
        let device = blocking(move || mount::mount(&mounted, kind)).await?;
        if let Err(error) = self.host.serve(request, place, device).await {
            self.unmount(&name).await;
            return Err(error);
        }
        Ok(name)
    }

    async fn unmount(&self, name: &str) {
        let place = self.directory.join(name);
        if let Err(error) = blocking(move || mount::unmount(&place)).await {
            tracing::warn!(name, %error, "a mounted folder of the host stays");
        }
        self.host.forget(name);
    }

    /// What is mounted below the directory, or was meant to be.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return Vec::new() };
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn slot(&self, path: &str, read_only: bool) -> Arc<Slot> {
        let mut slots = self.slots();
        Arc::clone(slots.entry((path.to_owned(), read_only)).or_default())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the names of a folder's mounts begin with.
fn prefix(path: &str, read_only: bool) -> String {
    let digest = Sha256::digest(path.as_bytes());
    let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}{}", if read_only { "r" } else { "w" })
}

/// No two mounts of a boot have the same: the host would take one for the other.
fn random() -> Result<String> {
    let source = Path::new("/proc/sys/kernel/random/uuid");
    let text = std::fs::read_to_string(source)
        .map_err(|source_error| Error::Mount { path: source.to_owned(), source: source_error })?;
    Ok(text.trim().chars().take(8).collect())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::Failed(error.to_string())))
}
