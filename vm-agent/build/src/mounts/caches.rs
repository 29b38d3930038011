//! The directories of cache mounts, which outlive builds.

use super::Owner;
use super::prepare::own;
use crate::error::{Result, disk};
use crate::turns::Turns;
use layers::Digest;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where those lie that have no name yet, or none any more. No cache is called so: they are digests.
const NAMELESS: &str = ".nameless";

/// What nothing is said of.
const OWNER: Owner = Owner { mode: 0o755, uid: 0, gid: 0 };

/// What tells caches apart: as in BuildKit, those of one name that are made for somebody are another one for each.
pub(super) fn key(id: &str, owner: Option<Owner>) -> Digest {
    match owner {
        None => Digest::of(id.as_bytes()),
        Some(Owner { mode, uid, gid }) => Digest::of(format!("{id}\0{uid}:{gid}:{mode:o}").as_bytes()),
    }
}

/// All of them, over all builds. Clones share one state.
#[derive(Debug, Clone)]
pub(crate) struct Caches {
    directory: Arc<PathBuf>,
    /// Who wants one alone waits for the others who do.
    pub(super) turns: Turns,
    /// How many steps have them.
    used: Arc<Mutex<HashMap<PathBuf, usize>>>,
}

/// A step has a cache; dropped, it has it no more.
#[derive(Debug)]
pub(super) struct Used {
    caches: Caches,
    pub(super) path: PathBuf,
}

impl Drop for Used {
    fn drop(&mut self) {
        let mut used = self.caches.used();
        if let Some(count) = used.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.path);
            }
        }
        // When it was used last, for whoever asks.
        let now = std::time::SystemTime::now();
        if let Err(error) = std::fs::File::open(&self.path).and_then(|directory| directory.set_modified(now)) {
            tracing::debug!(path = %self.path.display(), %error, "a cache does not tell when it was used");
        }
    }
}

/// The directory of a cache mount, as people are told of it.
#[derive(Debug, Clone)]
pub struct MountCache {
    pub id: String,
    /// Bytes.
    pub size: u64,
    pub used: std::time::SystemTime,
    pub in_use: bool,
}

impl Caches {
    /// What an earlier run was about to remove goes.
    pub(crate) fn open(directory: PathBuf) -> std::io::Result<Caches> {
        let nameless = directory.join(NAMELESS);
        match std::fs::remove_dir_all(&nameless) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(&nameless)?;
        Ok(Caches { directory: Arc::new(directory), turns: Turns::default(), used: Arc::default() })
    }

    fn used(&self) -> MutexGuard<'_, HashMap<PathBuf, usize>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory of that name, made unless it is there; blocking.
    pub(super) fn make(&self, id: &str, owner: Option<Owner>) -> Result<Used> {
        let path = self.directory.join(key(id, owner).hex());
        // Nobody removes it from here on.
        *self.used().entry(path.clone()).or_default() += 1;
        let used = Used { caches: self.clone(), path: path.clone() };
        if path.is_dir() {
            return Ok(used);
        }
        // With its owner before it has its name.
        let fresh = tempfile::tempdir_in(self.directory.join(NAMELESS)).map_err(disk(&path))?;
        own(fresh.path(), owner.unwrap_or(OWNER))?;
        match rustix::fs::renameat_with(CWD, fresh.path(), CWD, &path, RenameFlags::NOREPLACE) {
            // It is not there any more under the name that would be removed.
            Ok(()) => drop(fresh.keep()),
            // Another build was faster.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(disk(&path)(error.into())),
        }
        Ok(used)
    }

    /// All there are; blocking.
    /// Bytes that are free for us on their disk.
    pub(crate) fn free_space(&self) -> std::io::Result<u64> {
        let disk = rustix::fs::statvfs(&*self.directory)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    pub(crate) fn list(&self) -> std::io::Result<Vec<MountCache>> {
        let mut list = Vec::new();
        for entry in std::fs::read_dir(&*self.directory)? {
            let entry = entry?;
            let (path, id) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if id == NAMELESS {
                continue;
            }
            let used = match entry.metadata().and_then(|metadata| metadata.modified()) {
                // Removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                used => used?,
            };
            let in_use = self.used().contains_key(&path);
            list.push(MountCache { id, size: size(&path)?, used, in_use });
        }
        Ok(list)
    }

    /// Removes those of these IDs that no step has; blocking. What they were. One that cannot be removed keeps no other.
    pub(crate) fn prune(&self, ids: &HashSet<String>) -> std::io::Result<Vec<MountCache>> {
        let mut gone = Vec::new();
        for cache in self.list()?.into_iter().filter(|cache| ids.contains(&cache.id)) {
            let path = self.directory.join(&cache.id);
            match self.remove(&path) {
                Ok(true) => gone.push(cache),
                Ok(false) => {}
                Err(error) => tracing::warn!(path = %path.display(), %error, "a cache of builds stays"),
            }
        }
        Ok(gone)
    }

    /// Whether it was removed here, and is of no step's and of no other prune's.
    fn remove(&self, path: &Path) -> std::io::Result<bool> {
        let doomed = tempfile::tempdir_in(self.directory.join(NAMELESS))?;
        {
            // Out of sight first: a step that comes now makes a new one.
            let used = self.used();
            if used.contains_key(path) {
                return Ok(false);
            }
            match std::fs::rename(path, doomed.path()) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                moved => moved?,
            }
        }
        doomed.close()?;
        Ok(true)
    }
}

