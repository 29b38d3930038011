//! Where connections come from.

use std::future::{Future, pending};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

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

    /// Resolves when the peer has read what was written so far, or does not seem to.
    fn drained(&self) -> BoxFuture<'static, ()>;
}

impl Stream for UnixStream {
    fn gone(&self) -> BoxFuture<'static, ()> {
        when(self, Interest::WRITABLE, Ready::is_write_closed)
    }

    fn silent(&self) -> BoxFuture<'static, ()> {
        when(self, Interest::READABLE, Ready::is_read_closed)
    }

    fn drained(&self) -> BoxFuture<'static, ()> {
        read(self)
    }
}

impl Stream for TcpStream {
    fn gone(&self) -> BoxFuture<'static, ()> {
        when(self, Interest::WRITABLE, Ready::is_write_closed)
    }

    fn silent(&self) -> BoxFuture<'static, ()> {
        when(self, Interest::READABLE, Ready::is_read_closed)
    }

    fn drained(&self) -> BoxFuture<'static, ()> {
        read(self)
    }
}

/// How long a client that reads at all may take for it.
const READ: Duration = Duration::from_millis(50);

/// The kernel tells nobody when a queue has become empty, so it is asked: at once a few times, since a client that is awake needs
/// microseconds, then each millisecond.
fn read(stream: &impl AsFd) -> BoxFuture<'static, ()> {
    let socket = stream.as_fd().try_clone_to_owned();
    Box::pin(async move {
        let Ok(socket) = socket else { return };
        let begun = Instant::now();
        while begun.elapsed() < READ && matches!(unread(&socket), Ok(1..)) {
            if begun.elapsed() < SOON {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    })
}

const SOON: Duration = Duration::from_micros(100);

/// How much of what was written the peer has not read (or, over TCP, not acknowledged), in bytes of the kernel's own memory.
fn unread(socket: &impl AsFd) -> io::Result<i32> {
    // SAFETY: SIOCOUTQ (unix(7), tcp(7)) writes an int.
    let request = unsafe { rustix::ioctl::Getter::<{ rustix::ioctl::opcode::none(0x54, 0x11) }, i32>::new() };
    // SAFETY: as above; it changes nothing.
    Ok(unsafe { rustix::ioctl::ioctl(socket, request) }?)
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
    async fn drained_is_what_the_peer_has_read() {
        let (mut ours, mut theirs) = UnixStream::pair().expect("a pair");
        ours.write_all(b"head").await.expect("written");
        assert!(unread(&ours).expect("asked") > 0);
        let mut drained = ours.drained();
        assert!(poll_fn(|cx| Poll::Ready(drained.as_mut().poll(cx).is_pending())).await);
        theirs.read_exact(&mut [0; 4]).await.expect("read");
        assert_eq!(unread(&ours).expect("asked"), 0);
        drained.await;
    }

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
