//! Named and anonymous volumes: their records, their directories, and who holds them.
//!
//! A volume is a record in the store and a directory `<root>/<name>/_data`. Only this crate makes and removes these
//! directories, and mounts what a volume's options (`type`, `device`, `o`) say on them: see `mounting`. Events are emitted
//! by the callers, who know why.
//!
//! # Crash safety
//!
//! Create: directory, then the durable record. Remove: the directory is renamed to `.removed-<name>`, then the record
//! goes durably, then the tree. [`Volumes::open`] finishes what a crash left between these steps; a directory with
//! content that no record names is taken over as a volume rather than lost.
//!
//! Fill: see `fill`; a crash leaves an empty volume or a full one.
//!
//! # Holders
//!
//! A container holds the volumes it mounts from create to remove. Holders live in memory: whoever restores the
//! containers at start holds again. A held volume is neither removed nor pruned.

mod binds;
mod call;
mod copy;
mod error;
mod fill;
mod mounting;
mod options;
mod recover;
mod size;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use store::{Durability, Store, Table};

pub use binds::{Binds, Here};
pub use error::Error;
pub use volume::{Create, Created, Prune, Pruned, Source, Volume};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The label of volumes that were created without a name.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// How many creates and removes may be under way.
const LOCKS: usize = 64;

/// The only driver.
pub const LOCAL: &str = "local";

/// A handle to all volumes; clones share them.
#[derive(Debug, Clone)]
pub struct Volumes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    binds: Arc<dyn Binds>,
    table: Table<Volume>,
    holders: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Who uses the volumes that are mounted; see `mounting`.
    users: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Held over each create and remove of a name, so that a volume is never removed between a look and a hold. Names share
    /// locks by hash: creates of many volumes wait for the disk together.
    changes: [tokio::sync::Mutex<()>; LOCKS],
    pruning: tokio::sync::Mutex<()>,
}

