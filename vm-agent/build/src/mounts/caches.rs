//! The directories of cache mounts, which outlive builds. One cache has as many as steps want at a time that do not share.

use super::Owner;
use crate::blocking;
use crate::error::{Result, disk};
use crate::stock::Space;
use layers::Digest;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Where those lie that have no name yet, or none any more. No cache is called so: they are digests.
const NAMELESS: &str = ".nameless";

/// What tells caches apart: as in BuildKit, those of one name that are made for somebody are another one for each, and so are those that
/// begin with something.
pub(super) fn key(id: &str, owner: Option<Owner>, first: Option<&str>) -> Digest {
    let mut text = id.to_owned();
    if let Some(Owner { mode, uid, gid }) = owner {
        text.push_str(&format!("\0{uid}:{gid}:{mode:o}"));
    }
    if let Some(first) = first {
        text.push_str(&format!("\0\0{first}"));
    }
    Digest::of(text.as_bytes())
}

/// How a step has a cache beside others that want the same one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// With all that share it, too.
    Shared,
    /// One of its own.
    Private,
    /// One of its own, waiting until one is free if there is any.
    Locked,
}

/// All of them, over all builds. Clones share one state.
#[derive(Debug, Clone)]
pub(crate) struct Caches {
    directory: Arc<PathBuf>,
    used: Arc<Mutex<HashMap<PathBuf, Users>>>,
    /// A step has one no more.
    released: Arc<Notify>,
    /// Its receivers are with steps of an engine before, which may write to any of them.
    before: Arc<watch::Sender<()>>,
}

/// Somebody may write to any cache: until it is dropped no step gets one.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "it is there")] watch::Receiver<()>);

/// The steps that have a directory.
#[derive(Debug)]
struct Users {
    count: usize,
    is_shared: bool,
}

/// A step has a cache; dropped, it has it no more.
#[derive(Debug)]
pub(super) struct Used {
    caches: Caches,
    pub(super) key: Digest,
    pub(super) path: PathBuf,
}

impl Drop for Used {
    fn drop(&mut self) {
        // When it was used last, for whoever asks.
        let now = std::time::SystemTime::now();
        if let Err(error) = std::fs::File::open(&self.path).and_then(|directory| directory.set_modified(now)) {
            tracing::debug!(path = %self.path.display(), %error, "a cache does not tell when it was used");
        }
        {
            let mut used = self.caches.used();
            if let Some(users) = used.get_mut(&self.path) {
                users.count -= 1;
                if users.count == 0 {
                    used.remove(&self.path);
                }
            }
        }
        self.caches.released.notify_waiters();
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
        let before = Arc::new(watch::Sender::new(()));
        Ok(Caches { directory: Arc::new(directory), used: Arc::default(), released: Arc::default(), before })
    }

    /// For a step of an engine before, until it is gone.
    pub(crate) fn hold(&self) -> Held {
        Held(self.before.subscribe())
    }

    /// Whether a step of an engine before may write to any of them.
    pub(super) fn are_held(&self) -> bool {
        self.before.receiver_count() > 0
    }

