//! The mounts of a start: where each one's content is, and volumes in use.

use super::Actor;
use crate::create::mounts::clean;
use crate::propagation::MountTable;
use crate::record::{Mounted, Record, Source};
use crate::service::blocking;
use crate::spec::{SpecMount, SpecSource};
use crate::{Error, Result};
use engine_api::Mount;
use runtime::sys;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Actor {
    /// The user's mounts, with descriptors for those that are no plain path.
    #[allow(clippy::type_complexity, reason = "three lists that belong together once")]
    pub(super) async fn resolve_mounts(
        &self,
    ) -> Result<(Vec<SpecMount>, Vec<(String, OwnedFd)>, BTreeMap<PathBuf, String>)> {
        let (inner, mounts) = (Arc::clone(&self.inner), self.record.mounts.clone());
        if mounts.is_empty() {
            return Ok(Default::default());
        }
        let (user, given) = (self.record.id.clone(), self.record.host.mounts.clone().unwrap_or_default());
        blocking(move || {
            let (mut list, mut fds, mut names) = (Vec::new(), Vec::new(), BTreeMap::new());
            let table = MountTable::read()?;
            given.iter().try_for_each(agrees)?;
            for mount in &mounts {
                let (what, descriptor) = inner.resolve_mount(mount, &user)?;
                if let Some(descriptor) = descriptor {
                    let name = format!("mount.{}", fds.len());
                    names.insert(PathBuf::from(&mount.destination), name.clone());
                    fds.push((name, descriptor));
                }
                let propagation = match &mount.source {
                    Source::Bind { path, .. } => {
                        table.propagation(path, &mount.propagation, || inner.settings.chose(mount, path, &given))?
                    }
                    Source::Share { .. }
                    | Source::Volume { .. }
                    | Source::Tmpfs { .. }
                    | Source::Image { .. }
                    | Source::Overlay { .. } => mount.propagation.clone(),
                };
                list.push(SpecMount {
                    destination: mount.destination.clone(),
                    what,
                    rw: mount.rw,
                    propagation,
                    recursive_read_only: mount.recursive_read_only,
                });
            }
            Ok((list, fds, names))
        })
        .await
    }
}

impl crate::service::Inner {
    /// The volumes and shared folders among a container's mounts are out of use.
    pub(crate) async fn leave_mounts(self: &Arc<Self>, record: &Record) {
        for (path, read_only) in record.shares() {
            self.services.folders.unmount(path, read_only, &record.id).await;
        }
        let names: Vec<String> = record.volumes().map(|(name, _)| name.to_owned()).collect();
        if names.is_empty() {
            return;
        }
        let (inner, user) = (Arc::clone(self), record.id.clone());
        let left = tokio::task::spawn_blocking(move || {
            for name in names {
                inner.services.volumes.unmount(&name, &user);
            }
        });
        if left.await.is_err() {
            tracing::error!(container = record.id, "volumes of an ended container stay in use");
        }
    }

    /// Where a mount's content is. A volume or a shared folder is in use by `user` from here on, even when this fails. For a thread
    /// that may block, of an async runtime.
    pub(crate) fn resolve_mount(&self, mount: &Mounted, user: &str) -> Result<(SpecSource, Option<OwnedFd>)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        match &mount.source {
            Source::Bind { path, recursive } => {
                if std::fs::symlink_metadata(path).is_err() {
                    // As dockerd does for -v; --mount was refused at create.
                    std::fs::create_dir_all(path).map_err(|error| no_bind_source(path, &error))?;
                }
                Ok((SpecSource::Path { path: text(path), recursive: *recursive }, None))
            }
            Source::Share { path } => {
                let mounting = self.services.folders.mount(path, !mount.rw, user);
                let place = tokio::runtime::Handle::current().block_on(mounting)?;
                Ok((SpecSource::Path { path: text(&place), recursive: false }, None))
            }
            Source::Tmpfs { options } => Ok((SpecSource::Tmpfs { options: options.clone() }, None)),
            Source::Volume { name, subpath } => {
                let directory = self.services.volumes.mount(name, user)?;
                if subpath.is_empty() {
                    return Ok((SpecSource::Path { path: text(&directory), recursive: true }, None));
                }
                let root = std::fs::File::open(&directory).map_err(Error::path("open the volume", &directory))?;
                Ok((SpecSource::Descriptor, Some(detach_below(root.as_fd(), &directory, subpath)?)))
            }
            Source::Image { chain, subpath, .. } => {
                let layers = &self.services.layers;
                let root = layers.mount(&layers.overlay(chain, None)?)?;
                Ok((SpecSource::Descriptor, Some(self.part(root, subpath)?)))
            }
            Source::Overlay { overlay, subpath } => {
                let root = self.services.layers.mount(overlay)?;
                Ok((SpecSource::Descriptor, Some(self.part(root, subpath)?)))
            }
        }
    }

    /// What is at `subpath` of a detached mount, as another one.
    fn part(&self, root: OwnedFd, subpath: &str) -> Result<OwnedFd> {
        if subpath.is_empty() {
            return Ok(root);
        }
        // Before Linux 6.15 only what is mounted in the caller's namespace can be cloned (open_tree(2)): it is for a moment.
        let (subpath, place) = (subpath.to_owned(), self.settings.root.clone());
        let apart = std::thread::spawn(move || {
            mount_apart(&root, &place)?;
            detach_below(root.as_fd(), Path::new("/"), &subpath)
        });
        apart.join().unwrap_or_else(|_| Err(Error::io("mount a part of an image")(io::ErrorKind::Other.into())))
    }
}