impl Volumes {
    /// Opens the volumes under `root` (made when missing), finishing what a crash left half done.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for the directory, [`Error::Store`] for the records.
    pub async fn open(root: &Path, store: &Store, binds: Arc<dyn Binds>) -> Result<Volumes> {
        let table = store.table("volumes");
        recover::recover(root, &table).await?;
        Ok(Volumes {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                binds,
                table,
                holders: Mutex::default(),
                users: Mutex::default(),
                changes: std::array::from_fn(|_| tokio::sync::Mutex::default()),
                pruning: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// Makes a volume, or returns the one of that name, whatever its labels and options are (as dockerd does). With a
    /// holder it is held before anybody can remove it.
    pub async fn create(&self, create: Create) -> Result<Created> {
        let anonymous = create.name.is_empty();
        let name = if anonymous { random_name() } else { create.name };
        if !create.driver.is_empty() && create.driver != LOCAL {
            return Err(Error::UnknownDriver { volume: name, driver: create.driver });
        }
        volume::check_name(&name)?;
        let _changing = self.lock(&name).await;
        if let Some(volume) = self.inner.table.get(&name)? {
            if let Some(holder) = &create.holder {
                self.hold_unchecked(&name, holder);
            }
            return Ok(Created { volume, new: false });
        }
        options::check(&name, &create.options)?;
        let mut labels = create.labels;
        if anonymous {
            labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
        }
        let volume = Volume { name, labels, options: create.options, created: now() };
        let data = self.mountpoint(&volume.name);
        make_directory(&data)?;
        if let Err(error) = self.inner.table.put(&volume.name, &volume, Durability::Durable).await {
            // Without its record the empty directory is nobody's; what remains is collected at the next start.
            let _ = std::fs::remove_dir(&data).and_then(|()| std::fs::remove_dir(self.directory(&volume.name)));
            return Err(error.into());
        }
        if let Some(holder) = &create.holder {
            self.hold_unchecked(&volume.name, holder);
        }
        Ok(Created { volume, new: true })
    }

    /// One volume.
    pub fn inspect(&self, name: &str) -> Result<Volume> {
        self.inner.table.get(name)?.ok_or_else(|| Error::NotFound(name.to_owned()))
    }

    /// Every volume, by name.
    pub fn list(&self) -> Result<Vec<Volume>> {
        Ok(self.inner.table.all()?.into_iter().map(|(_, volume)| volume).collect())
    }

    /// Copies the content of the directory `from`, and its owner and mode, into a volume that has no content. Others that
    /// fill the same volume wait, and find it filled.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; the volume is empty then.
    pub async fn fill(&self, name: &str, from: PathBuf) -> Result<()> {
        let (volumes, name) = (self.clone(), name.to_owned());
        let filling = tokio::task::spawn_blocking(move || volumes.fill_now(&name, &from));
        filling.await.expect("the copy does not panic")
    }

    fn fill_now(&self, name: &str, from: &Path) -> Result<()> {
        const FILLER: &str = "fill";
        let _changing = self.lock_of(name).blocking_lock();
        let volume = self.inspect(name)?;
        let io = |source| Error::Io { action: "copy the image's content to", path: self.mountpoint(name), source };
        if volume.source() == Source::Directory {
            return fill::fill(&self.directory(name), from).map_err(io);
        }
        // Whoever has it mounted could lay links where the copy is about to write, and has seen it empty.
        if self.users().get(name).is_some_and(|users| !users.is_empty()) {
            return Ok(());
        }
        let data = self.mount_locked(&volume, FILLER).map_err(|error| Error::Fill(Box::new(error)))?;
        let filled = fill::fill_foreign(&data, from).map_err(io);
        self.unmount_locked(name, FILLER);
        filled
    }

    /// Where the volume's data is; the directory exists as long as the volume does.
    pub fn mountpoint(&self, name: &str) -> PathBuf {
        self.directory(name).join("_data")
    }

    /// Keeps the volume from removal on behalf of `holder` (a container ID).
    pub async fn hold(&self, name: &str, holder: &str) -> Result<()> {
        let _changing = self.lock(name).await;
        self.inspect(name)?;
        self.hold_unchecked(name, holder);
        Ok(())
    }

    /// Gives up one hold.
    pub fn release(&self, name: &str, holder: &str) {
        let mut holders = self.holders();
        if let Some(of_volume) = holders.get_mut(name) {
            of_volume.remove(holder);
            if of_volume.is_empty() {
                holders.remove(name);
            }
        }
    }

    /// Gives up all that one holder has.
    pub fn release_all(&self, holder: &str) {
        self.holders().retain(|_, of_volume| {
            of_volume.remove(holder);
            !of_volume.is_empty()
        });
    }

    /// Who holds the volume.
    pub fn holders_of(&self, name: &str) -> Vec<String> {
        self.holders().get(name).into_iter().flatten().cloned().collect()
    }

    /// Removes the volume and its data. With `force`, a volume that is not there is no error; a held one is refused in any case.
    ///
    /// Returns the volume that was removed, if any.
    pub async fn remove(&self, name: &str, force: bool) -> Result<Option<Volume>> {
        let volume = match self.inspect(name) {
            Ok(volume) => volume,
            Err(Error::NotFound(_)) if force => return Ok(None),
            Err(error) => return Err(error),
        };
        let removed = {
            let _changing = self.lock(name).await;
            let holders = self.holders_of(name);
            if !holders.is_empty() {
                return Err(Error::InUse { name: name.to_owned(), holders });
            }
            // Nobody uses it; what could not be unmounted before must go now, or stay whole.
            let (volumes, mounted) = (self.clone(), name.to_owned());
            let unmounting = tokio::task::spawn_blocking(move || volumes.unmount_now(&mounted));
            unmounting.await.expect("unmounting does not panic")?;
            self.users().remove(name);
            let removed = self.set_aside(name)?;
            self.inner.table.remove(name, Durability::Durable).await?;
            removed
        };
        delete_tree(removed).await?;
        Ok(Some(volume))
    }

    /// Removes the volumes that nobody holds: anonymous ones, or with `all` named ones too, and of these only such as the label
    /// rules choose. Volumes with mount options stay: their data is elsewhere.
    pub async fn prune(&self, prune: &Prune) -> Result<Pruned> {
        let _pruning = self.inner.pruning.try_lock().map_err(|_| Error::PruneRunning)?;
        let mut pruned = Pruned::default();
        for volume in self.list()? {
            if !prune.chooses(&volume) || !self.holders_of(&volume.name).is_empty() {
                continue;
            }
            let size = self.size(&volume.name).await?;
            match self.remove(&volume.name, true).await {
                Ok(Some(removed)) => {
                    pruned.reclaimed += size;
                    pruned.volumes.push(removed);
                }
                // Gone or taken into use since the list was made.
                Ok(None) | Err(Error::InUse { .. }) => {}
                Err(error) => tracing::warn!(volume = volume.name, "volume not pruned: {error}"),
            }
        }
        Ok(pruned)
    }

    /// Bytes of file content in the volume's directory; hard links count once.
    pub async fn size(&self, name: &str) -> Result<u64> {
        let path = self.mountpoint(name);
        Ok(tokio::task::spawn_blocking(move || size::of_tree(&path)).await.expect("the walk does not panic"))
    }

    async fn lock(&self, name: &str) -> tokio::sync::MutexGuard<'_, ()> {
        self.lock_of(name).lock().await
    }

    fn lock_of(&self, name: &str) -> &tokio::sync::Mutex<()> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % LOCKS as u64).expect("less than the number of locks");
        &self.inner.changes[index]
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.inner.root.join(name)
    }

    /// Puts the directory out of the way and answers where it is: beside what an earlier removal of a volume of this name
    /// may not have deleted yet.
    fn set_aside(&self, name: &str) -> Result<PathBuf> {
        use std::io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotFound};
        let directory = self.directory(name);
        for number in 0.. {
            let removed = self.inner.root.join(recover::removed_name(name, number));
            match std::fs::rename(&directory, &removed) {
                Err(error) if matches!(error.kind(), DirectoryNotEmpty | AlreadyExists) => {}
                Err(error) if error.kind() != NotFound => {
                    return Err(Error::Io { action: "remove", path: directory, source: error });
                }
                Ok(()) | Err(_) => return Ok(removed),
            }
        }
        unreachable!("numbers do not end")
    }

    fn hold_unchecked(&self, name: &str, holder: &str) {
        self.holders().entry(name.to_owned()).or_default().insert(holder.to_owned());
    }

    fn holders(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.inner.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn users(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.inner.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// 64 hexadecimal digits, as dockerd names anonymous volumes.
fn random_name() -> String {
    let mut bytes = [0_u8; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("getrandom(2) without flags cannot fail: {error}"),
        }
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn make_directory(data: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    let io = |source| Error::Io { action: "make", path: data.to_owned(), source };
    // The mode of dockerd: others may pass into `_data`, but not list the volume's own directory.
    let parent = data.parent().expect("_data has a parent");
    std::fs::DirBuilder::new().recursive(true).mode(0o701).create(parent).map_err(io)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(data).map_err(io)
}

async fn delete_tree(path: PathBuf) -> Result<()> {
    let done = tokio::task::spawn_blocking(move || match layers::remove_tree(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::Io { action: "remove", path, source }),
    });
    done.await.expect("removing a tree does not panic")
}
