//! The content store: blobs by digest.
//!
//! ```text
//! ROOT/content/blobs/sha256/<hex>   a blob; it counts once an image's record refers to it
//! ROOT/content/ingest/<number>      unfinished or on its way out, removed at the next start
//! ```
//!
//! A blob gets its name after its digest was verified. Layer blobs are not flushed one by one: an image with new layers is
//! recorded after one flush of the whole file system (`layers::Layers::settle`), and blobs that no record refers to go
//! at the next start.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use layers::Digest;
use sha2::{Digest as _, Sha256};

use crate::pins::Pins;
use crate::{Error, Result};

/// Bytes after which a blob's file starts to be written back.
const STRETCH: u64 = 4 * 1024 * 1024;

/// The blobs on disk. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    blobs: PathBuf,
    ingest: PathBuf,
    next: AtomicU64,
}

/// A blob that is being written; removed when dropped before it was committed.
#[derive(Debug)]
pub(crate) struct Ingest {
    content: Content,
    path: PathBuf,
    /// `None` once it is complete and was closed.
    file: Option<File>,
    hasher: Sha256,
    size: u64,
    /// How far the file was told to be written back.
    started: u64,
}

impl Content {
    /// Opens `directory` (`ROOT/content`, made when missing) and removes unfinished ingests.
    pub(crate) fn open(directory: &Path) -> Result<Content> {
        let blobs = directory.join("blobs/sha256");
        let ingest = directory.join("ingest");
        match layers::remove_tree(&ingest) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}, trying again at the next start: {e}", ingest.display());
            }
            _ => {}
        }
        for directory in [&blobs, &ingest] {
            std::fs::create_dir_all(directory).map_err(Error::io("cannot make", directory))?;
        }
        let mut next = 0;
        let failed = |e| Error::io("cannot list", &ingest)(e);
        for stuck in std::fs::read_dir(&ingest).map_err(failed)? {
            let number: Option<u64> = stuck.map_err(failed)?.file_name().to_str().and_then(|name| name.parse().ok());
            next = next.max(number.map_or(0, |number| number.saturating_add(1)));
        }
        Ok(Content { inner: Arc::new(Inner { blobs, ingest, next: AtomicU64::new(next) }) })
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.inner.blobs.join(digest.hex())
    }

    /// True when the blob is here in its full length: a power cut before the flush can leave a name without the bytes.
    pub(crate) fn contains(&self, digest: &Digest, size: u64) -> bool {
        std::fs::metadata(self.path(digest)).is_ok_and(|metadata| metadata.len() == size)
    }

    pub(crate) fn size(&self, digest: &Digest) -> Result<u64> {
        Ok(self.file(digest)?.metadata().map_err(Error::io("cannot read", self.path(digest)))?.len())
    }

    pub(crate) fn file(&self, digest: &Digest) -> Result<File> {
        let path = self.path(digest);
        File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::MissingBlob(*digest),
            _ => Error::io("cannot read", path)(e),
        })
    }

    /// A small blob, verified again: disks rot.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.path(digest);
        let content = std::fs::read(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::MissingBlob(*digest),
            _ => Error::io("cannot read", path)(e),
        })?;
        if Digest::of(&content) != *digest {
            return Err(Error::Corrupt(format!(
                "content {digest} is damaged on disk: remove the image and pull it again"
            )));
        }
        Ok(content)
    }

    /// Stores a small blob, flushed, and returns its digest.
    pub(crate) fn put(&self, content: &[u8]) -> Result<Digest> {
        let digest = Digest::of(content);
        if !self.contains(&digest, content.len() as u64) {
            let mut ingest = self.ingest()?;
            ingest.append(content)?;
            ingest.file().and_then(File::sync_all).map_err(Error::io("cannot flush", &ingest.path))?;
            ingest.commit()?;
            File::open(&self.inner.blobs)
                .and_then(|directory| directory.sync_all())
                .map_err(Error::io("cannot flush", &self.inner.blobs))?;
        }
        Ok(digest)
    }

    /// A new unfinished blob.
    pub(crate) fn ingest(&self) -> Result<Ingest> {
        let path = self.inner.ingest.join(self.inner.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(Error::io("cannot make", &path))?;
        Ok(Ingest { content: self.clone(), path, file: Some(file), hasher: Sha256::new(), size: 0, started: 0 })
    }

    /// Removes every blob that `keep` does not want and that is not pinned; returns how many bytes went.
    ///
    /// A blob is pinned before it gets its name, or is found to have it: its name goes before another can be pinned.
    pub(crate) fn retain(&self, keep: impl Fn(&Digest) -> bool, pins: &Pins) -> Result<u64> {
        let mut freed = 0;
        let failed = |e| Error::io("cannot clean", &self.inner.blobs)(e);
        for entry in std::fs::read_dir(&self.inner.blobs).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let digest = entry.file_name().to_str().and_then(Digest::from_hex);
            if digest.is_some_and(|digest| keep(&digest)) {
                continue;
            }
            let size = entry.metadata().map(|metadata| metadata.len()).unwrap_or_default();
            // Taken out of sight first: a large file may take its time to go.
            let hidden = self.inner.ingest.join(self.inner.next.fetch_add(1, Ordering::Relaxed).to_string());
            let hide = || std::fs::rename(entry.path(), &hidden);
            let hides = match digest {
                Some(digest) => pins.unless_pinned(&digest, hide),
                None => Some(hide()),
            };
            let Some(result) = hides else { continue };
            result.and_then(|()| std::fs::remove_file(&hidden)).map_err(Error::io("cannot remove", entry.path()))?;
            freed += size;
        }
        Ok(freed)
    }

    /// Bytes that are free for us on the blobs' file system.
    pub(crate) fn free(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.inner.blobs)
            .map_err(|e| Error::io("cannot measure", &self.inner.blobs)(e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl Ingest {
    /// Appends to the blob.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(Error::io("cannot write", &self.path))
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The digest of the bytes so far.
    pub(crate) fn digest(&self) -> Digest {
        Digest::from(self.hasher.clone())
    }

    /// Closes the file, which is complete: an archive may hold more of them than a process may have open.
    pub(crate) fn close(&mut self) {
        self.file = None;
    }

    /// A second descriptor of the file, for a reader that follows; it must read by position.
    pub(crate) fn reader(&self) -> Result<File> {
        self.file().and_then(File::try_clone).map_err(Error::io("cannot read", &self.path))
    }

    fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("the file was closed"))
    }

    /// The file again, from its start.
    pub(crate) fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::io("cannot read", &self.path))
    }

    /// The bytes so far: for small blobs.
    pub(crate) fn content(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.path).map_err(Error::io("cannot read", &self.path))
    }

    /// Gives the blob its name. One that is here already stays as it is: it may be recorded and flushed, which these bytes
    /// are not.
    pub(crate) fn commit(self) -> Result<Digest> {
        let digest = self.digest();
        if self.content.contains(&digest, self.size) {
            return Ok(digest);
        }
        let target = self.content.path(&digest);
        std::fs::rename(&self.path, &target).map_err(Error::io("cannot make", target))?;
        Ok(digest)
    }
}

