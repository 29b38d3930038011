//! Where connections come from.

use std::future::{Future, pending};
use std::io;
use std::os::fd::AsFd;

use futures_util::future::BoxFuture;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, Ready};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A source of byte streams: Unix socket, TCP, or anything else that accepts.
pub trait Listener: Send {
    type Stream: Stream;

    /// The next connection. Must be cancel safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// One connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Resolves when the peer has closed both directions. The end of its own alone may only be the end of its input.
    fn gone(&self) -> BoxFuture<'static, ()>;

    /// Resolves when the peer has closed its direction, or both; what it sent before may still be unread.
    fn silent(&self) -> BoxFuture<'static, ()>;
}

impl Stream for UnixStream {
    fn gone(&self) -> BoxFuture<'static, ()> {
        when(self, Interest::WRITABLE, Ready::is_write_closed)
    }

    fn silent(&self) -> BoxFuture<'static, ()> {
        when(self, Interest::READABLE, Ready::is_read_closed)
    }
}

impl Stream for TcpStream {
    fn gone(&self) -> BoxFuture<'static, ()> {
        when(self, Interest::WRITABLE, Ready::is_write_closed)
    }

    fn silent(&self) -> BoxFuture<'static, ()> {
        when(self, Interest::READABLE, Ready::is_read_closed)
    }
}

/// A second registration of the socket, since the stream's own readiness is its reader's and writer's. Made when it is first waited
/// for: most connections end before.
fn when(stream: &impl AsFd, interest: Interest, is_so: fn(Ready) -> bool) -> BoxFuture<'static, ()> {
    let duplicate = stream.as_fd().try_clone_to_owned();
    Box::pin(async move {
        let registered = duplicate.and_then(|fd| {
            // SAFETY: an OwnedFd stays the same open descriptor as long as it lives, and the AsyncFd owns it.
            Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
        });
        let Ok(socket) = registered else { return pending().await };
        // Each turn is an edge of the socket's state, since what was seen is cleared.
        while let Ok(mut ready) = socket.ready(interest).await {
            if is_so(ready.ready()) {
                return;
            }
            ready.clear_ready();
        }
        pending().await
    })
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<UnixStream> {
        UnixListener::accept(self).await.map(|(stream, _)| stream)
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn half_a_close_is_not_the_end() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let mut gone = pin!(ours.gone());
        let mut silent = pin!(ours.silent());
        theirs.write_all(b"!").await.expect("written");
        assert!(poll_fn(|cx| Poll::Ready(silent.as_mut().poll(cx).is_pending())).await);
        theirs.shutdown().await.expect("half-closed");
        silent.await;
        let mut ours = ours;
        assert_eq!(ours.read_u8().await.expect("readable"), b'!', "what was sent before is still there");
        assert_eq!(ours.read(&mut [0; 8]).await.expect("readable"), 0, "the end of input has arrived");
        assert!(poll_fn(|cx| Poll::Ready(gone.as_mut().poll(cx).is_pending())).await);
        ours.write_all(b"still heard").await.expect("written");
        let mut text = [0; 11];
        theirs.read_exact(&mut text).await.expect("read");
        assert!(poll_fn(|cx| Poll::Ready(gone.as_mut().poll(cx).is_pending())).await);
        drop(theirs);
        gone.await;
    }
}
