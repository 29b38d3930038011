//! The root of a stopped container with its volumes and binds in it, as it would find them itself.
//!
//! A mount can only be put onto another within a mount namespace. A thread of its own makes one, puts everything together
//! there, takes a detached copy of the whole tree out, and ends; the namespace and its names end with it.

use crate::actor::{make_directory, mount_apart};
use crate::record::Record;
use crate::service::Inner;
use crate::spec::SpecSource;
use crate::{Error, Result};
use runtime::sys;
use rustix::fs::{FileType, Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// `MOUNT_ATTR_RDONLY` of mount_setattr(2).
const READ_ONLY: u64 = 1;

/// Tells the users of volumes apart that copy out of or into a container.
static COPIES: AtomicU64 = AtomicU64::new(0);

/// What is mounted at a path of the container.
struct Part {
    destination: String,
    tree: OwnedFd,
    rw: bool,
}

/// A detached mount of it; blocking.
pub(super) fn mount(inner: &Inner, record: &Record) -> Result<OwnedFd> {
    let root = inner.mount_root(&record.chain, inner.upper(&record.id))?;
    let user = format!("copy {}", COPIES.fetch_add(1, Ordering::Relaxed));
    let parts = parts(inner, record, &user);
    // What was found mounted is held by descriptors now.
    for (volume, _) in record.volumes() {
        inner.services.volumes.unmount(volume, &user);
    }
    for (path, read_only) in record.shares() {
        let left = inner.services.folders.unmount(path, read_only, &user);
        tokio::runtime::Handle::current().block_on(left);
    }
    let mut parts = parts?;
    if parts.is_empty() {
        return Ok(root);
    }
    // What holds another comes first.
    parts.sort_by_key(|part| part.destination.matches('/').count());
    let place = inner.settings.root.join("containers").join(&record.id);
    let putting = std::thread::spawn(move || put_together(&root, &parts, &place));
    putting.join().unwrap_or_else(|_| Err(Error::io("put the container's root together")(io::ErrorKind::Other.into())))
}

fn parts(inner: &Inner, record: &Record, user: &str) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for mount in &record.mounts {
        let tree = match inner.resolve_mount(mount, user)? {
            (_, Some(tree)) => tree,
            (SpecSource::Path { path, recursive }, None) => runtime::mounts::detach(Path::new(&path), recursive)?,
            // Memory that no container has.
            (SpecSource::Tmpfs { .. } | SpecSource::Descriptor, None) => continue,
        };
        // Of the group of its source, what is put onto it would be mounted there as well.
        sys::mount_setattr(tree.as_fd(), true, 0, 0, libc::MS_PRIVATE)
            .map_err(Error::path("take apart", &mount.destination))?;
        parts.push(Part { destination: mount.destination.clone(), tree, rw: mount.rw });
    }
    Ok(parts)
}

/// For a thread that does nothing else: it leaves the engine's mount namespace. `place` is any directory.
fn put_together(root: &OwnedFd, parts: &[Part], place: &Path) -> Result<OwnedFd> {
    let fail = || Error::io("put the container's root together");
    mount_apart(root, place)?;
    for part in parts {
        let onto = mountpoint(root.as_fd(), part)?;
        sys::move_mount(part.tree.as_fd(), onto.as_fd()).map_err(Error::path("mount", &part.destination))?;
    }
    // Afterwards, so that places for what goes below could be made.
    for part in parts.iter().filter(|part| !part.rw) {
        sys::mount_setattr(part.tree.as_fd(), false, READ_ONLY, 0, 0)
            .map_err(Error::path("mount", &part.destination))?;
    }
    sys::open_tree_clone(root.as_fd(), Path::new(""), true).map_err(fail())
}

/// Where the part goes: made when the container never ran.
fn mountpoint(root: BorrowedFd<'_>, part: &Part) -> Result<OwnedFd> {
    let find = |path: &str| sys::open_in_root(root, Path::new(path), libc::O_PATH | libc::O_CLOEXEC, 0);
    match find(&part.destination) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found.map_err(Error::path("find", &part.destination)),
    }
    let stat =
        rustix::fs::fstat(&part.tree).map_err(|error| Error::path("look at", &part.destination)(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        make_directory(root, &part.destination)?;
    } else {
        let (parent, name) = part.destination.rsplit_once('/').unwrap_or(("", &part.destination));
        make_directory(root, parent)?;
        let parent = find(if parent.is_empty() { "/" } else { parent }).map_err(Error::path("find", parent))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o755))
            .map_err(|error| Error::path("make", &part.destination)(error.into()))?;
    }
    find(&part.destination).map_err(Error::path("find", &part.destination))
}
