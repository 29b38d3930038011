//! Where a tar comes from and goes to on this computer: a file, or a standard stream.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::Stream;
use rust_i18n::t;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Failure;

const PIECE: usize = 64 << 10;

fn failed(path: &Path) -> impl Fn(io::Error) -> Failure + '_ {
    move |error| Failure::new(1, format!("{}: {error}", path.display()))
}

/// Where a tar goes.
pub(super) struct Sink {
    to: Box<dyn AsyncWrite + Send + Unpin>,
    /// How the file is called for people.
    shown: PathBuf,
    part: Option<Part>,
}

/// A file under a name of its own in the same folder, and so on the same file system, until it is whole; else it goes with the value.
struct Part {
    path: PathBuf,
    file: File,
    is_whole: bool,
}

impl Sink {
    /// `None`: standard output, which must not be a terminal.
    pub(super) async fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file.filter(|file| *file != Path::new("-")) else {
            if io::stdout().is_terminal() {
                return Err(Failure::new(1, t!("volume.no_terminal_out").into_owned()));
            }
            let shown = PathBuf::from("standard output");
            return Ok(Self { to: Box::new(tokio::io::stdout()), shown, part: None });
        };
        let shown = file.to_owned();
        // A device or a pipe is written to; what a name leads to is replaced where it is.
        let there = tokio::fs::canonicalize(file).await.unwrap_or_else(|_| shown.clone());
        if let Ok(about) = tokio::fs::metadata(&there).await
            && !about.is_file()
        {
            let to = File::options().write(true).open(&there).await.map_err(failed(file))?;
            return Ok(Self { to: Box::new(to), shown, part: None });
        }
        let mut name = there.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = there.with_file_name(name);
        // What only its owner may read in the volume nobody else may read here.
        let mut options = File::options();
        #[cfg(unix)]
        options.mode(0o600);
        let to = options.write(true).create_new(true).open(&path).await.map_err(failed(file))?;
        let whole = to.try_clone().await.map_err(failed(file))?;
        Ok(Self { to: Box::new(to), shown: there, part: Some(Part { path, file: whole, is_whole: false }) })
    }

    pub(super) async fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.to.write_all(piece).await.map_err(failed(&self.shown))
    }

    /// From now on the file is there, in the place of one that was there before.
    pub(super) async fn finish(&mut self) -> Result<(), Failure> {
        self.to.flush().await.map_err(failed(&self.shown))?;
        if let Some(part) = &mut self.part {
            // Else a power failure could leave nothing of either.
            part.file.sync_all().await.map_err(failed(&self.shown))?;
            tokio::fs::rename(&part.path, &self.shown).await.map_err(failed(&self.shown))?;
            part.is_whole = true;
        }
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Where a tar comes from.
pub(super) struct Source(Box<dyn AsyncRead + Send + Unpin>);

impl Source {
    /// `None`: standard input, which must not be a terminal.
    pub(super) async fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file.filter(|file| *file != Path::new("-")) else {
            if io::stdin().is_terminal() {
                return Err(Failure::new(1, t!("volume.no_terminal_in").into_owned()));
            }
            return Ok(Self(Box::new(tokio::io::stdin())));
        };
        let from = File::open(file).await.map_err(failed(file))?;
        if from.metadata().await.map_err(failed(file))?.is_dir() {
            return Err(failed(file)(io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self(Box::new(from)))
    }

    pub(super) fn pieces(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        futures_util::stream::try_unfold(self.0, |mut from| async {
            let mut piece = vec![0; PIECE];
            let length = from.read(&mut piece).await?;
            piece.truncate(length);
            Ok((length > 0).then(|| (Bytes::from(piece), from)))
        })
    }
}