/// Whether what a bind's options say of read-only mounts beneath it is no contradiction; dockerd lets the start fail, and not the
/// creation. Without one nothing is to be done: recursive is what read-only means here, or the start fails.
fn agrees(mount: &Mount) -> Result<()> {
    let Some(options) = mount.bind_options.as_ref().filter(|_| mount.kind == "bind") else { return Ok(()) };
    let conflict = match (options.read_only_non_recursive, options.read_only_force_recursive) {
        (true, _) if !mount.read_only => "!ReadOnly && BindOptions.ReadOnlyNonRecursive",
        (_, true) if !mount.read_only => "!ReadOnly && BindOptions.ReadOnlyForceRecursive",
        (true, true) => "ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive",
        _ => return Ok(()),
    };
    Err(Error::Start { message: format!("mount options conflict: {conflict}"), exit_code: 128 })
}

/// As dockerd says it: with the first directory that could not be made, and Go's spelling of the reason.
fn no_bind_source(path: &Path, error: &io::Error) -> Error {
    let missing = path.ancestors().take_while(|above| std::fs::symlink_metadata(above).is_err()).last().unwrap_or(path);
    Error::BindSource { path: path.to_owned(), missing: missing.to_owned(), reason: go_words(error) }
}

fn go_words(error: &io::Error) -> String {
    let said = error.to_string();
    said.split(" (os error").next().unwrap_or(&said).to_lowercase()
}

/// Mounts `root` in a mount namespace of this thread's own, which must do nothing else. `place` is any directory.
pub(crate) fn mount_apart(root: &OwnedFd, place: &Path) -> Result<()> {
    let fail = || Error::io("mount in a namespace of its own");
    sys::unshare(libc::CLONE_FS | libc::CLONE_NEWNS).map_err(fail())?;
    // Nothing of this may show anywhere else.
    let top = File::open("/").map_err(fail())?;
    sys::mount_setattr(top.as_fd(), true, 0, 0, libc::MS_PRIVATE).map_err(fail())?;
    let place = File::open(place).map_err(fail())?;
    sys::move_mount(root.as_fd(), place.as_fd()).map_err(fail())
}

/// A detached mount of what is at `subpath` within `root`, whose name is `directory`.
fn detach_below(root: BorrowedFd<'_>, directory: &Path, subpath: &str) -> Result<OwnedFd> {
    let find = |path: &Path| sys::open_beneath(root, path, libc::O_PATH | libc::O_CLOEXEC, 0);
    // `..` is of the path as it is written, not of where a link leads.
    let cleaned = clean(subpath);
    let path = Path::new(cleaned.strip_prefix('/').filter(|path| !path.is_empty()).unwrap_or("."));
    // As in dockerd, with Go's spelling. It first looks whether there is anything where a link leads; here nothing is told of that.
    let found = find(path).map_err(|error| {
        let links = |reason| Error::SubpathLinks { path: directory.join(path), reason };
        match error.raw_os_error() {
            Some(libc::EXDEV) => {
                return Error::SubpathOutside { base: directory.to_owned(), subpath: subpath.to_owned() };
            }
            Some(libc::ELOOP) => return links("EvalSymlinks: too many links".to_owned()),
            Some(libc::ENOTDIR) => return links(go_words(&error)),
            _ => {}
        }
        let missing = path
            .ancestors()
            .take_while(|above| !above.as_os_str().is_empty() && find(above).is_err())
            .last()
            .unwrap_or(path);
        let reason = format!("lstat {}: {}", directory.join(missing).display(), go_words(&error));
        Error::Subpath { path: directory.join(path), reason }
    })?;
    Ok(runtime::mounts::detach_fd(found.as_fd(), true)?)
}
