//! Pipes and terminals as the async side sees them.

use super::hangup::Edges;
use rustix::event::epoll::EventFlags;
use rustix::pipe::PipeFlags;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use tokio::io::unix::AsyncFd;

/// A descriptor that blocking threads and the reactor share. It is non-blocking.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<OwnedFd>);

impl AsRawFd for Shared {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One end of a pipe, or a pty master.
#[derive(Debug)]
pub(crate) struct Endpoint {
    fd: AsyncFd<Shared>,
}

impl Endpoint {
    /// Makes `fd` non-blocking. Its open file description may be shared with the supervisor, which never reads it.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Endpoint> {
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Endpoint { fd: watch(Shared(Arc::new(fd)))? })
    }

    pub(crate) fn shared(&self) -> Shared {
        self.fd.get_ref().clone()
    }

    pub(crate) fn as_async(&self) -> &AsyncFd<Shared> {
        &self.fd
    }

    /// Writes all of `bytes`, waiting for room.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut edges = None;
        while !bytes.is_empty() {
            let mut guard = self.fd.writable().await?;
            let hung_up = guard.ready().is_write_closed();
            match guard.try_io(|fd| rustix::io::write(fd.get_ref(), bytes).map_err(io::Error::from)) {
                Ok(Ok(count)) => bytes = &bytes[count..],
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                // The reactor would call a terminal that hung up ready for ever.
                Err(_would_block) if hung_up => match &edges {
                    None => edges = Some(Edges::new(self.shared(), EventFlags::OUT)?),
                    Some(edges) => edges.next().await?,
                },
                Err(_would_block) => {}
            }
        }
        Ok(())
    }
}

/// Registers an owned descriptor with the reactor.
pub(crate) fn watch<T: AsRawFd + Owns>(fd: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: an `Owns` type answers with the same open descriptor for as long as it lives, and the `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

/// Types that keep one descriptor open for their whole life.
pub(crate) trait Owns: Send + 'static {}
impl Owns for OwnedFd {}
impl Owns for Shared {}

/// (read end, write end), both close-on-exec.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?)
}