/// Bytes of all files in a directory, as far as they are there: steps write while this reads, and prunes remove.
fn size(path: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    let mut waiting = vec![path.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() { waiting.push(entry.path()) } else { sum += metadata.len() }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const OWNER: Option<Owner> = Some(Owner { mode: 0o700, uid: 0, gid: 0 });

    fn ids(caches: &Caches) -> HashSet<String> {
        caches.list().expect("listed").into_iter().map(|cache| cache.id).collect()
    }

    #[test]
    fn a_cache_that_a_step_has_is_not_pruned() {
        let root = tempfile::tempdir().expect("a directory");
        let caches = Caches::open(root.path().join("caches")).expect("opened");
        let used = caches.make("a", OWNER).expect("made");
        std::fs::write(used.path.join("f"), "abc").expect("written");
        drop(caches.make("b", OWNER).expect("made"));
        assert_eq!(std::fs::metadata(&used.path).expect("there").permissions().mode() & 0o777, 0o700);
        assert_eq!(caches.prune(&ids(&caches)).expect("pruned").len(), 1);
        let list = caches.list().expect("listed");
        assert_eq!(list.iter().map(|cache| (cache.size, cache.in_use)).collect::<Vec<_>>(), [(3, true)]);
        let again = caches.make("a", OWNER).expect("made");
        drop(used);
        assert_eq!(caches.prune(&ids(&caches)).expect("pruned").len(), 0);
        assert_eq!(std::fs::read(again.path.join("f")).expect("read"), b"abc");
        drop(again);
        assert_eq!(caches.prune(&HashSet::new()).expect("pruned").len(), 0, "only those that are meant");
        assert_eq!(caches.prune(&ids(&caches)).expect("pruned").len(), 1);
        assert!(caches.list().expect("listed").is_empty());
    }

    #[test]
    fn each_owner_has_its_own() {
        let root = tempfile::tempdir().expect("a directory");
        let caches = Caches::open(root.path().join("caches")).expect("opened");
        let owner = |mode| Some(Owner { mode, uid: 0, gid: 0 });
        let mode = |used: &Used| std::fs::metadata(&used.path).expect("there").permissions().mode() & 0o777;
        let (any, open) = (caches.make("a", None).expect("made"), caches.make("a", owner(0o777)).expect("made"));
        assert_eq!((mode(&any), mode(&open)), (0o755, 0o777));
        assert_eq!(caches.make("a", owner(0o777)).expect("there").path, open.path);
        assert_ne!(caches.make("a", owner(0o755)).expect("made").path, any.path, "said or not");
        drop((any, open));
        assert_eq!(caches.prune(&ids(&caches)).expect("pruned").len(), 3);
    }

    #[test]
    fn what_a_killed_prune_left_is_in_no_ones_way() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("caches");
        let caches = Caches::open(directory.clone()).expect("opened");
        drop(caches.make("a", OWNER).expect("made"));
        let left = directory.join(NAMELESS).join("left");
        std::fs::create_dir(&left).expect("made");
        std::fs::write(left.join("f"), "").expect("written");
        assert_eq!(caches.list().expect("listed").len(), 1, "what has no name is no cache");
        assert_eq!(caches.prune(&ids(&caches)).expect("pruned").len(), 1);
        assert!(left.exists(), "a prune removes nothing that another one or a step is about");
        Caches::open(directory).expect("opened again");
        assert!(!left.exists());
    }

    /// Steps that make caches while prunes remove them: nothing fails, and nothing is told twice.
    #[test]
    fn prunes_and_steps_do_not_hurt_each_other() {
        let root = tempfile::tempdir().expect("a directory");
        let caches = Caches::open(root.path().join("caches")).expect("opened");
        let id = |number: usize| key(&number.to_string(), OWNER).hex();
        let all: HashSet<String> = (0..8).map(id).collect();
        let made = std::thread::scope(|scope| {
            let pruning: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| (0..100).map(|_| caches.prune(&all).expect("pruned").len()).sum::<usize>()))
                .collect();
            for round in 0..200 {
                let used = caches.make(&(round % 8).to_string(), OWNER).expect("made");
                std::fs::write(used.path.join(round.to_string()), "").expect("a cache in use stays");
            }
            pruning.into_iter().map(|pruning| pruning.join().expect("ended")).sum::<usize>()
        });
        assert!(made <= 200, "{made} were removed of at most 200");
        caches.prune(&all).expect("pruned");
        assert!(caches.list().expect("listed").is_empty());
        assert!(std::fs::read_dir(root.path().join("caches").join(NAMELESS)).expect("there").next().is_none());
    }
}
