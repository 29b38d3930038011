//! Files of containers from outside: `docker cp`, `docker diff`, `docker export`.
//!
//! Paths are the container's: every look-up is resolved within its root (openat2, RESOLVE_IN_ROOT), so that a link in the
//! container never leads out of it. A running container is seen with everything mounted in it; of a stopped one the root, its
//! volumes and binds are mounted for the request.

mod attributes;
mod directories;
mod entry;
mod folder;
mod get;
mod place;
mod put;
mod walk;
mod whole;

use crate::commit::FOREIGN;
use crate::handle::Run;
use crate::requests::ArchivePut;
use crate::service::blocking;
use crate::{Containers, Error, Result};
use bytes::Bytes;
use engine_api::{FilesystemChange, PathStat, Timestamp, ZERO_TIME};
use place::Place;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Chunks of a tar on their way to the client.
const AHEAD: usize = 8;
const CHUNK: usize = 64 * 1024;

impl Containers {
    /// What is at `path`; a link is reported as itself, with where it leads.
    pub async fn archive_stat(&self, id: &str, path: &str) -> Result<PathStat> {
        let (inner, path) = (Arc::clone(&self.inner), path.to_owned());
        let handle = self.inner.find(id)?;
        let (view, alone) = handle.view_alone(false).await?;
        blocking(move || {
            let _alone = alone;
            let place = Place::find(&inner, &view, &path)?;
            stat(&place)
        })
        .await
        .map_err(|error| as_asked(id, handle.explain(error)))
    }

    /// The file or tree at `path` as a tar whose first entry is its last component.
    pub async fn archive_get(&self, id: &str, path: &str) -> Result<(PathStat, mpsc::Receiver<io::Result<Bytes>>)> {
        let handle = self.inner.find(id)?;
        let (inner, path) = (Arc::clone(&self.inner), path.to_owned());
        let (view, alone) = handle.view_alone(false).await?;
        let record = Arc::clone(&view.record);
        let (stat, place) = blocking(move || {
            let place = Place::find(&inner, &view, &path)?;
            Ok((stat(&place)?, place))
        })
        .await
        .map_err(|error| as_asked(id, handle.explain(error)))?;
        self.inner.emit(&record, "archive-path");
        let write = move |out: &mut Chunks| {
            let _alone = alone;
            get::write_tar(&place, out)
        };
        Ok((stat, stream(write)))
    }

    /// Unpacks a tar (plain or packed, see [`images::decompress`]) into the directory at `path`; the body's sender is dropped at its end.
    pub async fn archive_put(
        &self,
        id: &str,
        path: &str,
        body: mpsc::Receiver<io::Result<Bytes>>,
        options: ArchivePut,
    ) -> Result<()> {
        let handle = self.inner.find(id)?;
        let (inner, path) = (Arc::clone(&self.inner), path.to_owned());
        let (view, alone) = handle.view_alone(true).await?;
        let record = Arc::clone(&view.record);
        blocking(move || {
            let _alone = alone;
            put::unpack(&inner, &view, &path, body, options)
        })
        .await
        .map_err(|error| as_asked(id, handle.explain(error)))?;
        self.inner.emit(&record, "extract-to-dir");
        Ok(())
    }

    /// How the container's files differ from its image.
    pub async fn changes(&self, id: &str) -> Result<Vec<FilesystemChange>> {
        let record = Arc::clone(&self.inner.find(id)?.view().record);
        let (upper, layers) = (self.inner.upper(&record.id).upper, self.inner.services.layers.clone());
        let changes = blocking(move || Ok(layers.changes(&upper, &record.chain)?)).await?;
        Ok(own_changes(changes)
            .into_iter()
            .map(|change| FilesystemChange {
                path: change.path.to_string_lossy().into_owned(),
                kind: match change.kind {
                    layers::ChangeKind::Modified => 0,
                    layers::ChangeKind::Added => 1,
                    layers::ChangeKind::Deleted => 2,
                },
            })
            .collect())
    }

    /// The whole root as a tar, without what is mounted in it. The container can be started and removed while a client reads it.
    pub async fn export(&self, id: &str) -> Result<mpsc::Receiver<io::Result<Bytes>>> {
        let handle = self.inner.find(id)?;
        let reading = Arc::clone(&handle.files).read_owned().await;
        let (view, alone) = handle.view_alone(false).await?;
        let (record, inner) = (Arc::clone(&view.record), Arc::clone(&self.inner));
        let (chain, upper) = (record.chain.clone(), self.inner.upper(&record.id));
        let root = blocking(move || {
            let _alone = alone;
            match &view.run {
                Some(run) => bare_root(run),
                None => inner.mount_root_to_read(&chain, &upper),
            }
        })
        .await
        .map_err(|error| handle.explain(error))?;
        let inner = Arc::clone(&self.inner);
        let write = move |out: &mut Chunks| {
            let _reading = reading;
            layers::Layers::export(root.as_fd(), out).map_err(io::Error::other)?;
            // To the end, as far as can be known here.
            inner.emit(&record, "export");
            Ok(())
        };
        Ok(stream(write))
    }
}