    fn used(&self) -> MutexGuard<'_, HashMap<PathBuf, Users>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of a cache's directories, for a step. It is there only when it was [made](Used::make). Nobody removes it from here on.
    pub(super) async fn take(&self, key: Digest, sharing: Sharing) -> Result<Used> {
        self.before.closed().await;
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Whoever lets go from here on is heard.
            released.as_mut().enable();
            let caches = self.clone();
            let taken = blocking(move || caches.try_take(key, sharing).map_err(disk(&*caches.directory))).await?;
            if let Some(used) = taken {
                return Ok(used);
            }
            released.await;
        }
    }

    /// None: the step has to wait; blocking.
    fn try_take(&self, key: Digest, sharing: Sharing) -> std::io::Result<Option<Used>> {
        let mut used = self.used();
        let mut there = self.directories(&key)?;
        // Some that are used are not made yet.
        there.extend((0..).map(|number| self.path(&key, number)).take_while(|path| used.contains_key(path)));
        let shared = |path: &&PathBuf| used.get(*path).is_some_and(|users| users.is_shared);
        let joined = there.iter().find(shared).filter(|_| sharing == Sharing::Shared);
        let free = there.iter().find(|path| !used.contains_key(*path));
        let path = match joined.or(free) {
            Some(path) => path.clone(),
            None if sharing == Sharing::Locked && !there.is_empty() => return Ok(None),
            None => {
                let mut fresh = (0..).map(|number| self.path(&key, number)).filter(|path| !used.contains_key(path));
                fresh.next().unwrap_or_else(|| self.path(&key, 0))
            }
        };
        let users = used.entry(path.clone()).or_insert(Users { count: 0, is_shared: sharing == Sharing::Shared });
        users.count += 1;
        Ok(Some(Used { caches: self.clone(), key, path }))
    }

    fn path(&self, key: &Digest, number: usize) -> PathBuf {
        let name = key.hex();
        self.directory.join(if number == 0 { name } else { format!("{name}.{number}") })
    }

    /// Those of a cache that are there.
    fn directories(&self, key: &Digest) -> std::io::Result<BTreeSet<PathBuf>> {
        let (name, mut found) = (key.hex(), BTreeSet::new());
        for entry in std::fs::read_dir(&*self.directory)? {
            let path = entry?.path();
            let own = path.file_name().and_then(OsStr::to_str).and_then(|other| other.strip_prefix(name.as_str()));
            if own.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
                found.insert(path);
            }
        }
        Ok(found)
    }

    /// The disk that they are on; blocking.
    pub(crate) fn space(&self) -> std::io::Result<Space> {
        let disk = rustix::fs::statvfs(&*self.directory)?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Ok(Space { total: bytes(disk.f_blocks), free: bytes(disk.f_bavail) })
    }

    /// All there are; blocking.
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
            let in_use = self.are_held() || self.used().contains_key(&path);
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
            if self.are_held() || used.contains_key(path) {
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

impl Used {
    /// Makes the directory unless it is there; blocking. `fill` gives it its owner and its first contents before anybody sees it.
    pub(super) fn make(&self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let path = &self.path;
        if path.is_dir() {
            return Ok(());
        }
        let fresh = tempfile::tempdir_in(self.caches.directory.join(NAMELESS)).map_err(disk(path))?;
        fill(fresh.path())?;
        match rustix::fs::renameat_with(CWD, fresh.path(), CWD, path, RenameFlags::NOREPLACE) {
            // It is not there any more under the name that would be removed.
            Ok(()) => drop(fresh.keep()),
            // Another step that shares it was faster.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(disk(path)(error.into())),
        }
        Ok(())
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
    use futures_util::FutureExt as _;
    use std::os::unix::fs::PermissionsExt as _;

    impl Caches {
        fn make(&self, id: &str, owner: Option<Owner>) -> Result<Used> {
            let used = self
                .try_take(key(id, owner, None), Sharing::Shared)
                .expect("read")
                .expect("shared ones wait for nobody");
            let Owner { mode, uid, gid } = owner.unwrap_or(Owner { mode: 0o755, uid: 0, gid: 0 });
            used.make(|path| crate::mounts::prepare::own(path, Owner { mode, uid, gid }))?;
            Ok(used)
        }
    }

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
    fn steps_that_do_not_share_have_directories_of_their_own() {
        let root = tempfile::tempdir().expect("a directory");
        let caches = Caches::open(root.path().join("caches")).expect("opened");
        let id = key("a", None, None);
        let take = |sharing| {
            let used = caches.try_take(id, sharing).expect("read")?;
            used.make(|_| Ok(())).expect("made");
            Some(used)
        };
        let name = |used: &Option<Used>| {
            let path = used.as_ref().map(|used| used.path.file_name().expect("a name").to_string_lossy().into_owned());
            path.map(|name| name.split_once('.').map(|(_, number)| number.to_owned()).unwrap_or_default())
        };
        let one = Some(String::new());
        let numbered = |number: &str| Some(number.to_owned());
        let shared = take(Sharing::Shared);
        assert_eq!((name(&shared), name(&take(Sharing::Shared))), (one.clone(), one.clone()));
        let private = take(Sharing::Private);
        assert_eq!((name(&private), name(&take(Sharing::Private))), (numbered("1"), numbered("2")));
        // The third one is free.
        let locked = take(Sharing::Locked);
        assert_eq!((name(&locked), name(&take(Sharing::Locked))), (numbered("2"), None));
        assert_eq!(name(&take(Sharing::Shared)), one, "whoever shares joins others who do");
        drop(shared);
        assert_eq!(name(&take(Sharing::Locked)), one, "nobody shares it any more");
        drop((private, locked));
        assert_eq!(caches.list().expect("listed").len(), 3);
        assert_eq!(caches.prune(&ids(&caches)).expect("pruned").len(), 3);
    }

    #[test]
    fn who_wants_one_alone_waits_until_it_is_free() {
        let root = tempfile::tempdir().expect("a directory");
        let caches = Caches::open(root.path().join("caches")).expect("opened");
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
            let id = key("a", None, None);
            let first = caches.take(id, Sharing::Locked).await.expect("taken");
            let mut second = Box::pin(caches.take(id, Sharing::Locked));
            assert!(second.as_mut().now_or_never().is_none());
            let (second, ()) = futures_util::future::join(second, async move { drop(first) }).await;
            assert_eq!(second.expect("taken").path, caches.path(&id, 0));
        });
    }

    #[test]
    fn who_wants_one_waits_for_what_an_engine_before_left() {
        let root = tempfile::tempdir().expect("a directory");
        let caches = Caches::open(root.path().join("caches")).expect("opened");
        let held = [caches.hold(), caches.hold()];
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
            let mut taken = Box::pin(caches.take(key("a", None, None), Sharing::Locked));
            let [one, other] = held;
            drop(one);
            assert!(taken.as_mut().now_or_never().is_none());
            drop(other);
            taken.await.expect("taken");
        });
    }

    #[test]
    fn what_an_engine_before_may_write_to_is_not_pruned() {
        let root = tempfile::tempdir().expect("a directory");
        let caches = Caches::open(root.path().join("caches")).expect("opened");
        drop(caches.make("a", OWNER).expect("made"));
        let held = caches.hold();
        assert!(caches.list().expect("listed")[0].in_use);
        assert_eq!(caches.prune(&ids(&caches)).expect("pruned").len(), 0);
        drop(held);
        assert_eq!(caches.prune(&ids(&caches)).expect("pruned").len(), 1);
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
        let id = |number: usize| key(&number.to_string(), OWNER, None).hex();
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
