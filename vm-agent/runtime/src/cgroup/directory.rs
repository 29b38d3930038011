//! A cgroup as a directory: made, written, frozen, killed, removed.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Controllers, Settings};
use crate::{Error, Result};

/// The part of the tree in which containers live.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    root: PathBuf,
    parent: PathBuf,
    controllers: Controllers,
}

impl Hierarchy {
    /// Makes `<cgroup2 mount>/<parent>` and hands it every controller that the tree has.
    ///
    /// On a host whose controllers are all on cgroup v1 the result has none, and limits become warnings.
    pub fn prepare(parent: &str) -> Result<Hierarchy> {
        Hierarchy::prepare_below(super::mount_point()?, parent)
    }

    fn prepare_below(root: PathBuf, parent: &str) -> Result<Hierarchy> {
        let path = root.join(parent);
        fs::create_dir_all(&path).map_err(|source| Error::Cgroup { action: "make", path: path.clone(), source })?;
        let mut at = root.clone();
        let mut parts: Vec<&str> = parent.split('/').collect();
        parts.insert(0, "");
        for part in parts {
            at.push(part);
            enable(&at)?;
        }
        let controllers = words(&path.join("cgroup.subtree_control"))?;
        Ok(Hierarchy { root, parent: path, controllers })
    }

    /// What [`super::settings`] can use.
    pub fn controllers(&self) -> &Controllers {
        &self.controllers
    }