/// The root of a running container without what is mounted in it. Its mounts are its own mount namespace's: only from
/// within can one be cloned, by a thread that ends there.
fn bare_root(run: &Arc<Run>) -> Result<OwnedFd> {
    let inside = Arc::clone(run);
    let cloning = std::thread::spawn(move || {
        runtime::sys::unshare(libc::CLONE_FS)?;
        runtime::sys::setns(inside.pidfd.as_fd(), libc::CLONE_NEWNS)?;
        runtime::sys::open_tree_clone(inside.root.as_fd(), Path::new(""), false)
    });
    let cloned = cloning.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    cloned.map_err(Error::io("look at the container's root"))
}

/// Without what every container has: dockerd keeps it in a layer of its own, below the container's.
fn own_changes(changes: Vec<layers::Change>) -> Vec<layers::Change> {
    let is_ours = |path: &Path| FOREIGN.iter().any(|ours| path == Path::new(ours));
    let below = |list: &[layers::Change], directory: &Path| {
        list.iter().any(|change| change.path != directory && change.path.starts_with(directory))
    };
    let ours = |change: &layers::Change| change.kind == layers::ChangeKind::Added && is_ours(&change.path);
    let (hidden, shown): (Vec<_>, Vec<_>) = changes.into_iter().partition(ours);
    // A directory that changed only because something of ours appeared in it has not changed.
    let keep: Vec<bool> = shown
        .iter()
        .map(|change| {
            change.kind != layers::ChangeKind::Modified || !below(&hidden, &change.path) || below(&shown, &change.path)
        })
        .collect();
    // Of ours, what the container put something of its own into is not only ours.
    let entered: Vec<_> = hidden.iter().filter(|change| below(&shown, &change.path)).cloned().collect();
    let kept = shown.into_iter().zip(keep).filter_map(|(change, keep)| keep.then_some(change));
    let mut own: Vec<_> = kept.chain(entered).collect();
    own.sort_by(|a, b| a.path.cmp(&b.path));
    own
}

fn stat(place: &Place) -> Result<PathStat> {
    let stat = place.stat()?;
    let time = Timestamp::new(stat.st_mtime, i32::try_from(stat.st_mtime_nsec).unwrap_or(0)).unwrap_or(ZERO_TIME);
    Ok(PathStat {
        name: place.name.clone(),
        size: stat.st_size,
        mode: PathStat::go_mode(stat.st_mode),
        mtime: time,
        link_target: place.link_target()?,
    })
}

/// Runs a writer on a thread of its own kind and hands its bytes out in chunks; an error ends the stream as its last item.
fn stream(write: impl FnOnce(&mut Chunks) -> io::Result<()> + Send + 'static) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut out = Chunks { sender, buffer: Vec::with_capacity(CHUNK) };
        let written = write(&mut out).and_then(|()| out.flush());
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            // The receiver may be gone in the meantime.
            let _ = out.sender.blocking_send(Err(error));
        }
    });
    receiver
}

/// Collects small writes.
#[derive(Debug)]
pub(crate) struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender.blocking_send(Ok(full.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// dockerd's answer for a path that is not there.
/// Clients are told of a container what they call it.
fn as_asked(id: &str, error: Error) -> Error {
    match error {
        Error::NoSuchPath { path, .. } => not_found(&path, id),
        other => other,
    }
}

fn not_found(path: &str, container: &str) -> Error {
    Error::NoSuchPath { path: path.to_owned(), container: container.to_owned() }
}

/// What is wrong with an archive; the same reader's own words are about a layer of an image.
fn unreadable(error: layers::Error) -> Error {
    let source = match error {
        layers::Error::Read(source) => source,
        layers::Error::Damaged { entry, source } if entry.is_empty() => source,
        layers::Error::Damaged { entry, source } => {
            io::Error::new(source.kind(), format!("it is damaged at {entry:?}: {source}"))
        }
        layers::Error::Entry { entry, reason } => io::Error::other(format!("entry {entry:?}: {reason}")),
        other => io::Error::other(other),
    };
    Error::io("read the archive")(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use layers::{Change, ChangeKind};

    #[test]
    fn the_engines_own_files_are_no_changes() {
        let list = |items: &[(&str, ChangeKind)]| -> Vec<Change> {
            items.iter().map(|(path, kind)| Change { path: path.into(), kind: *kind }).collect()
        };
        let (added, modified) = (ChangeKind::Added, ChangeKind::Modified);
        let changes = list(&[
            ("/.dockerenv", added),
            ("/etc", modified),
            ("/etc/hosts", added),
            ("/srv", modified),
            ("/srv/volume", added),
            ("/tmp", modified),
            ("/tmp/file", added),
        ]);
        // Where a volume is mounted something was made, and dockerd says so.
        let mounted = [("/srv", modified), ("/srv/volume", added)];
        assert_eq!(own_changes(changes), list(&[&mounted[..], &[("/tmp", modified), ("/tmp/file", added)]].concat()));
        let changes = list(&[("/etc", modified), ("/etc/hosts", added), ("/etc/own", added)]);
        assert_eq!(own_changes(changes), list(&[("/etc", modified), ("/etc/own", added)]));
        let changes = list(&[("/etc", added), ("/etc/hosts", added)]);
        assert_eq!(own_changes(changes), []);
        let changes = list(&[("/etc", added), ("/etc/hosts", added), ("/etc/own", added)]);
        assert_eq!(own_changes(changes), list(&[("/etc", added), ("/etc/own", added)]));
    }
}
