//! Where connections come from.

use std::future::{Future, pending};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, Ready};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::OnceCell;

/// A source of byte streams: Unix socket, TCP, or anything else that accepts.
pub trait Listener: Send {
    type Stream: Stream;

    /// The next connection. Must be cancel safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// One connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// What the peer does with the connection, to be known beside its reader and writer.
    fn peer(&self) -> Peer;
}

impl Stream for UnixStream {
    fn peer(&self) -> Peer {
        Peer::of(self)
    }
}

impl Stream for TcpStream {
    fn peer(&self) -> Peer {
        Peer::of(self)
    }
}

/// What the other end of a connection does. Clones share one duplicate of the socket.
#[derive(Debug, Clone)]
pub struct Peer(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    /// `None` when it could not be duplicated.
    socket: Option<Socket>,
    /// A second registration of the socket, since the stream's own readiness is its reader's and writer's. Made when it is first
    /// waited for: most connections end before. `None` when it failed.
    registered: OnceCell<Option<AsyncFd<Socket>>>,
}

/// The duplicate, which its registration shares with those who only ask.
#[derive(Debug, Clone)]
struct Socket(Arc<OwnedFd>);

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Peer {
    /// That of a socket that this runtime's driver waits for.
    pub fn of(stream: &impl AsFd) -> Peer {
        let socket = stream.as_fd().try_clone_to_owned().ok().map(|fd| Socket(Arc::new(fd)));
        Peer(Arc::new(Watched { socket, registered: OnceCell::new() }))
    }

    /// Resolves when it has closed both directions. The end of its own alone may only be the end of its input.
    pub fn gone(&self) -> BoxFuture<'static, ()> {
        self.when(Interest::WRITABLE, Ready::is_write_closed)
    }

    /// Resolves when it has closed its direction, or both; what it sent before may still be unread.
    pub fn silent(&self) -> BoxFuture<'static, ()> {
        self.when(Interest::READABLE, Ready::is_read_closed)
    }

    fn when(&self, interest: Interest, is_so: fn(Ready) -> bool) -> BoxFuture<'static, ()> {
        let watched = Arc::clone(&self.0);
        Box::pin(async move {
            let registered = watched.registered.get_or_init(async || watched.register()).await;
            let Some(socket) = registered else { return pending().await };
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

    /// Resolves when it has read what was written so far, or does not seem to. The kernel tells nobody when a queue has become empty, so
    /// it is asked: at once a few times, since a client that is awake needs microseconds, then each millisecond.
    pub fn drained(&self) -> BoxFuture<'static, ()> {
        let watched = Arc::clone(&self.0);
        Box::pin(async move {
            let Some(Socket(socket)) = &watched.socket else { return };
            let begun = Instant::now();
            while begun.elapsed() < READ && matches!(unread(socket), Ok(1..)) {
                if begun.elapsed() < SOON {
                    tokio::task::yield_now().await;
                } else {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        })
    }
}

impl Watched {
    fn register(&self) -> Option<AsyncFd<Socket>> {
        let socket = self.socket.clone()?;
        // SAFETY: an OwnedFd stays the same open descriptor as long as it lives, and the AsyncFd keeps it alive.
        unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE | Interest::WRITABLE) }.ok()
    }
}

/// How long a client that reads at all may take for it.
const READ: Duration = Duration::from_secs(1);

const SOON: Duration = Duration::from_micros(100);

/// How much of what was written the peer has not read (or, over TCP, not acknowledged), in bytes of the kernel's own memory.
fn unread(socket: &impl AsFd) -> io::Result<i32> {
    // SAFETY: SIOCOUTQ (unix(7), tcp(7)) writes an int.
    let request = unsafe { rustix::ioctl::Getter::<{ rustix::ioctl::opcode::none(0x54, 0x11) }, i32>::new() };
    // SAFETY: as above; it changes nothing.
    Ok(unsafe { rustix::ioctl::ioctl(socket, request) }?)
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
        let mut drained = ours.peer().drained();
        assert!(poll_fn(|cx| Poll::Ready(drained.as_mut().poll(cx).is_pending())).await);
        theirs.read_exact(&mut [0; 4]).await.expect("read");
        assert_eq!(unread(&ours).expect("asked"), 0);
        drained.await;
    }

    #[tokio::test]
    async fn half_a_close_is_not_the_end() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let peer = ours.peer();
        let mut gone = pin!(peer.gone());
        let mut silent = pin!(peer.silent());
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
    #[tokio::test]
    async fn whatever_is_waited_for_takes_one_descriptor() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let peer = ours.peer();
        let mut waiting = [peer.gone(), peer.silent(), peer.clone().gone()];
        for wait in &mut waiting {
            assert!(poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending())).await);
        }
        assert_eq!(descriptors_of(&ours), 2);
        drop(theirs);
        for wait in waiting {
            wait.await;
        }
        drop(peer);
        assert_eq!(descriptors_of(&ours), 1);
    }

    /// How many of this process's descriptors are that socket.
    fn descriptors_of(socket: &impl AsRawFd) -> usize {
        let name = |fd: &str| std::fs::read_link(format!("/proc/self/fd/{fd}"));
        let wanted = name(&socket.as_raw_fd().to_string()).expect("it is open");
        let all = std::fs::read_dir("/proc/self/fd").expect("readable");
        let names = all.filter_map(|entry| name(entry.ok()?.file_name().to_str()?).ok());
        names.filter(|name| *name == wanted).count()
    }
}
