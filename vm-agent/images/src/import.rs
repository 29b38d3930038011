//! `docker import`: the archive of a whole tree becomes an image of one layer.

use std::convert::Infallible;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::TryStreamExt as _;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::oneshot;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::compression::decompress;
use crate::progress::{Detail, Limit, Progress, Sink};
use crate::redact;
use crate::registry::Asked;
use crate::{Draft, ImageId, Images, Platform, Result};

/// Where an archive comes from, and how many bytes it has where that is known.
pub struct Source {
    archive: Box<dyn AsyncRead + Send + Unpin>,
    size: u64,
    /// Progress is told of.
    progress: Option<Sink>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Source {
    /// What a client sends.
    pub fn stream(archive: impl AsyncRead + Send + Unpin + 'static) -> Source {
        Source { archive: Box::new(archive), size: 0, progress: None }
    }

    /// The bytes as they come.
    pub fn into_reader(self) -> impl AsyncRead + Send + Unpin {
        self.archive
    }
}

/// What a server answered.
pub struct Answered {
    pub status: u16,
    /// Where it came from, after redirections.
    pub url: String,
    pub content_type: String,
    pub body: Box<dyn AsyncRead + Send + Unpin>,
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answered").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Images {
    /// Begins to download `url` on the way that registries are reached; without a scheme it is `http`. Progress, to come while
    /// the source is imported, begins with the name of the URL.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Source`] when it is no URL, when nobody answers, or with the server's refusal.
    pub async fn download(&self, url: &str, progress: &Sink) -> Result<Source> {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let response = self.registry().download(&url).await?;
        progress.line(format!("Downloading from {}", redact::address(&url)));
        let size = response.content_length().unwrap_or_default();
        let body = StreamReader::new(Box::pin(response.bytes_stream().map_err(io::Error::other)));
        Ok(Source { archive: Box::new(body), size, progress: Some(progress.clone()) })
    }

    /// Asks any server, on the way that registries are reached. Redirections are followed; what says who asks is not taken along to another host.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Source`] when it is no URL, or when nobody answers. A status is no error.
    pub async fn ask(&self, asked: Asked<'_>) -> Result<Answered> {
        let response = self.registry().ask(asked).await?;
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        Ok(Answered {
            status: response.status().as_u16(),
            url: response.url().to_string(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: Box::new(StreamReader::new(Box::pin(response.bytes_stream().map_err(io::Error::other)))),
        })
    }

    /// Makes an image of one layer from an archive: plain, gzip or zstd. Who drops the future ends the reading of the archive.
    ///
    /// # Errors
    ///
    /// Those of its layer, when the archive is none.
    pub async fn import(&self, source: Source, platform: Option<&Platform>, draft: Draft) -> Result<ImageId> {
        let platform = platform.cloned().unwrap_or_else(Platform::host);
        let Source { archive, size, progress } = source;
        // Lives as long as this future.
        let (_waiting, gone) = oneshot::channel();
        let archive = SyncIoBridge::new(Wanted { archive, gone: Some(gone) });
        let counted = Counted { inner: archive, position: 0, size, limit: Limit::default(), progress };
        let tree = Unpacked::Packed(Some(counted));
        self.import_tree(tree, &platform, draft).await
    }
}

/// Fails when nobody waits for the image any more: a server may send for ever, or never again.
struct Wanted<R> {
    archive: R,
    /// `None` afterwards.
    gone: Option<oneshot::Receiver<Infallible>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Wanted<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.gone.as_mut().is_none_or(|gone| Pin::new(gone).poll(cx).is_ready()) {
            self.gone = None;
            return Poll::Ready(Err(io::Error::other("nobody waits for the image any more")));
        }
        Pin::new(&mut self.archive).poll_read(cx, buffer)
    }
}

/// The uncompressed bytes. What the compression is can only be seen where reading may block.
enum Unpacked<R> {
    Packed(Option<R>),
    Plain(Box<dyn Read + Send>),
}

impl<R: Read + Send + 'static> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Unpacked::Packed(source) = self
            && let Some(source) = source.take()
        {
            *self = Unpacked::Plain(decompress(source)?);
        }
        match self {
            Unpacked::Plain(plain) => plain.read(buffer),
            // An earlier read failed.
            Unpacked::Packed(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Tells how far it was read.
struct Counted<R> {
    inner: R,
    position: u64,
    size: u64,
    limit: Limit,
    progress: Option<Sink>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position += count as u64;
        if let Some(progress) = &self.progress
            && count > 0
            && (self.limit.pass() || self.position == self.size)
        {
            let detail = Detail { current: Some(self.position), total: (self.size > 0).then_some(self.size) };
            progress.send(Progress::Status { id: None, status: "Importing".to_owned(), detail: Some(detail) });
        }
        Ok(count)
    }
}
