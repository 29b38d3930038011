//! Tar streams on this computer's side of `cp`: made from and unpacked into files, one piece in memory at a time.
//!
//! Packing and unpacking are blocking and run on a thread of their own; a channel joins them to the engine's stream.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use futures_util::Stream;
use tokio::sync::mpsc;

/// How much is on its way between the two sides at most: this many pieces of [`PIECE`] bytes.
const PIECES: usize = 8;
const PIECE: usize = 64 << 10;

/// A blocking writer; what is written comes out of the stream that belongs to it.
pub(super) struct PipeWriter {
    to: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

/// A blocking reader of a channel's pieces.
pub(super) struct PipeReader {
    from: mpsc::Receiver<Bytes>,
    current: Bytes,
}

/// A writer and what comes out of it.
pub(super) fn outgoing() -> (PipeWriter, impl Stream<Item = io::Result<Bytes>> + Send + 'static) {
    let (to, from) = mpsc::channel(PIECES);
    let stream = futures_util::stream::unfold(from, |mut from| async { from.recv().await.map(|piece| (piece, from)) });
    (PipeWriter { to, buffer: Vec::with_capacity(PIECE) }, stream)
}

/// A reader and where its pieces are put.
pub(super) fn incoming() -> (mpsc::Sender<Bytes>, PipeReader) {
    let (to, from) = mpsc::channel(PIECES);
    (to, PipeReader { from, current: Bytes::new() })
}

impl PipeWriter {
    /// Ends the stream with an error, so that the other side does not take a part for the whole.
    pub(super) fn fail(self, error: &io::Error) {
        // Nobody listens when the other side failed first.
        let _ = self.to.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.to.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Read for PipeReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.from.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let length = into.len().min(self.current.len());
        self.current.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

/// Packs `source`, a file or a folder with what is in it, under the name `entry`; symbolic links stay links.
pub(super) fn pack(source: &Path, entry: &str, to: &mut impl Write) -> io::Result<()> {
    let mut builder = tar::Builder::new(to);
    builder.follow_symlinks(false);
    if source.symlink_metadata()?.is_dir() {
        builder.append_dir_all(entry, source)?;
    } else {
        builder.append_path_with_name(source, entry)?;
    }
    builder.into_inner()?.flush()
}

/// Where a copy goes on this computer, decided before the first byte comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Into this folder, which exists, under the name that the source has (or this one).
    Into { folder: PathBuf, name: Option<String> },
    /// What the source folder holds, into this folder, which exists.
    ContentsInto(PathBuf),
    /// Under this name, which is of a file, or of nothing yet.
    As(PathBuf),
}

/// Unpacks a stream that holds one file or one folder. It goes to a folder of its own beside the destination first, so that a
/// stream that breaks leaves nothing half there; the last step is a rename within one file system.
pub(super) fn unpack(from: impl Read, target: &Target) -> io::Result<()> {
    let beside = match target {
        Target::Into { folder, .. } | Target::ContentsInto(folder) => folder.as_path(),
        Target::As(path) => match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        },
    };
    let fresh = beside.join(format!(".berth-cp-{}", std::process::id()));
    std::fs::create_dir(&fresh)?;
    let moved = tar::Archive::new(from).unpack(&fresh).and_then(|()| move_to(&fresh, target));
    let removed = std::fs::remove_dir_all(&fresh);
    moved.and(removed)
}

fn move_to(fresh: &Path, target: &Target) -> io::Result<()> {
    for entry in std::fs::read_dir(fresh)? {
        let entry = entry?;
        match target {
            Target::Into { folder, name: None } => merge(&entry.path(), &folder.join(entry.file_name()))?,
            Target::Into { folder, name: Some(name) } => merge(&entry.path(), &folder.join(name))?,
            Target::ContentsInto(folder) => merge(&entry.path(), folder)?,
            Target::As(path) => merge(&entry.path(), path)?,
        }
    }
    Ok(())
}

/// Moves `from` to `to`; folders are joined with folders, files take the place of files.
fn merge(from: &Path, to: &Path) -> io::Result<()> {
    let source_is_folder = from.symlink_metadata()?.is_dir();
    match (source_is_folder, to.metadata()) {
        (true, Ok(there)) if there.is_dir() => {
            for entry in std::fs::read_dir(from)? {
                let entry = entry?;
                merge(&entry.path(), &to.join(entry.file_name()))?;
            }
            Ok(())
        }
        (true, Ok(_)) => Err(io::Error::other(rust_i18n::t!("cp.folder_onto_file").into_owned())),
        (false, Ok(there)) if there.is_dir() => {
            Err(io::Error::other(rust_i18n::t!("cp.file_onto_folder").into_owned()))
        }
        (_, _) => std::fs::rename(from, to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(source: &Path, entry: &str) -> Vec<u8> {
        let mut tar = Vec::new();
        pack(source, entry, &mut tar).unwrap();
        tar
    }

    #[test]
    fn a_file_goes_there_and_back() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("leaf"), "green").unwrap();
        let tar = packed(&dir.path().join("leaf"), "renamed");
        unpack(&tar[..], &Target::As(dir.path().join("back"))).unwrap();
        assert_eq!(std::fs::read(dir.path().join("back")).unwrap(), b"green");
        unpack(&tar[..], &Target::Into { folder: dir.path().to_owned(), name: None }).unwrap();
        assert_eq!(std::fs::read(dir.path().join("renamed")).unwrap(), b"green");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing else is left");
    }

    #[test]
    fn folders_are_joined() {
        let dir = tempfile::tempdir().unwrap();
        let (source, there) = (dir.path().join("source"), dir.path().join("there"));
        std::fs::create_dir_all(source.join("sub")).unwrap();
        std::fs::write(source.join("sub/new"), "new").unwrap();
        std::fs::create_dir_all(there.join("sub")).unwrap();
        std::fs::write(there.join("sub/old"), "old").unwrap();
        let tar = packed(&source, "source");
        unpack(&tar[..], &Target::ContentsInto(there.clone())).unwrap();
        assert_eq!(std::fs::read(there.join("sub/new")).unwrap(), b"new");
        assert_eq!(std::fs::read(there.join("sub/old")).unwrap(), b"old");
        unpack(&tar[..], &Target::Into { folder: there.clone(), name: None }).unwrap();
        assert_eq!(std::fs::read(there.join("source/sub/new")).unwrap(), b"new");
        std::fs::write(dir.path().join("file"), "").unwrap();
        unpack(&tar[..], &Target::As(dir.path().join("file"))).unwrap_err();
    }

    #[test]
    fn a_broken_stream_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("leaf"), vec![7; 100_000]).unwrap();
        let tar = packed(&dir.path().join("leaf"), "leaf");
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        unpack(&tar[..50_000], &Target::Into { folder: out.clone(), name: None }).unwrap_err();
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn pieces_cross_the_pipes() {
        use futures_util::TryStreamExt;
        let (mut writer, stream) = outgoing();
        let writing = tokio::task::spawn_blocking(move || {
            writer.write_all(&vec![1; 300_000])?;
            writer.flush()
        });
        let (to, mut reader) = incoming();
        let reading = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        let mut stream = std::pin::pin!(stream);
        while let Some(piece) = stream.try_next().await.unwrap() {
            to.send(piece).await.unwrap();
        }
        drop(to);
        writing.await.unwrap().unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), vec![1; 300_000]);
    }
}