    /// Where the tree is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A new cgroup for one container; a leftover of the same name is taken over. `parent` is a path below the tree's
    /// root, with or without a slash at its beginning, and empty for the usual one; what is missing of it is made, and goes
    /// with the last cgroup in it.
    pub fn create(&self, parent: &str, name: &str) -> Result<Cgroup> {
        let _lock = (!parent.is_empty()).then(parents);
        let path = match parent {
            "" => self.parent.join(name),
            _ => self.make_parents(parent)?.join(name),
        };
        match fs::create_dir(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::Cgroup { action: "make", path, source: e })
            }
            _ => Ok(Cgroup { path }),
        }
    }

    /// The cgroup of a container that lives already.
    pub fn adopt(&self, parent: &str, name: &str) -> Cgroup {
        let parent = if parent.is_empty() { self.parent.clone() } else { below(&self.root, parent) };
        Cgroup { path: parent.join(name) }
    }

    /// Makes what is missing on the way to a parent of the user's choice, and hands every controller down to it.
    fn make_parents(&self, parent: &str) -> Result<PathBuf> {
        let path = below(&self.root, parent);
        let way: Vec<&Path> = path.ancestors().take_while(|at| at.starts_with(&self.root)).collect();
        for at in way.into_iter().rev() {
            match fs::create_dir(at) {
                Ok(()) => mark(at),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::Cgroup { action: "make", path: at.to_owned(), source }),
            }
            enable(at)?;
        }
        Ok(path)
    }

    /// Removes the parent again, and its own parents as far as they are empty. Containers must be gone.
    pub fn dissolve(parent: &str) -> Result<()> {
        let root = super::mount_point()?;
        for (i, path) in Path::new(parent).ancestors().filter(|p| !p.as_os_str().is_empty()).enumerate() {
            let path = root.join(path);
            match fs::remove_dir(&path) {
                Err(source) if i == 0 && source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Cgroup { action: "remove", path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Names of all cgroups under the parent.
    pub fn list(&self) -> Result<Vec<String>> {
        let fail = |source| Error::Cgroup { action: "list", path: self.parent.clone(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.parent).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }
}

/// A path of the user's below the tree's root; as in dockerd no `..` leads out of it.
fn below(root: &Path, parent: &str) -> PathBuf {
    let mut parts = Vec::new();
    for part in parent.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.into_iter().fold(root.to_owned(), |path, part| path.join(part))
}

/// Held while parents are made or removed: one must not go while a cgroup in it is made.
fn parents() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The mark of a parent that was made for a container and goes with the last one; it outlives the engine.
const MARK: &CStr = c"trusted.berth.made";

/// Marks a parent as made here. One that cannot be marked stays for good, which is what dockerd does with all.
fn mark(path: &Path) {
    let Ok(path) = CString::new(path.as_os_str().as_encoded_bytes()) else { return };
    // SAFETY: both strings end with a zero; the value is one byte.
    unsafe { libc::setxattr(path.as_ptr(), MARK.as_ptr(), c"1".as_ptr().cast(), 1, 0) };
}

fn is_marked(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_encoded_bytes()) else { return false };
    // SAFETY: both strings end with a zero; no value is read.
    unsafe { libc::getxattr(path.as_ptr(), MARK.as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

/// Removes the parents of a cgroup that is gone, as far as they were made for it and are empty.
fn remove_parents(path: &Path) {
    let _lock = parents();
    for parent in path.ancestors().skip(1).take_while(|parent| is_marked(parent)) {
        // Others live in it.
        if fs::remove_dir(parent).is_err() {
            return;
        }
    }
}

/// Hands every controller on to the children. A controller that refuses (realtime threads, a busy v1 mount) is left out.
fn enable(path: &Path) -> Result<()> {
    let file = path.join("cgroup.subtree_control");
    for controller in words(&path.join("cgroup.controllers"))? {
        let _ = fs::write(&file, format!("+{controller}"));
    }
    Ok(())
}

fn words(path: &Path) -> Result<Controllers> {
    let text = fs::read_to_string(path).map_err(|source| Error::Cgroup {
        action: "read the controllers of",
        path: path.to_owned(),
        source,
    })?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// One container's cgroup.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory, for CLONE_INTO_CGROUP and the device filter. Opened anew: a thousand idle containers hold none.
    pub fn open(&self) -> Result<OwnedFd> {
        let fail = |source| Error::Cgroup { action: "open", path: self.path.clone(), source };
        Ok(fs::File::open(&self.path).map_err(fail)?.into())
    }

    pub fn apply(&self, settings: &Settings) -> Result<()> {
        for (file, value) in &settings.writes {
            self.write(file, value)?;
        }
        Ok(())
    }

    pub fn write(&self, file: &str, value: &str) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, value).map_err(|source| Error::CgroupWrite { path, value: value.to_owned(), source })
    }

    /// The text of one file, `None` if this host has no such file.
    pub fn read(&self, file: &str) -> Result<Option<String>> {
        match fs::read_to_string(self.path.join(file)) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Cgroup { action: "read", path: self.path.join(file), source }),
        }
    }

    /// Process ids in this cgroup and below it (a container may have made its own).
    pub fn processes(&self) -> Result<Vec<i32>> {
        let mut pids = Vec::new();
        collect(&self.path, &mut pids).map_err(|source| Error::Cgroup {
            action: "list the processes of",
            path: self.path.clone(),
            source,
        })?;
        Ok(pids)
    }

    /// Asks for the freeze or thaw; [`Cgroup::event`] tells when it happened.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        self.write("cgroup.freeze", if frozen { "1" } else { "0" })
    }

    /// SIGKILL to everything inside, at once.
    pub fn kill(&self) -> Result<()> {
        self.write("cgroup.kill", "1")
    }

    /// A value of `cgroup.events`: `populated`, `frozen`.
    pub fn event(&self, key: &str) -> Result<bool> {
        let text = self.read("cgroup.events")?.unwrap_or_default();
        Ok(text.lines().any(|line| line.split_once(' ') == Some((key, "1"))))
    }

    /// Blocks until an event has the value (poll on `cgroup.events`, which the kernel wakes) or the time is over.
    pub fn wait_event(&self, key: &str, value: bool, limit: Duration) -> Result<bool> {
        let path = self.path.join("cgroup.events");
        let fail = |source| Error::Cgroup { action: "watch", path: path.clone(), source };
        let file = fs::File::open(&path).map_err(fail)?;
        let end = Instant::now() + limit;
        loop {
            // The kernel counts a change as seen only by a reader of this very open file.
            let text = io::read_to_string(&file).map_err(fail)?;
            if text.lines().any(|line| line.split_once(' ') == Some((key, if value { "1" } else { "0" }))) {
                return Ok(true);
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else { return Ok(false) };
            let mut poll = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLPRI, revents: 0 };
            // SAFETY: one pollfd.
            unsafe { libc::poll(&mut poll, 1, left.as_millis().min(60_000) as i32 + 1) };
            use io::Seek;
            (&file).rewind().map_err(fail)?;
        }
    }

    /// Removes the directory with everything a container made below it; whatever lives inside is killed. Blocks up to
    /// two seconds for the last process to go.
    pub fn remove(&self) -> Result<()> {
        let fail = |source| Error::Cgroup { action: "remove", path: self.path.clone(), source };
        match remove_tree(&self.path) {
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) => {
                self.kill()?;
                self.wait_event("populated", false, Duration::from_secs(2))?;
                remove_tree(&self.path).map_err(fail)?;
            }
            removed => removed.map_err(fail)?,
        }
        remove_parents(&self.path);
        Ok(())
    }
}

/// rmdir from the leaves up; gone already is fine. The files inside are the kernel's.
fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) if e.raw_os_error() != Some(libc::EBUSY) => return Err(e),
        Err(_) => {}
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

fn collect(path: &Path, pids: &mut Vec<i32>) -> io::Result<()> {
    match fs::read_to_string(path.join("cgroup.procs")) {
        Ok(text) => pids.extend(text.lines().filter_map(|l| l.parse::<i32>().ok())),
        // A threaded cgroup has no process list of its own.
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        Err(e) => return Err(e),
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), pids)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parent_leads_out_of_the_tree() {
        for (parent, path) in [
            ("/team", "/tree/team"),
            ("team/", "/tree/team"),
            ("/", "/tree"),
            ("../../etc", "/tree/etc"),
            ("a/.././b//c", "/tree/b/c"),
            ("..", "/tree"),
        ] {
            assert_eq!(below(Path::new("/tree"), parent), Path::new(path), "{parent}");
        }
    }
}