impl Write for Ingest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        if self.size - self.started >= STRETCH {
            // On its way to the disk while more arrives, so that the flush at the end finds little left to do. Advice only,
            // and pages that are dirty stay cached (posix_fadvise(2), DONTNEED).
            let length = std::num::NonZeroU64::new(self.size - self.started);
            let _ = rustix::fs::fadvise(self.file()?, self.started, length, rustix::fs::Advice::DontNeed);
            self.started = self.size;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        // Gone when it was committed.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_that_is_pinned_while_others_are_removed_stays() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::open(directory.path()).unwrap();
        let (wanted, unwanted) = (content.put(b"wanted").unwrap(), content.put(b"unwanted").unwrap());
        let pins = Pins::default();
        let pin = pins.pin();
        let freed = content.retain(
            |digest| {
                if *digest == wanted {
                    // By a pull that has the same blob and finds it here.
                    pin.blob(wanted);
                    let mut again = content.ingest().unwrap();
                    again.append(b"wanted").unwrap();
                    again.commit().unwrap();
                }
                false
            },
            &pins,
        );
        assert_eq!(freed.unwrap(), 8);
        assert_eq!(content.read(&wanted).unwrap(), b"wanted");
        assert!(matches!(content.read(&unwanted), Err(Error::MissingBlob(_))));
        assert_eq!(std::fs::read_dir(directory.path().join("ingest")).unwrap().count(), 0);
    }
}
